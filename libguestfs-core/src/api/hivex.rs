//! Calls about one registry hive of the guest, which a daemon has open.

use bstr::BString;
use libguestfs_macros::guestfs_api;

use super::{HivexNode, HivexValue, Host};
use crate::Result;

/// Calls about the registry hive that is open. There is one at most; opening another closes it. Keys and values go by
/// handles: where they are in the hive's file. Those of a key that was deleted, and of values of a key of which one was
/// set, are no longer valid.
#[guestfs_api]
pub trait Hivex: Host {
    /// Opens the hive in the file `filename`. If it was not written completely, what is missing is taken from the logs
    /// beside it, in memory. `write` allows changes, which come to the file with `hivex_commit`; `verbose` and `debug` log
    /// what is damaged. Damage is always passed over where that is possible, which `unsafe` asks for.
    #[call(
        350,
        optional(verbose: bool, debug: bool, write: bool, r#unsafe: bool),
        replayed,
        group = "hivex"
    )]
    fn hivex_open(&mut self, filename: &Pathname, opts: &HivexOpenOpts) -> Result<()>;

    /// Closes the hive. Changes that were not committed are lost.
    #[call(351, replayed, group = "hivex")]
    fn hivex_close(&mut self) -> Result<()>;

    /// The root key.
    #[call(352, group = "hivex")]
    fn hivex_root(&mut self) -> Result<i64>;

    /// The name of a key.
    #[call(353, group = "hivex")]
    fn hivex_node_name(&mut self, nodeh: i64) -> Result<BString>;

    /// The subkeys of a key.
    #[call(354, group = "hivex")]
    fn hivex_node_children(&mut self, nodeh: i64) -> Result<Vec<HivexNode>>;

    /// The subkey of that name, in any case; 0 if there is none.
    #[call(355, group = "hivex")]
    fn hivex_node_get_child(&mut self, nodeh: i64, name: &PlainString) -> Result<i64>;

    /// The key that a key is in.
    #[call(356, group = "hivex")]
    fn hivex_node_parent(&mut self, nodeh: i64) -> Result<i64>;

    /// The values of a key.
    #[call(357, group = "hivex")]
    fn hivex_node_values(&mut self, nodeh: i64) -> Result<Vec<HivexValue>>;

    /// The value of that name, in any case, the default value's being empty; 0 if there is none.
    #[call(358, group = "hivex")]
    fn hivex_node_get_value(&mut self, nodeh: i64, key: &PlainString) -> Result<i64>;

    /// The name of a value.
    #[call(359, group = "hivex")]
    fn hivex_value_key(&mut self, valueh: i64) -> Result<BString>;

    /// The type of a value, as a number.
    #[call(360, group = "hivex")]
    fn hivex_value_type(&mut self, valueh: i64) -> Result<i64>;

    /// The data of a value as it stands in the hive.
    #[call(361, group = "hivex")]
    fn hivex_value_value(&mut self, valueh: i64) -> Result<Vec<u8>>;

    /// Writes the hive with its changes to its file, or to the file `filename`. A file takes its place when it is complete.
    #[call(362, group = "hivex")]
    fn hivex_commit(&mut self, filename: Option<&PlainString>) -> Result<()>;

    /// Adds a subkey, and returns it.
    #[call(363, group = "hivex")]
    fn hivex_node_add_child(&mut self, parent: i64, name: &PlainString) -> Result<i64>;

    /// Deletes a key and all below it.
    #[call(364, group = "hivex")]
    fn hivex_node_delete_child(&mut self, nodeh: i64) -> Result<()>;

    /// Sets the value `key` of a key: its type as a number, and its data as it is to stand in the hive.
    #[call(365, group = "hivex")]
    fn hivex_node_set_value(&mut self, nodeh: i64, key: &PlainString, t: i64, val: &Buffer) -> Result<()>;

    /// A string value as text.
    #[call(478, group = "hivex")]
    fn hivex_value_utf8(&mut self, valueh: i64) -> Result<BString>;

    /// A string value as text.
    #[call(479, group = "hivex")]
    fn hivex_value_string(&mut self, valueh: i64) -> Result<BString>;
}

//! The daemon's side of the calls about registry hives.

use bstr::BString;
use libguestfs_core::Result;
use libguestfs_core::api::*;

use crate::Guestfsd;

impl Hivex for Guestfsd {
    answer! {
        hivex_open(filename: &Pathname, opts: &HivexOpenOpts) -> ();
        hivex_close() -> ();
        hivex_root() -> i64;
        hivex_node_name(nodeh: i64) -> BString;
        hivex_node_children(nodeh: i64) -> Vec<HivexNode>;
        hivex_node_get_child(nodeh: i64, name: &PlainString) -> i64;
        hivex_node_parent(nodeh: i64) -> i64;
        hivex_node_values(nodeh: i64) -> Vec<HivexValue>;
        hivex_node_get_value(nodeh: i64, key: &PlainString) -> i64;
        hivex_value_key(valueh: i64) -> BString;
        hivex_value_type(valueh: i64) -> i64;
        hivex_value_value(valueh: i64) -> Vec<u8>;
        hivex_commit(filename: Option<&PlainString>) -> ();
        hivex_node_add_child(parent: i64, name: &PlainString) -> i64;
        hivex_node_delete_child(nodeh: i64) -> ();
        hivex_node_set_value(nodeh: i64, key: &PlainString, t: i64, val: &Buffer) -> ();
        hivex_value_utf8(valueh: i64) -> BString;
        hivex_value_string(valueh: i64) -> BString;
    }
}

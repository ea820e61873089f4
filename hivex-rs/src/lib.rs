//! Windows registry hives: read, with their transaction logs, and changed in place.
//!
//! A hive is opened from its bytes, and its bytes are what a changed hive gives back; no file is opened here. The names
//! of methods and the numbers of handles ([`Node::handle`]) are those of libhivex.
//!
//! ```
//! use hivex::{Hive, Options, ValueType};
//!
//! # fn main() -> hivex::Result<()> {
//! let mut hive = Hive::create(Options { write: true, ..Options::default() })?;
//! let software = hive.node_add_child(hive.root(), "Software".into())?;
//! hive.node_set_value(software, "Version".into(), ValueType::DWORD, &10u32.to_le_bytes())?;
//! hive.commit()?;
//!
//! let hive = Hive::open(hive.into_image(), Options { strict: true, ..Options::default() })?;
//! let software = hive.node_get_child(hive.root(), "SOFTWARE".into())?.unwrap();
//! let version = hive.node_get_value(software, "version".into())?.unwrap();
//! assert_eq!(hive.value_dword(version)?, 10);
//! # Ok(())
//! # }
//! ```
//!
//! Every byte of a hive may be hostile. The crate is safe Rust; what it allocates is bounded by the length of what it is
//! given, and its loops by the number of cells, each of which is visited once in a walk. What is damaged is skipped and
//! noted, or refused: [`Options::strict`]. A hive whose cells can't all be told apart is never changed.
//!
//! | module | |
//! |---|---|
//! | `header` | the base block: version, sequence numbers, sum |
//! | `log` | transaction logs of both formats, applied in memory |
//! | `bins` | bins, and which of their bytes are cells |
//! | `key`, `subkeys`, `values` | the records in cells |
//! | `name`, `text`, `value` | names, strings and data |
//! | `visit` | a walk over all |
//! | [`reg`] | `.reg` files: parsed, applied, written |
//! | `edit` | changes: the allocator of cells, keys, lists, values, security |
//!
//! On-disk facts are from the two published descriptions of the format that `header` names; where those and libhivex differ
//! in what a damaged hive says, the tests against libhivex say which is followed.
#![forbid(unsafe_code)]
#![warn(clippy::as_conversions, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute freely")
)]

mod bins;
mod bytes;
mod edit;
mod error;
mod header;
mod hive;
mod key;
mod log;
mod marvin;
mod name;
mod note;
pub mod reg;
mod subkeys;
mod text;
mod time;
mod value;
mod values;
mod visit;

pub use edit::NewValue;
pub use error::{Error, ErrorKind, Result};
pub use header::Header;
pub use hive::{Hive, Node, Options, Value};
pub use log::{Applied, Refused, Replay};
pub use name::Name;
pub use note::Note;
pub use text::upcase;
pub use time::FileTime;
pub use value::{Data, ValueType};
pub use visit::Visitor;

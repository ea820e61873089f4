//! Which packages are installed in a guest, read from its package databases without running anything of it.
//!
//! ```text
//! Tree, File      what the caller lends: files to read at offsets, names in directories
//!   dpkg apk pacman portage xbps pkg pkgtools snap flatpak rpm      one module a database; dpkg's is also for opkg
//!     rpm: its databases as SQLite, ndb or Berkeley DB; each gives headers, and one parser reads those
//!     sqlite: tables of a database file, with its journal (also for pkg)
//!     lines: bounded lines of a file
//!   Found         collects packages and notes, and keeps the limits
//! Installed       the result
//! ```
//!
//! Every byte that this crate sees comes from a guest and is hostile. The crate therefore
//!
//! * is safe Rust only, and opens nothing by itself;
//! * bounds its memory and its loops by the constants of [`limits`] and of its modules, never by numbers that it reads;
//! * gives what is readable of a damaged database, with a [`Note`] that says what is not.
#![forbid(unsafe_code)]
#![warn(clippy::as_conversions, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute freely")
)]

mod apk;
mod bytes;
mod chain;
mod dpkg;
mod error;
mod flatpak;
mod found;
pub mod limits;
mod lines;
mod package;
mod pacman;
mod pkg;
mod pkgtools;
mod portage;
mod rpm;
mod snap;
mod source;
mod sqlite;
#[cfg(test)]
mod tests;
mod xbps;

pub use found::installed;
pub use package::{Database, Format, Installed, Note, Package};
pub use source::{File, Memory, Tree};

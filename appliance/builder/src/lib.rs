//! Makes the appliance from what the host has installed: a kernel, an initramfs, and the programs that calls need.
//!
//! ```text
//! Request ──> build ──> cache: is there one whose inputs are all unchanged?
//!               │ no
//!               ├─ kernel     which kernel, which directory of modules
//!               ├─ contents   what belongs in: programs + libraries + modules + data + configuration ──> Tree
//!               └─ cpio       a Tree as the archive that the kernel unpacks
//! find   ──> LIBGUESTFS_PATH: an appliance that somebody made before
//! ```
//!
//! Everything is read through [`Host`](host::Host), which writes down what was looked at: that list is what decides later
//! whether a kept appliance is still right. The same inputs give the same bytes.
#![forbid(unsafe_code)]

mod cache;
mod contents;
mod cpio;
mod data;
mod elf;
mod error;
mod ext2;
mod find;
mod host;
mod image;
mod kernel;
mod libraries;
mod lz4;
mod modules;
mod programs;
mod request;
mod squashfs;
mod tree;

pub use cache::directory;
pub use elf::is_linked_with;
pub use error::{Error, ErrorKind, Result};
pub use find::{Found, find};
pub use request::{Appliance, KernelKind, Request, build, fixed};

//! Reading virtual machine disks in process: image formats, partition tables, volumes and filesystems.
//!
//! Every byte that this crate sees comes from a guest and is hostile. The crate therefore
//!
//! * is safe Rust only, and opens nothing by itself: bytes come through [`ReadAt`];
//! * bounds its memory and its loops by constants that its files name, never by numbers read from a disk;
//! * either gives what the kernel or qemu would give, byte for byte, or an [`Error`] whose [`ErrorKind`] says whether
//!   the data is damaged (`Corrupt`) or beyond this code (`Unsupported`, which sends the job to an appliance).
//!
//! The layers, each over the one below:
//!
//! ```text
//! fs::Filesystem        ext2/3/4, xfs, btrfs, NTFS, FAT, exFAT, ISO 9660, UDF, squashfs, erofs: names, inodes, data, xattrs
//! volume                RAID, LVM2, LDM, LUKS    ─┐
//! partition             GPT and MBR partitions    ├─ each is again a ReadAt
//! image                 raw, qcow2 and its chain ─┘
//! cache::Cached         bounded block cache with read-ahead
//! source::ReadAt        a file, a block device, memory
//! ```
//!
//! [`probe`] names what a source holds, as `blkid -p` does.
#![forbid(unsafe_code)]
#![warn(clippy::as_conversions, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute freely")
)]

pub mod bytes;
pub mod cache;
mod clock;
mod codec;
mod crc;
mod error;
pub mod fs;
mod guid;
pub mod image;
pub mod partition;
pub mod probe;
mod source;
pub mod volume;

pub use error::{Context, Error, ErrorKind, Result};
pub use source::{MemSource, ReadAt, Window};

//! Tar archives, as `tar_out` sends them: written by a daemon, read by the handle's side.
//!
//! POSIX's pax format (IEEE 1003.1-2017, pax, "ustar Interchange Format"), with what GNU tar adds to it and reads:
//! sparse files in its form 1.0, extended attributes as `SCHILY.xattr.*`. Archives of GNU tar's own format are read too.
//!
//! ```text
//! Entry ── encode ──> header blocks, then the content      (daemon)
//! bytes ── Parser ──> Receive: entry, data…, end           (handle)
//! ```
//!
//! Both work in bounded memory: what a header takes is capped, content is never held.
//!
//! # Remarks
//!
//! An archive has no place for "this could not be read". A daemon of ours says it in a global header with a `comment`,
//! which every reader has to ignore, directly after what it is about. Its text is `guestfs:KIND:PATH` NUL `TEXT`; see
//! [`Remark`]. Likewise, the comment of a file with several names tells which inode it is, so that links can be kept
//! over several archives of one guest.

mod encode;
mod parse;
mod pax;

use std::ops::Range;

use bstr::BString;

pub use encode::{END, encode, encode_remark, padding};
pub use parse::{Parser, Receive};

/// Size of everything in an archive in bytes.
pub const BLOCK: usize = 512;
/// Most bytes that the extended headers of one entry may take: the longest path is 4 KiB, and a file's extended
/// attributes have 64 KiB on most filesystems.
pub const MAX_EXTENDED: usize = 2 << 20;
/// Most pieces of data that a sparse file is sent in.
pub const MAX_PIECES: usize = 1 << 16;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Regular file.
    Regular,
    /// Another name of an earlier entry, which `link` names.
    HardLink,
    /// Symbolic link to `link`.
    Symlink,
    /// Directory.
    Directory,
    /// Character device.
    CharDevice,
    /// Block device.
    BlockDevice,
    /// Named pipe.
    Fifo,
}

/// A point in time, relative to 1970-01-01 00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Seconds; negative before 1970.
    pub seconds: i64,
    /// Nanoseconds after `seconds`.
    pub nanoseconds: u32,
}

/// Which inode an entry is, among all archives of one guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Filesystem.
    pub device: u64,
    /// Inode of it.
    pub inode: u64,
}

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path as the archive has it: any bytes.
    pub path: BString,
    /// Its kind.
    pub kind: Kind,
    /// Target of a symbolic link, or path of the earlier entry of a hard link.
    pub link: BString,
    /// Permission bits with set-user-ID, set-group-ID and sticky.
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Name of the owner, or empty.
    pub user: BString,
    /// Name of the group, or empty.
    pub group: BString,
    /// Last modification.
    pub modified: Time,
    /// Last access, if the archive has it.
    pub accessed: Option<Time>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Size of a regular file in bytes, holes included.
    pub size: u64,
    /// The pieces of a sparse file that hold data, in ascending order; all else is holes. `None`: no holes.
    pub pieces: Option<Vec<Range<u64>>>,
    /// Extended attributes with their full names.
    pub xattrs: Vec<(BString, Vec<u8>)>,
    /// Further pax records, as they are.
    pub records: Vec<(BString, Vec<u8>)>,
    /// Of an entry with several names: which inode it is.
    pub identity: Option<Identity>,
}

impl Entry {
    /// An entry without anything but a name and a kind.
    pub fn new(path: impl Into<BString>, kind: Kind) -> Entry {
        Entry {
            path: path.into(),
            kind,
            link: BString::default(),
            permissions: 0,
            uid: 0,
            gid: 0,
            user: BString::default(),
            group: BString::default(),
            modified: Time::default(),
            accessed: None,
            device: (0, 0),
            size: 0,
            pieces: None,
            xattrs: Vec::new(),
            records: Vec::new(),
            identity: None,
        }
    }

    /// How many bytes of data follow the headers (and the map of a sparse file), without padding.
    pub fn data_len(&self) -> u64 {
        match (&self.pieces, self.kind) {
            (Some(pieces), Kind::Regular) => {
                pieces.iter().fold(0, |sum: u64, p| sum.saturating_add(p.end.saturating_sub(p.start)))
            }
            (None, Kind::Regular) => self.size,
            _ => 0,
        }
    }
}

/// What a daemon says beside the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What it means.
    pub kind: RemarkKind,
    /// Path as in the archive; of the last entry, if that is spoilt.
    pub path: BString,
    /// What happened, for people.
    pub text: BString,
}

/// What a remark means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemarkKind {
    /// Something is not in the archive, because it could not be read.
    Missing,
    /// The content of the last entry could not be read to its end: zeros stand for it.
    Spoilt,
    /// Something is not in the archive, because an archive can't hold it.
    LeftOut,
}

impl RemarkKind {
    const NAMES: [(RemarkKind, &'static [u8]); 3] = [
        (RemarkKind::Missing, b"missing"),
        (RemarkKind::Spoilt, b"spoilt"),
        (RemarkKind::LeftOut, b"left-out"),
    ];
}

/// How the comment of a remark begins.
const REMARK: &[u8] = b"guestfs:";
/// How the comment with an identity begins.
const IDENTITY: &[u8] = b"guestfs-inode:";

#[cfg(test)]
mod tests;

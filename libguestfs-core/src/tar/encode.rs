//! Entries to blocks.
//!
//! What fits the fields of a ustar header goes there; what does not (long paths, times with nanoseconds or before 1970,
//! large numbers, attributes) goes into a pax header before it, which overrides the fields.

use std::io;
use std::ops::Range;

use tar::{EntryType, Header};

use super::{BLOCK, Entry, IDENTITY, Kind, MAX_EXTENDED, REMARK, Remark, RemarkKind, Time, pax};

/// What ends an archive: two blocks of zeros.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Longest path in the field of a header in bytes.
const NAME_FIELD: usize = 100;
/// Longest name of an owner or group in its field, with a NUL after it.
const OWNER_FIELD: usize = 31;
/// Sizes from here on do not fit their field as octal digits: 8 GiB.
const SIZE_FIELD: u64 = 1 << 33;
/// Numbers of users, groups and devices from here on do not fit their fields as octal digits.
const ID_FIELD: u32 = 1 << 21;

/// Zeros that follow `len` bytes of content up to the next block.
pub fn padding(len: u64) -> usize {
    let over = usize::try_from(len % BLOCK as u64).unwrap_or(0);
    if over == 0 { 0 } else { BLOCK.saturating_sub(over) }
}

/// Appends the headers of an entry, and of a sparse file the map of its pieces. [`Entry::data_len`] bytes of data follow,
/// then [`padding`].
///
/// # Errors
/// If an archive can't hold the entry: the numbers of a device are too large, or its extended headers are longer than
/// [`MAX_EXTENDED`].
pub fn encode(entry: &Entry, out: &mut Vec<u8>) -> io::Result<()> {
    let map = entry
        .pieces
        .as_ref()
        .filter(|_| entry.kind == Kind::Regular)
        .map(|pieces| sparse_map(pieces, entry.size));
    let stored = entry.data_len().saturating_add(map.as_ref().map_or(0, |map| map.len() as u64));
    let records = records(entry, stored, map.is_some());
    if records.len() > MAX_EXTENDED {
        return Err(io::Error::other(format!(
            "its attributes take {} bytes, too many for an archive",
            records.len()
        )));
    }
    if !records.is_empty() {
        push_extended(EntryType::XHeader, b"pax_header", &records, out);
    }
    let mut header = Header::new_ustar();
    put(&mut header.as_old_mut().name, &entry.path);
    if map.is_some() {
        // The name under which a reader without sparse files unpacks the map and the data.
        put(&mut header.as_old_mut().name, b"GNUSparseFile.0/sparse");
    }
    put(&mut header.as_old_mut().linkname, &entry.link);
    header.set_entry_type(match entry.kind {
        Kind::Regular => EntryType::Regular,
        Kind::HardLink => EntryType::Link,
        Kind::Symlink => EntryType::Symlink,
        Kind::Directory => EntryType::Directory,
        Kind::CharDevice => EntryType::Char,
        Kind::BlockDevice => EntryType::Block,
        Kind::Fifo => EntryType::Fifo,
    });
    header.set_mode(entry.permissions);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_size(stored);
    header.set_mtime(u64::try_from(entry.modified.seconds).unwrap_or(0));
    if let Some(ustar) = header.as_ustar_mut() {
        put(&mut ustar.uname, entry.user.get(..OWNER_FIELD).unwrap_or(&entry.user));
        put(&mut ustar.gname, entry.group.get(..OWNER_FIELD).unwrap_or(&entry.group));
    }
    let (major, minor) = entry.device;
    if major >= ID_FIELD || minor >= ID_FIELD {
        return Err(io::Error::other(format!("an archive can't hold the device number {major}:{minor}")));
    }
    header.set_device_major(major)?;
    header.set_device_minor(minor)?;
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    if let Some(map) = map {
        out.extend_from_slice(&map);
    }
    Ok(())
}

/// Appends a remark.
pub fn encode_remark(remark: &Remark, out: &mut Vec<u8>) {
    let name =
        RemarkKind::NAMES.iter().find(|(kind, _)| *kind == remark.kind).map_or(&b""[..], |(_, name)| name);
    let text = [REMARK, name, b":", remark.path.as_slice(), b"\0", remark.text.as_slice()].concat();
    let mut records = Vec::new();
    pax::push(&mut records, b"comment", &text);
    push_extended(EntryType::XGlobalHeader, b"pax_global_header", &records, out);
}

fn records(entry: &Entry, stored: u64, sparse: bool) -> Vec<u8> {
    let mut records = Vec::new();
    let mut push = |keyword: &str, value: &[u8]| pax::push(&mut records, keyword.as_bytes(), value);
    if let Some(identity) = entry.identity {
        let text = format!("{}:{}", identity.device, identity.inode);
        push("comment", &[IDENTITY, text.as_bytes()].concat());
    }
    if sparse {
        push("GNU.sparse.major", b"1");
        push("GNU.sparse.minor", b"0");
        push("GNU.sparse.name", &entry.path);
        push("GNU.sparse.realsize", entry.size.to_string().as_bytes());
    } else if entry.path.len() > NAME_FIELD {
        push("path", &entry.path);
    }
    if entry.link.len() > NAME_FIELD {
        push("linkpath", &entry.link);
    }
    if stored >= SIZE_FIELD {
        push("size", stored.to_string().as_bytes());
    }
    for (keyword, id) in [("uid", entry.uid), ("gid", entry.gid)] {
        if id >= ID_FIELD {
            push(keyword, id.to_string().as_bytes());
        }
    }
    for (keyword, name) in [("uname", &entry.user), ("gname", &entry.group)] {
        if name.len() > OWNER_FIELD {
            push(keyword, name);
        }
    }
    if !fits_field(entry.modified) {
        push("mtime", pax::time_text(entry.modified).as_bytes());
    }
    if let Some(accessed) = entry.accessed {
        push("atime", pax::time_text(accessed).as_bytes());
    }
    for (name, value) in &entry.xattrs {
        push_xattr(&mut records, name, value);
    }
    for (keyword, value) in &entry.records {
        pax::push(&mut records, keyword, value);
    }
    records
}

fn push_xattr(records: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    pax::push(records, &[super::parse::XATTR, &pax::escape(name)].concat(), value);
}

/// Can a header's own field hold the time? It has whole seconds from 1970 to 2242.
fn fits_field(time: Time) -> bool {
    time.nanoseconds == 0 && u64::try_from(time.seconds).is_ok_and(|seconds| seconds < SIZE_FIELD)
}

/// The number of pieces, then offset and length of each, in decimal with a newline after each; padded to whole blocks. A
/// hole at the end is known by an empty piece after it.
fn sparse_map(pieces: &[Range<u64>], size: u64) -> Vec<u8> {
    let end = pieces.last().is_none_or(|last| last.end < size).then_some(size..size);
    let mut map = format!("{}\n", pieces.len().saturating_add(end.iter().len())).into_bytes();
    for piece in pieces.iter().chain(&end) {
        let length = piece.end.saturating_sub(piece.start);
        map.extend_from_slice(format!("{}\n{length}\n", piece.start).as_bytes());
    }
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

fn push_extended(kind: EntryType, name: &[u8], records: &[u8], out: &mut Vec<u8>) {
    let mut header = Header::new_ustar();
    put(&mut header.as_old_mut().name, name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(records.len() as u64);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(records);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// Fills a field with as much of `value` as it holds.
fn put(field: &mut [u8], value: &[u8]) {
    field.fill(0);
    for (to, from) in field.iter_mut().zip(value) {
        *to = *from;
    }
}

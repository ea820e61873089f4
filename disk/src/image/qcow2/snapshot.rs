//! The snapshot table: internal snapshots, each with an L1 table of its own. Format: docs/interop/qcow2.rst.

use bstr::{BStr, BString};

use super::super::raw::whole_sectors;
use super::header::Header;
use crate::bytes::{Fields, index};
use crate::{Context, Error, ErrorKind, ReadAt, Result};

/// Fixed part of an entry in bytes. Extra data, ID and name follow.
const ENTRY_LEN: usize = 40;
/// Entries start at multiples of this many bytes.
const ENTRY_ALIGN: u64 = 8;
/// Most snapshots (`QCOW_MAX_SNAPSHOTS`).
const MAX_SNAPSHOTS: u32 = 65536;
/// Most extra data per snapshot in bytes (`QCOW_MAX_SNAPSHOT_EXTRA_DATA`).
const MAX_EXTRA: usize = 1024;
/// Most bytes that the whole table may have. qemu allows 64 MiB; real ones have some hundred bytes a snapshot.
const MAX_TABLE: u64 = 16 << 20;
/// The first extra field is the size of the VM state, the second the disk's size: version 3 images have both.
const EXTRA_DISK_SIZE: std::ops::Range<usize> = 8..16;

/// An internal snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// ID, unique within the image: usually a number.
    pub id: BString,
    /// Name.
    pub name: BString,
    /// When it was taken: seconds since 1970-01-01 00:00:00 UTC.
    pub seconds: u32,
    /// Size of the disk then in bytes. Version 2 images do not record it.
    pub disk_size: Option<u64>,
    /// Its L1 table: offset in the file (bytes) and number of entries.
    pub(super) l1: (u64, u32),
}

/// All snapshots of the image in `file`, in the order of its table.
pub(in super::super) fn read_all(file: &dyn ReadAt, header: &Header) -> Result<Vec<Snapshot>> {
    let (start, count) = header.snapshots;
    if count > MAX_SNAPSHOTS {
        return Err(Error::corrupt(format!("a table of {count} snapshots")));
    }
    let mut found = Vec::new();
    let mut at = start;
    for number in 0..count {
        if at.saturating_sub(start) > MAX_TABLE {
            return Err(Error::corrupt(format!("a snapshot table of more than {MAX_TABLE} bytes")));
        }
        let (snapshot, len) = read_one(file, at).context(|| format!("snapshot {number} at byte {at}"))?;
        found.push(snapshot);
        at = at.saturating_add(len).checked_next_multiple_of(ENTRY_ALIGN).unwrap_or(u64::MAX);
    }
    Ok(found)
}

/// The snapshot whose ID or else name is `wanted`, as `qemu-img` looks it up.
pub(super) fn find(file: &dyn ReadAt, header: &Header, wanted: &BStr) -> Result<Snapshot> {
    let mut all = read_all(file, header)?;
    let at = all
        .iter()
        .position(|snapshot| snapshot.id == wanted)
        .or_else(|| all.iter().position(|snapshot| snapshot.name == wanted));
    match at {
        Some(at) => Ok(all.swap_remove(at)),
        None => {
            Err(Error::new(ErrorKind::NotFound, format!("the image has no internal snapshot {wanted:?}")))
        }
    }
}

/// The entry at byte `at` and its length in bytes.
fn read_one(file: &dyn ReadAt, at: u64) -> Result<(Snapshot, u64)> {
    let mut fixed = [0; ENTRY_LEN];
    file.read_at(at, &mut fixed)?;
    let fixed: &[u8] = &fixed;
    let (id_len, name_len) = (usize::from(fixed.be16(12)?), usize::from(fixed.be16(14)?));
    let extra_len = index(fixed.be32(36)?);
    if extra_len > MAX_EXTRA {
        return Err(Error::corrupt(format!("{extra_len} bytes of extra data")));
    }
    // At most 1 KiB and two 16-bit lengths.
    let rest_len = extra_len.saturating_add(id_len).saturating_add(name_len);
    let mut rest = vec![0; rest_len];
    file.read_at(at.saturating_add(40), &mut rest)?;
    let rest: &[u8] = &rest;
    let disk_size = if extra_len >= EXTRA_DISK_SIZE.end {
        Some(whole_sectors(rest.be64(EXTRA_DISK_SIZE.start)?))
    } else {
        None
    };
    let snapshot = Snapshot {
        id: rest.slice(extra_len, id_len)?.into(),
        name: rest.slice(extra_len.saturating_add(id_len), name_len)?.into(),
        seconds: fixed.be32(16)?,
        disk_size,
        l1: (fixed.be64(0)?, fixed.be32(8)?),
    };
    Ok((snapshot, u64::try_from(ENTRY_LEN.saturating_add(rest_len)).unwrap_or(u64::MAX)))
}

//! Directories: files of identifiers, each with a name and where its file entry is.
//!
//! Source: ECMA-167, 4/14.4; OSTA UDF 2.60, 2.3.4.

use std::ops::ControlFlow;

use super::entry::Entry;
use super::name::{NAME_MAX, shown};
use super::partition::{Place, Space};
use super::tag::{FILE_IDENTIFIER, TAG, verify};
use crate::bytes::Fields;
use crate::fs::FileData;
use crate::{Context, Error, Result};

/// Bytes of an identifier before its parts of any length, and a multiple of which all of it has.
const FIXED: usize = 38;
const ALIGNMENT: usize = 4;
/// How much of a directory is read at a time (bytes): less than what passes by the cache.
const PIECE: usize = 32 << 10;
/// Most bytes of a directory that are gone through: 3 million of the shortest names.
const MAX_DIRECTORY: u64 = 128 << 20;
/// Characteristics: not to be shown; no more there; the directory above.
const HIDDEN: u8 = 0x01;
const DELETED: u8 = 0x04;
const PARENT: u8 = 0x08;

/// Calls `each` with the names of `directory` that Linux shows, and where what they name is.
pub(super) fn names(
    space: &Space,
    directory: &Entry,
    each: &mut dyn FnMut(&[u8], Place) -> ControlFlow<()>,
) -> Result<()> {
    let size = directory.size;
    if size > MAX_DIRECTORY {
        return Err(Error::unsupported(format!("a directory of {size} bytes")));
    }
    let mut file = directory.open(space)?;
    if !file.is_whole() {
        return Err(Error::corrupt("a directory with a hole"));
    }
    let most = crate::bytes::index(space.medium.block_size);
    let mut piece: Vec<u8> = Vec::new();
    let (mut piece_at, mut at) = (0u64, 0u64);
    while at < size {
        let within =
            |at: u64, piece_at: u64| usize::try_from(at.saturating_sub(piece_at)).unwrap_or(usize::MAX);
        let mut skipped = within(at, piece_at);
        let end = piece_at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        // No identifier is longer than a block.
        if piece.len().saturating_sub(skipped) < most && end < size {
            piece.resize(PIECE.min(usize::try_from(size.saturating_sub(at)).unwrap_or(PIECE)), 0);
            file.read_at(at, &mut piece).context(|| "reading a directory".to_owned())?;
            piece_at = at;
            skipped = 0;
        }
        let rest = piece.get(skipped..).unwrap_or_default();
        let identifier = Identifier::parse(rest, most).context(|| {
            let Place { block, partition } = directory.place;
            format!("at byte {at} of the directory in block {block} of partition {partition}")
        })?;
        at = at.saturating_add(u64::try_from(identifier.bytes.len()).unwrap_or(u64::MAX));
        if let Some(name) = identifier.shown()?
            && each(&name, Place::read(identifier.bytes, 24)?).is_break()
        {
            break;
        }
    }
    Ok(())
}

/// An identifier.
struct Identifier<'a> {
    bytes: &'a [u8],
    name: &'a [u8],
}

impl<'a> Identifier<'a> {
    /// The identifier that `rest` begins with, which is no longer than `most` bytes.
    fn parse(rest: &'a [u8], most: usize) -> Result<Self> {
        let id = rest.le16(0)?;
        if id != FILE_IDENTIFIER {
            return Err(Error::corrupt(format!("descriptor {id} instead of a name")));
        }
        let (name_len, use_len) = (usize::from(rest.u8(19)?), usize::from(rest.le16(36)?));
        let name_at = FIXED.saturating_add(use_len);
        let len = name_at.saturating_add(name_len).next_multiple_of(ALIGNMENT);
        let sum_len = usize::from(rest.le16(10)?);
        if len > most {
            return Err(Error::unsupported(format!("a name in {len} bytes")));
        }
        if !use_len.is_multiple_of(ALIGNMENT) || len != sum_len.saturating_add(TAG) {
            let what =
                format!("a name in {len} bytes, {use_len} of them for other use, with a CRC over {sum_len}");
            return Err(Error::corrupt(what));
        }
        let bytes = rest.slice(0, len)?;
        verify(bytes)?;
        Ok(Identifier { bytes, name: bytes.slice(name_at, name_len)? })
    }

    /// The name, if it is one to be shown.
    fn shown(&self) -> Result<Option<Vec<u8>>> {
        let is_kept = self.bytes.u8(18)? & (HIDDEN | DELETED | PARENT) == 0;
        if !is_kept || self.name.is_empty() {
            return Ok(None);
        }
        shown(self.name, NAME_MAX).map(Some)
    }
}

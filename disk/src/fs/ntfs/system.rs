//! What ntfs-3g has as extended attributes of the system for those who name them; no list shows them.
//!
//! ```text
//! attrib        flags of $STANDARD_INFORMATION       acl          security descriptor, of $Secure or the file's own
//! times         made, modified, read, changed        object_id    $OBJECT_ID, and what $ObjId adds to it
//! crtime        when it was made                     dos_name     its short name
//! reparse_data  $REPARSE_POINT                       ea           $EA
//! ```
//!
//! The first three are little-endian, and big-endian with `_be` after their names. `efsinfo`, which ntfs-3g gives only
//! where it is mounted for that, is not here.
//!
//! Source: ntfs-3g(8), section "Extended attributes"; the Linux-NTFS project's "NTFS Documentation", sections `$Secure` and
//! `$OBJECT_ID`; MS-DTYP 2.4.5 and 2.4.6 for descriptors.

use super::record::kind;
use super::stream::Stream;
use super::{Inode, MAX_XATTR, Ntfs, text};
use crate::bytes::{Fields, index};
use crate::fs::InodeId;
use crate::{Context, Error, Result};

/// What all names begin with.
const PREFIX: &[u8] = b"system.ntfs_";
/// Types of attributes that nothing else reads.
const FILE_NAME: u32 = 0x30;
const OBJECT_ID: u32 = 0x40;
const SECURITY_DESCRIPTOR: u32 = 0x50;
/// Records of `$Secure` and `$Extend`.
const SECURE: u64 = 9;
const EXTEND: u64 = 11;
/// In `$Extend`: all identifiers of objects. Its index, by identifier.
const OBJECTS: &[u8] = b"$ObjId";
const OBJECTS_INDEX: &[u16] = &[0x24, 0x4F];
/// Bytes of an identifier, and of what the index has for it after the file's reference: three more.
const GUID: usize = 16;
const OBJECT_DATA: std::ops::Range<usize> = 8..56;
/// The stream of `$Secure` with all descriptors (`$SDS`), and the most bytes of it that are looked through.
const DESCRIPTORS: &[u16] = &[0x24, 0x53, 0x44, 0x53];
const MAX_DESCRIPTORS: u64 = 64 << 20;
/// It is in pairs of pieces, of which the second repeats the first, in bytes.
const PIECE: usize = 256 << 10;
/// Before each descriptor: sum, number, place, and length with this.
const DESCRIPTOR_HEADER: usize = 20;
/// Where the number of the descriptor is in `$STANDARD_INFORMATION`, if that is as long as Windows 2000 made it.
const SECURITY_ID: usize = 52;
/// Most bytes of `$STANDARD_INFORMATION`.
const MAX_STANDARD: u64 = 256;
/// Flags: of a directory; of a file that has none.
const DIRECTORY: u32 = 0x10;
const NORMAL: u32 = 0x80;
/// Places of a name's kind and length, and of the name, in `$FILE_NAME`.
const NAME_LENGTH: usize = 64;
const NAME_KIND: usize = 65;
const NAME: usize = 66;
/// Kinds of names: for DOS only; one for both.
const DOS: u8 = 2;
const WIN32_AND_DOS: u8 = 3;
/// What ntfs-3g shows for a file without a descriptor: owned by the administrators, everyone may do everything.
const NO_DESCRIPTOR: [u8; 80] = [
    1, 0, 4, 0x80, 20, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 52, 0, 0, 0, //
    1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0, //
    1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0, //
    2, 0, 28, 0, 1, 0, 0, 0, 0, 3, 20, 0, 0xFF, 1, 31, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
];

impl Ntfs {
    /// The attribute of that full name, if there is one.
    pub(super) fn system_attribute(&self, inode: &Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(name) = name.strip_prefix(PREFIX) else { return Ok(None) };
        match name {
            b"attrib" => Ok(Some(self.flags(inode)?.to_le_bytes().to_vec())),
            b"attrib_be" => Ok(Some(self.flags(inode)?.to_be_bytes().to_vec())),
            b"times" | b"crtime" => self.times(inode, name, u64::to_le_bytes).map(Some),
            b"times_be" | b"crtime_be" => self.times(inode, name, u64::to_be_bytes).map(Some),
            b"reparse_data" => self.raw_reparse_point(inode),
            b"acl" => self.descriptor(inode).map(Some),
            b"object_id" => self.object_id(inode),
            b"dos_name" => self.short_name(inode),
            b"ea" => self.value(inode, kind::EA, &[], MAX_XATTR),
            _ => Ok(None),
        }
    }

    fn standard_information(&self, inode: &Inode) -> Result<Vec<u8>> {
        let value = self.value(inode, kind::STANDARD_INFORMATION, &[], MAX_STANDARD)?;
        value.ok_or_else(|| Error::corrupt("it has no standard information"))
    }

    fn flags(&self, inode: &Inode) -> Result<u32> {
        let stored = self.standard_information(inode)?.le32(32)?;
        let flags = if inode.record.is_directory { stored | DIRECTORY } else { stored & !DIRECTORY };
        Ok(if flags == 0 { NORMAL } else { flags })
    }

    fn times(&self, inode: &Inode, name: &[u8], order: fn(u64) -> [u8; 8]) -> Result<Vec<u8>> {
        let standard = self.standard_information(inode)?;
        // The record has them as made, modified, changed, read.
        let places: &[usize] = if name.starts_with(b"crtime") { &[0] } else { &[0, 8, 24, 16] };
        let mut times = Vec::with_capacity(32);
        for at in places {
            times.extend_from_slice(&order(standard.le64(*at)?));
        }
        Ok(times)
    }

    fn short_name(&self, inode: &Inode) -> Result<Option<Vec<u8>>> {
        let mut found = None;
        self.each_of_kind(inode, FILE_NAME, |raw| {
            let value = super::inode::resident(raw)?;
            if matches!(value.u8(NAME_KIND)?, DOS | WIN32_AND_DOS) {
                let len = usize::from(value.u8(NAME_LENGTH)?).saturating_mul(2);
                let mut name = Vec::new();
                text::push_text(&super::record::units(value.slice(NAME, len)?), &mut name);
                found = Some(name);
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn object_id(&self, inode: &Inode) -> Result<Option<Vec<u8>>> {
        let Some(mut id) = self.value(inode, OBJECT_ID, &[], MAX_XATTR)? else { return Ok(None) };
        if id.len() != GUID {
            return Ok(Some(id));
        }
        let extend = self.inode(InodeId::new(EXTEND))?;
        let Some(wanted) = text::units_of(OBJECTS) else { return Ok(Some(id)) };
        let table = self.up_case()?;
        if let Some((objects, _)) = self.find(&extend, &|name| table.collate(name, &wanted))? {
            let objects = self.inode(InodeId::new(objects.0))?;
            let more = self.view_data(&objects, OBJECTS_INDEX, &id)?;
            id.extend_from_slice(more.as_deref().and_then(|data| data.get(OBJECT_DATA)).unwrap_or_default());
        }
        Ok(Some(id))
    }

    /// The security descriptor: that of its number, or its own, or what stands for none.
    fn descriptor(&self, inode: &Inode) -> Result<Vec<u8>> {
        let number = self.standard_information(inode)?.le32(SECURITY_ID).unwrap_or(0);
        if number != 0
            && let Some(descriptor) = self.shared_descriptor(number)?
        {
            return Ok(descriptor);
        }
        match self.value(inode, SECURITY_DESCRIPTOR, &[], MAX_XATTR)? {
            None => Ok(NO_DESCRIPTOR.to_vec()),
            Some(own) if is_descriptor(&own) => Ok(own),
            Some(_) => Err(Error::corrupt("its security descriptor is damaged")),
        }
    }

    /// The descriptor of that number in `$Secure`, found by going through them: an index that is damaged does not matter.
    fn shared_descriptor(&self, number: u32) -> Result<Option<Vec<u8>>> {
        let secure = self.inode(InodeId::new(SECURE))?;
        let Some(mut stream) = self.stream(&secure, kind::DATA, DESCRIPTORS)? else { return Ok(None) };
        if stream.len() > MAX_DESCRIPTORS {
            return Err(Error::unsupported(format!("{} bytes of security descriptors", stream.len())));
        }
        let mut piece = vec![0; PIECE];
        let step = u64::try_from(PIECE).unwrap_or(u64::MAX).saturating_mul(2);
        let mut start = 0u64;
        while start < stream.len() {
            let found = self.in_piece(&mut stream, start, &mut piece, number);
            if let Some(found) = found.context(|| "reading security descriptors".to_owned())? {
                return Ok(Some(found));
            }
            start = start.saturating_add(step);
        }
        Ok(None)
    }

    fn in_piece(
        &self,
        stream: &mut Stream,
        start: u64,
        piece: &mut [u8],
        number: u32,
    ) -> Result<Option<Vec<u8>>> {
        let read = stream.read_at(&self.volume, start, piece)?;
        let piece = piece.get(..read).unwrap_or_default();
        let mut at = 0usize;
        while let (Ok(id), Ok(place), Ok(len)) = (
            piece.le32(at.saturating_add(4)),
            piece.le64(at.saturating_add(8)),
            piece.le32(at.saturating_add(16)),
        ) {
            let len = index(len);
            // After the last one there are zeros.
            let here = start.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
            if place != here || len <= DESCRIPTOR_HEADER {
                break;
            }
            if id == number {
                let header = DESCRIPTOR_HEADER;
                let descriptor = piece.slice(at.saturating_add(header), len.saturating_sub(header))?;
                return Ok(is_descriptor(descriptor).then(|| descriptor.to_vec()));
            }
            at = at.saturating_add(len).next_multiple_of(16);
        }
        Ok(None)
    }
}

/// Is it a descriptor whose parts fit: two owners, and lists that are full?
fn is_descriptor(bytes: &[u8]) -> bool {
    let (Ok(revision), Ok(control)) = (bytes.u8(0), bytes.le16(2)) else { return false };
    let part = |at: usize| bytes.le32(at).map(index).unwrap_or(usize::MAX);
    let is_owner = |at: usize| {
        let authorities = bytes.u8(at.saturating_add(1)).unwrap_or(u8::MAX);
        // A name has 15 at most (MS-DTYP 2.4.2).
        let len = usize::from(authorities).saturating_mul(4).saturating_add(8);
        at >= 20
            && bytes.u8(at).is_ok_and(|revision| revision == 1)
            && authorities <= 15
            && bytes.slice(at, len).is_ok()
    };
    let is_list = |at: usize| at == 0 || is_full_list(bytes, at).unwrap_or(false);
    // Bit 15: the parts follow in the same bytes.
    revision == 1
        && control & 0x8000 != 0
        && is_owner(part(4))
        && is_owner(part(8))
        && is_list(part(12))
        && is_list(part(16))
}

/// Do the entries of an access list fill it?
fn is_full_list(bytes: &[u8], at: usize) -> Result<bool> {
    let list = bytes.slice(at, bytes.le16(at.saturating_add(2))?.into())?;
    let mut entry = 8usize;
    for _ in 0..list.le16(4)? {
        entry = entry.saturating_add(list.le16(entry.saturating_add(2))?.max(4).into());
    }
    Ok(entry == list.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_whose_parts_do_not_fit_is_none() {
        assert!(is_descriptor(&NO_DESCRIPTOR));
        for (at, byte) in
            [(0, 2), (3, 0), (4, 90), (8, 79), (16, 90), (36 + 1, 40), (52 + 2, 32), (52 + 4, 2)]
        {
            let mut damaged = NO_DESCRIPTOR;
            damaged[at] = byte;
            assert!(!is_descriptor(&damaged), "{at}");
        }
        for len in 0..NO_DESCRIPTOR.len() {
            assert!(!is_descriptor(&NO_DESCRIPTOR[..len]), "{len}");
        }
    }
}

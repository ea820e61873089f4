//! rpm's own database format, `Packages.db` (openSUSE; rpm's `lib/backend/ndb/rpmpkg.c` describes it).
//!
//! ```text
//! header   "RpmP", version 0, generation, pages of slots, next package number     32 bits each, little-endian
//! slots    from byte 32 to the end of those pages: "Slot", package number, block, count of blocks; free if block is 0
//! blob     at its block (16 bytes each): "BlbS", package number, generation, length; header of the package; padding;
//!          Adler-32 of all that, length, "BlbE"
//! ```

use crate::bytes::{Blob, le32, read_exact, size};
use crate::error::{Result, broken};
use crate::limits::PACKAGES;
use crate::source::File;

const MAGIC: u32 = u32::from_le_bytes(*b"RpmP");
const VERSION: u32 = 0;
const SLOT_MAGIC: u32 = u32::from_le_bytes(*b"Slot");
const BLOB_MAGIC: u32 = u32::from_le_bytes(*b"BlbS");
const HEADER: usize = 32;
const SLOT: usize = 16;
const PAGE: u64 = 4096;
const BLOCK: u64 = 16;
const BLOB_HEAD: usize = 16;
/// Checksum, length and magic number at a blob's end.
const BLOB_TAIL: u64 = 12;
/// Most pages of slots that are looked at: with 256 slots each, room for twice as many packages as are listed.
const SLOT_PAGES: u32 = 782;
/// Most bytes that the headers of all packages may have.
const HEADERS: u64 = 2 << 30;
const _: () = assert!(782 * 256 >= 2 * PACKAGES);

/// Gives each package's header to `each`, and what is wrong with one; it returns whether to go on.
///
/// # Errors
/// If the file is not such a database, or its slots can't be read.
pub(crate) fn headers(
    file: &mut dyn File,
    each: &mut dyn FnMut(Result<&mut dyn Blob>) -> bool,
) -> Result<()> {
    let mut head = [0; HEADER];
    read_exact(file, 0, &mut head)?;
    let (magic, version, pages) = (le32(&head, 0)?, le32(&head, 4)?, le32(&head, 12)?);
    if magic != MAGIC || version != VERSION {
        return broken(format!("not an ndb of version {VERSION}"));
    }
    if pages == 0 || pages > SLOT_PAGES {
        return broken(format!("an ndb with {pages} pages of slots"));
    }
    let end = PAGE.saturating_mul(pages.into());
    let mut at = size(HEADER);
    let mut slots = vec![0; 4096];
    let mut headers = 0_u64;
    while at < end {
        let len = usize::try_from(PAGE.saturating_sub(at.checked_rem(PAGE).unwrap_or(0))).unwrap_or(SLOT);
        let piece = slots.get_mut(..len).unwrap_or_default();
        read_exact(file, at, piece)?;
        for slot in piece.chunks_exact(SLOT) {
            let (magic, number) = (le32(slot, 0)?, le32(slot, 4)?);
            let (block, count) = (le32(slot, 8)?, le32(slot, 12)?);
            if magic != SLOT_MAGIC {
                if !each(broken(format!("the slot {slot:02x?} has no magic number"))) {
                    return Ok(());
                }
                continue;
            }
            if block == 0 {
                continue;
            }
            let most = file.len().min(HEADERS);
            let go_on = match Header::open(file, number, block, count) {
                Ok(mut header) => {
                    headers = headers.saturating_add(header.len);
                    // They lie side by side.
                    if headers > most {
                        return broken("the headers are longer than the file, or than is read of them");
                    }
                    each(Ok(&mut header))
                }
                Err(e) => each(Err(e)),
            };
            if !go_on {
                return Ok(());
            }
        }
        at = at.saturating_add(size(len));
    }
    Ok(())
}

/// A package's header in the file.
struct Header<'f> {
    file: &'f mut dyn File,
    at: u64,
    len: u64,
}

impl<'f> Header<'f> {
    fn open(file: &'f mut dyn File, number: u32, block: u32, count: u32) -> Result<Self> {
        let start = BLOCK.saturating_mul(block.into());
        let mut head = [0; BLOB_HEAD];
        read_exact(file, start, &mut head)?;
        let len = u64::from(le32(&head, 12)?);
        if le32(&head, 0)? != BLOB_MAGIC || le32(&head, 4)? != number {
            return broken(format!("package {number} is not where its slot says"));
        }
        let room = BLOCK.saturating_mul(count.into());
        if size(BLOB_HEAD).saturating_add(len).saturating_add(BLOB_TAIL) > room {
            return broken(format!("package {number} of {len} bytes does not fit into its {count} blocks"));
        }
        Ok(Header { file, at: start.saturating_add(size(BLOB_HEAD)), len })
    }
}

impl Blob for Header<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<()> {
        if offset.saturating_add(size(buf.len())) > self.len {
            return broken("a header ends too early");
        }
        read_exact(self.file, self.at.saturating_add(offset), buf)
    }
}

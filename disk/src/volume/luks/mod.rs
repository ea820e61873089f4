//! LUKS, versions 1 and 2: encrypted devices, decrypted with a passphrase or the content of a key file.
//!
//! ```text
//! header1.rs (binary) ─┐                    keyslots ─ keyslot.rs ─► volume key ─ digest ─► right?
//!                      ├─► what there is ─┤                                                   │
//! header2.rs (JSON)  ──┘                    segments ─ decrypting.rs, cipher.rs ◄─────────────┘
//! ```
//!
//! Both versions come out as the same keyslots and segments. A keyslot that is not understood, or damaged, is passed over if
//! another one fits; a device of which anything else is not understood (integrity, a change of keys that goes on, a detached
//! header) is `Unsupported`, which leaves it to cryptsetup.
//!
//! What a header asks for in work and memory is bounded (`kdf.rs`). Keys, the content of keyslots and Argon2's memory are wiped
//! after use, and the cipher's schedules of keys when the device is dropped; the state of a hash within the crates is not.
//!
//! Facts about the format are from the "LUKS1 On-Disk Format Specification" 1.2.3 and the "LUKS2 On-Disk Format Specification"
//! 1.1.4; how vectors are made, from Linux's documentation of dm-crypt.

mod cipher;
mod decrypting;
mod hash;
mod header1;
mod header2;
mod json;
mod kdf;
mod keyslot;

use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use zeroize::Zeroizing;

use self::decrypting::Segment;
use self::keyslot::{KeyDigest, Keyslot};
use super::refusal::Refusal;
use crate::{Error, ErrorKind, ReadAt, Result};

pub use self::kdf::Work;

/// The unit of LUKS1's numbers, of initialisation vectors and of keyslots' encryption (bytes).
const SECTOR: u64 = 512;
/// Longest key in bytes: that of XTS over two ciphers of 256 bits is 64.
const KEY_MAX: usize = 128;
/// What a primary header begins with.
const MAGIC: &[u8] = b"LUKS\xba\xbe";
/// Where the version stands (both formats), and the identifier: as text, with zeros after it.
const VERSION_AT: usize = 6;
const UUID: (usize, usize) = (168, 40);
/// Bytes that tell the version.
const HEAD: usize = 4096;

/// A LUKS device.
#[derive(Debug)]
pub struct Luks {
    /// 1 or 2.
    pub version: u16,
    /// Its identifier, as text; empty if it has none.
    pub uuid: BString,
    device: Arc<dyn ReadAt>,
    contents: Result<Contents, Refusal>,
}

/// What is in a device.
#[derive(Debug)]
struct Contents {
    /// Those that open the segments, in the order in which they are tried.
    slots: Vec<Result<Slot, Refusal>>,
    segments: Vec<Segment>,
}

/// A keyslot, with what its volume key is known by.
#[derive(Debug)]
struct Slot {
    keyslot: Keyslot,
    digest: KeyDigest,
}

impl Luks {
    /// Reads the header of a device.
    ///
    /// # Errors
    /// `NotFound` if it is none of LUKS, `Corrupt` if no copy of the header is sound. What of it is not understood is told by
    /// [`unlock`](Self::unlock).
    pub fn open(device: Arc<dyn ReadAt>) -> Result<Luks> {
        let length = usize::try_from(device.len()).unwrap_or(usize::MAX).min(HEAD);
        let mut head = vec![0; length];
        device.read_at(0, &mut head)?;
        head.resize(HEAD, 0);
        let version = if head.starts_with(MAGIC) { version(&head)? } else { 0 };
        let (version, uuid, contents) = match version {
            1 => (1, text(&head, UUID)?.into(), header1::read(&head, device.len())),
            // A primary header that is damaged may have any version.
            _ => {
                let header = header2::read(&device)?;
                (2, header.uuid.clone(), header2::contents(&header, device.len()))
            }
        };
        let contents = contents.map_err(Refusal::from);
        Ok(Luks { version, uuid, device, contents })
    }

    /// What `passphrase` opens: the content of the device, decrypted; `None` if it fits no keyslot.
    ///
    /// # Errors
    /// `Unsupported` if anything of the device is not understood, or would take more than `work`; `Corrupt` if it is
    /// damaged, which that of keyslots counts as only if none is sound.
    pub fn unlock(&self, passphrase: &[u8], mut work: Work) -> Result<Option<Arc<dyn ReadAt>>> {
        let contents = self.contents.as_ref().map_err(|refusal| refusal.clone().error())?;
        let mut unsupported = None;
        let mut damaged = None;
        let mut tried = false;
        for slot in &contents.slots {
            let key = match slot {
                Ok(slot) => slot.volume_key(&self.device, passphrase, &mut work),
                Err(refusal) => Err(refusal.clone().error()),
            };
            match key {
                Ok(Some(key)) => return decrypting::open(&self.device, &contents.segments, &key).map(Some),
                Ok(None) => tried = true,
                Err(e) if e.kind() == ErrorKind::Unsupported => unsupported = Some(e),
                Err(e) if e.kind() == ErrorKind::Corrupt => damaged = Some(e),
                Err(e) => return Err(e),
            }
        }
        match (unsupported, damaged) {
            // It may be the one that fits.
            (Some(e), _) => Err(e),
            (None, Some(e)) if !tried => Err(e),
            _ => Ok(None),
        }
    }
}

impl Slot {
    /// The volume key, if the passphrase is that of this slot.
    fn volume_key(
        &self,
        device: &Arc<dyn ReadAt>,
        passphrase: &[u8],
        work: &mut Work,
    ) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let key = self.keyslot.volume_key(device, passphrase, work)?;
        Ok(self.digest.is_of(&key, work)?.then_some(key))
    }
}

fn version(head: &[u8]) -> Result<u16> {
    crate::bytes::Fields::be16(head, VERSION_AT)
}

/// A text of fixed length, up to its first zero.
fn text(head: &[u8], (at, length): (usize, usize)) -> Result<&BStr> {
    let field = crate::bytes::Fields::slice(head, at, length)?;
    Ok(field.split(|byte| *byte == 0).next().unwrap_or_default().as_bstr())
}

/// A text that names a cipher or hash.
fn name(head: &[u8], field: (usize, usize)) -> Result<&str> {
    let text = text(head, field)?;
    text.to_str().map_err(|_| Error::corrupt(format!("a LUKS header with the name {text:?}")))
}

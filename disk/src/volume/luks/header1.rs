//! The header of version 1: 592 bytes, all numbers big-endian, lengths in sectors of 512 bytes.

use super::cipher::CipherSpec;
use super::decrypting::{Coding, Segment};
use super::hash::Hash;
use super::kdf::Kdf;
use super::keyslot::{KeyDigest, Keyslot};
use super::{Contents, SECTOR, Slot, name};
use crate::bytes::{Fields, index};
use crate::volume::refusal::Refusal;
use crate::{Error, Result};

/// Where fields stand, and the lengths of texts (the specification's figure 1).
const CIPHER_NAME: (usize, usize) = (8, 32);
const CIPHER_MODE: (usize, usize) = (40, 32);
const HASH: (usize, usize) = (72, 32);
const PAYLOAD: usize = 104;
const KEY_BYTES: usize = 108;
const DIGEST: (usize, usize) = (112, 20);
const DIGEST_SALT: (usize, usize) = (132, 32);
const DIGEST_ITERATIONS: usize = 164;
const SLOTS: usize = 208;
/// Number and size of the keyslots, and where fields stand in one (figure 2).
const SLOT_COUNT: usize = 8;
const SLOT_SIZE: usize = 48;
const SLOT_ITERATIONS: usize = 4;
const SLOT_SALT: (usize, usize) = (8, 32);
const SLOT_MATERIAL: usize = 40;
const SLOT_STRIPES: usize = 44;
/// What keyslots begin with.
const ENABLED: u32 = 0x00ac_71f3;
const DISABLED: u32 = 0x0000_dead;
/// Bytes of a sector, as dm-crypt has them.
const SECTOR_SIZE: u32 = 512;

/// Reads it; the device has `len` bytes.
pub(super) fn read(head: &[u8], len: u64) -> Result<Contents> {
    let spec = format!("{}-{}", name(head, CIPHER_NAME)?, name(head, CIPHER_MODE)?);
    let cipher = CipherSpec::parse(&spec)?;
    let hash = Hash::named(name(head, HASH)?)?;
    let key_bytes = index(head.be32(KEY_BYTES)?);
    let payload = u64::from(head.be32(PAYLOAD)?).saturating_mul(SECTOR);
    if payload == 0 {
        return Err(Error::unsupported("a detached LUKS header"));
    }
    let size =
        len.checked_sub(payload).ok_or_else(|| Error::corrupt("a LUKS device that ends before its data"))?;
    let digest = KeyDigest {
        hash,
        iterations: head.be32(DIGEST_ITERATIONS)?,
        salt: head.slice(DIGEST_SALT.0, DIGEST_SALT.1)?.into(),
        digest: head.slice(DIGEST.0, DIGEST.1)?.into(),
    };
    let mut slots = Vec::new();
    for raw in head.slice(SLOTS, SLOT_COUNT.saturating_mul(SLOT_SIZE))?.chunks(SLOT_SIZE) {
        match raw.be32(0)? {
            DISABLED => {}
            ENABLED => {
                let keyslot = Keyslot {
                    kdf: Kdf::Pbkdf2 {
                        hash,
                        iterations: raw.be32(SLOT_ITERATIONS)?,
                        salt: raw.slice(SLOT_SALT.0, SLOT_SALT.1)?.into(),
                    },
                    offset: u64::from(raw.be32(SLOT_MATERIAL)?).saturating_mul(SECTOR),
                    cipher,
                    area_key: key_bytes,
                    stripes: raw.be32(SLOT_STRIPES)?,
                    hash,
                    volume_key: key_bytes,
                };
                slots.push(Ok(Slot { keyslot, digest: digest.clone() }));
            }
            other => {
                slots.push(Err(Refusal::from(Error::corrupt(format!("a LUKS keyslot in state {other:#x}")))));
            }
        }
    }
    let whole = size.saturating_sub(size & SECTOR.saturating_sub(1));
    let coding = Coding::Crypt { cipher, first_sector: 0, sector_size: SECTOR_SIZE };
    Ok(Contents { slots, segments: vec![Segment { offset: payload, len: whole, coding }] })
}

//! Keyslots: from a passphrase to a volume key, and how it is known to be the right one.
//!
//! ```text
//! passphrase ─kdf.rs─► key of the area ─cipher.rs─► stripes ─merge─► volume key ─PBKDF2─► digest, equal or not
//! ```
//!
//! An area holds the volume key blown up to thousands of times its size, so that a part of it that is lost is enough to
//! destroy it (LUKS1 On-Disk Format Specification 1.2.3, "Anti-forensic splitter").

use std::sync::Arc;

use zeroize::Zeroizing;

use super::cipher::{CipherSpec, SectorCipher};
use super::hash::Hash;
use super::kdf::{self, Kdf, Work};
use super::{KEY_MAX, SECTOR};
use crate::{Error, ReadAt, Result};

/// Stripes that every writer makes (`LUKS_STRIPES`).
const STRIPES_MAX: u32 = 4000;
/// [`SECTOR`], as a size in memory.
const SECTOR_BYTES: usize = 512;

/// What unlocks a volume key.
#[derive(Debug, Clone)]
pub(super) struct Keyslot {
    pub(super) kdf: Kdf,
    /// First byte of the area.
    pub(super) offset: u64,
    /// How the area is encrypted, and with how long a key (bytes).
    pub(super) cipher: CipherSpec,
    pub(super) area_key: usize,
    /// How the volume key was split.
    pub(super) stripes: u32,
    pub(super) hash: Hash,
    /// Bytes of the volume key.
    pub(super) volume_key: usize,
}

impl Keyslot {
    /// # Errors
    /// `Unsupported` if the lengths are beyond what LUKS devices have.
    pub(super) fn check(&self) -> Result<()> {
        let fits = |length: usize| (1..=KEY_MAX).contains(&length);
        if !fits(self.area_key) || !fits(self.volume_key) || !(1..=STRIPES_MAX).contains(&self.stripes) {
            let (key, stripes) = (self.volume_key, self.stripes);
            return Err(Error::unsupported(format!("a LUKS keyslot of {stripes} stripes of {key} bytes")));
        }
        Ok(())
    }

    /// The volume key that the area holds if `passphrase` is right; otherwise, anything.
    pub(super) fn volume_key(
        &self,
        device: &Arc<dyn ReadAt>,
        passphrase: &[u8],
        work: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.check()?;
        let count = crate::bytes::index(self.stripes);
        let size = count.saturating_mul(self.volume_key);
        let mut area = Zeroizing::new(vec![0; size.next_multiple_of(SECTOR_BYTES)]);
        device.read_at(self.offset, &mut area)?;
        let key = self.kdf.derive(passphrase, self.area_key, work)?;
        let cipher = SectorCipher::new(self.cipher, &key)?;
        for (number, sector) in (0..).zip(area.chunks_mut(SECTOR_BYTES)) {
            cipher.decrypt(number, sector);
        }
        Ok(merge(area.get(..size).unwrap_or_default(), self.volume_key, self.hash))
    }
}

/// Undoes the splitting into stripes of `length` bytes.
fn merge(stripes: &[u8], length: usize, hash: Hash) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(vec![0u8; length]);
    let mut stripes = stripes.chunks(length.max(1)).peekable();
    while let Some(stripe) = stripes.next() {
        for (byte, with) in key.iter_mut().zip(stripe) {
            *byte ^= with;
        }
        if stripes.peek().is_some() {
            diffuse(&mut key, hash);
        }
    }
    key
}

/// Replaces each run of a digest's length by the digest of its number and itself.
fn diffuse(key: &mut [u8], hash: Hash) {
    for (number, run) in (0u32..).zip(key.chunks_mut(hash.size().max(1))) {
        let digest = hash.digest(&[&number.to_be_bytes(), run]);
        for (byte, with) in run.iter_mut().zip(digest.iter()) {
            *byte = *with;
        }
    }
}

/// What a volume key is known by.
#[derive(Debug, Clone)]
pub(super) struct KeyDigest {
    pub(super) hash: Hash,
    pub(super) iterations: u32,
    pub(super) salt: Vec<u8>,
    pub(super) digest: Vec<u8>,
}

impl KeyDigest {
    /// Is this the volume key?
    pub(super) fn is_of(&self, key: &[u8], work: &mut Work) -> Result<bool> {
        let mut digest = Zeroizing::new(vec![0; self.digest.len()]);
        kdf::pbkdf2(self.hash, key, &self.salt, self.iterations, &mut digest, work)?;
        Ok(!digest.is_empty() && *digest == self.digest)
    }
}

/// [`SECTOR`] is what areas are encrypted in.
const _: () = assert!(SECTOR == 512);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_are_merged_as_they_were_split() {
        // Splits by the definition: random stripes, and the last one makes the rest come out.
        let key: Vec<u8> = (0..48).collect();
        for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha512] {
            let mut stripes = Vec::new();
            let mut state = vec![0u8; key.len()];
            for number in 0..5u8 {
                let stripe: Vec<u8> = (0..48).map(|byte: u8| byte.wrapping_mul(37) ^ number).collect();
                state.iter_mut().zip(&stripe).for_each(|(byte, with)| *byte ^= with);
                diffuse(&mut state, hash);
                stripes.extend(stripe);
            }
            stripes.extend(state.iter().zip(&key).map(|(byte, with)| byte ^ with));
            assert_eq!(*merge(&stripes, key.len(), hash), key);
        }
    }
}

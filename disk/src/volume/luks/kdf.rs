//! Keys from passphrases, within bounds: what a header asks for is work and memory that a guest chooses.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use super::hash::Hash;
use crate::bytes::index;
use crate::{Error, Result};

/// What may be spent on one key, for all keyslots of a device together.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Memory of one derivation by Argon2, in KiB.
    pub argon2_memory: u32,
    /// Blocks of 1 KiB that Argon2 fills.
    pub argon2_blocks: u64,
    /// Rounds of PBKDF2, each of which gives a digest's length of key.
    pub pbkdf2_rounds: u64,
}

impl Default for Work {
    /// cryptsetup's default is 2 s on at most four processors and 1 GiB: 4 to 20 million blocks of Argon2, of which one
    /// processor fills more than a million in a second; or some million rounds of PBKDF2, which one processor does in 2 s.
    fn default() -> Self {
        Work { argon2_memory: 1280 << 10, argon2_blocks: 64 << 20, pbkdf2_rounds: 128 << 20 }
    }
}

/// Lanes of Argon2 that a header may have; cryptsetup makes 4 at most.
const LANES_MAX: u32 = 64;

/// How a keyslot makes its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kdf {
    Pbkdf2 { hash: Hash, iterations: u32, salt: Vec<u8> },
    Argon2 { kind: Algorithm, time: u32, memory_kib: u32, lanes: u32, salt: Vec<u8> },
}

/// Takes a cost from what is left.
fn spend(left: &mut u64, cost: Option<u64>) -> Result<()> {
    let rest = cost.and_then(|cost| left.checked_sub(cost));
    *left =
        rest.ok_or_else(|| Error::unsupported("LUKS with keys that take more work than is done for one"))?;
    Ok(())
}

impl Kdf {
    /// The key of `length` bytes.
    pub(super) fn derive(
        &self,
        passphrase: &[u8],
        length: usize,
        left: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let mut key = Zeroizing::new(vec![0; length]);
        match self {
            Kdf::Pbkdf2 { hash, iterations, salt } => {
                pbkdf2(*hash, passphrase, salt, *iterations, &mut key, left)?;
            }
            Kdf::Argon2 { kind, time, memory_kib, lanes, salt } => {
                if *memory_kib > left.argon2_memory || *lanes > LANES_MAX {
                    let text = format!("LUKS with Argon2 over {memory_kib} KiB in {lanes} lanes");
                    return Err(Error::unsupported(text));
                }
                spend(&mut left.argon2_blocks, u64::from(*memory_kib).checked_mul(u64::from(*time)))?;
                argon2(*kind, passphrase, salt, (*memory_kib, *time, *lanes), &mut key)?;
            }
        }
        Ok(key)
    }
}

/// PBKDF2 for what `left` allows.
pub(super) fn pbkdf2(
    hash: Hash,
    key: &[u8],
    salt: &[u8],
    iterations: u32,
    out: &mut [u8],
    left: &mut Work,
) -> Result<()> {
    let digests = u64::try_from(out.len().div_ceil(hash.size().max(1))).ok();
    spend(&mut left.pbkdf2_rounds, digests.and_then(|n| n.checked_mul(u64::from(iterations))))?;
    hash.pbkdf2(key, salt, iterations, out)
}

fn argon2(
    kind: Algorithm,
    passphrase: &[u8],
    salt: &[u8],
    (memory_kib, time, lanes): (u32, u32, u32),
    out: &mut [u8],
) -> Result<()> {
    let refused = |e: argon2::Error| Error::corrupt(format!("LUKS with costs that Argon2 has not: {e}"));
    let params = Params::new(memory_kib, time, lanes, Some(out.len())).map_err(refused)?;
    let mut memory = Vec::new();
    let count = index(memory_kib);
    // A failed allocation is told, where a growing vector would end the process.
    memory.try_reserve_exact(count).map_err(|_| {
        Error::unsupported(format!("LUKS with Argon2 over {memory_kib} KiB, which are not to be had here"))
    })?;
    memory.resize(count, Block::new());
    let context = Argon2::new(kind, Version::V0x13, params);
    let derived =
        context.hash_password_into_with_memory(passphrase, salt, out, memory.as_mut_slice()).map_err(refused);
    for block in &mut memory {
        block.zeroize();
    }
    derived
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn costs_that_a_guest_chooses_are_bounded() {
        let salt = || vec![0; 32];
        let argon2 = |time, memory_kib, lanes| Kdf::Argon2 {
            kind: Algorithm::Argon2id,
            time,
            memory_kib,
            lanes,
            salt: salt(),
        };
        for kdf in [
            argon2(1, (1280 << 10) + 1, 1),
            argon2(u32::MAX, 1 << 20, 4),
            argon2(1, 1 << 10, LANES_MAX + 1),
            Kdf::Pbkdf2 { hash: Hash::Sha1, iterations: u32::MAX, salt: salt() },
        ] {
            let error = kdf.derive(b"key", 64, &mut Work::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{kdf:?}");
        }
        // Together they count, too.
        let kdf = Kdf::Pbkdf2 { hash: Hash::Sha256, iterations: 400, salt: salt() };
        let mut left = Work { pbkdf2_rounds: 1700, ..Work::default() };
        assert!(kdf.derive(b"key", 64, &mut left).is_ok());
        assert!(kdf.derive(b"key", 64, &mut left).is_ok());
        assert!(kdf.derive(b"key", 32, &mut left).is_err());
        assert_eq!(left.pbkdf2_rounds, 100);
    }

    #[test]
    fn argon2_is_that_of_the_rfc() {
        // RFC 9106 has test vectors with secrets; these are of the reference implementation's test.c, version 0x13.
        let kdf = Kdf::Argon2 {
            kind: Algorithm::Argon2i,
            time: 2,
            memory_kib: 256,
            lanes: 1,
            salt: b"somesalt".to_vec(),
        };
        let key = kdf.derive(b"password", 32, &mut Work::default()).unwrap();
        let expected = [
            0x89, 0xe9, 0x02, 0x9f, 0x46, 0x37, 0xb2, 0x95, 0xbe, 0xb0, 0x27, 0x05, 0x6a, 0x73, 0x36, 0xc4,
            0x14, 0xfa, 0xdd, 0x43, 0xf6, 0xb2, 0x08, 0x64, 0x52, 0x81, 0xcb, 0x21, 0x4a, 0x56, 0x45, 0x2f,
        ];
        assert_eq!(key.as_slice(), expected);
    }
}

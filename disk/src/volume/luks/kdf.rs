//! Keys from passphrases, within bounds: what a header asks for is work and memory that a guest chooses.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use super::hash::Hash;
use crate::bytes::index;
use crate::{Error, Result};

/// Memory of one derivation by Argon2, in KiB: cryptsetup's default takes at most 1 GiB, and what it measures that with can
/// be told to take more.
const ARGON2_MEMORY_MAX: u32 = 1280 << 10;
/// What all keyslots of a device may cost for one key. In blocks of 1 KiB that Argon2 fills; cryptsetup's default (2 s on four
/// processors, 1 GiB) is 4 to 20 million of them, and one processor fills some million in a second.
const ARGON2_BUDGET: u64 = 64 << 20;
/// The same for PBKDF2, in rounds, each of which gives a digest's length of key: cryptsetup's default (2 s) is some millions,
/// which one processor does in a few seconds.
const PBKDF2_BUDGET: u64 = 128 << 20;
/// Lanes of Argon2 that a header may have; cryptsetup makes 4 at most.
const LANES_MAX: u32 = 64;

/// How a keyslot makes its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kdf {
    Pbkdf2 { hash: Hash, iterations: u32, salt: Vec<u8> },
    Argon2 { kind: Algorithm, time: u32, memory_kib: u32, lanes: u32, salt: Vec<u8> },
}

/// What may still be spent on a key.
#[derive(Debug)]
pub(super) struct Budget {
    argon2_blocks: u64,
    pbkdf2_rounds: u64,
}

impl Budget {
    pub(super) fn new() -> Self {
        Budget { argon2_blocks: ARGON2_BUDGET, pbkdf2_rounds: PBKDF2_BUDGET }
    }
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
        budget: &mut Budget,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let mut key = Zeroizing::new(vec![0; length]);
        match self {
            Kdf::Pbkdf2 { hash, iterations, salt } => {
                pbkdf2(*hash, passphrase, salt, *iterations, &mut key, budget)?;
            }
            Kdf::Argon2 { kind, time, memory_kib, lanes, salt } => {
                if *memory_kib > ARGON2_MEMORY_MAX || *lanes > LANES_MAX {
                    let text = format!("LUKS with Argon2 over {memory_kib} KiB in {lanes} lanes");
                    return Err(Error::unsupported(text));
                }
                spend(&mut budget.argon2_blocks, u64::from(*memory_kib).checked_mul(u64::from(*time)))?;
                argon2(*kind, passphrase, salt, (*memory_kib, *time, *lanes), &mut key)?;
            }
        }
        Ok(key)
    }
}

/// PBKDF2 for what `budget` allows.
pub(super) fn pbkdf2(
    hash: Hash,
    key: &[u8],
    salt: &[u8],
    iterations: u32,
    out: &mut [u8],
    budget: &mut Budget,
) -> Result<()> {
    let digests = u64::try_from(out.len().div_ceil(hash.size().max(1))).ok();
    spend(&mut budget.pbkdf2_rounds, digests.and_then(|n| n.checked_mul(u64::from(iterations))))?;
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
            argon2(1, ARGON2_MEMORY_MAX + 1, 1),
            argon2(u32::MAX, 1 << 20, 4),
            argon2(1, 1 << 10, LANES_MAX + 1),
            Kdf::Pbkdf2 { hash: Hash::Sha1, iterations: u32::MAX, salt: salt() },
        ] {
            let error = kdf.derive(b"key", 64, &mut Budget::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{kdf:?}");
        }
        // Together they count, too.
        let half = u32::try_from(PBKDF2_BUDGET / 4).unwrap();
        let mut left = PBKDF2_BUDGET;
        assert!(spend(&mut left, Some(u64::from(half) * 3)).is_ok());
        assert!(spend(&mut left, Some(u64::from(half) * 2)).is_err());
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
        let key = kdf.derive(b"password", 32, &mut Budget::new()).unwrap();
        let expected = [
            0x89, 0xe9, 0x02, 0x9f, 0x46, 0x37, 0xb2, 0x95, 0xbe, 0xb0, 0x27, 0x05, 0x6a, 0x73, 0x36, 0xc4,
            0x14, 0xfa, 0xdd, 0x43, 0xf6, 0xb2, 0x08, 0x64, 0x52, 0x81, 0xcb, 0x21, 0x4a, 0x56, 0x45, 0x2f,
        ];
        assert_eq!(key.as_slice(), expected);
    }
}

//! How sectors are encrypted: block ciphers, the modes XTS and CBC over them, and the initialisation vectors of dm-crypt.
//!
//! The crates give single blocks and runs of blocks; the modes are ours, so that each sector is one run, which `aes` spreads
//! over the processor's pipelines.

use aes::cipher::generic_array::GenericArray;
use aes::cipher::inout::InOutBuf;
use aes::cipher::typenum::U16;
use aes::cipher::{BlockCipher, BlockDecrypt, BlockEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use serpent::Serpent;
use twofish::Twofish;

use super::hash::Hash;
use crate::{Error, Result};

/// Bytes of a block of every cipher here.
const BLOCK: usize = 16;
/// Blocks that are decrypted in one run: a sector of 512 bytes.
const RUN: usize = 32;
/// Bytes of such a run.
const RUN_BYTES: usize = RUN * BLOCK;
/// What a bit that is shifted out of a tweak comes back as: x^128 = x^7 + x^2 + x + 1 (IEEE 1619).
const XTS_FEEDBACK: u128 = 0x87;

type Block = GenericArray<u8, U16>;

/// A keyed cipher with blocks of 16 bytes.
trait Blocks: Send + Sync {
    /// Encrypts a block in place.
    fn encrypt(&self, block: &mut [u8; BLOCK]);
    /// Decrypts whole blocks in place.
    fn decrypt(&self, blocks: &mut [u8]);
}

impl<C> Blocks for C
where
    C: BlockCipher + BlockEncrypt + BlockDecrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    fn encrypt(&self, block: &mut [u8; BLOCK]) {
        self.encrypt_block(Block::from_mut_slice(block));
    }

    fn decrypt(&self, blocks: &mut [u8]) {
        let (blocks, _none) = InOutBuf::from(blocks).into_chunks::<U16>();
        self.decrypt_blocks_inout(blocks);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Aes,
    Serpent,
    Twofish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Xts,
    Cbc,
}

/// How the initialisation vector comes from the number of a sector (Linux's admin-guide/device-mapper/dm-crypt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vector {
    /// 32 bits of the number, little-endian.
    Plain,
    /// 64 bits of it.
    Plain64,
    /// 64 bits of it, big-endian, at the end.
    Plain64be,
    /// Those of `Plain64`, encrypted with the hash of the key.
    Essiv(Hash),
}

/// A cipher as headers name it: `aes-xts-plain64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CipherSpec {
    algorithm: Algorithm,
    mode: Mode,
    vector: Vector,
}

impl CipherSpec {
    /// Takes a name apart.
    pub(super) fn parse(name: &str) -> Result<CipherSpec> {
        let unsupported = || Error::unsupported(format!("LUKS with the cipher {name:?}"));
        let mut parts = name.splitn(3, '-');
        let (Some(algorithm), Some(mode), Some(vector)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(unsupported());
        };
        Ok(CipherSpec {
            algorithm: match algorithm {
                "aes" => Algorithm::Aes,
                "serpent" => Algorithm::Serpent,
                "twofish" => Algorithm::Twofish,
                _ => return Err(unsupported()),
            },
            mode: match mode {
                "xts" => Mode::Xts,
                "cbc" => Mode::Cbc,
                _ => return Err(unsupported()),
            },
            vector: match vector.split_once(':') {
                None if vector == "plain" => Vector::Plain,
                None if vector == "plain64" => Vector::Plain64,
                None if vector == "plain64be" => Vector::Plain64be,
                Some(("essiv", hash)) => Vector::Essiv(Hash::named(hash)?),
                _ => return Err(unsupported()),
            },
        })
    }
}

/// A cipher with its key.
pub(super) struct SectorCipher {
    data: Box<dyn Blocks>,
    /// Encrypts the tweaks of XTS.
    tweak: Option<Box<dyn Blocks>>,
    /// Encrypts the vectors of ESSIV.
    essiv: Option<Box<dyn Blocks>>,
    vector: Vector,
}

/// Without the keys.
impl std::fmt::Debug for SectorCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SectorCipher").field("vector", &self.vector).finish_non_exhaustive()
    }
}

impl SectorCipher {
    /// # Errors
    /// `Unsupported` if the cipher has no keys of that length.
    pub(super) fn new(spec: CipherSpec, key: &[u8]) -> Result<Self> {
        let (data, tweak) = match spec.mode {
            Mode::Cbc => (keyed(spec.algorithm, key)?, None),
            Mode::Xts => {
                if key.len() & 1 != 0 {
                    return Err(key_length(key.len()));
                }
                let (data, tweak) = key.split_at(key.len() >> 1);
                (keyed(spec.algorithm, data)?, Some(keyed(spec.algorithm, tweak)?))
            }
        };
        let essiv = match spec.vector {
            Vector::Essiv(hash) => Some(keyed(spec.algorithm, &hash.digest(&[key]))?),
            _ => None,
        };
        Ok(SectorCipher { data, tweak, essiv, vector: spec.vector })
    }

    /// The initialisation vector of a sector.
    fn vector(&self, sector: u64) -> [u8; BLOCK] {
        let number = match self.vector {
            Vector::Plain => u128::from(sector & u64::from(u32::MAX)),
            Vector::Plain64 | Vector::Essiv(_) => u128::from(sector),
            Vector::Plain64be => u128::from(sector).swap_bytes(),
        };
        let mut vector = number.to_le_bytes();
        if let Some(essiv) = &self.essiv {
            essiv.encrypt(&mut vector);
        }
        vector
    }

    /// Decrypts a sector in place. Its number counts units of 512 bytes, whatever its size; its size is a multiple of that of
    /// a block.
    pub(super) fn decrypt(&self, number: u64, sector: &mut [u8]) {
        let mut vector = self.vector(number);
        if let Some(cipher) = &self.tweak {
            cipher.encrypt(&mut vector);
            let mut tweak = u128::from_le_bytes(vector);
            for run in sector.chunks_mut(RUN_BYTES) {
                self.decrypt_xts(&mut tweak, run);
            }
        } else {
            for run in sector.chunks_mut(RUN_BYTES) {
                self.decrypt_cbc(&mut vector, run);
            }
        }
    }

    fn decrypt_xts(&self, tweak: &mut u128, run: &mut [u8]) {
        let mut tweaks = [0u128; RUN];
        for slot in &mut tweaks {
            *slot = *tweak;
            let feedback = if *tweak >> 127 == 0 { 0 } else { XTS_FEEDBACK };
            *tweak = *tweak << 1 ^ feedback;
        }
        mask(run, &tweaks);
        self.data.decrypt(run);
        mask(run, &tweaks);
    }

    fn decrypt_cbc(&self, vector: &mut [u8; BLOCK], run: &mut [u8]) {
        // What each block is masked with: the vector, then the ciphertext before it.
        let mut masks = [0u128; RUN];
        for (slot, block) in masks.iter_mut().zip(run.as_chunks::<BLOCK>().0) {
            *slot = u128::from_le_bytes(*vector);
            *vector = *block;
        }
        self.data.decrypt(run);
        mask(run, &masks);
    }
}

/// Adds a mask to each block.
fn mask(run: &mut [u8], masks: &[u128; RUN]) {
    for (block, mask) in run.as_chunks_mut::<BLOCK>().0.iter_mut().zip(masks) {
        *block = (u128::from_le_bytes(*block) ^ mask).to_le_bytes();
    }
}

fn key_length(bytes: usize) -> Error {
    Error::unsupported(format!("LUKS with a key of {bytes} bytes for its cipher"))
}

fn keyed(algorithm: Algorithm, key: &[u8]) -> Result<Box<dyn Blocks>> {
    let unfit = |_| key_length(key.len());
    Ok(match (algorithm, key.len()) {
        (Algorithm::Aes, 16) => Box::new(Aes128::new_from_slice(key).map_err(unfit)?),
        (Algorithm::Aes, 24) => Box::new(Aes192::new_from_slice(key).map_err(unfit)?),
        (Algorithm::Aes, 32) => Box::new(Aes256::new_from_slice(key).map_err(unfit)?),
        (Algorithm::Serpent, 16 | 24 | 32) => Box::new(Serpent::new_from_slice(key).map_err(unfit)?),
        (Algorithm::Twofish, 16 | 24 | 32) => Box::new(Twofish::new_from_slice(key).map_err(unfit)?),
        (_, length) => return Err(key_length(length)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn names_that_are_not_understood_are_unsupported() {
        for name in [
            "",
            "aes",
            "aes-xts",
            "aes-ecb",
            "aes-xts-benbi",
            "aes-cbc-essiv:md5",
            "cipher_null-ecb",
            "capi:xts(aes)-plain64",
            "aes-lrw-plain64",
            "xchacha20,aes-adiantum-plain64",
            "aes-xts-plain64-more",
        ] {
            assert_eq!(CipherSpec::parse(name).unwrap_err().kind(), ErrorKind::Unsupported, "{name}");
        }
        for (name, length) in [("aes-xts-plain64", 33), ("aes-cbc-plain", 64), ("twofish-cbc-plain", 17)] {
            let spec = CipherSpec::parse(name).unwrap();
            let error = SectorCipher::new(spec, &vec![0; length]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
        }
    }

    #[test]
    fn xts_is_that_of_the_standard() {
        // IEEE 1619-2007, annex B, vector 2: keys of 0x11 and 0x22, data unit 0x3333333333, plaintext of 0x44.
        let key = [[0x11; 16], [0x22; 16]].concat();
        let cipher = SectorCipher::new(CipherSpec::parse("aes-xts-plain64").unwrap(), &key).unwrap();
        let mut sector = [
            0xc4, 0x54, 0x18, 0x5e, 0x6a, 0x16, 0x93, 0x6e, 0x39, 0x33, 0x40, 0x38, 0xac, 0xef, 0x83, 0x8b,
            0xfb, 0x18, 0x6f, 0xff, 0x74, 0x80, 0xad, 0xc4, 0x28, 0x93, 0x82, 0xec, 0xd6, 0xd3, 0x94, 0xf0,
        ];
        cipher.decrypt(0x33_3333_3333, &mut sector);
        assert_eq!(sector, [0x44; 32]);
    }

    #[test]
    fn a_plain_vector_has_32_bits() {
        for (name, sector, expected) in [
            ("aes-cbc-plain", 0x1_0000_0002, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            ("aes-cbc-plain64", 0x1_0000_0002, [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            ("aes-cbc-plain64be", 0x1_0000_0002, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]),
        ] {
            let cipher = SectorCipher::new(CipherSpec::parse(name).unwrap(), &[0; 16]).unwrap();
            assert_eq!(cipher.vector(sector), expected, "{name}");
        }
    }
}

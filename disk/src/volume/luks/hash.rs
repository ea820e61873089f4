//! The hashes that LUKS headers name, and what is made with them: PBKDF2, initialisation vectors, diffusion.

use pbkdf2::hmac::Hmac;
use sha2::Digest;
use zeroize::Zeroizing;

use crate::{Error, Result};

/// A hash by its name in a header (those of `hashSpec` in the LUKS1 specification, and what cryptsetup's manual adds).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Ripemd160,
    Whirlpool,
}

/// Evaluates `$body` with `$D` as the type of the hash.
macro_rules! with_hash {
    ($hash:expr, $D:ident => $body:expr) => {
        match $hash {
            Hash::Sha1 => {
                type $D = sha1::Sha1;
                $body
            }
            Hash::Sha224 => {
                type $D = sha2::Sha224;
                $body
            }
            Hash::Sha256 => {
                type $D = sha2::Sha256;
                $body
            }
            Hash::Sha384 => {
                type $D = sha2::Sha384;
                $body
            }
            Hash::Sha512 => {
                type $D = sha2::Sha512;
                $body
            }
            Hash::Ripemd160 => {
                type $D = ripemd::Ripemd160;
                $body
            }
            Hash::Whirlpool => {
                type $D = whirlpool::Whirlpool;
                $body
            }
        }
    };
}

impl Hash {
    /// The hash of that name, in whatever case.
    pub(super) fn named(name: &str) -> Result<Hash> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "sha1" => Hash::Sha1,
            "sha224" => Hash::Sha224,
            "sha256" => Hash::Sha256,
            "sha384" => Hash::Sha384,
            "sha512" => Hash::Sha512,
            "ripemd160" => Hash::Ripemd160,
            "whirlpool" => Hash::Whirlpool,
            _ => return Err(Error::unsupported(format!("LUKS with the hash {name:?}"))),
        })
    }

    /// Bytes of a digest.
    pub(super) fn size(self) -> usize {
        with_hash!(self, D => <D as Digest>::output_size())
    }

    /// The digest of `parts`, one after the other.
    pub(super) fn digest(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        with_hash!(self, D => {
            let mut hasher = D::new();
            for part in parts {
                hasher.update(part);
            }
            let mut digest = Zeroizing::new(vec![0; self.size()]);
            digest.copy_from_slice(&hasher.finalize());
            digest
        })
    }

    /// PBKDF2 with the HMAC of this hash (RFC 8018), as long as `out`.
    pub(super) fn pbkdf2(self, key: &[u8], salt: &[u8], iterations: u32, out: &mut [u8]) -> Result<()> {
        // HMAC takes keys of all lengths.
        with_hash!(self, D => pbkdf2::pbkdf2::<Hmac<D>>(key, salt, iterations, out))
            .map_err(|_| Error::unsupported("PBKDF2 with a key of that length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hashes_are_what_their_names_say() {
        // Of "abc": FIPS 180, the RIPEMD-160 page of its authors, the Whirlpool submission.
        for (name, expected) in [
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("sha224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            ("SHA256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ("ripemd160", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
        ] {
            let hash = Hash::named(name).unwrap();
            assert_eq!(hex(&hash.digest(&[b"a", b"bc"])), expected, "{name}");
            assert_eq!(hash.size() * 2, expected.len());
        }
        assert!(hex(&Hash::Whirlpool.digest(&[b"abc"])).starts_with("4e2448a4c6f486bb16b6562c73b4020b"));
        assert!(hex(&Hash::Sha512.digest(&[b"abc"])).starts_with("ddaf35a193617abacc417349ae204131"));
        assert!(hex(&Hash::Sha384.digest(&[b"abc"])).starts_with("cb00753f45a35e8bb5a03d699ac65007"));
        assert_eq!(Hash::named("sha3-256").unwrap_err().kind(), crate::ErrorKind::Unsupported);
    }

    #[test]
    fn pbkdf2_is_that_of_the_rfc() {
        // RFC 6070.
        for (iterations, expected) in [
            (1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
            (2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
            (4096, "4b007901b765489abead49d926f721d065a429c1"),
        ] {
            let mut out = vec![0; expected.len() / 2];
            Hash::Sha1.pbkdf2(b"password", b"salt", iterations, &mut out).unwrap();
            assert_eq!(hex(&out), expected);
        }
    }
}

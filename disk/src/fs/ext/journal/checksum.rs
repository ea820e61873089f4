//! The checksum of the mount option `journal_checksum` (version 1): CRC-32 with the most significant bit first, not
//! inverted at the end. Versions 2 and 3 have CRC-32C, as all of ext4's metadata.

use crate::bytes::index;

/// The polynomial of Ethernet, most significant bit first.
const CRC32_BE_POLYNOMIAL: u32 = 0x04C1_1DB7;

static CRC32_BE: [u32; 256] = crc32_be_table();

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn crc32_be_table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut byte = 0u32;
    while byte < 256 {
        let mut crc = byte << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ CRC32_BE_POLYNOMIAL } else { crc << 1 };
            bit += 1;
        }
        table[index(byte)] = crc;
        byte += 1;
    }
    table
}

/// CRC-32, most significant bit first, of `bytes`, going on from `crc`.
#[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
pub(super) fn crc32_be(mut crc: u32, bytes: &[u8]) -> u32 {
    for byte in bytes {
        crc = crc << 8 ^ CRC32_BE[index(crc >> 24 ^ u32::from(*byte))];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_matches_its_published_check_value() {
        // CRC-32/BZIP2 of the RevEng catalogue, before its final inversion.
        assert_eq!(!crc32_be(!0, b"123456789"), 0xFC89_1918);
    }
}

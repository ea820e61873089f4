//! CRC-16 (reflected polynomial 0xA001), which the group descriptors of `uninit_bg` have where `metadata_csum` has
//! CRC-32C. Source of both: kernel.org, "ext4 Data Structures and Algorithms", sections "Checksums" and "Block group
//! descriptors". Every structure starts from a seed, and no running value is inverted.

/// Reflected polynomial of CRC-16/ARC.
const CRC16_POLYNOMIAL: u16 = 0xA001;

static CRC16_TABLE: [u16; 256] = crc16_table();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "evaluated by the compiler, over a constant range"
)]
const fn crc16_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ CRC16_POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The CRC-16 of `bytes`, going on from `crc`; `!0` starts a new one.
pub(super) fn crc16(mut crc: u16, bytes: &[u8]) -> u16 {
    for byte in bytes {
        let [low, _] = crc.to_le_bytes();
        crc = (crc >> 8) ^ CRC16_TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default();
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of a CRC is that of the digits 1 to 9 (CRC catalogue of Greg Cook).
    const DIGITS: &[u8] = b"123456789";

    #[test]
    fn check_value() {
        assert_eq!(crc16(0, DIGITS), 0xBB3D);
    }
}

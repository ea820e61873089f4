//! The two checksums of ext4 metadata.
//!
//! * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) for `metadata_csum`, as the kernel chains it: the running
//!   value is not inverted at either end, every structure starts from a seed. Source: kernel.org, "ext4 Data
//!   Structures and Algorithms", section "Checksums".
//! * CRC-16 (reflected polynomial 0xA001) for the group descriptors of `uninit_bg`, ibidem, section "Block group
//!   descriptors".

/// Reflected polynomial of CRC-32C.
const CRC32C_POLYNOMIAL: u32 = 0x82F6_3B78;
/// Reflected polynomial of CRC-16/ARC.
const CRC16_POLYNOMIAL: u16 = 0xA001;

/// How many bytes the CRC-32C tables take at a time.
const STRIDE: usize = 8;

/// `TABLES[n][b]`: what byte `b` contributes with `n` bytes after it ("slicing by 8").
static CRC32C_TABLES: [[u32; 256]; STRIDE] = crc32c_tables();
static CRC16_TABLE: [u16; 256] = crc16_table();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "evaluated by the compiler, over constant ranges"
)]
const fn crc32c_tables() -> [[u32; 256]; STRIDE] {
    let mut tables = [[0; 256]; STRIDE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ CRC32C_POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut n = 1;
    while n < STRIDE {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[n - 1][byte];
            tables[n][byte] = (crc >> 8) ^ tables[0][(crc & 0xFF) as usize];
            byte += 1;
        }
        n += 1;
    }
    tables
}

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

/// The CRC-32C of `bytes`, going on from `crc`; `!0` starts a new one.
pub(super) fn crc32c(mut crc: u32, bytes: &[u8]) -> u32 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &CRC32C_TABLES;
    let at = |table: &[u32; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or_default();
    let (chunks, rest) = bytes.as_chunks::<STRIDE>();
    for chunk in chunks {
        let [a, b, c, d, e, f, g, h] = (u64::from_le_bytes(*chunk) ^ u64::from(crc)).to_le_bytes();
        crc = at(t7, a) ^ at(t6, b) ^ at(t5, c) ^ at(t4, d) ^ at(t3, e) ^ at(t2, f) ^ at(t1, g) ^ at(t0, h);
    }
    for byte in rest {
        let [low, ..] = crc.to_le_bytes();
        crc = (crc >> 8) ^ at(t0, low ^ byte);
    }
    crc
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
    fn check_values() {
        assert_eq!(!crc32c(!0, DIGITS), 0xE306_9283);
        assert_eq!(crc16(0, DIGITS), 0xBB3D);
    }

    #[test]
    fn a_sum_can_be_taken_in_parts() {
        for cut in 0..DIGITS.len() {
            let (a, b) = DIGITS.split_at(cut);
            assert_eq!(crc32c(crc32c(!0, a), b), crc32c(!0, DIGITS));
        }
    }
}

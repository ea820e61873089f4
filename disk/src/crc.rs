//! Cyclic redundancy checks of 32 bits, bit-reflected: CRC-32 (IEEE 802.3) and CRC-32C (Castagnoli).
//!
//! Both functions run the bare shift register: on-disk formats differ in the value that they start from and in whether
//! they invert the result, so that is left to callers. The usual CRC-32 of `data` is `!crc32(!0, data)`.

/// Polynomial of CRC-32, reflected (IEEE 802.3).
const IEEE: u32 = 0xedb8_8320;
/// Polynomial of CRC-32C, reflected (RFC 3720, appendix B.4).
const CASTAGNOLI: u32 = 0x82f6_3b78;

/// Register change for each value of the byte shifted out.
type Table = [u32; 256];

#[expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "computed at compile time from constants, where any fault is a compile error"
)]
const fn table(polynomial: u32) -> Table {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut register = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            register = if register & 1 == 1 { (register >> 1) ^ polynomial } else { register >> 1 };
            bit += 1;
        }
        table[byte] = register;
        byte += 1;
    }
    table
}

static IEEE_TABLE: Table = table(IEEE);
static CASTAGNOLI_TABLE: Table = table(CASTAGNOLI);

fn shift(table: &Table, register: u32, data: &[u8]) -> u32 {
    data.iter().fold(register, |register, &byte| {
        let [low, ..] = register.to_le_bytes();
        let change = table.get(usize::from(low ^ byte)).copied().unwrap_or_default();
        (register >> 8) ^ change
    })
}

/// Shifts `data` through a CRC-32 register that starts as `register`.
pub(crate) fn crc32(register: u32, data: &[u8]) -> u32 {
    shift(&IEEE_TABLE, register, data)
}

/// Shifts `data` through a CRC-32C register that starts as `register`.
pub(crate) fn crc32c(register: u32, data: &[u8]) -> u32 {
    shift(&CASTAGNOLI_TABLE, register, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The "check" values of the two algorithms: the sum of the digits 1 to 9.
    #[test]
    fn check_values() {
        assert_eq!(!crc32(!0, b"123456789"), 0xcbf4_3926);
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn data_may_come_in_pieces() {
        assert_eq!(crc32(crc32(7, b"12345"), b"6789"), crc32(7, b"123456789"));
    }
}

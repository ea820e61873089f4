//! Cyclic redundancy checks of 32 bits, bit-reflected: CRC-32 (IEEE 802.3) and CRC-32C (Castagnoli); and one of 16 bits,
//! not reflected: that of ITU-T V.41, with which UDF begins at 0.
//!
//! All functions run the bare shift register: on-disk formats differ in the value that they start from and in whether
//! they invert the result, so that is left to callers. The usual CRC-32 of `data` is `!crc32(!0, data)`.

/// Shifts `data` through a CRC-32 register that starts as `register`.
pub(crate) fn crc32(register: u32, data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!register);
    hasher.update(data);
    !hasher.finalize()
}

/// Shifts `data` through a CRC-32C register that starts as `register`.
pub(crate) fn crc32c(register: u32, data: &[u8]) -> u32 {
    !crc32c::crc32c_append(!register, data)
}

/// What V.41's polynomial makes of each byte.
#[expect(clippy::indexing_slicing, reason = "a constant: the compiler would notice")]
const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let (mut byte, mut at) = (0u16, 0);
    while byte < 256 {
        let mut register = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            register = if register & 0x8000 == 0 { register << 1 } else { register << 1 ^ 0x1021 };
            bit += 1;
        }
        table[at] = register;
        byte += 1;
        at += 1;
    }
    table
};

/// Shifts `data` through a CRC register of V.41 that starts as `register`.
pub(crate) fn crc16(register: u16, data: &[u8]) -> u16 {
    data.iter().fold(register, |register, byte| {
        let [high, _] = register.to_be_bytes();
        let change = CRC16.get(usize::from(high ^ byte)).copied().unwrap_or(0);
        register << 8 ^ change
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The "check" values of the two algorithms: the sum of the digits 1 to 9.
    #[test]
    fn check_values() {
        assert_eq!(!crc32(!0, b"123456789"), 0xcbf4_3926);
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
        assert_eq!(crc16(0, b"123456789"), 0x31c3);
    }

    #[test]
    fn data_may_come_in_pieces() {
        assert_eq!(crc32(crc32(7, b"12345"), b"6789"), crc32(7, b"123456789"));
    }
}

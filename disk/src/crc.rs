//! Cyclic redundancy checks of 32 bits, bit-reflected: CRC-32 (IEEE 802.3) and CRC-32C (Castagnoli).
//!
//! Both functions run the bare shift register: on-disk formats differ in the value that they start from and in whether
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

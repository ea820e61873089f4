//! Marvin32, the hash that entries of transaction logs carry (US patent 20130262421 describes it).

/// The seed that the registry uses. The specification of the log format gives it as 14219357686671994754, which has its bytes the
/// other way round: the entries of real logs have hashes by this one.
const SEED: u64 = 0x82EF_4D88_7A4E_55C5;

/// The hash of `data` under the registry's seed.
pub(crate) fn hash(data: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h] = SEED.to_le_bytes();
    let mut state = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        state = mix(state, u32::from_le_bytes(*word));
    }
    // The bytes that are left, then a byte of 0x80, as one more word; and a word of 0.
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest.iter().chain([&0x80])) {
        *to = *from;
    }
    let (low, high) = mix(mix(state, u32::from_le_bytes(last)), 0);
    u64::from(high) << 32 | u64::from(low)
}

fn mix((low, high): (u32, u32), word: u32) -> (u32, u32) {
    let low = low.wrapping_add(word);
    let high = high ^ low;
    let low = low.rotate_left(20).wrapping_add(high);
    let high = high.rotate_left(9) ^ low;
    let low = low.rotate_left(27).wrapping_add(high);
    (low, high.rotate_left(19))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_an_entry_of_a_real_log() {
        // The first 32 bytes of an entry, and the second hash that stands behind them.
        let entry: &[u8] =
            b"HvLE\0\xAE\x03\0\0\0\0\0\x36\x02\0\0\0\xE0\x0B\0\x18\0\0\0\xCD\xC9\x8B\x95\xD9\xA7\x67\x75";
        assert_eq!(hash(entry), 0x3A77_21D2_8025_3D1C);
    }
}

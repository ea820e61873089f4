//! UTF-16 as Linux shows it in UTF-8.

/// Appends `units` up to the first zero to `name`. As in the kernel, halves of surrogate pairs that stand alone are left
/// out.
pub(in crate::fs) fn push_utf8(units: &[u16], name: &mut Vec<u8>) {
    let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
    for c in char::decode_utf16(units.iter().take(end).copied()).flatten() {
        name.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_characters() {
        let cases: [(&[u16], &str); 5] = [
            (&[0x61, 0xE4, 0x20AC, 0, 0x62], "aä€"),
            (&[0xD83D, 0xDE00], "😀"),
            (&[0x61, 0xDE00, 0x62], "ab"),
            (&[0xD83D, 0x62], "b"),
            (&[0xD83D, 0xD83D, 0xDE00, 0xD83D], "😀"),
        ];
        for (units, text) in cases {
            let mut name = Vec::new();
            push_utf8(units, &mut name);
            assert_eq!(name, text.as_bytes(), "{units:x?}");
        }
    }
}

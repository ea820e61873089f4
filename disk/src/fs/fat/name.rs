//! Names: short ones in code page 437, long ones in UTF-16, both shown in UTF-8, as Debian's kernel is configured
//! (`codepage=437,iocharset=ascii,shortname=mixed,utf8`).
//!
//! Source: Microsoft's FAT specification 1.03, "Directory structure" and "Long file name implementation". The case of
//! short names is in two bits of a byte that the specification reserves; Windows NT set them first.

use super::dir::Entry;

/// The characters 128 to 255 of code page 437. Source: unicode.org, `VENDORS/MICSFT/PC/CP437.TXT`.
const CP437: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', //
    'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ', //
    'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡', '«', '»', //
    '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛', '┐', //
    '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧', //
    '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀', //
    'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩', //
    '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{A0}',
];

/// Length of a short name without and with its extension, in bytes. Shorter ones are filled up with spaces.
const BASE: usize = 8;
pub(super) const SHORT: usize = 11;
/// A first byte that stands for 0xE5, which marks a deleted entry.
const ESCAPE: u8 = 0x05;
const ESCAPED: u8 = 0xE5;
/// In the byte for case: the name, the extension is in lower case.
const LOWER_BASE: u8 = 0x08;
const LOWER_EXTENSION: u8 = 0x10;

/// Appends what is shown of the short name of `entry` to `name`: nothing if it is all spaces.
pub(super) fn push_short(entry: &Entry, name: &mut Vec<u8>) {
    let mut short = entry.short;
    if let Some(first) = short.first_mut().filter(|first| **first == ESCAPE) {
        *first = ESCAPED;
    }
    let (base, extension) = short.split_at(BASE);
    push_part(base, entry.case & LOWER_BASE != 0, name);
    let without = name.len();
    name.push(b'.');
    push_part(extension, entry.case & LOWER_EXTENSION != 0, name);
    if name.len() == without.saturating_add(1) {
        name.truncate(without);
    }
}

/// Appends one part, up to a zero, without the spaces at its end.
fn push_part(part: &[u8], lower: bool, name: &mut Vec<u8>) {
    let end = part.iter().position(|&c| c == 0).unwrap_or(part.len());
    let part = part.get(..end).unwrap_or_default().trim_ascii_end_of_spaces();
    for &c in part {
        let c = unicode(c);
        let c = if lower { lower_case(c) } else { c };
        name.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Spaces are what fills a name up; `trim_ascii_end` takes other characters, too.
trait TrimSpaces {
    fn trim_ascii_end_of_spaces(&self) -> &Self;
}

impl TrimSpaces for [u8] {
    fn trim_ascii_end_of_spaces(&self) -> &[u8] {
        let len = self.iter().rposition(|&c| c != b' ').map_or(0, |last| last.saturating_add(1));
        self.get(..len).unwrap_or_default()
    }
}

/// A character of code page 437.
fn unicode(c: u8) -> char {
    let high = c.checked_sub(128).and_then(|high| CP437.get(usize::from(high)));
    high.copied().unwrap_or(char::from(c))
}

/// `c` in lower case, where that is in the code page.
fn lower_case(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) if lower.is_ascii() || CP437.contains(&lower) => lower,
        _ => c,
    }
}

/// The checksum of a short name that each part of its long name has.
pub(super) fn checksum(short: &[u8; SHORT]) -> u8 {
    short.iter().fold(0u8, |sum, &c| sum.rotate_right(1).wrapping_add(c))
}

/// A name as it is looked for: dots at its end don't count.
pub(super) fn without_dots(name: &[u8]) -> &[u8] {
    let len = name.iter().rposition(|&c| c != b'.').map_or(0, |last| last.saturating_add(1));
    name.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_shown_with_their_case() {
        let cases: [(&[u8; SHORT], u8, &str); 12] = [
            (b"README  TXT", 0, "README.TXT"),
            (b"README  TXT", LOWER_BASE, "readme.TXT"),
            (b"README  TXT", LOWER_EXTENSION, "README.txt"),
            (b"README  TXT", LOWER_BASE | LOWER_EXTENSION, "readme.txt"),
            (b"MAKEFILE   ", 0, "MAKEFILE"),
            (b"A B     C  ", 0, "A B.C"),
            (b"        TXT", 0, ".TXT"),
            (b"           ", 0, ""),
            (b"\x05AB        ", 0, "σAB"),
            (b"\x8E\x99\x9A\xA5\xE2\xE4\xE8\xEA\x80  ", LOWER_BASE | LOWER_EXTENSION, "äöüñΓσφΩ.ç"),
            (b"A\0B     X\0 ", 0, "A.X"),
            (b" A         ", 0, " A"),
        ];
        for (short, case, shown) in cases {
            let mut slot = [0; 32];
            slot[..SHORT].copy_from_slice(short);
            slot[12] = case;
            let entry = Entry::read(&slot).unwrap().unwrap();
            let mut name = Vec::new();
            push_short(&entry, &mut name);
            assert_eq!(name, shown.as_bytes(), "{}", short.escape_ascii());
        }
    }

    #[test]
    fn checksums_are_the_specification_s() {
        // As mtools writes it for "A long file name.text".
        assert_eq!(checksum(b"ALONGF~1TEX"), 0x7D);
    }
}

//! Names where there is no Rock Ridge: those of ISO 9660 in lower case without their versions, or Joliet's.

use crate::fs::clusters::push_utf8;

/// A name of ISO 9660 as Linux shows it: `README.TXT;1` as `readme.txt`.
pub(super) fn plain(stored: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    for (at, &c) in stored.iter().enumerate() {
        let rest = stored.get(at..).unwrap_or_default();
        if c == 0 || rest == b".;1" || rest == b";1" {
            break;
        }
        name.push(match c {
            b';' | b'/' => b'.',
            c => c.to_ascii_lowercase(),
        });
    }
    name
}

/// A name of Joliet, in UCS-2, without its version and without dots at its end.
pub(super) fn joliet(stored: &[u8]) -> Vec<u8> {
    let units: Vec<u16> = stored.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
    let mut name = Vec::new();
    push_utf8(&units, &mut name);
    if name.len() > 2 && name.ends_with(b";1") {
        name.truncate(name.len().saturating_sub(2));
    }
    while name.len() >= 2 && name.ends_with(b".") {
        name.pop();
    }
    name
}

/// Are two names the same to a volume with Joliet? Dots at the end don't count, nor does the case of what are letters in
/// Latin-1, which is how Linux looks at bytes.
pub(super) fn same_in_joliet(a: &[u8], b: &[u8]) -> bool {
    let without_dots =
        |name: &[u8]| name.iter().rposition(|&c| c != b'.').map_or(0, |last| last.saturating_add(1));
    let (a, b) = (a.get(..without_dots(a)).unwrap_or_default(), b.get(..without_dots(b)).unwrap_or_default());
    let lower = |c: &u8| match *c {
        c @ (b'A'..=b'Z' | 0xC0..=0xD6 | 0xD8..=0xDE) => c | 0x20,
        c => c,
    };
    a.len() == b.len() && a.iter().map(lower).eq(b.iter().map(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_lose_case_and_version() {
        for (stored, shown) in [
            (&b"README.TXT;1"[..], &b"readme.txt"[..]),
            (b"MAKEFILE.;1", b"makefile"),
            (b"A.TXT;2", b"a.txt.2"),
            (b"A;1.TXT", b"a.1.txt"),
            (b"DIR", b"dir"),
            (b"A/B", b"a.b"),
            (b"\xC4.;1", b"\xC4"),
            (b";1", b""),
        ] {
            assert_eq!(plain(stored), shown, "{}", stored.escape_ascii());
        }
    }

    #[test]
    fn joliet_s_names_lose_version_and_dots() {
        let stored = |name: &str| name.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        for (name, shown) in
            [("Täst.txt;1", "Täst.txt"), ("x...;1", "x"), ("...", "."), (";1", ";1"), ("日本", "日本")]
        {
            assert_eq!(joliet(&stored(name)), shown.as_bytes(), "{name}");
        }
        assert!(same_in_joliet(b"README..", b"readme"));
        assert!(!same_in_joliet(b"readme", b"readm"));
    }
}

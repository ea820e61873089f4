//! The small text formats of configuration files: lines, `KEY=value` as the shell reads it, numbers in a text.

use bstr::{BString, ByteSlice};

/// The lines of a text without their ends. What has a NUL in it is no text and left out.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.lines().filter(|line| !line.contains(&0))
}

/// The first line of a text without the blanks at its end, unless it is empty.
pub(super) fn first_line(text: &[u8]) -> Option<&[u8]> {
    let line = text.lines().next()?.trim_ascii_end();
    (!line.is_empty() && !line.contains(&0)).then_some(line)
}

/// The value that a shell would give variable `key` after reading the assignments of `text`: the last one counts.
pub(super) fn variable(text: &[u8], key: &str) -> Option<BString> {
    lines(text)
        .filter_map(|line| unquote(line.trim_ascii().strip_prefix(key.as_bytes())?.strip_prefix(b"=")?))
        .last()
}

/// The value of `key` in section `section` of a file of `[section]` and `key = value`: the first one counts.
pub(super) fn section_value<'t>(text: &'t [u8], section: &str, key: &str) -> Option<&'t [u8]> {
    let mut inside = false;
    lines(text).map(<[u8]>::trim_ascii).find_map(|line| {
        if let Some(name) = line.strip_prefix(b"[").and_then(|line| line.strip_suffix(b"]")) {
            inside = name == section.as_bytes();
        }
        let (name, value) = line.split_once_str("=").filter(|_| inside)?;
        (name.trim_ascii_end() == key.as_bytes()).then(|| value.trim_ascii_start())
    })
}

/// A word as the shell reads it, up to the first blank outside quotes; `None` if a quote is not closed (os-release(5)).
fn unquote(word: &[u8]) -> Option<BString> {
    let mut value = BString::default();
    let mut quote = None;
    let mut bytes = word.iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b' ' | b'\t') => return Some(value),
            (Some(open), _) if byte == open => quote = None,
            (None, b'\\') => value.push(bytes.next()?),
            (Some(b'"'), b'\\') => match bytes.next()? {
                escaped @ (b'"' | b'\\' | b'$' | b'`') => value.push(escaped),
                other => value.extend_from_slice(&[b'\\', other]),
            },
            _ => value.push(byte),
        }
    }
    quote.is_none().then_some(value)
}

/// A version: major and minor number, each as the API returns it.
pub(super) type Version = (i32, i32);

/// The first `N.N` in a text, else its first `N` with minor version 0.
pub(super) fn version(text: &[u8]) -> Option<Version> {
    matches(text, "#.#").or_else(|| matches(text, "#"))
}

/// Looks for `pattern` anywhere in `text` and returns the first two numbers that it captures (0 if there is no second).
///
/// In the pattern `#` stands for a decimal number, `*` for any bytes, the rest for itself.
pub(super) fn matches(text: &[u8], pattern: &str) -> Option<Version> {
    let mut rest = text;
    let mut numbers = Vec::new();
    for piece in pattern.split('*') {
        // A number is taken whole, or it would turn up in its own last digits.
        let in_number =
            |start: usize| piece.starts_with('#') && rest[..start].last().is_some_and(u8::is_ascii_digit);
        rest = (0..=rest.len()).filter(|&start| !in_number(start)).find_map(|start| {
            let before = numbers.len();
            let after = piece_at(rest.get(start..)?, piece, &mut numbers);
            if after.is_none() {
                numbers.truncate(before);
            }
            after
        })?;
    }
    Some((*numbers.first().unwrap_or(&0), *numbers.get(1).unwrap_or(&0)))
}

/// What follows `piece` in `text`, if `text` starts with it.
fn piece_at<'t>(mut text: &'t [u8], piece: &str, numbers: &mut Vec<i32>) -> Option<&'t [u8]> {
    for expected in piece.bytes() {
        if expected == b'#' {
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (number, after) = text.split_at_checked(digits)?;
            numbers.push(number.to_str().ok()?.parse().ok()?);
            text = after;
        } else {
            text = text.strip_prefix(&[expected])?;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_the_shell_reads_them() {
        for (text, value) in [
            ("ID=fedora", Some("fedora")),
            ("ID=\"fedora\"", Some("fedora")),
            ("ID='fedora'", Some("fedora")),
            ("  ID=fedora # comment", Some("fedora")),
            ("ID=first\nID=second", Some("second")),
            ("ID=", Some("")),
            ("ID=\"a \\\"b\\\" \\$c \\d\"", Some("a \"b\" $c \\d")),
            ("ID=a\\ b", Some("a b")),
            ("ID='a\\b'", Some("a\\b")),
            ("ID=\"not closed", None),
            ("ID=trailing\\", None),
            ("#ID=comment", None),
            ("VERSION_ID=1", None),
            ("ID=\"a\0b\"", None),
            ("ID=windows\r\n", Some("windows")),
        ] {
            assert_eq!(variable(text.as_bytes(), "ID"), value.map(BString::from), "{text:?}");
        }
    }

    #[test]
    fn numbers_are_found_by_pattern() {
        for (text, pattern, version) in [
            ("Red Hat Enterprise Linux Server release 5.11 (Tikanga)", "Red Hat*release #.#", Some((5, 11))),
            ("Red Hat Linux release 9 (Shrike)", "Red Hat*release #.#", None),
            ("Red Hat Linux release 9 (Shrike)", "Red Hat*release #", Some((9, 0))),
            (
                "Red Hat Enterprise Linux AS release 4 (Nahant Update 8)",
                "Red Hat*release #*Update #",
                Some((4, 8)),
            ),
            ("release release 3.x release 4.5", "release #.#", Some((4, 5))),
            ("release 99999999999.1", "release #.#", None),
            ("", "#", None),
        ] {
            assert_eq!(matches(text.as_bytes(), pattern), version, "{text:?} {pattern:?}");
        }
    }

    #[test]
    fn a_version_is_the_first_pair_of_numbers_or_the_first_number() {
        assert_eq!(version(b"12.11"), Some((12, 11)));
        assert_eq!(version(b"v9 then 3.4"), Some((3, 4)));
        assert_eq!(version(b"Tumbleweed 20240101"), Some((20_240_101, 0)));
        assert_eq!(version(b"trixie/sid"), None);
        assert_eq!(version(b"999999999999999999999"), None);
    }
}

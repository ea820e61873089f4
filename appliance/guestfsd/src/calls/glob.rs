//! `glob_expand`: paths that match a shell pattern, as glob(3) finds them.
//!
//! `*`, `?`, `[a-z]`, `[!a-z]`, `[[:alpha:]]`, backslash and, as the original asks for them, braces: `{a,b}`.

use std::ops::ControlFlow;

use bstr::{BStr, BString, ByteSlice};
use disk::fs::FileType;
use libguestfs_core::Result;
use libguestfs_core::api::GlobExpandOpts;

use super::account;
use crate::Guestfsd;
use crate::engine::Last;
use crate::error::{At, Failure, refused};

/// Most patterns that braces may make of one.
const MAX_BRACES: usize = 1024;

impl Guestfsd {
    pub(crate) fn glob_expand(&mut self, pattern: &BStr, opts: &GlobExpandOpts) -> Result<Vec<BString>> {
        let mut patterns = vec![BString::from(pattern)];
        let mut expanded = Vec::new();
        while let Some(pattern) = patterns.pop() {
            match split_braces(&pattern) {
                Some(several) => patterns.extend(several.into_iter().rev()),
                None => expanded.push(pattern),
            }
            if patterns.len() + expanded.len() > MAX_BRACES {
                return Err(refused(format!(
                    "{pattern}: the braces stand for too many patterns",
                    pattern = pattern_of(&patterns)
                )));
            }
        }
        let mut size = 0;
        let mut paths = Vec::new();
        for pattern in expanded {
            let mut found = self.matches(pattern.as_bstr(), &mut size)?;
            found.sort();
            paths.append(&mut found);
        }
        if opts.directoryslash.unwrap_or(true) {
            for path in &mut paths {
                if !path.ends_with(b"/")
                    && self.file_type(path.as_bstr(), Last::Follow)? == Some(FileType::Directory)
                {
                    path.push(b'/');
                }
            }
        }
        Ok(paths)
    }

    /// Paths that match a pattern without braces.
    fn matches(&self, pattern: &BStr, size: &mut usize) -> Result<Vec<BString>> {
        let mut found = vec![BString::default()];
        let parts = pattern.split_str("/").filter(|part| !part.is_empty());
        for part in parts {
            let mut next = Vec::new();
            for path in &found {
                if part.iter().any(|b| matches!(b, b'*' | b'?' | b'[')) {
                    self.matches_in(path, part, &mut next, size)?;
                } else {
                    let path = join(path, &unquote(part));
                    if self.file_type(path.as_bstr(), Last::Itself)?.is_some() {
                        account(size, path.len())?;
                        next.push(path);
                    }
                }
            }
            found = next;
        }
        if pattern.ends_with(b"/") {
            for path in &mut found {
                path.push(b'/');
            }
        }
        Ok(found)
    }

    fn matches_in(
        &self,
        path: &BString,
        part: &[u8],
        found: &mut Vec<BString>,
        size: &mut usize,
    ) -> Result<()> {
        let at = if path.is_empty() { BStr::new("/") } else { path.as_bstr() };
        let directory = match self.tree().directory(at) {
            Ok(directory) => directory,
            // Nothing matches below what is no directory.
            Err(Failure::Os(_)) => return Ok(()),
            Err(failure) => return Err(failure.at(at)),
        };
        let mut fits = Ok(());
        directory
            .read(&mut |entry| {
                let hidden = entry.name.starts_with(b".") && !part.starts_with(b".");
                if hidden || !matches(part, entry.name) {
                    return ControlFlow::Continue(());
                }
                let path = join(path, entry.name);
                fits = account(size, path.len());
                found.push(path);
                if fits.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
            .at(at)?;
        fits
    }
}

fn pattern_of(patterns: &[BString]) -> BString {
    patterns.first().cloned().unwrap_or_default()
}

fn join(path: &BString, name: &[u8]) -> BString {
    let mut path = path.clone();
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

/// The pattern's text without backslashes.
fn unquote(part: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut bytes = part.iter();
    while let Some(&byte) = bytes.next() {
        text.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    text
}

/// The patterns that the first pair of braces stands for, or `None` if there is none.
fn split_braces(pattern: &BString) -> Option<Vec<BString>> {
    let mut depth = 0usize;
    let mut open = None;
    let mut commas = Vec::new();
    let mut escaped = false;
    for (at, &byte) in pattern.iter().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match byte {
            b'\\' => escaped = true,
            b'{' => {
                if depth == 0 {
                    open = Some(at);
                }
                depth += 1;
            }
            b',' if depth == 1 => commas.push(at),
            b'}' if depth == 1 => {
                let open = open?;
                let mut several = Vec::new();
                let mut from = open + 1;
                for end in commas.into_iter().chain([at]) {
                    let parts = [pattern.get(..open)?, pattern.get(from..end)?, pattern.get(at + 1..)?];
                    several.push(BString::from(parts.concat()));
                    from = end + 1;
                }
                return Some(several);
            }
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Does `name` match a pattern, whose `*` and `?` match slashes too? Linear in the name for each `*`.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on if what follows the last `*` does not match here.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(p..).unwrap_or_default();
        let matched = match (rest.first(), name.get(n)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            (Some(_), Some(&byte)) => one(rest, byte),
            _ => None,
        };
        match (matched, star) {
            (Some(len), _) => {
                p += len;
                n += 1;
            }
            (None, Some((after, from))) if from < name.len() => {
                star = Some((after, from + 1));
                p = after;
                n = from + 1;
            }
            _ => return false,
        }
    }
}

/// Matches one byte with the start of a pattern, and tells how much of the pattern that took.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [b'[', class @ ..] => match class_matches(class, byte) {
            Some((true, len)) => Some(len + 1),
            Some((false, _)) => None,
            // Without its end it is a plain bracket.
            None => (byte == b'[').then_some(1),
        },
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// Is `byte` in the class whose text after `[` this is? Also how long that text is; `None` if it has no end.
fn class_matches(class: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(class.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let mut at = start;
    let mut inside = false;
    loop {
        let rest = class.get(at..)?;
        match rest {
            [b']', ..] if at > start => return Some((inside != negated, at + 1)),
            [b'[', b':', named @ ..] => {
                let end = named.find(b":]")?;
                inside |= named_class(named.get(..end)?, byte);
                at += end + 4;
            }
            [b'\\', low, b'-', high, ..] | [low, b'-', high, ..] if *high != b']' => {
                inside |= (*low..=*high).contains(&byte);
                at += if rest.starts_with(b"\\") && rest.get(2) == Some(&b'-') { 4 } else { 3 };
            }
            [b'\\', literal, ..] => {
                inside |= *literal == byte;
                at += 2;
            }
            [literal, ..] => {
                inside |= *literal == byte;
                at += 1;
            }
            [] => return None,
        }
    }
}

fn named_class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"blank" => byte == b' ' || byte == b'\t',
        b"punct" => byte.is_ascii_punctuation(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"graph" => byte.is_ascii_graphic(),
        b"cntrl" => byte.is_ascii_control(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("*", &["", "a", "abc"], &[]),
            ("a*c", &["ac", "abc", "abcbc"], &["a", "acb"]),
            ("*.so.?", &["libc.so.6", ".so.1"], &["libc.so", "libc.so.10"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x", "-x"]),
            ("[!a-c]x", &["dx", "-x"], &["ax"]),
            ("[]x]", &["]", "x"], &["a"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[[:digit:]]*", &["1", "12a"], &["a1"]),
            ("a\\*", &["a*"], &["ab"]),
            ("[ab", &["[ab"], &["a"]),
            ("*a*a*a*a*a*b", &["aaaaaab"], &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]),
        ];
        for (pattern, yes, no) in cases {
            for name in *yes {
                assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
            }
            for name in *no {
                assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn braces_stand_for_several_patterns() {
        let split = |text: &str| split_braces(&text.into());
        assert_eq!(split("/a{b,c{d,e}}f"), Some(vec!["/abf".into(), "/ac{d,e}f".into()]));
        assert_eq!(split("{a}"), Some(vec!["a".into()]));
        assert_eq!(split("/a\\{b,c\\}"), None);
        assert_eq!(split("/a{b"), None);
    }
}

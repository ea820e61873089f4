//! Paths as Windows writes them: `C:\Dir\File`, whatever the case of its letters, on any drive.
//!
//! The system's filesystem is what is mounted; another drive is mounted in its place for as long as paths name it, as Debian's
//! tools do. A path without a drive is one of the system's, with either kind of slash. What is a path of another guest stays
//! as it is.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use bstr::{BStr, BString, ByteSlice, ByteVec};
use libguestfs_core::Guestfs;

use crate::guest::{about_path, mount_system};
use crate::{Error, Result, Session};

/// What guestfish has before such a path. It is not needed here, and does no harm.
const PREFIX: &[u8] = b"win:";

/// Finds what the user's paths name in a guest.
#[derive(Debug)]
pub struct GuestPaths {
    kind: Kind,
    /// Was what is mounted now asked whether it was left clean?
    is_asked: bool,
    /// What was said of it.
    said: BTreeSet<BString>,
}

#[derive(Debug)]
enum Kind {
    /// Filesystems are mounted by hand: nothing is known of drives.
    ByHand,
    /// An operating system that has no drives, by its name.
    Plain(String),
    Windows(Drives),
}

/// The drives of a Windows.
#[derive(Debug)]
struct Drives {
    root: BString,
    /// Letters in lower case, with their filesystems; read when one is first named.
    list: Option<Vec<(BString, BString)>>,
    /// The drive that is mounted in the place of the system.
    mounted: Option<BString>,
}

impl GuestPaths {
    fn new(kind: Kind) -> Self {
        GuestPaths { kind, is_asked: false, said: BTreeSet::new() }
    }

    /// For a guest whose filesystems are mounted by hand.
    pub(crate) fn by_hand() -> Self {
        GuestPaths::new(Kind::ByHand)
    }

    /// For the operating system on `root`, which is mounted.
    ///
    /// # Errors
    /// If the daemon fails.
    pub(crate) fn of_system(handle: &Guestfs, root: &BStr) -> Result<Self> {
        Ok(GuestPaths::new(if handle.inspect_get_type(root)? == "windows" {
            Kind::Windows(Drives { root: root.to_owned(), list: None, mounted: None })
        } else {
            let distro = handle.inspect_get_distro(root)?;
            let name = if distro == "unknown" { handle.inspect_get_type(root)? } else { distro };
            Kind::Plain(name.to_string())
        }))
    }

    /// Mounts the drive that `path` is on, if it is not.
    ///
    /// # Errors
    /// If there is no such drive, or it can't be mounted.
    pub fn mount_for(&mut self, handle: &Guestfs, path: &BStr) -> Result<()> {
        if let Kind::Windows(drives) = &mut self.kind
            && drives.mount(handle, split(path).0, path)?
        {
            self.is_asked = false;
        }
        Ok(())
    }

    /// What the user should know of what is mounted now: a filesystem that was not left clean may be stale in part. Each is
    /// given once.
    ///
    /// # Errors
    /// If the daemon fails.
    pub fn warnings(&mut self, handle: &Guestfs) -> Result<Vec<Error>> {
        if std::mem::replace(&mut self.is_asked, true) {
            return Ok(Vec::new());
        }
        let mut found = handle.mount_warnings()?;
        found.retain(|text| self.said.insert(text.clone()));
        Ok(found.into_iter().map(|text| Error::new(text.to_string())).collect())
    }

    /// [`warnings`](Self::warnings) on standard error.
    ///
    /// # Errors
    /// If the daemon fails.
    pub fn warn(&mut self, handle: &Guestfs, session: &mut Session) -> Result<()> {
        self.warnings(handle)?.iter().for_each(|warning| session.warn(warning));
        Ok(())
    }

    /// The path in what is mounted of what the user calls `path`; its drive is mounted from then on. Of a Windows, the path
    /// has the case that its filesystem has. The last name need not be there.
    ///
    /// # Errors
    /// If it is no path, there is no such drive or directory, or the drive can't be mounted.
    pub fn find(&mut self, handle: &Guestfs, path: &BStr) -> Result<BString> {
        self.mount_for(handle, path)?;
        let (drive, rest) = split(path);
        match &self.kind {
            Kind::Windows(_) => {
                let slashes = rest.replace(b"\\", b"/");
                if !slashes.starts_with(b"/") {
                    return Err(no_slash(path));
                }
                let found = handle.case_sensitive_path(&slashes);
                let mut found = found.map_err(|e| about_path(handle, &slashes, e))?;
                // It says that a directory is meant.
                if slashes.ends_with(b"/") && !found.ends_with(b"/") {
                    found.push(b'/');
                }
                Ok(found)
            }
            _ if path.starts_with(b"/") => Ok(path.to_owned()),
            Kind::ByHand if drive.is_some() => Err(no_slash(path).hint(
                "what is mounted with -m has no drive letters; without -m those of a Windows are known",
            )),
            Kind::Plain(name) if drive.is_some() => {
                Err(no_slash(path).hint(format!("drive letters are for Windows; this guest is {name}")))
            }
            _ => Err(no_slash(path)),
        }
    }
}

impl GuestPaths {
    /// A shell pattern that fits what the user's `pattern` for a last name is to fit: of a Windows, in any case of letters.
    pub fn wildcard(&self, pattern: &[u8]) -> BString {
        match self.kind {
            Kind::Windows(_) => in_any_case(pattern),
            _ => pattern.into(),
        }
    }
}

impl Drives {
    /// Mounts the drive that `path` names, or the system. Says whether that was not mounted before.
    fn mount(&mut self, handle: &Guestfs, letter: Option<u8>, path: &BStr) -> Result<bool> {
        let wanted = match letter {
            Some(letter) => {
                let device = self.device(handle, letter, path)?;
                let system = handle.inspect_get_mountpoints(&self.root)?.0;
                let is_system = system.iter().any(|(at, mounted)| at == "/" && *mounted == device);
                (!is_system).then_some(device)
            }
            None => None,
        };
        if wanted == self.mounted {
            return Ok(false);
        }
        handle.umount_all()?;
        match &wanted {
            Some(device) => handle.mount_ro(device, "/")?,
            // What can't be mounted was said when the guest was opened.
            None => mount_system(handle, &self.root, |_| {})?,
        }
        self.mounted = wanted;
        Ok(true)
    }

    fn device(&mut self, handle: &Guestfs, letter: u8, path: &BStr) -> Result<BString> {
        let list = match &mut self.list {
            Some(list) => list,
            none => none.insert(handle.inspect_get_drive_mappings(&self.root)?.0),
        };
        let found = list.iter().find(|(name, _)| name.eq_ignore_ascii_case(&[letter]));
        let found = found.map(|(_, device)| device.clone());
        found.ok_or_else(|| no_drive(path, letter, list))
    }
}

/// The drive letter of a path, if it has one, and the rest.
fn split(path: &BStr) -> (Option<u8>, &BStr) {
    let bare = match path.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => path.get(PREFIX.len()..).unwrap_or_default(),
        _ => path.as_bytes(),
    };
    match bare {
        [letter, b':', rest @ ..] if letter.is_ascii_alphabetic() => (Some(*letter), rest.as_bstr()),
        whole => (None, whole.as_bstr()),
    }
}

/// The pattern with each letter, and each range of letters, in both cases. Letters beyond ASCII become braces: in a pattern
/// a class is one of bytes.
fn in_any_case(pattern: &[u8]) -> BString {
    let mut any = BString::default();
    let mut rest = pattern;
    while let Some((first, after)) = rest.split_first() {
        let class =
            (*first == b'[').then(|| class_end(after).and_then(|end| after.split_at_checked(end))).flatten();
        if let Some((class, after)) = class {
            any.push(b'[');
            push_class(class, &mut any);
            any.push(b']');
            rest = after.strip_prefix(b"]").unwrap_or(after);
            continue;
        }
        let (letter, length) = bstr::decode_utf8(rest);
        let (raw, after) = rest.split_at_checked(length).unwrap_or((rest, b""));
        match letter.and_then(other_case) {
            Some(other) if other.is_ascii() && raw.is_ascii() => {
                any.push_str(format!("[{}{other}]", raw.as_bstr()));
            }
            Some(other) => any.push_str(format!("{{{},{other}}}", raw.as_bstr())),
            None => any.push_str(raw),
        }
        rest = after;
    }
    any
}

/// Where the `]` is that ends a class, whose text after the `[` this is.
fn class_end(class: &[u8]) -> Option<usize> {
    let mut at = usize::from(matches!(class.first(), Some(b'!' | b'^')));
    // One at the beginning is a member.
    at = at.saturating_add(usize::from(class.get(at) == Some(&b']')));
    loop {
        let rest = class.get(at..)?;
        at = match rest {
            [b']', ..] => return Some(at),
            [b'[', b':', named @ ..] => at.checked_add(named.find(b":]")?)?.checked_add(4)?,
            [_, ..] => at.checked_add(1)?,
            [] => return None,
        };
    }
}

/// The members of a class, and those of its letters and of its ranges of letters in the other case.
fn push_class(class: &[u8], any: &mut BString) {
    any.extend_from_slice(class);
    // What stands at the end of a class for itself would be one end of a range.
    if any.ends_with(b"-") {
        any.pop();
    }
    let mut rest = class;
    while let Some((first, after)) = rest.split_first() {
        rest = match rest {
            [b'[', b':', named @ ..] => {
                named.find(b":]").and_then(|end| named.get(end..)).unwrap_or_default()
            }
            [low, b'-', high, after @ ..]
                if (low.is_ascii_lowercase() && high.is_ascii_lowercase())
                    || (low.is_ascii_uppercase() && high.is_ascii_uppercase()) =>
            {
                any.extend([low ^ OTHER_CASE, b'-', high ^ OTHER_CASE]);
                after
            }
            _ if first.is_ascii_alphabetic() => {
                any.push(first ^ OTHER_CASE);
                after
            }
            _ => after,
        };
    }
    if class.ends_with(b"-") {
        any.push(b'-');
    }
}

/// The bit of a letter of ASCII that tells its case.
const OTHER_CASE: u8 = 0x20;

/// A letter in the other case, if that is one letter, and this one is the other case of it.
fn other_case(letter: char) -> Option<char> {
    let (mut lower, mut upper) = (letter.to_lowercase(), letter.to_uppercase());
    let (lower, upper) = match (lower.next(), lower.next(), upper.next(), upper.next()) {
        (Some(lower), None, Some(upper), None) => (lower, upper),
        _ => return None,
    };
    [lower, upper].into_iter().find(|other| *other != letter)
}

fn no_slash(path: &BStr) -> Error {
    Error::new(format!("{path}: the path does not begin with a slash"))
}

fn no_drive(path: &BStr, letter: u8, drives: &[(BString, BString)]) -> Error {
    let error = Error::new(format!("{path}: the guest has no drive {}:", char::from(letter)));
    let mut known = String::new();
    for (name, device) in drives {
        let comma = if known.is_empty() { "" } else { ", " };
        let _infallible = write!(known, "{comma}{}: ({device})", name.to_str_lossy().to_uppercase());
    }
    error.hint(if known.is_empty() {
        "no drive letters are known of it; paths of its system begin with a slash".to_owned()
    } else {
        format!("its drives are {known}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_is_a_letter_and_a_colon() {
        for (path, letter, rest) in [
            ("C:\\Windows", Some(b'C'), "\\Windows"),
            ("d:/x", Some(b'd'), "/x"),
            ("c:", Some(b'c'), ""),
            ("win:C:\\x", Some(b'C'), "\\x"),
            ("WIN:\\x", None, "\\x"),
            ("/C:/x", None, "/C:/x"),
            ("1:\\x", None, "1:\\x"),
            ("", None, ""),
            ("win", None, "win"),
        ] {
            assert_eq!(split(path.into()), (letter, BStr::new(rest)), "{path}");
        }
    }

    #[test]
    fn a_wildcard_of_a_windows_fits_any_case() {
        for (pattern, expected) in [
            ("a*.T?1", "[aA]*.[Tt]?1"),
            ("Öl ß*", "{Ö,ö}[lL] ß*"),
            ("[!a-cX]", "[!a-cXA-Cx]"),
            ("[]a]", "[]aA]"),
            ("[a-]", "[aA-]"),
            ("[-a]", "[-aA]"),
            ("[[:upper:]x]y", "[[:upper:]xX][yY]"),
            ("[0-9", "[0-9"),
            ("\u{fffd}{A,b}", "\u{fffd}{[Aa],[bB]}"),
        ] {
            assert_eq!(in_any_case(pattern.as_bytes()), expected, "{pattern}");
        }
        assert_eq!(in_any_case(b"\xff*"), BStr::new(b"\xff*"));
        assert_eq!(GuestPaths::by_hand().wildcard(b"a*"), "a*");
    }

    #[test]
    fn the_drives_that_there_are_are_named() {
        let drives = [("c".into(), "/dev/sda2".into()), ("e".into(), "/dev/sdb1".into())];
        let error = no_drive("q:\\x".into(), b'q', &drives);
        assert_eq!(error.to_string(), "q:\\x: the guest has no drive q:");
        assert!(format!("{error:?}").contains("its drives are C: (/dev/sda2), E: (/dev/sdb1)"), "{error:?}");
    }
}

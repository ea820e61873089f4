//! POSIX ACLs as text: own code on the extended attributes that hold them.
//!
//! Source of the text forms: acl(5), "ACL TEXT FORMS". Of the attribute: include/uapi/linux/posix_acl_xattr.h. A header of
//! a version (2), then entries of tag, permission bits and, for named users and groups, their number; all little-endian.
//! Users and groups are written by number. Where a text has names, they are the guest's.

/// Attribute with the ACL of a file.
pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";
/// Attribute with the ACL that new files of a directory get.
pub(super) const DEFAULT: &[u8] = b"system.posix_acl_default";

/// The one version.
const VERSION: u32 = 2;
/// The number of an entry that has none.
const NO_ID: u32 = u32::MAX;

/// Tags of entries.
const USER_OBJ: u16 = 1;
const USER: u16 = 2;
const GROUP_OBJ: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHER: u16 = 32;

/// Tags with their words in text; those with a number are followed by it.
const TAGS: [(u16, &str); 6] = [
    (USER_OBJ, "user:"),
    (USER, "user:"),
    (GROUP_OBJ, "group:"),
    (GROUP, "group:"),
    (MASK, "mask:"),
    (OTHER, "other:"),
];
/// Permission bits with their letters.
const LETTERS: [(u16, char); 3] = [(4, 'r'), (2, 'w'), (1, 'x')];

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    tag: u16,
    id: u32,
    permissions: u16,
}

/// Why a text is no ACL.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It breaks the rules of the form.
    Form,
    /// It names a user or group that is not known.
    Name,
}

/// Numbers by names, as the guest has them.
pub(super) trait Names {
    /// The number of a user.
    fn user(&self, name: &str) -> Option<u32>;
    /// The number of a group.
    fn group(&self, name: &str) -> Option<u32>;
}

/// Takes an attribute apart. `None` if it makes no sense.
pub(super) fn entries(value: &[u8]) -> Option<Vec<Entry>> {
    let (version, rest) = value.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != VERSION {
        return None;
    }
    let (entries, []) = rest.as_chunks::<8>() else { return None };
    entries
        .iter()
        .map(|[t0, t1, p0, p1, id @ ..]| {
            let tag = u16::from_le_bytes([*t0, *t1]);
            TAGS.iter().any(|(known, _)| *known == tag).then(|| Entry {
                tag,
                id: if matches!(tag, USER | GROUP) { u32::from_le_bytes(*id) } else { NO_ID },
                permissions: u16::from_le_bytes([*p0, *p1]),
            })
        })
        .collect()
}

/// Puts an attribute together.
pub(super) fn value(entries: &[Entry]) -> Vec<u8> {
    let mut value = VERSION.to_le_bytes().to_vec();
    for entry in entries {
        value.extend_from_slice(&entry.tag.to_le_bytes());
        value.extend_from_slice(&entry.permissions.to_le_bytes());
        value.extend_from_slice(&entry.id.to_le_bytes());
    }
    value
}

/// The ACL of a file that has none but its mode.
pub(super) fn of_mode(permissions: u16) -> Vec<Entry> {
    let bits = |shift: u16| permissions >> shift & 7;
    [(USER_OBJ, bits(6)), (GROUP_OBJ, bits(3)), (OTHER, bits(0))]
        .map(|(tag, permissions)| Entry { tag, id: NO_ID, permissions })
        .to_vec()
}

fn entry_text(entry: &Entry) -> String {
    let word = TAGS.iter().find(|(tag, _)| *tag == entry.tag).map(|(_, word)| *word).unwrap_or_default();
    let id = if entry.id == NO_ID { String::new() } else { entry.id.to_string() };
    let letter = |(bit, letter)| if entry.permissions & bit == 0 { '-' } else { letter };
    let [read, write, execute] = LETTERS.map(letter);
    format!("{word}{id}:{read}{write}{execute}")
}

/// The short text form, as tar programs keep it: `user::rw-,user:1000:r--,…`. `None` if the attribute makes no sense.
pub(super) fn short(value: &[u8]) -> Option<String> {
    Some(entries(value)?.iter().map(entry_text).collect::<Vec<_>>().join(","))
}

/// The long text form: an entry a line.
pub(super) fn long(entries: &[Entry]) -> String {
    entries.iter().map(|entry| entry_text(entry) + "\n").collect()
}

/// Reads either text form. Entries are sorted as the kernel wants them; whether they make a whole ACL is for the kernel to
/// say.
pub(super) fn parse(text: &[u8], names: &dyn Names) -> Result<Vec<Entry>, Wrong> {
    let text = str::from_utf8(text).map_err(|_| Wrong::Form)?;
    let mut entries = Vec::new();
    for line in text.lines() {
        let line = line.split_once('#').map_or(line, |(entry, _)| entry);
        for part in line.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            entries.push(parse_entry(part, names)?);
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

fn parse_entry(text: &str, names: &dyn Names) -> Result<Entry, Wrong> {
    let (word, rest) = text.split_once(':').ok_or(Wrong::Form)?;
    let (own, named) = match word.trim() {
        "u" | "user" => (USER_OBJ, Some(USER)),
        "g" | "group" => (GROUP_OBJ, Some(GROUP)),
        "m" | "mask" => (MASK, None),
        "o" | "other" => (OTHER, None),
        _ => return Err(Wrong::Form),
    };
    let (name, letters) = match (rest.split_once(':'), named) {
        (Some((name, letters)), _) => (name.trim(), letters),
        // The second colon of these can be left out.
        (None, None) => ("", rest),
        (None, Some(_)) => return Err(Wrong::Form),
    };
    let (tag, id) = match (name, named) {
        ("", _) => (own, NO_ID),
        (_, None) => return Err(Wrong::Form),
        (name, Some(tag)) => {
            let known = || if tag == USER { names.user(name) } else { names.group(name) };
            let id = name.parse().ok().or_else(known).filter(|id| *id != NO_ID);
            (tag, id.ok_or(Wrong::Name)?)
        }
    };
    let mut permissions = 0;
    for letter in letters.trim().chars() {
        match LETTERS.iter().find(|(_, known)| *known == letter) {
            Some((bit, _)) => permissions |= bit,
            None if letter == '-' => {}
            None => return Err(Wrong::Form),
        }
    }
    Ok(Entry { tag, id, permissions })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Games;

    impl Names for Games {
        fn user(&self, name: &str) -> Option<u32> {
            (name == "games").then_some(5)
        }
        fn group(&self, name: &str) -> Option<u32> {
            (name == "games").then_some(60)
        }
    }

    #[test]
    fn an_acl_is_written_as_tar_writes_it() {
        let entry = |tag: u16, bits: u16, id: u32| {
            [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let all = [
            2u32.to_le_bytes().to_vec(),
            entry(1, 6, u32::MAX),
            entry(2, 4, 1000),
            entry(4, 5, u32::MAX),
            entry(8, 0, 33),
            entry(16, 7, u32::MAX),
            entry(32, 1, u32::MAX),
        ]
        .concat();
        let text = "user::rw-,user:1000:r--,group::r-x,group:33:---,mask::rwx,other::--x";
        assert_eq!(short(&all).unwrap(), text);
        assert_eq!(value(&parse(text.as_bytes(), &Games).unwrap()), all);
        assert_eq!(short(&2u32.to_le_bytes()).unwrap(), "");
        for broken in [&all[..all.len() - 1], b"", &[1, 0, 0, 0], &[2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(short(broken), None);
        }
    }

    #[test]
    fn both_text_forms_are_read() {
        let read = |text: &str| parse(text.as_bytes(), &Games).map(|entries| long(&entries));
        let expected = "user::rw-\nuser:0:r--\ngroup::r--\nmask::rwx\nother::---\n";
        for text in [
            "o::-,m:rwx,g::r,u:0:r,u::rw",
            "user::rw-\nuser:0:r--\t#effective:r--\ngroup::r--\n# comment\nmask::rwx\nother:---\n",
            " user :: wr , group::r--,user:0:r,other::,,mask::xwr",
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(read("").as_deref(), Ok(""));
        assert_eq!(read("g:games:r,u:games:x").as_deref(), Ok("user:5:--x\ngroup:60:r--\n"));
        for (text, wrong) in [
            ("junk", Wrong::Form),
            ("u:rw", Wrong::Form),
            ("u::rwz", Wrong::Form),
            ("m:5:r", Wrong::Form),
            ("x::r", Wrong::Form),
            ("u:root:rw", Wrong::Name),
            ("u:4294967295:rw", Wrong::Name),
        ] {
            assert_eq!(read(text), Err(wrong), "{text}");
        }
    }
}

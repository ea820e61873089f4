//! The tables of a guest's `/etc`: fstab(5), crypttab(5), mdadm.conf(5).

use bstr::BString;

use super::text::lines;

/// A line of fstab, with its octal escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The device, or a tag that names it.
    pub(super) spec: BString,
    /// Where it is mounted; anything for swap.
    pub(super) file: BString,
    /// Type of the filesystem; empty if the line ends before it.
    pub(super) kind: BString,
    /// Options, separated by commas; empty if the line ends before them.
    pub(super) options: BString,
}

impl Entry {
    /// The value of the last option `name=value`.
    pub(super) fn option(&self, name: &str) -> Option<&[u8]> {
        self.options
            .split(|&byte| byte == b',')
            .filter_map(|option| option.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
            .next_back()
    }
}

/// The entries of fstab: a line with at least two fields, as mount(8) takes it.
pub(super) fn fstab(text: &[u8]) -> impl Iterator<Item = Entry> {
    rows(text).filter_map(|mut fields| {
        let mut field = || fields.next().map(unescape);
        Some(Entry {
            spec: field()?,
            file: field()?,
            kind: field().unwrap_or_default(),
            options: field().unwrap_or_default(),
        })
    })
}

/// The pairs of crypttab: the name under `/dev/mapper`, and the device that is opened as that.
pub(super) fn crypttab(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    rows(text).filter_map(|mut fields| Some((fields.next()?, fields.next()?)))
}

/// The pairs of mdadm.conf: the device of an array, and its UUID.
pub(super) fn mdadm(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    rows(text).filter_map(|mut fields| {
        if !fields.next()?.eq_ignore_ascii_case(b"ARRAY") {
            return None;
        }
        let device = fields.next()?;
        let uuid =
            fields.find_map(|word| word.get(..5)?.eq_ignore_ascii_case(b"UUID=").then(|| &word[5..]))?;
        Some((device, uuid))
    })
}

/// The fields of each line that is not a comment.
fn rows(text: &[u8]) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
    lines(text)
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.starts_with(b"#"))
        .map(|line| line.split(|&byte| byte == b' ' || byte == b'\t').filter(|field| !field.is_empty()))
}

/// Replaces `\ooo` (three octal digits of one byte other than NUL) by that byte, as getmntent(3) does.
fn unescape(field: &[u8]) -> BString {
    let mut out = BString::default();
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match rest.first_chunk::<4>() {
            Some([b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7']) => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')).filter(|&byte| byte != 0)
            }
            _ => None,
        };
        out.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { rest.get(4..).unwrap_or_default() } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(spec: &str, file: &str, kind: &str, options: &str) -> Entry {
        Entry { spec: spec.into(), file: file.into(), kind: kind.into(), options: options.into() }
    }

    #[test]
    fn entries_are_what_mount_sees() {
        let text = b"# comment\n\n  \t\n/dev/sda1 / ext4 ro,noatime 0 1\n\
            \tLABEL=a\\040b\t/space\\040dir  auto\n/dev/sda2 /two\n/dev/sda3\n\
            /dev/sda4 /nul\0 ext4\n/dev/sda5 /win ext4 defaults\r\n/dev/sda6 /\\134\\011\\000\\999\\ x\n";
        assert_eq!(
            fstab(text).collect::<Vec<_>>(),
            [
                entry("/dev/sda1", "/", "ext4", "ro,noatime"),
                entry("LABEL=a b", "/space dir", "auto", ""),
                entry("/dev/sda2", "/two", "", ""),
                entry("/dev/sda5", "/win", "ext4", "defaults"),
                entry("/dev/sda6", "/\\\t\\000\\999\\", "x", ""),
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_text_pass_through() {
        let entries: Vec<_> = fstab(b"/dev/sda1 /\xff\xfe\x1b[31m ext4").collect();
        assert_eq!(entries[0].file, BString::from(b"/\xff\xfe\x1b[31m"));
    }

    #[test]
    fn options_are_found_by_name() {
        let entry = entry("x", "/", "btrfs", "compress=zstd,subvol=@,subvol=@home,subvolid=256");
        assert_eq!(entry.option("subvol"), Some(&b"@home"[..]));
        assert_eq!(entry.option("vol"), None);
    }

    #[test]
    fn crypttab_and_mdadm_conf_name_devices() {
        let text = b"# c\nroot_crypt UUID=1-2 none luks\ndata /dev/sdb1\nalone\n";
        let pairs: Vec<_> = crypttab(text).collect();
        assert_eq!(pairs, [(&b"root_crypt"[..], &b"UUID=1-2"[..]), (b"data", b"/dev/sdb1")]);
        let text = b"DEVICE partitions\nARRAY /dev/md0 level=raid1 uuid=a:b:c:d name=x\nARRAY /dev/md1\n";
        assert_eq!(mdadm(text).collect::<Vec<_>>(), [(&b"/dev/md0"[..], &b"a:b:c:d"[..])]);
    }
}

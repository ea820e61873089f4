//! What the kernel says is mounted: `/proc/thread-self/mountinfo` (proc(5)).

use bstr::{BStr, BString, ByteSlice};
use disk::fs::DeviceNumber;

use crate::engine::Result;
use crate::error::Failure;

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Number of the mount, as statx(2) gives it.
    pub(super) id: u64,
    /// `st_dev` of its files; of major 0 where a filesystem has no one device (btrfs).
    pub(super) device: DeviceNumber,
    /// Which directory of the filesystem is its root.
    pub(super) root: BString,
    /// Where it is.
    pub(super) at: BString,
    /// Type of the filesystem.
    pub(super) kind: BString,
    /// What mount(2) was given as the source.
    pub(super) source: BString,
}

/// All mounts of this process, in the order in which they were made.
pub(super) fn read() -> Result<Vec<Mount>> {
    const PLACE: &str = "/proc/thread-self/mountinfo";
    let text = std::fs::read(PLACE).map_err(|e| Failure::from_io(&e))?;
    Ok(text.lines().filter_map(|line| parse(line.as_bstr())).collect())
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse(line: &BStr) -> Option<Mount> {
    let mut fields = line.split_str(" ");
    let mut number = || fields.next()?.to_str().ok()?.parse::<u64>().ok();
    let id = number()?;
    number()?;
    let (major, minor) = fields.next()?.split_once_str(":")?;
    let unit = |text: &[u8]| text.to_str().ok()?.parse().ok();
    let device = DeviceNumber { major: unit(major)?, minor: unit(minor)? };
    let root = unescape(fields.next()?);
    let at = unescape(fields.next()?);
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = unescape(fields.next()?);
    let source = unescape(fields.next()?);
    Some(Mount { id, device, root, at, kind, source })
}

/// Blanks and backslashes are written as a backslash and three octal digits.
fn unescape(text: &[u8]) -> BString {
    let mut out = BString::default();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'\\')
            .then(|| after.get(..3)?.to_str().ok().and_then(|digits| u8::from_str_radix(digits, 8).ok()))
            .flatten();
        out.push(code.unwrap_or(byte));
        rest = if code.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let line = r"36 35 98:0 /mnt\0401 /a\134b rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue";
        let expected = Mount {
            id: 36,
            device: DeviceNumber { major: 98, minor: 0 },
            root: "/mnt 1".into(),
            at: r"/a\b".into(),
            kind: "ext3".into(),
            source: "/dev/root".into(),
        };
        assert_eq!(parse(BStr::new(line)), Some(expected));
        for bad in ["", "36 35 98 / / rw - ext3 x", "36 35 98:0 / / rw", "a b 98:0 / / rw - ext3 x y"] {
            assert_eq!(parse(BStr::new(bad)), None, "{bad}");
        }
        assert!(read().unwrap().iter().any(|mount| mount.at == "/"));
    }
}

//! One entry as a line of text or CSV: the columns of -lR.

use std::fmt::Write as _;

use bstr::{BStr, BString};
use libguestfs_core::api::Statns;
use virt_common::{csv, human};

use crate::time::Times;

/// Bits of a mode that say what a file is, and their values (inode(7)).
const S_IFMT: i64 = 0o170_000;

/// What a file is: the letter of text and CSV, the word of JSON.
pub(crate) fn kind(mode: i64) -> (char, &'static str) {
    match mode & S_IFMT {
        0o100_000 => ('-', "regular"),
        0o040_000 => ('d', "directory"),
        0o020_000 => ('c', "char"),
        0o060_000 => ('b', "block"),
        0o010_000 => ('p', "fifo"),
        0o120_000 => ('l', "symlink"),
        0o140_000 => ('s', "socket"),
        _ => ('u', "unknown"),
    }
}

/// An entry of a listing.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Full path.
    pub(crate) path: &'a BStr,
    /// What lstat(2) shows.
    pub(crate) stat: &'a Statns,
    /// Where a symbolic link leads.
    pub(crate) target: Option<BString>,
    /// Checksum of a regular file, if asked for and known.
    pub(crate) checksum: Option<BString>,
}

/// Which columns there are, and how they are set.
#[derive(Debug, Default)]
pub(crate) struct Format {
    pub(crate) csv: bool,
    pub(crate) human: bool,
    pub(crate) uids: bool,
    pub(crate) times: Option<Times>,
    pub(crate) extra_stats: bool,
    /// Is there a column of checksums?
    pub(crate) checksums: bool,
}

impl Format {
    /// The line of an entry, with its end.
    pub(crate) fn line(&self, entry: &Entry<'_>, line: &mut Vec<u8>) {
        let mut fields = Fields { csv: self.csv, line, text: String::new(), is_first: true };
        let stat = entry.stat;
        fields.with(|t| write!(t, "{}", kind(stat.st_mode).0));
        fields.with(|t| write!(t, "{:04o}", stat.st_mode & 0o7777));
        if self.human {
            fields.with(|t| write!(t, "{:>10}", human::size(stat.st_size.unsigned_abs())));
        } else {
            fields.number(stat.st_size, if self.csv { 0 } else { 10 });
        }
        if self.uids {
            fields.number(stat.st_uid, 4);
            fields.number(stat.st_gid, 4);
        }
        if let Some(times) = &self.times {
            for seconds in [stat.st_atime_sec, stat.st_mtime_sec, stat.st_ctime_sec] {
                fields.with(|t| {
                    times.show(seconds, t);
                    Ok(())
                });
            }
        }
        if self.extra_stats {
            fields.device(stat.st_dev);
            fields.number(stat.st_ino, 0);
            fields.number(stat.st_nlink, 0);
            fields.device(stat.st_rdev);
            fields.number(stat.st_blocks, 0);
        }
        match &entry.checksum {
            Some(checksum) => fields.bytes(checksum),
            None if self.checksums && self.csv => fields.bytes(b""),
            None => {}
        }
        fields.bytes(entry.path);
        if let Some(target) = &entry.target {
            if !self.csv {
                fields.bytes(b"->");
            }
            fields.bytes(target);
        }
        line.push(b'\n');
    }
}

/// Puts fields behind one another.
struct Fields<'a> {
    csv: bool,
    line: &'a mut Vec<u8>,
    text: String,
    is_first: bool,
}

impl Fields<'_> {
    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.line.push(if self.csv { b',' } else { b' ' });
        }
    }

    /// A field with bytes of the guest in it.
    fn bytes(&mut self, field: &[u8]) {
        self.separate();
        if self.csv {
            csv::field(field, self.line);
        } else {
            self.line.extend_from_slice(field);
        }
    }

    /// A field that is made here. As in the original, it is not quoted, and in CSV only the size loses its spaces.
    fn with(&mut self, write: impl FnOnce(&mut String) -> std::fmt::Result) {
        self.separate();
        self.text.clear();
        // Writing to a String cannot fail.
        let _ = write(&mut self.text);
        self.line.extend_from_slice(self.text.as_bytes());
    }

    fn number(&mut self, number: i64, width: usize) {
        self.with(|t| write!(t, "{number:width$}"));
    }

    fn device(&mut self, device: i64) {
        self.with(|t| write!(t, "{}:{}", major(device), minor(device)));
    }
}

/// Major number of a device: bits 8 to 19 and 32 to 63 of glibc's dev_t (makedev(3)).
pub(crate) fn major(device: i64) -> i64 {
    (device >> 8 & 0xfff) | (device >> 32 & 0xffff_f000)
}

/// Minor number of a device: bits 0 to 7 and 20 to 43 of glibc's dev_t.
pub(crate) fn minor(device: i64) -> i64 {
    (device & 0xff) | (device >> 12 & 0xffff_ff00)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat() -> Statns {
        Statns {
            st_dev: 0x810,
            st_ino: 12,
            st_mode: 0o100_644,
            st_nlink: 1,
            st_uid: 0,
            st_gid: 33,
            st_size: 1536,
            st_blocks: 8,
            st_atime_sec: 1,
            st_mtime_sec: 2,
            st_ctime_sec: 3,
            ..Statns::default()
        }
    }

    fn line(
        format: &Format,
        stat: &Statns,
        path: &[u8],
        target: Option<&str>,
        checksum: Option<&str>,
    ) -> String {
        let (target, checksum) = (target.map(BString::from), checksum.map(BString::from));
        let mut line = Vec::new();
        format.line(&Entry { path: BStr::new(path), stat, target, checksum }, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn text_columns() {
        let basic = Format::default();
        assert_eq!(line(&basic, &stat(), b"/a b", None, None), "- 0644       1536 /a b\n");
        let link = Statns { st_mode: 0o120_777, ..stat() };
        assert_eq!(line(&basic, &link, b"/l", Some("t o"), None), "l 0777       1536 /l -> t o\n");
        let all = Format {
            human: true,
            uids: true,
            times: Some(Times::Epoch),
            extra_stats: true,
            checksums: true,
            ..Format::default()
        };
        assert_eq!(
            line(&all, &stat(), b"/f", None, Some("abc")),
            "- 0644       1.5K    0   33          1          2          3 8:16 12 1 0:0 8 abc /f\n"
        );
        let device = Statns { st_mode: 0o020_600, st_rdev: 0xf_ffff_ffff, ..stat() };
        let extra = Format { extra_stats: true, checksums: true, ..Format::default() };
        assert_eq!(
            line(&extra, &device, b"/d", None, None),
            "c 0600       1536 8:16 12 1 4095:16777215 8 /d\n"
        );
    }

    #[test]
    fn csv_quotes_what_would_break_it_and_keeps_the_place_of_a_missing_checksum() {
        let csv = Format { csv: true, uids: true, checksums: true, ..Format::default() };
        for (path, target, checksum, expected) in [
            ("/plain", None, Some("abc"), "-,0644,1536,   0,  33,abc,/plain\n"),
            ("/plain", None, None, "-,0644,1536,   0,  33,,/plain\n"),
            ("/a b", None, None, "-,0644,1536,   0,  33,,\"/a b\"\n"),
            ("/a\"b", None, None, "-,0644,1536,   0,  33,,\"/a\"\"b\"\n"),
            ("/a\nb", Some("c,d"), None, "-,0644,1536,   0,  33,,\"/a\nb\",\"c,d\"\n"),
            ("/a\tb\r", Some("t"), None, "-,0644,1536,   0,  33,,/a\tb\r,t\n"),
        ] {
            assert_eq!(line(&csv, &stat(), path.as_bytes(), target, checksum), expected);
        }
    }

    #[test]
    fn device_numbers_come_apart_as_makedev_puts_them_together() {
        for (device, expected) in [
            (0, (0, 0)),
            (0x810, (8, 16)),
            (0x1_ffff, (511, 255)),
            // makedev(511, 1048575), makedev(259, 70000)
            (0xfff1_ffff, (511, 1_048_575)),
            (0x1111_0370, (259, 70_000)),
        ] {
            assert_eq!((major(device), minor(device)), expected, "{device:#x}");
        }
    }
}

//! `ll`: a directory as `ls -lan` prints it in the C locale and UTC.
//!
//! ```text
//! total 23
//! drwxr-xr-x  5    0    0    1024 Nov 21 09:50 .
//! brw-r--r--  1    0    0    8, 1 Nov 21 09:50 blk
//! -rw-rw-r--+ 1 1000 1001       7 Jan  1  1969 old
//! ```

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use bstr::{BStr, BString, ByteSlice};
use disk::fs::{FileType, Metadata, Timestamp};
use libguestfs_core::Result;
use nix::errno::Errno;

use super::account;
use crate::Guestfsd;
use crate::engine::{self, Last};
use crate::error::At;

/// Half a year in seconds, as ls reckons it: times further back, or ahead, are shown with their year.
const HALF_A_YEAR: i64 = 31_556_952 / 2;

/// One line to be.
struct Line {
    name: BString,
    metadata: Metadata,
    /// `+` after the mode: there is an access control list. `.`: there is a security label.
    mark: Option<char>,
    target: Option<BString>,
    /// The security label, if there is one.
    label: Option<BString>,
}

impl Guestfsd {
    pub(crate) fn ll(&mut self, path: &BStr) -> Result<BString> {
        self.listing(path, Labels::Hidden)
    }

    pub(crate) fn llz(&mut self, path: &BStr) -> Result<BString> {
        self.listing(path, Labels::Shown)
    }

    fn listing(&self, path: &BStr, labels: Labels) -> Result<BString> {
        let tree = self.tree();
        // The original makes the path real first, and so shows what a link leads to.
        let real = tree.canonical(path).at(path)?;
        let status = tree.status(real.as_ref(), Last::Itself).at(path)?;
        if status.metadata.file_type != FileType::Directory {
            let line = self.line(real.as_ref(), format!("/sysroot{real}").into()).at(path)?;
            return Ok(print(&[line], None, labels));
        }
        let mut names: Vec<BString> = vec![".".into(), "..".into()];
        let directory = tree.directory(real.as_ref()).at(path)?;
        let mut size = 0;
        let mut fits = Ok(());
        let read = directory.read(&mut |entry| {
            // A line has some 40 bytes before the name.
            fits = account(&mut size, entry.name.len().saturating_add(40));
            if fits.is_err() {
                return ControlFlow::Break(());
            }
            names.push(entry.name.into());
            ControlFlow::Continue(())
        });
        fits?;
        read.at(path)?;
        names.sort();
        let mut lines = Vec::with_capacity(names.len());
        for name in names {
            let at = BString::from([real.trim_end_with(|c| c == '/'), b"/", name.as_slice()].concat());
            lines.push(self.line(at.as_ref(), name).map_err(|failure| failure.at(&at))?);
        }
        let blocks = lines.iter().fold(0u64, |sum, line| sum.saturating_add(line.metadata.blocks));
        // Blocks of 512 bytes, shown in KiB.
        Ok(print(&lines, Some(blocks.div_ceil(2)), labels))
    }

    fn line(&self, path: &BStr, name: BString) -> engine::Result<Line> {
        let tree = self.tree();
        let last = if name == "." || name == ".." { Last::Follow } else { Last::Itself };
        let metadata = tree.status(path, last)?.metadata;
        let is_link = metadata.file_type == FileType::Symlink;
        let target = if is_link { Some(tree.read_link(path)?) } else { None };
        let (mark, label) = match tree.xattrs(path, last) {
            Ok(xattrs) => (mark(&xattrs, is_link), label(&xattrs)),
            Err(engine_failure) if engine_failure.errno() == Errno::ENOTSUP => return Err(engine_failure),
            // ls shows a question mark only where stat fails.
            Err(_) => (None, None),
        };
        Ok(Line { name, metadata, mark, target, label })
    }
}

/// Are security labels shown?
#[derive(Debug, Clone, Copy, PartialEq)]
enum Labels {
    Hidden,
    Shown,
}

/// Attribute with the label of SELinux.
const SELINUX: &str = "security.selinux";

/// The label of SELinux, without the NUL that ends it.
fn label(xattrs: &[disk::fs::Xattr]) -> Option<BString> {
    let label = xattrs.iter().find(|xattr| xattr.name == SELINUX)?;
    Some(label.value.trim_end_with(|c| c == '\0').into())
}

/// The mark that ls puts after the mode.
fn mark(xattrs: &[disk::fs::Xattr], is_link: bool) -> Option<char> {
    /// Bytes of an ACL's header and of each entry (`struct posix_acl_xattr_header`, `_entry`).
    const HEADER: usize = 4;
    const ENTRY: usize = 8;
    /// Owner, group and others are in the mode already.
    const ENTRIES_OF_MODE: usize = 3;
    let entries = |name: &str| {
        let value = xattrs.iter().find(|x| x.name == name).map(|x| x.value.len());
        value.map_or(0, |len| len.saturating_sub(HEADER) / ENTRY)
    };
    let acl = entries("system.posix_acl_access") > ENTRIES_OF_MODE || entries("system.posix_acl_default") > 0;
    if acl && !is_link {
        return Some('+');
    }
    let label = xattrs.iter().find(|x| x.name == SELINUX);
    label.is_some_and(|x| x.value.trim_end_with(|c| c == '\0') != b"unlabeled").then_some('.')
}

fn mode_text(metadata: &Metadata) -> String {
    let kind = match metadata.file_type {
        FileType::Regular => '-',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::BlockDevice => 'b',
        FileType::CharDevice => 'c',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
    };
    let mut text = String::from(kind);
    // Each class with the bit that changes how its `x` is shown, and the letter for that.
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = metadata.permissions >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (metadata.permissions & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
        });
    }
    text
}

/// Prints lines in columns, with a total in KiB before them if given.
fn print(lines: &[Line], total: Option<u64>, labels: Labels) -> BString {
    let is_device = |m: &Metadata| matches!(m.file_type, FileType::BlockDevice | FileType::CharDevice);
    let digits = |n: u64| n.checked_ilog10().map_or(1, |log| usize::try_from(log).unwrap_or(0) + 1);
    let widest =
        |of: &dyn Fn(&Metadata) -> u64| lines.iter().map(|l| digits(of(&l.metadata))).max().unwrap_or(0);
    let links = widest(&|m| u64::from(m.links));
    let owner = widest(&|m| u64::from(m.uid));
    let group = widest(&|m| u64::from(m.gid));
    let devices = || lines.iter().map(|l| &l.metadata).filter(|m| is_device(m));
    let major = devices().map(|m| digits(u64::from(m.device.major))).max().unwrap_or(0);
    let minor = devices().map(|m| digits(u64::from(m.device.minor))).max().unwrap_or(0);
    let sizes =
        lines.iter().filter(|l| !is_device(&l.metadata)).map(|l| digits(l.metadata.size)).max().unwrap_or(0);
    let size = if devices().next().is_some() { sizes.max(major + 2 + minor) } else { sizes };
    // What has no label is shown with a question mark.
    let label_of = |line: &Line| line.label.clone().unwrap_or_else(|| "?".into());
    let label_width = lines.iter().map(|line| label_of(line).len()).max().unwrap_or(0);
    let marks = lines.iter().any(|l| l.mark.is_some());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs().cast_signed());

    let mut out = BString::default();
    let mut text = String::new();
    if let Some(total) = total {
        let _infallible = writeln!(text, "total {total}");
    }
    for line in lines {
        let m = &line.metadata;
        text.push_str(&mode_text(m));
        if marks {
            text.push(line.mark.unwrap_or(' '));
        }
        let _infallible = write!(text, " {:>links$} {:>owner$} {:>group$} ", m.links, m.uid, m.gid);
        if labels == Labels::Shown {
            let _infallible = write!(text, "{:<label_width$} ", label_of(line));
        }
        let _infallible = if is_device(m) {
            let major = size - minor - 2;
            write!(text, "{:>major$}, {:>minor$}", m.device.major, m.device.minor)
        } else {
            write!(text, "{:>size$}", m.size)
        };
        let _infallible = write!(text, " {} ", time_text(m.modified, now));
        out.extend_from_slice(text.as_bytes());
        text.clear();
        out.extend_from_slice(&line.name);
        if let Some(target) = &line.target {
            out.extend_from_slice(b" -> ");
            out.extend_from_slice(target);
        }
        out.push(b'\n');
    }
    out
}

/// `Nov 21 09:50`, or with the year instead of the time if that is not within the last half year.
fn time_text(time: Timestamp, now: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAY: i64 = 86_400;
    let (year, month, day) = civil(time.seconds.div_euclid(DAY));
    let month = MONTHS.get(month).copied().unwrap_or("???");
    let second = time.seconds.rem_euclid(DAY);
    if now.saturating_sub(HALF_A_YEAR) < time.seconds && time.seconds <= now {
        format!("{month} {day:>2} {:02}:{:02}", second / 3600, second / 60 % 60)
    } else {
        format!("{month} {day:>2} {year:>5}")
    }
}

/// Year, month (from 0) and day of a day counted from 1970-01-01, in the Gregorian calendar of all times.
fn civil(days: i64) -> (i64, usize, i64) {
    /// Days from 0000-03-01 to 1970-01-01.
    const EPOCH: i64 = 719_468;
    const DAYS_PER_400_YEARS: i64 = 146_097;
    // Years that begin in March have their leap day at the end.
    let days = days.saturating_add(EPOCH);
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_400_YEARS), days.rem_euclid(DAYS_PER_400_YEARS));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    (year, usize::try_from(month).unwrap_or(0), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_ls_does() {
        const NOW: i64 = 1_795_255_000; // 2026-11-21 09:56:40
        let text = |seconds| time_text(Timestamp { seconds, nanoseconds: 0 }, NOW);
        assert_eq!(text(1_795_254_618), "Nov 21 09:50");
        assert_eq!(text(NOW), "Nov 21 09:56");
        assert_eq!(text(NOW + 1), "Nov 21  2026");
        assert_eq!(text(NOW - HALF_A_YEAR), "May 22  2026");
        assert_eq!(text(NOW - HALF_A_YEAR + 1), "May 22 19:02");
        assert_eq!(text(0), "Jan  1  1970");
        assert_eq!(text(-31_536_000), "Jan  1  1969");
        assert_eq!(text(951_782_400), "Feb 29  2000");
        assert_eq!(text(-1_769_817_600), "Dec  2  1913");
        assert_eq!(text(253_402_300_800), "Jan  1 10000");
    }

    #[test]
    fn modes_show_their_special_bits() {
        let text = |file_type, permissions| {
            mode_text(&Metadata {
                number: 1,
                subvolume: 0,
                file_type,
                permissions,
                links: 1,
                uid: 0,
                gid: 0,
                device: disk::fs::DeviceNumber::default(),
                size: 0,
                blocks: 0,
                block_size: 0,
                accessed: Timestamp::default(),
                modified: Timestamp::default(),
                changed: Timestamp::default(),
                created: None,
            })
        };
        assert_eq!(text(FileType::Regular, 0o644), "-rw-r--r--");
        assert_eq!(text(FileType::Directory, 0o1777), "drwxrwxrwt");
        assert_eq!(text(FileType::Regular, 0o7000), "---S--S--T");
        assert_eq!(text(FileType::Socket, 0o6755), "srwsr-sr-x");
    }
}

//! A line of text or CSV for each filesystem, set as the original sets it.
//!
//! Numbers are signed as there: a damaged filesystem may have more free blocks than it has blocks.

use bstr::{BStr, ByteSlice};
use libguestfs_core::api::Statvfs;
use virt_common::{csv, human};

/// Width of the column of names. A longer name has a line of its own.
const NAME_WIDTH: usize = 36;
/// Bytes in a unit of "1K-blocks".
const KIB: i64 = 1024;

/// How numbers are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Format {
    pub(crate) csv: bool,
    pub(crate) human: bool,
    pub(crate) inodes: bool,
}

impl Format {
    /// The line of headings.
    pub(crate) fn title(self) -> Vec<u8> {
        let headings = match (self.inodes, self.human) {
            (true, _) => ["Inodes", "IUsed", "IFree", "IUse%"],
            (false, true) => ["Size", "Used", "Available", "Use%"],
            (false, false) => ["1K-blocks", "Used", "Available", "Use%"],
        };
        let mut line = Vec::new();
        if self.csv {
            line.extend_from_slice(b"VirtualMachine,Filesystem");
            for heading in headings {
                line.push(b',');
                csv::field(heading.as_bytes(), &mut line);
            }
            line.push(b'\n');
        } else {
            set(b"Filesystem", &headings.map(str::to_owned), &mut line);
        }
        line
    }

    /// The line of a filesystem.
    pub(crate) fn line(self, guest: &BStr, device: &BStr, space: &Statvfs) -> Vec<u8> {
        let (total, free, available) = if self.inodes {
            (space.files, space.ffree, space.ffree)
        } else {
            (space.blocks, space.bfree, space.bavail)
        };
        let used = total.wrapping_sub(free);
        let [total_text, used_text, available_text] =
            [total, used, available].map(|count| self.count(count, space.bsize));
        let mut line = Vec::new();
        if self.csv {
            csv::field(guest, &mut line);
            line.push(b',');
            csv::field(device, &mut line);
            let numbers = format!(",{total_text},{used_text},{available_text},{:.1}\n", percent(free, total));
            line.extend_from_slice(numbers.as_bytes());
        } else {
            let name = [guest.as_bytes(), b":", device.as_bytes()].concat();
            let percent = format!("{:3.0}%", percent(free, total).ceil());
            set(&name, &[total_text, used_text, available_text, percent], &mut line);
        }
        line
    }

    fn count(self, count: i64, block_size: i64) -> String {
        if self.inodes {
            count.to_string()
        } else if self.human {
            human::amount(count.cast_unsigned(), u32::try_from(block_size).unwrap_or(u32::MAX))
        } else {
            (i128::from(count) * i128::from(block_size) / i128::from(KIB)).to_string()
        }
    }
}

/// How much is used, in percent: nothing, where nothing is counted. The original computes with double precision and keeps a
/// single one.
fn percent(free: i64, total: i64) -> f32 {
    if total == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "as the original")]
    let (free, total) = (free as f64, total as f64);
    #[expect(clippy::cast_possible_truncation, reason = "as the original")]
    let percent = (100.0 - 100.0 * free / total) as f32;
    percent
}

fn set(name: &[u8], columns: &[String; 4], line: &mut Vec<u8>) {
    let [total, used, available, percent] = columns;
    line.extend_from_slice(name);
    if name.len() > NAME_WIDTH {
        line.push(b'\n');
    }
    let indent = NAME_WIDTH.checked_sub(name.len()).unwrap_or(NAME_WIDTH);
    line.resize(line.len() + indent, b' ');
    line.extend_from_slice(format!("{total:>10} {used:>10} {available:>10} {percent:>5}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: Vec<u8>) -> String {
        String::from_utf8(line).unwrap()
    }

    fn line(format: Format, device: &str, space: Statvfs) -> String {
        text(format.line(BStr::new("g"), BStr::new(device), &space))
    }

    /// `blocks` of 4 KiB and as many inodes, `free` of them free.
    fn space(blocks: i64, free: i64) -> Statvfs {
        let (bsize, bavail) = (4096, free / 2);
        Statvfs { bsize, blocks, bfree: free, bavail, files: blocks, ffree: free, ..Statvfs::default() }
    }

    const CSV: Format = Format { csv: true, human: false, inodes: false };
    const HUMAN: Format = Format { csv: false, human: true, inodes: false };
    const INODES: Format = Format { csv: false, human: false, inodes: true };

    #[test]
    fn titles() {
        for (format, expected) in [
            (
                Format::default(),
                "Filesystem                           1K-blocks       Used  Available  Use%\n",
            ),
            (HUMAN, "Filesystem                                Size       Used  Available  Use%\n"),
            (INODES, "Filesystem                              Inodes      IUsed      IFree IUse%\n"),
            (CSV, "VirtualMachine,Filesystem,1K-blocks,Used,Available,Use%\n"),
        ] {
            assert_eq!(text(format.title()), expected);
        }
    }

    #[test]
    fn a_line_of_each_form() {
        for (format, expected) in [
            (
                Format::default(),
                "g:/dev/sda1                              40000       4940      17528   13%\n",
            ),
            (HUMAN, "g:/dev/sda1                                39M       4.8M        17M   13%\n"),
            (INODES, "g:/dev/sda1                              10000       1235       8765   13%\n"),
            (CSV, "g,/dev/sda1,40000,4940,17528,12.4\n"),
        ] {
            assert_eq!(line(format, "/dev/sda1", space(10_000, 8765)), expected);
        }
    }

    #[test]
    fn a_long_name_has_a_line_of_its_own_and_wide_numbers_push_the_others() {
        let numbers = "      4          4          0  100%\n";
        for (len, between) in [(34, ""), (35, "\n                                    ")] {
            let device = "d".repeat(len);
            let expected = format!("g:{device}{between}   {numbers}");
            assert_eq!(line(Format::default(), &device, space(1, 0)), expected);
        }
        let wide = line(Format::default(), "d", space(4_000_000_000, 4_000_000_000));
        assert_eq!(wide, "g:d                                 16000000000          0 8000000000    0%\n");
    }

    #[test]
    fn percentages_are_rounded_as_the_original_does() {
        for (blocks, free, text, csv) in [
            (2000, 1999, "1%", "0.1"),
            (2000, 2000, "0%", "0.0"),
            (2000, 2001, "-0%", "-0.1"),
            (2000, 1753, "13%", "12.4"),
            (2000, 0, "100%", "100.0"),
            (0, 0, "0%", "0.0"),
            (-1, -4, "-300%", "-300.0"),
            (1_000_000_000, 1, "100%", "100.0"),
        ] {
            let last = |line: String| line.trim_end().rsplit([' ', ',']).next().unwrap().to_owned();
            assert_eq!(last(line(Format::default(), "d", space(blocks, free))), text);
            assert_eq!(last(line(CSV, "d", space(blocks, free))), csv);
        }
    }
}

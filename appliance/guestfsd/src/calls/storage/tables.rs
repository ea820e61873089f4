//! Partition tables, written by parted, sfdisk and sgdisk.

use bstr::{BStr, BString, ByteSlice};
use disk::partition::Scheme;
use libguestfs_core::Result;
use nix::errno::Errno;

use super::tool::{Subject, Tool};
use crate::Guestfsd;
use crate::error::{At, Failure, refused};

/// Attribute bits of a GPT partition that have names in sfdisk, which takes these by no number.
const NAMED_ATTRIBUTES: [&str; 3] = ["RequiredPartition", "NoBlockIOProtocol", "LegacyBIOSBootable"];
/// Attribute bits that belong to the partition's type (UEFI 2.10, table 5-8); those between the named ones and these are
/// reserved.
const TYPE_ATTRIBUTES: std::ops::Range<u32> = 48..64;
/// Sectors that `part_disk` leaves free at both ends: partitions are aligned to 64 KiB, and the backup of a GPT fits.
const MARGIN: &str = "128s";
/// What parted asks before it makes a partition smaller.
const SHRINK_QUESTION: &str = "Shrinking a partition can cause data loss";
/// Where Linux makes up UUIDs.
const RANDOM_UUID: &str = "/proc/sys/kernel/random/uuid";

/// parted's name for a kind of partition table.
fn table_kind(name: &BStr) -> Result<&'static str> {
    const KINDS: [(&str, &str); 13] = [
        ("aix", "aix"),
        ("amiga", "amiga"),
        ("bsd", "bsd"),
        ("dasd", "dasd"),
        ("dvh", "dvh"),
        ("gpt", "gpt"),
        ("mac", "mac"),
        ("msdos", "msdos"),
        ("pc98", "pc98"),
        ("sun", "sun"),
        ("rdb", "amiga"),
        ("efi", "gpt"),
        ("mbr", "msdos"),
    ];
    let found = KINDS.iter().find(|(known, _)| name == known);
    found
        .map(|(_, kind)| *kind)
        .ok_or_else(|| refused(r#"unknown partition type: common choices are "gpt" and "msdos""#))
}

fn partition_number(number: i32) -> Result<String> {
    if number < 1 { Err(refused("partition number must be >= 1")) } else { Ok(number.to_string()) }
}

/// A UUID that nobody has.
pub(super) fn random_uuid() -> Result<String> {
    let failed = |e: std::io::Error| Failure::Os(Errno::from_raw(e.raw_os_error().unwrap_or_default()));
    let text = std::fs::read_to_string(RANDOM_UUID).map_err(failed).at(RANDOM_UUID)?;
    Ok(text.trim_ascii_end().to_owned())
}

/// A line of sfdisk's script whose start and size are in MiB: sfdisk itself only counts sectors today.
fn in_mebibytes(line: &BString) -> Vec<u8> {
    let fields = line.split_str(",").enumerate().map(|(i, field)| {
        let trimmed = field.trim_ascii();
        let is_number = i < 2 && !trimmed.is_empty() && trimmed.iter().all(u8::is_ascii_digit);
        if is_number { [trimmed, b"MiB"].concat() } else { field.to_vec() }
    });
    fields.collect::<Vec<_>>().join(&b","[..])
}

impl Guestfsd {
    /// Runs a program that changes the table of a device. The kernel may see the new one only when nobody has the
    /// partitions open any more.
    fn change_table(&self, call: &str, tool: Tool, place: &str) -> Result<BString> {
        let done = tool.run(place);
        self.changed(call)?;
        done
    }

    fn parted(&self, call: &str, device: &BStr, command: &[&[u8]]) -> Result<()> {
        let disk = self.subject(call, device)?;
        let tool = Tool::new("parted").arg("-s").arg("--").on(&disk).args(command).folded();
        self.change_table(call, tool, &format!("parted: {}", disk.name))?;
        Ok(())
    }

    pub(crate) fn part_init(&mut self, device: &BStr, parttype: &BStr) -> Result<()> {
        self.parted("part_init", device, &[b"mklabel", table_kind(parttype)?.as_bytes()])
    }

    /// GPT has no primary and logical partitions: there, parted takes the word as the partition's name.
    pub(crate) fn part_add(
        &mut self,
        device: &BStr,
        prlogex: &BStr,
        startsect: i64,
        endsect: i64,
    ) -> Result<()> {
        let kind: &[u8] = match prlogex.as_bytes() {
            b"primary" | b"p" => b"primary",
            b"logical" | b"l" => b"logical",
            b"extended" | b"e" => b"extended",
            _ => {
                return Err(refused(format!(
                    r#"unknown partition type: {prlogex}: this should be "primary", "logical" or "extended""#
                )));
            }
        };
        if startsect < 0 {
            return Err(refused("startsect cannot be negative"));
        }
        let (start, end) = (format!("{startsect}s"), format!("{endsect}s"));
        self.parted("part_add", device, &[b"mkpart", kind, start.as_bytes(), end.as_bytes()])
    }

    pub(crate) fn part_del(&mut self, device: &BStr, partnum: i32) -> Result<()> {
        self.parted("part_del", device, &[b"rm", partition_number(partnum)?.as_bytes()])
    }

    pub(crate) fn part_disk(&mut self, device: &BStr, parttype: &BStr) -> Result<()> {
        let kind = table_kind(parttype)?;
        let name: &[u8] = if kind == "gpt" { b"p1" } else { b"primary" };
        let end = format!("-{MARGIN}");
        let command: [&[u8]; 6] =
            [b"mklabel", kind.as_bytes(), b"mkpart", name, MARGIN.as_bytes(), end.as_bytes()];
        self.parted("part_disk", device, &command)
    }

    /// Without a terminal, parted makes a partition smaller only if somebody seems to be there who agrees.
    pub(crate) fn part_resize(&mut self, device: &BStr, partnum: i32, endsect: i64) -> Result<()> {
        const CALL: &str = "part_resize";
        let (number, end) = (partition_number(partnum)?, format!("{endsect}s"));
        let command: [&[u8]; 3] = [b"resizepart", number.as_bytes(), end.as_bytes()];
        let done = self.parted(CALL, device, &command);
        if !done.as_ref().is_err_and(|e| e.message().contains(SHRINK_QUESTION)) {
            return done;
        }
        let disk = self.subject(CALL, device)?;
        let tool =
            Tool::new("parted").args(["---pretend-input-tty", "--"]).on(&disk).args(command).input("Yes\n");
        self.change_table(CALL, tool, &format!("parted: {}", disk.name)).map(drop)
    }

    pub(crate) fn part_set_bootable(&mut self, device: &BStr, partnum: i32, bootable: bool) -> Result<()> {
        let number = partition_number(partnum)?;
        let state: &[u8] = if bootable { b"on" } else { b"off" };
        self.parted("part_set_bootable", device, &[b"set", number.as_bytes(), b"boot", state])
    }

    pub(crate) fn part_set_name(&mut self, device: &BStr, partnum: i32, name: &BStr) -> Result<()> {
        let number = partition_number(partnum)?;
        // parted takes words apart at spaces, unless they are in quotes.
        let quoted = [b"'", name.replace("\\", r"\\").replace("'", r"\'").as_slice(), b"'"].concat();
        self.parted("part_set_name", device, &[b"name", number.as_bytes(), &quoted])
    }

    /// sfdisk would write a type into any table, whatever it makes of the text.
    fn need_table(&self, call: &str, device: &BStr, wanted: Scheme) -> Result<Subject> {
        let disk = self.subject(call, device)?;
        let table = self.engine.partition_table(disk.name.as_bstr()).at(&disk.name)?;
        if table.is_some_and(|table| table.scheme == wanted) {
            return Ok(disk);
        }
        let tables = if wanted == Scheme::Gpt { "GUID Partition Tables" } else { "MBR Partitions" };
        Err(refused(format!("{call} can only be used on {tables}")))
    }

    fn sfdisk_part(
        &self,
        call: &str,
        disk: &Subject,
        option: &str,
        partnum: i32,
        value: &[u8],
    ) -> Result<()> {
        let number = partition_number(partnum)?;
        let tool = Tool::new("sfdisk").arg(option).on(disk).arg(number).arg(value);
        self.change_table(call, tool, &format!("sfdisk {option}"))?;
        Ok(())
    }

    pub(crate) fn part_set_mbr_id(&mut self, device: &BStr, partnum: i32, idbyte: i32) -> Result<()> {
        const CALL: &str = "part_set_mbr_id";
        partition_number(partnum)?;
        let Ok(id) = u8::try_from(idbyte) else {
            return Err(refused(format!("{idbyte} is not a byte")));
        };
        let disk = self.need_table(CALL, device, Scheme::Mbr)?;
        self.sfdisk_part(CALL, &disk, "--part-type", partnum, format!("{id:x}").as_bytes())
    }

    pub(crate) fn part_set_gpt_type(&mut self, device: &BStr, partnum: i32, guid: &BStr) -> Result<()> {
        const CALL: &str = "part_set_gpt_type";
        partition_number(partnum)?;
        let disk = self.need_table(CALL, device, Scheme::Gpt)?;
        self.sfdisk_part(CALL, &disk, "--part-type", partnum, bare(guid))
    }

    pub(crate) fn part_set_gpt_guid(&mut self, device: &BStr, partnum: i32, guid: &BStr) -> Result<()> {
        const CALL: &str = "part_set_gpt_guid";
        partition_number(partnum)?;
        let disk = self.need_table(CALL, device, Scheme::Gpt)?;
        self.sfdisk_part(CALL, &disk, "--part-uuid", partnum, bare(guid))
    }

    pub(crate) fn part_set_gpt_attributes(
        &mut self,
        device: &BStr,
        partnum: i32,
        attributes: i64,
    ) -> Result<()> {
        const CALL: &str = "part_set_gpt_attributes";
        partition_number(partnum)?;
        let words = attribute_words(attributes.cast_unsigned())?;
        let disk = self.need_table(CALL, device, Scheme::Gpt)?;
        self.sfdisk_part(CALL, &disk, "--part-attrs", partnum, words.as_bytes())
    }

    fn set_disk_guid(&self, call: &str, device: &BStr, guid: &[u8]) -> Result<()> {
        let disk = self.need_table(call, device, Scheme::Gpt)?;
        let tool = Tool::new("sfdisk").arg("--disk-id").on(&disk).arg(guid);
        self.change_table(call, tool, "sfdisk --disk-id")?;
        Ok(())
    }

    pub(crate) fn part_set_disk_guid(&mut self, device: &BStr, guid: &BStr) -> Result<()> {
        self.set_disk_guid("part_set_disk_guid", device, bare(guid))
    }

    pub(crate) fn part_set_disk_guid_random(&mut self, device: &BStr) -> Result<()> {
        self.set_disk_guid("part_set_disk_guid_random", device, random_uuid()?.as_bytes())
    }

    pub(crate) fn part_expand_gpt(&mut self, device: &BStr) -> Result<()> {
        let disk = self.subject("part_expand_gpt", device)?;
        let tool = Tool::new("sgdisk").arg("-e").on(&disk).folded();
        self.change_table("part_expand_gpt", tool, &format!("sgdisk -e {}", disk.name))?;
        Ok(())
    }

    fn sfdisk_script(
        &self,
        call: &str,
        device: &BStr,
        number: Option<i32>,
        lines: impl Iterator<Item = Vec<u8>>,
    ) -> Result<()> {
        let disk = self.subject(call, device)?;
        let mut script: Vec<u8> = Vec::new();
        for line in lines {
            script.extend_from_slice(&line);
            script.push(b'\n');
        }
        let tool = Tool::new("sfdisk").option("-N", number.map(|n| n.to_string())).on(&disk).input(script);
        self.change_table(call, tool, &disk.name.to_string())?;
        Ok(())
    }

    /// Geometry has no meaning to sfdisk since util-linux 2.26, which refuses the options for it.
    pub(crate) fn sfdisk(&mut self, device: &BStr, _: i32, _: i32, _: i32, lines: &[BString]) -> Result<()> {
        self.sfdisk_script("sfdisk", device, None, lines.iter().map(|line| line.to_vec()))
    }

    #[expect(non_snake_case, reason = "the call's name")]
    pub(crate) fn sfdiskM(&mut self, device: &BStr, lines: &[BString]) -> Result<()> {
        self.sfdisk_script("sfdiskM", device, None, lines.iter().map(in_mebibytes))
    }

    #[expect(non_snake_case, reason = "the call's name")]
    pub(crate) fn sfdisk_N(
        &mut self,
        device: &BStr,
        partnum: i32,
        _: i32,
        _: i32,
        _: i32,
        line: &BStr,
    ) -> Result<()> {
        partition_number(partnum)?;
        self.sfdisk_script("sfdisk_N", device, Some(partnum), std::iter::once(line.to_vec()))
    }

    fn sfdisk_print(&self, call: &str, device: &BStr, option: &str) -> Result<BString> {
        let disk = self.subject(call, device)?;
        Tool::new("sfdisk").arg(option).on(&disk).run(&disk.name)
    }

    pub(crate) fn sfdisk_l(&mut self, device: &BStr) -> Result<BString> {
        self.sfdisk_print("sfdisk_l", device, "-l")
    }

    pub(crate) fn sfdisk_kernel_geometry(&mut self, device: &BStr) -> Result<BString> {
        self.sfdisk_print("sfdisk_kernel_geometry", device, "-g")
    }

    /// sfdisk answers both questions alike today.
    pub(crate) fn sfdisk_disk_geometry(&mut self, device: &BStr) -> Result<BString> {
        self.sfdisk_print("sfdisk_disk_geometry", device, "-g")
    }
}

/// A GUID without braces around it.
fn bare(guid: &BStr) -> &[u8] {
    guid.trim_with(|c| c == '{' || c == '}')
}

/// Attribute bits as sfdisk takes them.
fn attribute_words(attributes: u64) -> Result<String> {
    let words: Result<Vec<String>> = (0..u64::BITS)
        .filter(|bit| attributes >> bit & 1 == 1)
        .map(|bit| match NAMED_ATTRIBUTES.get(bit as usize) {
            Some(name) => Ok((*name).to_owned()),
            None if TYPE_ATTRIBUTES.contains(&bit) => Ok(bit.to_string()),
            None => Err(refused("bits 3..47 are reserved and cannot be set")),
        })
        .collect();
    Ok(words?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_names_and_numbers() {
        for (bits, words) in [
            (0, ""),
            (1, "RequiredPartition"),
            (6, "NoBlockIOProtocol,LegacyBIOSBootable"),
            (1 << 48 | 4, "LegacyBIOSBootable,48"),
            (1 << 63, "63"),
        ] {
            assert_eq!(attribute_words(bits).unwrap(), words);
        }
        for reserved in [8, 1 << 47] {
            assert!(attribute_words(reserved).unwrap_err().message().contains("reserved"));
        }
    }

    #[test]
    fn sizes_of_script_lines_are_mebibytes() {
        for (line, expected) in [
            (",200,82", ",200MiB,82"),
            ("1,10", "1MiB,10MiB"),
            (",,L", ",,L"),
            (" 5 ,+", "5MiB,+"),
            (",10M", ",10M"),
        ] {
            assert_eq!(BString::from(in_mebibytes(&line.into())), expected);
        }
    }
}

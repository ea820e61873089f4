//! Checking and repairing filesystems, and their parameters.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::{E2fsckOpts, Hashtable, Tune2fsOpts, XfsAdminOpts, XfsRepairOpts};
use rustix::fs::FileType;

use super::tool::{Subject, Tool};
use super::{XFS_LABEL_MAX, check_label};
use crate::Guestfsd;
use crate::error::refused;
use crate::program::Ended;

/// Highest status of e2fsck that is no failure: errors were corrected. At 2 the kernel would have to be restarted.
const E2FSCK_CORRECTED: i32 = 1;
/// What tune2fs prints where there is no value.
const NO_VALUE: [&[u8]; 3] = [b"<none>", b"<not available>", b"(none)"];

/// What a program ended with; one that a signal ended is an error.
fn status(ended: &Ended, place: &BStr, program: &str) -> Result<i32> {
    ended.status.code().ok_or_else(|| refused(format!("{place}: {}", ended.complaint(program))))
}

impl Guestfsd {
    pub(crate) fn fsck(&mut self, fstype: &BStr, device: &BStr) -> Result<i32> {
        let device = self.subject("fsck", device)?;
        let ended = Tool::new("fsck").args(["-a", "-t"]).arg(fstype).on(&device).end(&device.name)?;
        self.changed("fsck")?;
        status(&ended, device.name.as_bstr(), "fsck")
    }

    pub(crate) fn e2fsck(&mut self, device: &BStr, opts: &E2fsckOpts) -> Result<()> {
        let chosen = [(opts.correct, "-p"), (opts.forceall, "-y"), (opts.forceno, "-n")];
        if chosen.iter().filter(|(wanted, _)| *wanted == Some(true)).count() > 1 {
            return Err(refused("only one of the options 'correct', 'forceall', 'forceno' may be specified"));
        }
        let device = self.subject("e2fsck", device)?;
        let tool = Tool::new("e2fsck").arg("-f").folded();
        let tool = chosen.into_iter().fold(tool, |tool, (wanted, flag)| tool.flag(wanted, flag));
        let ended = tool.on(&device).end("")?;
        self.changed("e2fsck")?;
        match ended.status.code() {
            Some(0..=E2FSCK_CORRECTED) => Ok(()),
            _ => Err(refused(ended.complaint("e2fsck"))),
        }
    }

    pub(crate) fn e2fsck_f(&mut self, device: &BStr) -> Result<()> {
        self.e2fsck(device, &E2fsckOpts { correct: Some(true), ..E2fsckOpts::default() })
    }

    pub(crate) fn tune2fs(&mut self, device: &BStr, opts: &Tune2fsOpts) -> Result<()> {
        fn number(tool: Tool, option: &str, name: &str, value: Option<impl Into<i64>>) -> Result<Tool> {
            match value.map(Into::into) {
                Some(value) if value < 0 => Err(refused(format!("{name} cannot be negative"))),
                value => Ok(tool.option(option, value.map(|value: i64| value.to_string()))),
            }
        }
        if let Some(behavior) = &opts.errorbehavior
            && !matches!(behavior.as_slice(), b"continue" | b"remount-ro" | b"panic")
        {
            return Err(refused(format!("invalid errorbehavior parameter: {behavior}")));
        }
        let device = self.subject("tune2fs", device)?;
        let tool = Tool::new("tune2fs").flag(opts.force, "-f");
        let tool = number(tool, "-c", "maxmountcount", opts.maxmountcount)?;
        let tool = number(tool, "-C", "mountcount", opts.mountcount)?;
        let tool = tool.option("-e", opts.errorbehavior.as_ref());
        let tool = number(tool, "-g", "group", opts.group)?;
        let tool = match opts.intervalbetweenchecks {
            Some(seconds) if seconds < 0 => {
                return Err(refused("intervalbetweenchecks cannot be negative"));
            }
            Some(0) => tool.arg("-i").arg("0"),
            seconds => tool.option("-i", seconds.map(|seconds| format!("{seconds}s"))),
        };
        let tool = number(tool, "-m", "reservedblockspercentage", opts.reservedblockspercentage)?;
        let tool = tool.option("-M", opts.lastmounteddirectory.as_ref());
        let tool = number(tool, "-r", "reservedblockscount", opts.reservedblockscount)?;
        let tool = number(tool, "-u", "user", opts.user)?;
        let done = tool.on(&device).run(&device.name);
        self.changed("tune2fs")?;
        done.map(drop)
    }

    pub(crate) fn tune2fs_l(&mut self, device: &BStr) -> Result<Hashtable> {
        let device = self.subject("tune2fs_l", device)?;
        Ok(superblock_fields(&Tool::new("tune2fs").arg("-l").on(&device).run("")?))
    }

    pub(crate) fn blkid(&mut self, device: &BStr) -> Result<Hashtable> {
        let device = self.subject("blkid", device)?;
        let tool = Tool::new("blkid").args(["-c", "/dev/null", "-p", "-i", "-o", "export"]).on(&device);
        let printed = tool.run("")?;
        let pairs = printed.lines().filter_map(|line| line.split_once_str("="));
        Ok(Hashtable(pairs.map(|(key, value)| (key.into(), value.into())).collect()))
    }

    pub(crate) fn xfs_admin(&mut self, device: &BStr, opts: &XfsAdminOpts) -> Result<()> {
        if let Some(label) = &opts.label {
            check_label(label.as_bstr(), "xfs", XFS_LABEL_MAX)?;
        }
        let device = self.subject("xfs_admin", device)?;
        let tool = Tool::new("xfs_admin")
            .flag(opts.extunwritten, "-e")
            .flag(opts.imgfile, "-f")
            .flag(opts.v2log, "-j")
            .flag(opts.projid32bit, "-p")
            .option("-c", opts.lazycounter.map(|on| if on { "1" } else { "0" }))
            .option("-L", opts.label.as_ref())
            .option("-U", opts.uuid.as_ref());
        let done = tool.on(&device).folded().run(&device.name);
        self.changed("xfs_admin")?;
        done.map(drop)
    }

    /// A device, or a regular file of the guest.
    fn device_or_file(&self, call: &str, name: &BStr) -> Result<Subject> {
        if name.starts_with(b"/dev/") {
            self.subject(call, name)
        } else {
            self.file_subject(call, name, FileType::RegularFile)
        }
    }

    pub(crate) fn xfs_repair(&mut self, device: &BStr, opts: &XfsRepairOpts) -> Result<i32> {
        const CALL: &str = "xfs_repair";
        let subject = self.device_or_file(CALL, device)?;
        let mut tool = Tool::new("xfs_repair")
            .flag(opts.forcelogzero, "-L")
            .flag(opts.nomodify, "-n")
            .flag(opts.noprefetch, "-P");
        if opts.forcegeometry == Some(true) {
            tool = tool.args(["-o", "force_geometry"]);
        }
        tool = tool
            .number("-m", "", "maxmem", opts.maxmem)?
            .number("-o", "ihash=", "ihashsize", opts.ihashsize)?
            .number("-o", "bhash=", "bhashsize", opts.bhashsize)?
            .number("-o", "ag_stride=", "agstride", opts.agstride)?;
        for (option, other) in [("-l", &opts.logdev), ("-r", &opts.rtdev)] {
            if let Some(other) = other {
                tool = tool.arg(option).on(&self.subject_or_text(CALL, other.as_bstr())?);
            }
        }
        let tool = tool.flag(Some(!device.starts_with(b"/dev/")), "-f");
        let ended = tool.on(&subject).end(device)?;
        self.changed(CALL)?;
        status(&ended, device, "xfs_repair")
    }

    pub(crate) fn xfs_info2(&mut self, pathordevice: &BStr) -> Result<Hashtable> {
        let subject = if pathordevice.starts_with(b"/dev/") {
            self.subject("xfs_info2", pathordevice)?
        } else {
            self.file_subject("xfs_info2", pathordevice, FileType::Directory)?
        };
        let printed = Tool::new("xfs_info").on(&subject).run("")?;
        Ok(xfs_fields(&printed))
    }
}

/// What `tune2fs -l` prints, as names and values.
fn superblock_fields(printed: &[u8]) -> Hashtable {
    let lines = printed.lines().filter(|line| !line.starts_with(b"tune2fs ") && !line.is_empty());
    let pair = |line: &[u8]| -> (BString, BString) {
        let (name, value) = line.split_once_str(":").unwrap_or((line, b""));
        let value = value.trim_ascii_start();
        (name.into(), if NO_VALUE.contains(&value) { BString::default() } else { value.into() })
    };
    Hashtable(lines.map(pair).collect())
}

/// What xfs_info prints, as `section` and `section.field` with their values. A section begins with a word at the start
/// of a line; what stands first in it, before its fields, is its own value:
///
/// ```text
/// meta-data=/dev/sda1              isize=512    agcount=4, agsize=6400 blks
///          =                       sectsz=512   attr=2, projid32bit=1
/// naming   =version 2              bsize=4096   ascii-ci=0, ftype=1
/// ```
fn xfs_fields(printed: &[u8]) -> Hashtable {
    let mut fields: Vec<(BString, BString)> = Vec::new();
    let mut section = BString::default();
    for line in printed.lines() {
        let Some((head, rest)) = line.split_once_str("=") else { continue };
        let head = head.trim_ascii();
        // Columns are two or more spaces or a comma apart; `blks` after a number belongs to it.
        let words: Vec<&[u8]> = rest.split(|b| *b == b' ' || *b == b',').filter(|w| !w.is_empty()).collect();
        if !head.is_empty() {
            section = head.into();
            let own: Vec<&[u8]> = words.iter().take_while(|word| !word.contains(&b'=')).copied().collect();
            if !own.is_empty() {
                fields.push((section.clone(), own.join(&b" "[..]).into()));
            }
        }
        for (i, word) in words.iter().enumerate() {
            let Some((name, value)) = word.split_once_str("=") else { continue };
            let unit = words.get(i.saturating_add(1)).filter(|unit| matches!(**unit, b"blks" | b"extents"));
            let value = match unit {
                Some(unit) => [value, b" ", *unit].concat(),
                None => value.to_vec(),
            };
            fields.push(([section.as_slice(), b".", name].concat().into(), value.into()));
        }
    }
    Hashtable(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'t>(table: &'t Hashtable, name: &str) -> Option<&'t BStr> {
        table.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_bstr())
    }

    #[test]
    fn fields_of_xfs_info_are_told_apart() {
        let printed = "\
meta-data=/dev/sda1              isize=512    agcount=4, agsize=25600 blks
         =                       sectsz=512   attr=2, projid32bit=1
         =                       reflink=1    bigtime=1 inobtcount=1 nrext64=0
data     =                       bsize=4096   blocks=102400, imaxpct=25
         =                       sunit=0      swidth=0 blks
naming   =version 2              bsize=4096   ascii-ci=0, ftype=1
log      =internal log           bsize=4096   blocks=16384, version=2
         =                       sectsz=512   sunit=0 blks, lazy-count=1
realtime =none                   extsz=4096   blocks=0, rtextents=0
";
        let table = xfs_fields(printed.as_bytes());
        for (name, expected) in [
            ("meta-data", "/dev/sda1"),
            ("meta-data.isize", "512"),
            ("meta-data.agsize", "25600 blks"),
            ("meta-data.nrext64", "0"),
            ("data.bsize", "4096"),
            ("data.swidth", "0 blks"),
            ("naming", "version 2"),
            ("naming.ascii-ci", "0"),
            ("log", "internal log"),
            ("log.sunit", "0 blks"),
            ("log.lazy-count", "1"),
            ("realtime", "none"),
            ("realtime.rtextents", "0"),
        ] {
            assert_eq!(value(&table, name), Some(BStr::new(expected)), "{name}");
        }
        assert_eq!(value(&table, "data"), None);
        assert_eq!(table.0.len(), 31);
    }

    #[test]
    fn a_superblock_is_names_and_values() {
        let printed = "tune2fs 1.47.0 (5-Feb-2023)\nFilesystem volume name:   <none>\nFilesystem created:       Sat Nov 21 16:00:00 2026\nodd line\n";
        let table = superblock_fields(printed.as_bytes());
        assert_eq!(table.0.len(), 3);
        assert_eq!(value(&table, "Filesystem volume name"), Some(BStr::new("")));
        assert_eq!(value(&table, "Filesystem created"), Some(BStr::new("Sat Nov 21 16:00:00 2026")));
        assert_eq!(value(&table, "odd line"), Some(BStr::new("")));
    }
}

//! What only NTFS has.

use bstr::{BStr, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::{NtfsChmodOpts, NtfscloneOutOpts, NtfsfixOpts};
use libguestfs_core::server::{FileIn, FileOut};

use super::not_negative;
use super::tool::Tool;
use crate::Guestfsd;
use crate::error::refused;

impl Guestfsd {
    pub(crate) fn ntfs_3g_probe(&mut self, rw: bool, device: &BStr) -> Result<i32> {
        let device = self.subject("ntfs_3g_probe", device)?;
        let tool = Tool::new("ntfs-3g.probe").arg(if rw { "-w" } else { "-r" }).on(&device);
        let ended = tool.end(&device.name)?;
        let status = ended.status.code();
        status.ok_or_else(|| refused(format!("{}: {}", device.name, ended.complaint("ntfs-3g.probe"))))
    }

    pub(crate) fn ntfsfix(&mut self, device: &BStr, opts: &NtfsfixOpts) -> Result<()> {
        let device = self.subject("ntfsfix", device)?;
        let done = Tool::new("ntfsfix").flag(opts.clearbadsectors, "-b").on(&device).run(&device.name);
        self.changed("ntfsfix")?;
        done.map(drop)
    }

    pub(crate) fn ntfsclone_in(&mut self, backupfile: &mut FileIn<'_>, device: &BStr) -> Result<()> {
        let device = self.subject("ntfsclone_in", device)?;
        let tool = Tool::new("ntfsclone").arg("-O").on(&device).args(["--restore-image", "-"]);
        let place = format!("ntfsclone subcommand failed on device: {}", device.name);
        let done = tool.feed(place, backupfile);
        self.changed("ntfsclone_in")?;
        done
    }

    pub(crate) fn ntfsclone_out(
        &mut self,
        device: &BStr,
        backupfile: &mut FileOut<'_>,
        opts: &NtfscloneOutOpts,
    ) -> Result<()> {
        let device = self.subject("ntfsclone_out", device)?;
        let tool = Tool::new("ntfsclone")
            .args(["-o", "-", "--save-image"])
            .flag(opts.metadataonly, "--metadata")
            .flag(opts.rescue, "--rescue")
            .flag(opts.ignorefscheck, "--ignore-fs-check")
            .flag(opts.preservetimestamps, "--preserve-timestamps")
            .flag(opts.force, "--force");
        tool.on(&device).pour(&device.name, backupfile)
    }

    pub(crate) fn ntfscat_i(&mut self, device: &BStr, inode: i64, filename: &mut FileOut<'_>) -> Result<()> {
        let inode = not_negative("inode", inode)?;
        let mountable = self.mountable(device)?;
        let device = self.subject("ntfscat_i", mountable.device())?;
        Tool::new("ntfscat").arg("-i").arg(inode.to_string()).on(&device).pour(&device.name, filename)
    }

    pub(crate) fn ntfs_chmod(
        &mut self,
        device: &BStr,
        mode: i32,
        path: &BStr,
        opts: &NtfsChmodOpts,
    ) -> Result<()> {
        if mode < 0 {
            return Err(refused(format!("{mode}: mode is negative")));
        }
        let device = self.subject("ntfs_chmod", device)?;
        let tool = Tool::new("ntfssecaudit").flag(opts.recursive, "-r");
        let tool = tool.on(&device).arg(format!("{mode:o}")).arg(path.as_bytes()).folded();
        let done = tool.run(format_args!("{}: {path}", device.name));
        self.changed("ntfs_chmod")?;
        done.map(drop)
    }
}

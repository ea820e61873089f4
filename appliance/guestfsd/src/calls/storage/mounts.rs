//! Mounts that only a kernel can make.

use bstr::BStr;
use libguestfs_core::Result;
use libguestfs_core::api::{Mount9pOpts, RemountOpts};
use rustix::fs::FileType;

use super::tool::Tool;
use crate::Guestfsd;
use crate::error::refused;

impl Guestfsd {
    pub(crate) fn mount_loop(&mut self, file: &BStr, mountpoint: &BStr) -> Result<()> {
        let image = self.file_subject("mount_loop", file, FileType::RegularFile)?;
        let at = self.file_subject("mount_loop", mountpoint, FileType::Directory)?;
        let tool = Tool::new("mount").args(["-o", "loop"]).on(&image).on(&at);
        tool.run(format_args!("{file} on {mountpoint}"))?;
        Ok(())
    }

    pub(crate) fn remount(&mut self, mountpoint: &BStr, opts: &RemountOpts) -> Result<()> {
        let Some(rw) = opts.rw else {
            return Err(refused("parameter 'rw' must be specified"));
        };
        let at = self.file_subject("remount", mountpoint, FileType::Directory)?;
        let options = if rw { "remount,rw" } else { "remount,ro" };
        Tool::new("mount").args(["-o", options]).on(&at).run(format_args!("{mountpoint}: {options}"))?;
        Ok(())
    }

    pub(crate) fn mount_9p(&mut self, _: &BStr, _: &BStr, _: &Mount9pOpts) -> Result<()> {
        Err(refused("9p support was removed in libguestfs 1.48"))
    }
}

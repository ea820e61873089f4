//! Boot loaders.

use bstr::BStr;
use libguestfs_core::Result;
use libguestfs_core::api::SyslinuxOpts;
use rustix::fs::FileType;

use super::tool::Tool;
use crate::Guestfsd;

impl Guestfsd {
    pub(crate) fn syslinux(&mut self, device: &BStr, opts: &SyslinuxOpts) -> Result<()> {
        let device = self.subject("syslinux", device)?;
        let tool = Tool::new("syslinux").args(["--install", "--force"]);
        let done = tool.option("--directory", opts.directory.as_ref()).on(&device).run("");
        self.changed("syslinux")?;
        done.map(drop)
    }

    pub(crate) fn extlinux(&mut self, directory: &BStr) -> Result<()> {
        let subject = self.file_subject("extlinux", directory, FileType::Directory)?;
        Tool::new("extlinux").arg("--install").on(&subject).run(directory)?;
        Ok(())
    }

    pub(crate) fn grub_install(&mut self, root: &BStr, device: &BStr) -> Result<()> {
        let root = self.file_subject("grub_install", root, FileType::Directory)?;
        let device = self.subject("grub_install", device)?;
        let done = Tool::new("grub-install").on_with("--root-directory=", &root, "").on(&device).run("");
        self.changed("grub_install")?;
        done.map(drop)
    }
}

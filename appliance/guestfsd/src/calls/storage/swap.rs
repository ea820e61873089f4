//! Swap space: made, and used by the appliance's kernel.

use bstr::{BStr, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::MkswapOpts;
use rustix::fs::FileType;

use super::tool::{Subject, Tool};
use super::{SWAP_LABEL_MAX, check_label};
use crate::Guestfsd;

fn check_swap_label(label: &BStr) -> Result<()> {
    check_label(label, "Linux swap", SWAP_LABEL_MAX)
}

impl Guestfsd {
    pub(crate) fn mkswap(&mut self, device: &BStr, opts: &MkswapOpts) -> Result<()> {
        if let Some(label) = &opts.label {
            check_swap_label(label.as_bstr())?;
        }
        let node = self.subject("mkswap", device)?;
        let tool = Tool::new("mkswap").arg("-f").option("-L", opts.label.as_ref());
        let done = tool.option("-U", opts.uuid.as_ref()).on(&node).run(&node.name);
        self.changed("mkswap")?;
        done.map(drop)
    }

    #[expect(non_snake_case, reason = "the call's name")]
    pub(crate) fn mkswap_L(&mut self, label: &BStr, device: &BStr) -> Result<()> {
        self.mkswap(device, &MkswapOpts { label: Some(label.to_owned()), uuid: None })
    }

    #[expect(non_snake_case, reason = "the call's name")]
    pub(crate) fn mkswap_U(&mut self, uuid: &BStr, device: &BStr) -> Result<()> {
        self.mkswap(device, &MkswapOpts { label: None, uuid: Some(uuid.to_owned()) })
    }

    pub(crate) fn mkswap_file(&mut self, path: &BStr) -> Result<()> {
        let file = self.file_subject("mkswap_file", path, FileType::RegularFile)?;
        Tool::new("mkswap").arg("-f").on(&file).run(path)?;
        Ok(())
    }

    fn swap_to(program: &str, subject: &Subject) -> Result<()> {
        Tool::new(program).on(subject).run(&subject.name)?;
        Ok(())
    }

    /// The program looks for the label or UUID itself.
    fn swap_by(&self, call: &str, program: &str, option: &str, value: &BStr) -> Result<()> {
        self.kernel(call)?;
        Tool::new(program).arg(option).arg(value).run(value)?;
        Ok(())
    }

    pub(crate) fn swapon_device(&mut self, device: &BStr) -> Result<()> {
        Self::swap_to("swapon", &self.subject("swapon_device", device)?)
    }

    pub(crate) fn swapoff_device(&mut self, device: &BStr) -> Result<()> {
        Self::swap_to("swapoff", &self.subject("swapoff_device", device)?)
    }

    pub(crate) fn swapon_file(&mut self, file: &BStr) -> Result<()> {
        Self::swap_to("swapon", &self.file_subject("swapon_file", file, FileType::RegularFile)?)
    }

    pub(crate) fn swapoff_file(&mut self, file: &BStr) -> Result<()> {
        Self::swap_to("swapoff", &self.file_subject("swapoff_file", file, FileType::RegularFile)?)
    }

    pub(crate) fn swapon_label(&mut self, label: &BStr) -> Result<()> {
        check_swap_label(label)?;
        self.swap_by("swapon_label", "swapon", "-L", label)
    }

    pub(crate) fn swapoff_label(&mut self, label: &BStr) -> Result<()> {
        check_swap_label(label)?;
        self.swap_by("swapoff_label", "swapoff", "-L", label)
    }

    pub(crate) fn swapon_uuid(&mut self, uuid: &BStr) -> Result<()> {
        self.swap_by("swapon_uuid", "swapon", "-U", uuid)
    }

    pub(crate) fn swapoff_uuid(&mut self, uuid: &BStr) -> Result<()> {
        self.swap_by("swapoff_uuid", "swapoff", "-U", uuid)
    }
}

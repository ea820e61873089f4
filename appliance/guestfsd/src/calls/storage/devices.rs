//! Settings of block devices.

use bstr::BStr;
use libguestfs_core::Result;

use super::tool::Tool;
use crate::Guestfsd;
use crate::error::refused;

impl Guestfsd {
    fn blockdev(&self, call: &str, device: &BStr, arguments: &[&str]) -> Result<()> {
        let device = self.subject(call, device)?;
        Tool::new("blockdev").args(arguments).on(&device).run("blockdev")?;
        Ok(())
    }

    pub(crate) fn blockdev_flushbufs(&mut self, device: &BStr) -> Result<()> {
        self.blockdev("blockdev_flushbufs", device, &["--flushbufs"])
    }

    pub(crate) fn blockdev_rereadpt(&mut self, device: &BStr) -> Result<()> {
        let done = self.blockdev("blockdev_rereadpt", device, &["--rereadpt"]);
        self.changed("blockdev_rereadpt")?;
        done
    }

    /// The kernel keeps this size for as long as the device is open, so no program can set it for another.
    pub(crate) fn blockdev_setbsz(&mut self, device: &BStr, blocksize: i32) -> Result<()> {
        if blocksize <= 0 {
            return Err(refused("blocksize must be > 0"));
        }
        self.blockdev("blockdev_setbsz", device, &["--setbsz", &blocksize.to_string()])
    }

    pub(crate) fn blockdev_setra(&mut self, device: &BStr, sectors: i32) -> Result<()> {
        if sectors < 0 {
            return Err(refused("sectors must be >= 0"));
        }
        self.blockdev("blockdev_setra", device, &["--setra", &sectors.to_string()])
    }

    pub(crate) fn blockdev_setro(&mut self, device: &BStr) -> Result<()> {
        self.blockdev("blockdev_setro", device, &["--setro"])
    }

    pub(crate) fn blockdev_setrw(&mut self, device: &BStr) -> Result<()> {
        self.blockdev("blockdev_setrw", device, &["--setrw"])
    }
}

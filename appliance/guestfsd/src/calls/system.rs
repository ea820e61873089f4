//! Calls about the daemon itself.

use libguestfs_core::Result;

use crate::Guestfsd;

impl Guestfsd {
    pub(crate) fn ping_daemon(&mut self) -> Result<()> {
        Ok(())
    }

    /// Nothing is ever held back where there is no kernel to write.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if let Some(kernel) = self.engine.kernel() {
            kernel.sync();
        }
        Ok(())
    }

    pub(crate) fn internal_autosync(&mut self) -> Result<()> {
        self.umount_all()?;
        self.sync()
    }
}

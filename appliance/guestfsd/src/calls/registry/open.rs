//! A hive and its logs, out of what is mounted or from disks. Files of the guest are opened as everywhere
//! ([`libguestfs_core::registry`]); a disk may hold a hive or a log and nothing else.

use bstr::{BStr, BString};
use hivex::Options;
use libguestfs_core::registry::{self, HIVE_MAX, Refused, Registry};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use super::about;
use crate::Guestfsd;
use crate::calls::guest_tree::GuestTree;
use crate::error::{At, Failure};

impl Guestfsd {
    /// Opens the hive at a path of the guest, with the logs that lie beside it, or on a device, with those on `logs`. What
    /// there is to say about it are the notes for the caller, so far.
    pub(super) fn read_hive(&mut self, hive: &BStr, logs: &[BString], options: Options) -> Result<Registry> {
        self.registry.notes.clear();
        let opened = if hive.starts_with(b"/dev/") {
            let logs = || logs.iter().map(|log| self.read_device(log.as_ref())).collect();
            registry::open_image(hive.to_owned(), self.read_device(hive)?, options, logs)?
        } else {
            let path = self.tree().canonical(hive).at(hive)?;
            let size = self.tree().open(path.as_ref()).at(hive)?.len();
            registry::open_file(&mut GuestTree::new(self.tree()), path, size, options)?
        };
        let opened = opened.map_err(|refused| no_hive(hive, &refused))?;
        self.note(&opened);
        Ok(opened)
    }

    fn read_device(&self, device: &BStr) -> Result<Vec<u8>> {
        let device = self.device(device)?;
        let source = self.engine.open_block(device.as_ref()).at(&device)?;
        let length = usize::try_from(source.len()).ok().filter(|_| source.len() <= HIVE_MAX);
        let length = length.ok_or_else(|| no_hive(device.as_ref(), &Refused::TooLarge(source.len())))?;
        let mut content = vec![0; length];
        let read = source.read_at(0, &mut content);
        read.map_err(|error| Failure::Disk { device: device.clone(), error }).at(&device)?;
        Ok(content)
    }
}

fn no_hive(place: &BStr, refused: &Refused) -> Error {
    let errno = match refused {
        Refused::Hive(error) => return about(place, error),
        Refused::NotFound => Errno::ENOENT,
        Refused::TooLarge(_) => Errno::EFBIG,
        _ => Errno::EIO,
    };
    Error::daemon(errno, format!("{place}: {refused}"))
}

//! A hive written back to its guest, in an appliance.
//!
//! ```text
//! 1  the hive and its logs are copied under other names, if a backup is wanted     the old hive, its logs
//! 2  the new hive is written beside the old one, with all that belongs to it       the old hive, its logs
//! 3  it takes the old one's name                                                   the new hive, logs that it needs not
//! 4  the logs are emptied                                                          the new hive
//! ```
//!
//! On the right is what Windows finds if the step is the last one. Each is on the disk before the next begins. Between 3 and
//! 4, the logs are of no effect: the hive says of itself that it was written completely, and so no system looks at them.
//!
//! The third step is several, see [`crate::calls::replace`]. A hive is not written in place, though its file would keep its number then: it would be in pieces until all of it is on
//! the disk, and only the system's own logs, which other readers do not know, could mend it. A rename changes a few blocks of
//! the directory.

use std::ops::ControlFlow;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::{Error, Result, registry};
use nix::errno::Errno;
use rustix::fs::{OFlags, fstat, fsync, ftruncate, syncfs};

use crate::Guestfsd;
use crate::calls::guest_tree::GuestTree;
use crate::calls::replace::{IN_PLACE, Several, belongings};
use crate::calls::sink::Source;
use crate::calls::writing::data::copy_range;
use crate::calls::writing::{existing, regular, reopen};
use crate::engine::kernel::Sysroot;
use crate::engine::{self, Last};
use crate::error::{At, Failure};

/// The largest hive that is written, in bytes: it is kept in the appliance's memory.
const IMAGE_MAX: usize = 256 << 20;

impl Guestfsd {
    /// See the head of the file.
    pub(crate) fn internal_registry_replace(
        &mut self,
        path: &BStr,
        source: &mut dyn Source,
        backup: &BStr,
    ) -> Result<()> {
        let call = "internal_registry_replace";
        let root = self.kernel(call)?.sysroot();
        let mut image = Vec::new();
        while let Some(piece) = source.next()? {
            if image.len().saturating_add(piece.len()) > IMAGE_MAX {
                return Err(Error::daemon(Errno::EFBIG, format!("{path}: more than {IMAGE_MAX} bytes")));
            }
            image.extend_from_slice(piece);
        }
        let path = self.tree().canonical(path).at(path)?;
        let path = path.as_bstr();
        let logs = registry::logs_beside(&mut GuestTree::new(self.tree()), path)?;
        if !backup.is_empty() {
            let copied = BString::from([path.as_bytes(), backup].concat());
            copy(root, path, copied.as_bstr()).at(format_args!("backup: {copied}"))?;
            for log in &logs {
                let copied = BString::from([copied.as_slice(), &log.end].concat());
                copy(root, log.path.as_bstr(), copied.as_bstr()).at(format_args!("backup: {copied}"))?;
            }
        }
        sync(root, path).at(path)?;
        self.replace_file(call, path, &image, Several::Refuse)?.at(path)?;
        for log in &logs {
            empty(root, log.path.as_bstr()).at(format_args!("{path}: {IN_PLACE}{}", log.path))?;
        }
        sync(root, path).at(format_args!("{path}: {IN_PLACE}"))
    }
}

/// Has all that was written to the filesystem of a file come to the disk.
fn sync(root: &Sysroot, path: &BStr) -> engine::Result<()> {
    let file = reopen(&existing(root, path, Last::Follow)?, OFlags::RDONLY)?;
    // What is on a device of filesystems in user space is written by the first, what they hold back by the second.
    syncfs(&file)?;
    Ok(fsync(&file)?)
}

/// A copy of a file with all that belongs to it, where nothing is yet.
fn copy(root: &Sysroot, from: &BStr, to: &BStr) -> engine::Result<()> {
    let old = existing(root, from, Last::Follow)?;
    let status = fstat(&old)?;
    let content = reopen(&old, OFlags::RDONLY)?;
    if existing(root, to, Last::Itself).is_ok() {
        return Err(Failure::Os(Errno::EEXIST));
    }
    let new = regular(root, to, OFlags::CREATE | OFlags::EXCL)?;
    let length = status.st_size.cast_unsigned();
    copy_range(&content, 0, &new, 0, length, &mut |_| ControlFlow::Continue(()))?;
    ftruncate(&new, length)?;
    belongings(&old, &status, &new)?;
    Ok(fsync(&new)?)
}

/// Takes all content from a log. A system makes it anew when it needs it.
fn empty(root: &Sysroot, log: &BStr) -> engine::Result<()> {
    let file = regular(root, log, OFlags::empty())?;
    if fstat(&file)?.st_size > 0 {
        ftruncate(&file, 0)?;
        fsync(&file)?;
    }
    Ok(())
}

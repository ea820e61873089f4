//! Owner, mode and times of files, and the umask.

use bstr::BStr;
use libguestfs_core::Result;
use libguestfs_core::api::CopyAttributesOpts;
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid, chmod, chownat, fstat,
    utimensat,
};

use super::{carry, existing, mode};
use crate::Guestfsd;
use crate::engine::kernel::descriptor_path;
use crate::engine::{self, Last};
use crate::error::{At, refused};

/// Largest umask.
const UMASK_MAX: i32 = 0o777;
/// Bits that chmod(2) takes.
const PERMISSIONS: u32 = 0o7777;

impl Guestfsd {
    pub(crate) fn chmod(&mut self, bits: i32, path: &BStr) -> Result<()> {
        let root = self.kernel("chmod")?.sysroot();
        let bits = mode(path, bits)?;
        let permissions = Mode::from_raw_mode(bits & PERMISSIONS);
        let changed = existing(root, path, Last::Follow)
            .and_then(|there| Ok(chmod(descriptor_path(&there), permissions)?));
        changed.at(format_args!("{path}: 0{bits:o}"))
    }

    pub(crate) fn chown(&mut self, owner: i32, group: i32, path: &BStr) -> Result<()> {
        self.change_owner("chown", owner, group, path, Last::Follow)
    }

    pub(crate) fn lchown(&mut self, owner: i32, group: i32, path: &BStr) -> Result<()> {
        self.change_owner("lchown", owner, group, path, Last::Itself)
    }

    /// The number -1 leaves what is there, as it does for chown(2).
    fn change_owner(&self, call: &str, owner: i32, group: i32, path: &BStr, last: Last) -> Result<()> {
        let root = self.kernel(call)?.sysroot();
        let user = (owner != -1).then(|| Uid::from_raw(owner.cast_unsigned()));
        let members = (group != -1).then(|| Gid::from_raw(group.cast_unsigned()));
        let changed = existing(root, path, last)
            .and_then(|there| Ok(chownat(&there, c"", user, members, AtFlags::EMPTY_PATH)?));
        changed.at(format_args!("{path}: {owner}.{group}"))
    }

    pub(crate) fn utimens(
        &mut self,
        path: &BStr,
        atsecs: i64,
        atnsecs: i64,
        mtsecs: i64,
        mtnsecs: i64,
    ) -> Result<()> {
        let root = self.kernel("utimens")?.sysroot();
        let time = |tv_sec, nanoseconds| Timespec {
            tv_sec,
            tv_nsec: match nanoseconds {
                -1 => UTIME_NOW,
                -2 => UTIME_OMIT,
                other => other,
            },
        };
        let times =
            Timestamps { last_access: time(atsecs, atnsecs), last_modification: time(mtsecs, mtnsecs) };
        let changed = existing(root, path, Last::Itself)
            .and_then(|there| Ok(utimensat(CWD, descriptor_path(&there), &times, AtFlags::empty())?));
        changed.at(format_args!("utimensat: {path}"))
    }

    /// The mask is that of this process: files made by programs have it too, and the kernel leaves it out where a default
    /// ACL says more.
    pub(crate) fn umask(&mut self, mask: i32) -> Result<i32> {
        self.kernel("umask")?;
        if !(0..=UMASK_MAX).contains(&mask) {
            return Err(refused(format!("0{mask:o}: mask negative or out of range")));
        }
        let before = rustix::process::umask(Mode::from_raw_mode(mask.cast_unsigned()));
        Ok(before.as_raw_mode().cast_signed())
    }

    pub(crate) fn get_umask(&mut self) -> Result<i32> {
        self.kernel("get_umask")?;
        Ok(present_umask().as_raw_mode().cast_signed())
    }

    pub(crate) fn copy_attributes(
        &mut self,
        from: &BStr,
        to: &BStr,
        opts: &CopyAttributesOpts,
    ) -> Result<()> {
        let root = self.kernel("copy_attributes")?.sysroot();
        let all = opts.all.unwrap_or(false);
        let wanted = |option: Option<bool>| all || option.unwrap_or(false);
        let source = existing(root, from, Last::Follow).at(format_args!("stat: {from}"))?;
        let target = existing(root, to, Last::Follow).at(format_args!("stat: {to}"))?;
        let copied = || -> engine::Result<()> {
            let status = fstat(&source)?;
            // A change of owner takes set-user-ID bits away, so it comes first.
            if wanted(opts.ownership) {
                carry::owner(&status, &target)?;
            }
            if wanted(opts.mode) {
                carry::mode(&status, &target)?;
            }
            if wanted(opts.xattributes) {
                carry::xattrs(&source, &target)?;
            }
            Ok(())
        };
        copied().at(to)
    }
}

/// The umask of this process. It can only be asked for by setting it.
pub(super) fn present_umask() -> Mode {
    let mask = rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask
}

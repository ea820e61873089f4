//! What chattr(1) sets and lsattr(1) shows: flags and the generation of inodes.

use std::os::fd::OwnedFd;

use bstr::{BStr, BString};
use libguestfs_core::api::SetE2attrsOpts;
use libguestfs_core::{Result, inode_generation, set_inode_generation};
use nix::errno::Errno;
use rustix::fs::{FileType, IFlags, Mode, OFlags, fstat, ioctl_getflags, ioctl_setflags, open};

use super::existing;
use crate::Guestfsd;
use crate::engine::kernel::{Sysroot, descriptor_path};
use crate::engine::{self, Last};
use crate::error::{At, Failure, refused};

/// Letters of chattr(1) with their bits (`FS_*_FL` of include/uapi/linux/fs.h), and whether they can be set.
const LETTERS: [(char, u32, bool); 24] = [
    ('A', 0x80, true),
    ('C', 0x0080_0000, true),
    ('D', 0x0001_0000, true),
    ('E', 0x800, false),
    ('F', 0x4000_0000, true),
    ('I', 0x1000, false),
    ('N', 0x1000_0000, false),
    ('P', 0x2000_0000, true),
    ('S', 0x8, true),
    ('T', 0x0002_0000, true),
    ('V', 0x0010_0000, false),
    ('a', 0x20, true),
    ('c', 0x4, true),
    ('d', 0x40, true),
    ('e', 0x0008_0000, true),
    ('h', 0x0004_0000, false),
    ('i', 0x10, true),
    ('j', 0x4000, true),
    ('m', 0x400, true),
    ('s', 0x1, true),
    ('t', 0x8000, true),
    ('u', 0x2, true),
    ('x', 0x0200_0000, true),
    ('Z', 0x100, false),
];

/// Opens a file or directory to look at its inode. Nothing else has flags that are the filesystem's own.
fn opened(root: &Sysroot, path: &BStr) -> engine::Result<OwnedFd> {
    let there = existing(root, path, Last::Follow)?;
    match FileType::from_raw_mode(fstat(&there)?.st_mode) {
        FileType::RegularFile | FileType::Directory => {}
        _ => return Err(Failure::Os(Errno::EOPNOTSUPP)),
    }
    Ok(open(descriptor_path(&there), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The bits that letters stand for.
fn bits(letters: &BStr) -> Result<u32> {
    let mut bits = 0;
    for &letter in letters.iter() {
        let letter = char::from(letter);
        match LETTERS.iter().find(|(known, _, can_be_set)| *known == letter && *can_be_set) {
            None => return Err(refused(format!("unknown file attribute '{letter}'"))),
            Some((_, bit, _)) if bits & bit != 0 => {
                return Err(refused(format!("duplicate file attribute '{letter}'")));
            }
            Some((_, bit, _)) => bits |= bit,
        }
    }
    Ok(bits)
}

impl Guestfsd {
    pub(crate) fn get_e2attrs(&mut self, file: &BStr) -> Result<BString> {
        let root = self.kernel("get_e2attrs")?.sysroot();
        let flags = opened(root, file).and_then(|fd| Ok(ioctl_getflags(&fd)?)).at(file)?;
        let set = LETTERS.iter().filter(|(_, bit, _)| flags.bits() & bit != 0).map(|(letter, ..)| *letter);
        Ok(set.collect::<String>().into())
    }

    pub(crate) fn set_e2attrs(&mut self, file: &BStr, attrs: &BStr, opts: &SetE2attrsOpts) -> Result<()> {
        let root = self.kernel("set_e2attrs")?.sysroot();
        let named = IFlags::from_bits_retain(bits(attrs)?);
        if named.is_empty() {
            return Ok(());
        }
        let set = opened(root, file).and_then(|fd| {
            let now = ioctl_getflags(&fd)?;
            let flags = if opts.clear.unwrap_or(false) { now.difference(named) } else { now.union(named) };
            Ok(ioctl_setflags(&fd, flags)?)
        });
        set.at(file)
    }

    pub(crate) fn get_e2generation(&mut self, file: &BStr) -> Result<i64> {
        let root = self.kernel("get_e2generation")?.sysroot();
        let generation = opened(root, file).and_then(|fd| Ok(inode_generation(&fd)?)).at(file)?;
        Ok(generation.into())
    }

    pub(crate) fn set_e2generation(&mut self, file: &BStr, generation: i64) -> Result<()> {
        let root = self.kernel("set_e2generation")?.sysroot();
        let generation = u32::try_from(generation)
            .map_err(|_| refused(format!("{file}: {generation} is not a generation, which has 32 bits")))?;
        opened(root, file).and_then(|fd| Ok(set_inode_generation(&fd, generation)?)).at(file)
    }
}

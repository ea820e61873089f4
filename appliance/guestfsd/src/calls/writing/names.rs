//! Names in directories: made, removed, renamed, linked.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use bstr::{BStr, BString, ByteSlice, ByteVec};
use libguestfs_core::Result;
use libguestfs_core::api::MktempOpts;
use nix::errno::Errno;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, fstat, linkat, makedev, mkdirat, mknodat, openat, renameat,
    symlinkat, unlinkat,
};

use super::{Entry, NEW_DIRECTORY, entry, existing, mode};
use crate::Guestfsd;
use crate::engine::kernel::{Sysroot, descriptor_path};
use crate::engine::{self, Last};
use crate::error::{At, Failure, refused};

/// Permissions of what `mkdtemp` and `mktemp` make.
const PRIVATE_DIRECTORY: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::from_raw_mode(0o600);
/// What a template of a unique name ends in.
const TEMPLATE: &[u8] = b"XXXXXX";
/// Unique names that are tried. There are 62^6 of them.
const TRIES: usize = 100;
/// What lost+found is given room for, as mklost+found(8): names so long and so many that the directory takes 16 KiB.
const LOST_AND_FOUND_BYTES: usize = 16 << 10;
const LOST_AND_FOUND_NAME: usize = 246;
/// An entry of a directory of ext: 8 bytes and the name (kernel documentation, ext4 "Directory Entries").
const ENTRY_HEADER: usize = 8;

impl Guestfsd {
    pub(crate) fn mkdir(&mut self, path: &BStr) -> Result<()> {
        make_directory(self.kernel("mkdir")?.sysroot(), path, NEW_DIRECTORY).at(path)
    }

    pub(crate) fn mkdir_mode(&mut self, path: &BStr, permissions: i32) -> Result<()> {
        let permissions = Mode::from_raw_mode(mode(path, permissions)? & PERMISSIONS);
        make_directory(self.kernel("mkdir_mode")?.sysroot(), path, permissions).at(path)
    }

    /// Looks from the last part of the path to the first for one that is there, and makes those after it.
    pub(crate) fn mkdir_p(&mut self, path: &BStr) -> Result<()> {
        let root = self.kernel("mkdir_p")?.sysroot();
        let no_directory = || refused(format!("{path}: a path element was not a directory"));
        let mut ends: Vec<usize> = Vec::new();
        let mut end = path.trim_end_with(|c| c == '/').len();
        while end > 0 {
            let part = path.get(..end).unwrap_or_default().as_bstr();
            match existing(root, part, Last::Follow) {
                Ok(there) => {
                    let status = fstat(&there).map_err(Failure::from).at(path)?;
                    if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
                        return Err(no_directory());
                    }
                    break;
                }
                Err(failure) if failure.errno() == Errno::ENOENT => ends.push(end),
                Err(failure) => return Err(failure.at(path)),
            }
            let before = part.rfind_byte(b'/').unwrap_or(0);
            end = part.get(..before).unwrap_or_default().trim_end_with(|c| c == '/').len();
        }
        for end in ends.into_iter().rev() {
            let part = path.get(..end).unwrap_or_default().as_bstr();
            match make_directory(root, part, NEW_DIRECTORY) {
                // `a/.` after `a` was made.
                Err(Failure::Os(Errno::EEXIST)) if part.ends_with(b"/.") || part.ends_with(b"/..") => {}
                // A symbolic link that leads nowhere.
                Err(Failure::Os(Errno::EEXIST)) => return Err(no_directory()),
                made => made.at(path)?,
            }
        }
        Ok(())
    }

    pub(crate) fn mkdtemp(&mut self, template: &BStr) -> Result<BString> {
        let root = self.kernel("mkdtemp")?.sysroot();
        unique(root, template, b"", &|entry| {
            Ok(mkdirat(&entry.directory, entry.name.as_slice(), PRIVATE_DIRECTORY)?)
        })
    }

    pub(crate) fn mktemp(&mut self, template: &BStr, opts: &MktempOpts) -> Result<BString> {
        let root = self.kernel("mktemp")?.sysroot();
        let suffix = opts.suffix.as_ref().map(|suffix| suffix.as_slice()).unwrap_or_default();
        if suffix.contains(&b'/') {
            return Err(refused(format!("{}: a suffix can't have a slash", suffix.as_bstr())));
        }
        unique(root, template, suffix, &|entry| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            openat(&entry.directory, entry.name.as_slice(), flags, PRIVATE_FILE)?;
            Ok(())
        })
    }

    pub(crate) fn mklost_and_found(&mut self, mountpoint: &BStr) -> Result<()> {
        let root = self.kernel("mklost_and_found")?.sysroot();
        let mut path = mountpoint.to_owned();
        path.push_str("/lost+found");
        make_lost_and_found(root, path.as_bstr()).at(format_args!("mklost+found: {path}"))
    }

    pub(crate) fn rmdir(&mut self, path: &BStr) -> Result<()> {
        let root = self.kernel("rmdir")?.sysroot();
        let nameless = match path.rsplit_once_str("/") {
            Some((_, b".")) => Errno::EINVAL,
            Some((_, b"..")) => Errno::ENOTEMPTY,
            _ => Errno::EBUSY,
        };
        entry(root, path, nameless).and_then(|entry| remove(&entry, AtFlags::REMOVEDIR)).at(path)
    }

    pub(crate) fn rm(&mut self, path: &BStr) -> Result<()> {
        let root = self.kernel("rm")?.sysroot();
        entry(root, path, Errno::EISDIR).and_then(|entry| remove(&entry, AtFlags::empty())).at(path)
    }

    pub(crate) fn rm_f(&mut self, path: &BStr) -> Result<()> {
        let root = self.kernel("rm_f")?.sysroot();
        match entry(root, path, Errno::EISDIR).and_then(|entry| remove(&entry, AtFlags::empty())) {
            Err(Failure::Os(Errno::ENOENT)) => Ok(()),
            removed => removed.at(path),
        }
    }

    pub(crate) fn rm_rf(&mut self, path: &BStr) -> Result<()> {
        let root = self.kernel("rm_rf")?.sysroot();
        if path.bytes().all(|byte| byte == b'/') {
            return Err(refused("cannot remove root directory"));
        }
        let dots = || Failure::Text(Errno::EINVAL, "refusing to remove '.' or '..' directory".into());
        let entry = entry(root, path, Errno::EINVAL).map_err(|failure| match failure {
            Failure::Os(Errno::EINVAL) => dots(),
            failure => failure,
        });
        match entry.and_then(|entry| super::tree::remove_all(&entry)) {
            // As with rm(1), where it can't be it is not.
            Err(Failure::Os(Errno::ENOENT | Errno::ENOTDIR)) => Ok(()),
            removed => removed.at(path),
        }
    }

    pub(crate) fn rename(&mut self, from: &BStr, to: &BStr) -> Result<()> {
        let root = self.kernel("rename")?.sysroot();
        let renamed = || {
            let (from, to) = (entry(root, from, Errno::EBUSY)?, entry(root, to, Errno::EBUSY)?);
            Ok(renameat(&from.directory, from.name.as_slice(), &to.directory, to.name.as_slice())?)
        };
        renamed().at(format_args!("rename: {from}: {to}"))
    }

    pub(crate) fn ln(&mut self, target: &BStr, link: &BStr) -> Result<()> {
        let root = self.kernel("ln")?.sysroot();
        hard_link(root, target, link).at(format_args!("link: {target}: {link}"))
    }

    pub(crate) fn ln_f(&mut self, target: &BStr, link: &BStr) -> Result<()> {
        let root = self.kernel("ln_f")?.sysroot();
        let place = || format!("ln -f: {target}: {link}");
        // What is there must not go before it is known that the link can be made.
        existing(root, target, Last::Itself).at(place())?;
        in_place(root, target, link, &|link| hard_link(root, target, link)).at(place())
    }

    pub(crate) fn ln_s(&mut self, target: &BStr, link: &BStr) -> Result<()> {
        let root = self.kernel("ln_s")?.sysroot();
        soft_link(root, target, link).at(format_args!("symlink: {target}: {link}"))
    }

    pub(crate) fn ln_sf(&mut self, target: &BStr, link: &BStr) -> Result<()> {
        let root = self.kernel("ln_sf")?.sysroot();
        in_place(root, target, link, &|link| soft_link(root, target, link))
            .at(format_args!("ln -sf: {target}: {link}"))
    }

    /// `mode` has format bits here; without them a regular file is made.
    pub(crate) fn mknod(&mut self, bits: i32, major: i32, minor: i32, path: &BStr) -> Result<()> {
        let bits = mode(path, bits)?;
        self.make_node("mknod", bits, (major, minor), path)
    }

    pub(crate) fn mknod_b(&mut self, bits: i32, major: i32, minor: i32, path: &BStr) -> Result<()> {
        let bits = permission_bits(bits)? | FileType::BlockDevice.as_raw_mode();
        self.make_node("mknod_b", bits, (major, minor), path)
    }

    pub(crate) fn mknod_c(&mut self, bits: i32, major: i32, minor: i32, path: &BStr) -> Result<()> {
        let bits = permission_bits(bits)? | FileType::CharacterDevice.as_raw_mode();
        self.make_node("mknod_c", bits, (major, minor), path)
    }

    pub(crate) fn mkfifo(&mut self, bits: i32, path: &BStr) -> Result<()> {
        let bits = permission_bits(bits)? | FileType::Fifo.as_raw_mode();
        self.make_node("mkfifo", bits, (0, 0), path)
    }

    fn make_node(&self, call: &str, bits: u32, device: (i32, i32), path: &BStr) -> Result<()> {
        let root = self.kernel(call)?.sysroot();
        let made = || {
            let number = |number: i32| u32::try_from(number).map_err(|_| Failure::Os(Errno::EINVAL));
            let device = makedev(number(device.0)?, number(device.1)?);
            let kind = match bits & FORMAT_BITS {
                0 => FileType::RegularFile,
                bits => FileType::from_raw_mode(bits),
            };
            if kind == FileType::Unknown {
                return Err(Failure::Os(Errno::EINVAL));
            }
            let entry = entry(root, path, Errno::EEXIST)?;
            Ok(mknodat(&entry.directory, entry.name.as_slice(), kind, Mode::from_raw_mode(bits), device)?)
        };
        made().at(path)
    }
}

/// A mode argument without format bits.
fn permission_bits(bits: i32) -> Result<u32> {
    let bits = bits.cast_unsigned();
    if bits & !PERMISSIONS != 0 {
        return Err(refused(format!("{bits:o}: mode must specify only file permission bits")));
    }
    Ok(bits)
}

/// The permission bits of a mode, with set-user-ID, set-group-ID and sticky.
const PERMISSIONS: u32 = 0o7777;
/// The format bits of a mode (`S_IFMT`).
const FORMAT_BITS: u32 = 0o170_000;

fn make_directory(root: &Sysroot, path: &BStr, permissions: Mode) -> engine::Result<()> {
    let entry = entry(root, path, Errno::EEXIST)?;
    Ok(mkdirat(&entry.directory, entry.name.as_slice(), permissions)?)
}

fn remove(entry: &Entry, flags: AtFlags) -> engine::Result<()> {
    Ok(unlinkat(&entry.directory, entry.name.as_slice(), flags)?)
}

/// What is linked is found within the root, and linked by its descriptor: a symbolic link is itself.
fn hard_link(root: &Sysroot, target: &BStr, link: &BStr) -> engine::Result<()> {
    let target = existing(root, target, Last::Itself)?;
    let entry = entry(root, link, Errno::EEXIST)?;
    let (target, follow) = (descriptor_path(&target), AtFlags::SYMLINK_FOLLOW);
    Ok(linkat(CWD, &target, &entry.directory, entry.name.as_slice(), follow)?)
}

fn soft_link(root: &Sysroot, target: &BStr, link: &BStr) -> engine::Result<()> {
    let entry = entry(root, link, Errno::EEXIST)?;
    Ok(symlinkat(target.as_bytes(), &entry.directory, entry.name.as_slice())?)
}

/// Makes a link in place of what has its name, as `ln -f`: if `link` leads to a directory, in it, under the name of
/// `target`.
fn in_place(
    root: &Sysroot,
    target: &BStr,
    link: &BStr,
    make: &dyn Fn(&BStr) -> engine::Result<()>,
) -> engine::Result<()> {
    let link = super::destination(root, target, link)?;
    let link = link.as_bstr();
    match make(link) {
        Err(Failure::Os(Errno::EEXIST)) => {}
        made => return made,
    }
    let old = entry(root, link, Errno::EEXIST)?;
    if let (Ok(target), Ok(old)) = (existing(root, target, Last::Itself), existing(root, link, Last::Itself))
    {
        let (target, old) = (fstat(&target)?, fstat(&old)?);
        if (target.st_dev, target.st_ino) == (old.st_dev, old.st_ino) {
            return Err(Failure::Text(Errno::EEXIST, "both are the same file".into()));
        }
    }
    remove(&old, AtFlags::empty())?;
    make(link)
}

/// Makes something under the name that `template` and `suffix` give.
fn unique(
    root: &Sysroot,
    template: &BStr,
    suffix: &[u8],
    make: &dyn Fn(&Entry) -> engine::Result<()>,
) -> Result<BString> {
    let Some(start) = template.strip_suffix(TEMPLATE) else {
        return Err(Failure::Os(Errno::EINVAL).at(template));
    };
    for _ in 0..TRIES {
        let mut path = BString::from(start);
        path.extend_from_slice(&letters());
        path.extend_from_slice(suffix);
        match entry(root, path.as_bstr(), Errno::EINVAL).and_then(|entry| make(&entry)) {
            Ok(()) => return Ok(path),
            Err(Failure::Os(Errno::EEXIST)) => {}
            Err(failure) => return Err(failure.at(template)),
        }
    }
    Err(Failure::Os(Errno::EEXIST).at(template))
}

/// Six letters and digits by chance.
fn letters() -> [u8; TEMPLATE.len()] {
    const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    // Its keys are random, and other ones each time.
    let mut rest = RandomState::new().build_hasher().finish();
    std::array::from_fn(|_| {
        let index = usize::try_from(rest % 62).unwrap_or(0);
        rest /= 62;
        ALPHABET.get(index).copied().unwrap_or(b'x')
    })
}

/// Makes the directory, and then files in it until it has its size, which it keeps when they are removed.
fn make_lost_and_found(root: &Sysroot, path: &BStr) -> engine::Result<()> {
    let entry = entry(root, path, Errno::EEXIST)?;
    mkdirat(&entry.directory, entry.name.as_slice(), Mode::RWXU)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(&entry.directory, entry.name.as_slice(), flags, Mode::empty())?;
    let names: Vec<String> = (0..LOST_AND_FOUND_BYTES / (ENTRY_HEADER + LOST_AND_FOUND_NAME))
        .map(|number| format!("{number:0LOST_AND_FOUND_NAME$}"))
        .collect();
    for name in &names {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        openat(&directory, name.as_str(), flags, PRIVATE_FILE)?;
    }
    for name in &names {
        unlinkat(&directory, name.as_str(), AtFlags::empty())?;
    }
    Ok(())
}

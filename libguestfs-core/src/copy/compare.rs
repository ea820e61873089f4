//! A second look: what a daemon sends is compared with what a copy has made of it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bstr::{BStr, BString, ByteSlice};
use rustix::fs::{Advice, FileType, SeekFrom, fadvise, fstat, makedev, seek};
use rustix::io::{Errno, pread};

use super::Shared;
use super::extract::components;
use super::target::{Directory, Target};
use crate::tar::{Entry, Kind, Receive, Remark, RemarkKind};

/// Bytes that are compared at a time.
const PIECE: usize = 64 << 10;

/// What receives an archive to compare.
pub(super) struct Compare<'a> {
    target: &'a Target,
    shared: &'a Shared,
    remote: &'a BStr,
    name: Option<BString>,
    /// Has the source's own directory come? Until then, an entry is the source itself.
    inside: bool,
    /// The directory that was looked into last.
    directory: Option<(Vec<BString>, Arc<Directory>)>,
    current: Option<Current>,
    buffer: Vec<u8>,
}

/// The file that is being compared.
struct Current {
    place: BString,
    fd: OwnedFd,
    size: u64,
    /// All before this byte is as it should be.
    at: u64,
    difference: Option<String>,
}

impl<'a> Compare<'a> {
    pub(super) fn new(
        target: &'a Target,
        shared: &'a Shared,
        remote: &'a BStr,
        name: Option<BString>,
    ) -> Self {
        let buffer = vec![0; PIECE];
        Compare { target, shared, remote, name, inside: false, directory: None, current: None, buffer }
    }

    /// Notes what the last file differs in.
    pub(super) fn settle(&mut self) {
        let Some(mut current) = self.current.take() else { return };
        let size = current.size;
        current.hole_up_to(size, &mut self.buffer);
        if let Some(difference) = current.difference {
            self.shared.fail(format_args!("{}: the copy differs: {difference}", current.place));
        }
    }

    fn look(&mut self, entry: &Entry) -> Result<(), String> {
        let Some(mut names) = components(&entry.path) else { return Ok(()) };
        let top = names.is_empty();
        self.inside |= top;
        match (&self.name, self.inside) {
            (Some(name), true) => names.insert(0, name.clone()),
            (Some(name), false) => names = vec![name.clone()],
            (None, _) => {}
        }
        // The user's own directory is not a copy.
        let Some((name, parents)) = names.split_last() else { return Ok(()) };
        let directory = self.enter(parents).map_err(words)?;
        let stat = directory.stat(name.as_bstr()).map_err(words)?;
        let is_root = rustix::process::geteuid().is_root();
        let kind = match entry.kind {
            Kind::Regular => FileType::RegularFile,
            Kind::Directory => FileType::Directory,
            Kind::Symlink => FileType::Symlink,
            Kind::Fifo => FileType::Fifo,
            Kind::CharDevice => FileType::CharacterDevice,
            Kind::BlockDevice => FileType::BlockDevice,
            // Its first name was compared.
            Kind::HardLink => return Ok(()),
        };
        let differs = |what: &str| Err(what.to_owned());
        if FileType::from_raw_mode(stat.st_mode) != kind {
            return differs("its kind");
        }
        let owned = self.shared.options.owner;
        let mask = if owned { 0o7777 } else { 0o1777 };
        if kind != FileType::Symlink && (stat.st_mode ^ entry.permissions) & mask != 0 {
            return differs("its mode");
        }
        if owned && (stat.st_uid, stat.st_gid) != (entry.uid, entry.gid) {
            return differs("its owner");
        }
        let modified = (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(u32::MAX));
        if entry.modified.nanoseconds < 1_000_000_000
            && modified != (entry.modified.seconds, entry.modified.nanoseconds)
        {
            return differs("its time of modification");
        }
        match kind {
            FileType::Symlink if directory.read_link(name.as_bstr()).map_err(words)? != entry.link => {
                differs("its target")
            }
            FileType::CharacterDevice | FileType::BlockDevice
                if is_root && stat.st_rdev != makedev(entry.device.0, entry.device.1) =>
            {
                differs("its device number")
            }
            FileType::RegularFile => {
                let fd = directory.open_file(name.as_bstr()).map_err(words)?;
                let size = fstat(&fd).map_err(words)?.st_size;
                if u64::try_from(size) != Ok(entry.size) {
                    return differs("its size");
                }
                // The bytes of the disk, not of memory, where the system takes the hint.
                let _ = fadvise(&fd, 0, None, Advice::DontNeed);
                let place = self.place(&names);
                self.current = Some(Current { place, fd, size: entry.size, at: 0, difference: None });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn enter(&mut self, parents: &[BString]) -> Result<Arc<Directory>, Errno> {
        if let Some((path, directory)) = &self.directory
            && path == parents
        {
            return Ok(Arc::clone(directory));
        }
        let directory = self.target.walk(parents)?;
        self.directory = Some((parents.to_vec(), Arc::clone(&directory)));
        Ok(directory)
    }

    /// Path in the guest of what has these names in the target.
    fn place(&self, names: &[BString]) -> BString {
        let names = if self.name.is_some() { names.get(1..).unwrap_or_default() } else { names };
        let mut place = BString::from(self.remote.trim_end_with(|c| c == '/'));
        for name in names {
            place.push(b'/');
            place.extend_from_slice(name);
        }
        place
    }
}

fn words(errno: Errno) -> String {
    super::finish::errno_words(errno).to_owned()
}

impl Current {
    /// Compares `bytes`, which belong at `offset`. Between them and those before is a hole.
    fn data(&mut self, offset: u64, bytes: &[u8], buffer: &mut [u8]) {
        self.hole_up_to(offset, buffer);
        for (nr, expected) in bytes.chunks(buffer.len()).enumerate() {
            let at = offset.saturating_add((nr * buffer.len()) as u64);
            let part = buffer.get_mut(..expected.len()).unwrap_or_default();
            if self.difference.is_none() && (read(&self.fd, at, part).is_err() || part != expected) {
                self.difference = Some(format!("its content, at or after byte {at}"));
            }
        }
        self.at = offset.saturating_add(bytes.len() as u64);
    }

    /// Checks that only zeros lie between what was compared and `end`.
    fn hole_up_to(&mut self, end: u64, buffer: &mut [u8]) {
        while self.at < end && self.difference.is_none() {
            // Not every filesystem knows its holes; then all of it is read.
            self.at = match seek(&self.fd, SeekFrom::Data(self.at)) {
                Ok(data) => data.clamp(self.at, end),
                Err(Errno::NXIO) => end,
                Err(_) => self.at,
            };
            let count = usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
            let part = buffer.get_mut(..count).unwrap_or_default();
            if read(&self.fd, self.at, part).is_err() || part.iter().any(|byte| *byte != 0) {
                self.difference = Some(format!("its content, at or after byte {}", self.at));
            }
            self.at = self.at.saturating_add(count as u64);
        }
    }
}

fn read(fd: &OwnedFd, mut at: u64, mut part: &mut [u8]) -> Result<(), Errno> {
    while !part.is_empty() {
        match pread(fd, &mut *part, at) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => {
                part = part.get_mut(count..).unwrap_or_default();
                at = at.saturating_add(count as u64);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

impl Receive for Compare<'_> {
    fn entry(&mut self, entry: Entry) -> io::Result<()> {
        self.settle();
        self.shared.check()?;
        self.shared.progress.files.fetch_add(1, Ordering::Relaxed);
        let device = matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice);
        if device && !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        if let Err(why) = self.look(&entry) {
            let names = components(&entry.path).unwrap_or_default();
            let mut place = BString::from(self.remote.trim_end_with(|c| c == '/'));
            for name in names.iter().filter(|_| self.inside) {
                place.push(b'/');
                place.extend_from_slice(name);
            }
            self.shared.fail(format_args!("{place}: the copy differs: {why}"));
        }
        Ok(())
    }

    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.shared.check()?;
        self.shared.progress.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if let Some(current) = &mut self.current {
            current.data(offset, bytes, &mut self.buffer);
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn remark(&mut self, remark: Remark) -> io::Result<()> {
        // The copy has said so already.
        if remark.kind == RemarkKind::Spoilt {
            self.current = None;
        }
        Ok(())
    }
}

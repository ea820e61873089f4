//! Names in directories and below them.

use std::ops::ControlFlow;

use bstr::{BStr, BString};
use disk::fs::FileType;
use libguestfs_core::Result;
use libguestfs_core::api::{Char, Dirent};
use libguestfs_core::wire::xdr::Encode;
use nix::errno::Errno;

use super::sink::{Gather, Sink};
use super::walk::walk;
use super::wire;
use crate::Guestfsd;
use crate::engine::Last;
use crate::error::{At, refused, strerror};

/// Unit of `st_blocks` in bytes.
const BLOCK: u64 = 512;
/// Unit of `du` in bytes.
const KIB: u64 = 1024;

impl Guestfsd {
    pub(crate) fn ls0(&mut self, dir: &BStr, out: &mut dyn Sink) -> Result<()> {
        let mut out = Gather::new(out);
        self.each_name(&format!("opendir: {dir}"), dir, |name, _, _| {
            out.write(name)?;
            out.write(b"\0")
        })?;
        out.flush()
    }

    /// Calls `each` for every name of a directory: name, inode, kind where the directory records it.
    fn each_name(
        &self,
        place: &str,
        dir: &BStr,
        mut each: impl FnMut(&[u8], u64, Option<FileType>) -> Result<()>,
    ) -> Result<()> {
        let directory = self.tree().directory(dir).at(place)?;
        let mut result = Ok(());
        let read = directory.read(&mut |entry| {
            result = each(entry.name, entry.number, entry.file_type);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        result?;
        read.at(place)
    }

    pub(crate) fn internal_readdir(&mut self, dir: &BStr, out: &mut dyn Sink) -> Result<()> {
        let place = format!("opendir: {dir}");
        let mut out = Gather::new(out);
        let mut encoded = Vec::new();
        let mut send = |name: &[u8], inode: u64, file_type: Option<FileType>| {
            encoded.clear();
            Dirent { ino: wire(inode), ftyp: Char(dirent_type(file_type)), name: name.into() }
                .encode(&mut encoded);
            out.write(&encoded)
        };
        // The filesystem gives the names but these two. The parent of the tree's root is the root.
        for name in [".", ".."] {
            let path = BString::from(format!("{dir}/{name}"));
            let status = self.tree().status(path.as_ref(), Last::Follow).at(&place)?;
            send(name.as_bytes(), status.metadata.number, Some(FileType::Directory))?;
        }
        self.each_name(&place, dir, send)?;
        out.flush()
    }

    pub(crate) fn find0(&mut self, directory: &BStr, out: &mut dyn Sink) -> Result<()> {
        let status = self.tree().status(directory, Last::Follow).at(directory)?;
        if status.metadata.file_type != FileType::Directory {
            return Err(refused(format!("{directory}: not a directory")));
        }
        // As find(1), which the original runs: a link is not followed unless a slash follows it. What the original cuts
        // off is the directory as it was given, so a slash that was not given is left at the start of each path.
        let slash: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
        let itself = self.tree().status(directory, Last::Itself).at(directory)?;
        if !slash.is_empty() && itself.metadata.file_type != FileType::Directory {
            return Ok(());
        }
        let mut out = Gather::new(out);
        walk(self.tree(), directory, &mut |visit| {
            out.write(slash)?;
            out.write(visit.path)?;
            out.write(b"\0")
        })?;
        out.flush()
    }

    /// Space taken by `path` and all below, in KiB; a file with several names counts once.
    pub(crate) fn du(&mut self, path: &BStr) -> Result<i64> {
        let tree = self.tree();
        let status = tree.status(path, Last::Itself).map_err(|failure| match failure.errno() {
            Errno::ENOENT => {
                refused(format!("{path}: du: cannot access '/sysroot{path}': {}", strerror(Errno::ENOENT)))
            }
            _ => failure.at(path),
        })?;
        let mut blocks = status.metadata.blocks;
        if status.metadata.file_type == FileType::Directory {
            let mut linked = std::collections::HashSet::new();
            walk(tree, path, &mut |visit| {
                let status = visit.directory.status(visit.name).at(visit.path)?;
                let metadata = status.metadata;
                let several = metadata.links > 1 && metadata.file_type != FileType::Directory;
                if !several || linked.insert((status.device.major, status.device.minor, metadata.number)) {
                    blocks = blocks.saturating_add(metadata.blocks);
                }
                Ok(())
            })?;
        }
        Ok(wire(blocks.saturating_mul(BLOCK).div_ceil(KIB)))
    }
}

/// The letter of a `dirent`.
fn dirent_type(file_type: Option<FileType>) -> u8 {
    match file_type {
        Some(FileType::BlockDevice) => b'b',
        Some(FileType::CharDevice) => b'c',
        Some(FileType::Directory) => b'd',
        Some(FileType::Fifo) => b'f',
        Some(FileType::Symlink) => b'l',
        Some(FileType::Regular) => b'r',
        Some(FileType::Socket) => b's',
        None => b'u',
    }
}

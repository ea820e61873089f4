//! Writes a tree as a squashfs 4.0 image, which the kernel mounts read-only and reads as it is used. The content of files is
//! compressed by LZ4, or not at all for kernels that don't know it; the rest is not.
//!
//! ```text
//! superblock | options of the compression | content of files | inodes | directories | owners, index of them
//! ```
//!
//! Inodes and directories are in blocks of 8 KiB, each after 2 bytes that say how long it is. An inode is named by where its
//! block begins and where in that it is; those of a directory's entries come before its own. There are no fragments, no
//! extended attributes and one owner. Times are 0. Form: Documentation/filesystems/squashfs.rst and fs/squashfs/squashfs_fs.h
//! of Linux.

use std::ffi::OsString;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{About, Error, Result};
use crate::tree::{Node, Tree};

const MAGIC: u32 = 0x7371_7368;
const SUPERBLOCK: usize = 96;
/// Content of files is read in pieces of this size.
const BLOCK_LOG: u16 = 17;
const BLOCK: usize = 1 << BLOCK_LOG;
/// Forms of compression. The kernel wants a known one, even if nothing is compressed.
const ZLIB: u16 = 1;
const LZ4: u16 = 5;
/// Inodes, fragments and owners are not compressed; there are no fragments and no extended attributes.
const FLAGS: u16 = 0x0001 | 0x0008 | 0x0010 | 0x0200 | 0x0800;
/// Data is not compressed.
const PLAIN_DATA: u16 = 0x0002;
/// There are options of the compression. LZ4 has some always: version 1 of its form, and no flags.
const HAS_OPTIONS: u16 = 0x0400;
const LZ4_OPTIONS: [u32; 2] = [1, 0];
/// Bytes in a block of metadata.
const METADATA: usize = 8192;
/// A block of metadata on disk, with its length before it.
const METADATA_ON_DISK: usize = METADATA + 2;
const NOT_COMPRESSED: u16 = 0x8000;
const DATA_NOT_COMPRESSED: u32 = 1 << 24;
/// In place of a table or a fragment.
const NONE_64: u64 = u64::MAX;
const NONE_32: u32 = u32::MAX;
/// Entries after one header of a directory.
const RUN_MAX: usize = 256;
/// What the length of a directory counts beside its entries: `.` and `..` as the kernel numbers them.
const DOTS: usize = 3;
/// The image is a whole number of these.
const PAGE: u64 = 4096;

/// Types of inodes: in entries of directories, and for the large directory in its inode.
const FILE: u16 = 2;
const LINK: u16 = 3;
const DIRECTORY: u16 = 1;
const LARGE_DIRECTORY: u16 = 8;

/// A node of the tree. Children have higher numbers than their parents.
struct Item<'a> {
    path: &'a Path,
    node: &'a Node,
    parent: usize,
    children: Vec<usize>,
    /// Where its content begins, and the length of each piece there, as its inode says it.
    start: u64,
    blocks: Vec<u32>,
    /// Where its inode is: block, and byte in it.
    inode: (u32, u16),
}

/// Bytes that will be in blocks of metadata.
#[derive(Default)]
struct Metadata(Vec<u8>);

impl Metadata {
    /// Where the next byte goes.
    fn position(&self) -> Option<(u32, u16)> {
        let block = u32::try_from(self.0.len() / METADATA * METADATA_ON_DISK).ok()?;
        Some((block, u16::try_from(self.0.len() % METADATA).ok()?))
    }

    fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes the blocks; says where they begin.
    fn write(&self, out: &mut dyn Write, at: &mut u64) -> io::Result<u64> {
        let start = *at;
        for block in self.0.chunks(METADATA) {
            let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
            out.write_all(&(len | NOT_COMPRESSED).to_le_bytes())?;
            out.write_all(block)?;
            *at += u64::from(len) + 2;
        }
        Ok(start)
    }
}

/// The content of one file, cut into pieces.
struct Pieces<'a, W> {
    lz4: bool,
    /// What there is of the next piece.
    held: Vec<u8>,
    sizes: Vec<u32>,
    at: u64,
    out: &'a mut W,
}

impl<W: Write> Pieces<'_, W> {
    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = BLOCK.saturating_sub(self.held.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.held.extend_from_slice(now);
            bytes = later;
            if self.held.len() == BLOCK {
                self.write()?;
            }
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let compressed = if self.lz4 { lz4_flex::block::compress(&self.held) } else { Vec::new() };
        let gains = self.lz4 && compressed.len() < self.held.len();
        let piece = if gains { &compressed } else { &self.held };
        let len = u32::try_from(piece.len()).map_err(io::Error::other)?;
        self.out.write_all(piece)?;
        self.sizes.push(if gains { len } else { len | DATA_NOT_COMPRESSED });
        self.at += u64::from(len);
        self.held.clear();
        Ok(())
    }

    /// The sizes of the pieces, and where the next file's content begins.
    fn finish(mut self) -> io::Result<(Vec<u32>, u64)> {
        if !self.held.is_empty() {
            self.write()?;
        }
        Ok((self.sizes, self.at))
    }
}

/// Writes what is in `top` of `tree` to `out`, which is the file `path`; with `lz4`, compressed.
pub(crate) fn write<W: Write + Seek>(
    tree: &Tree,
    top: &Path,
    lz4: bool,
    out: &mut W,
    path: &Path,
) -> Result<u64> {
    let mut items = items(tree, top)?;
    out.write_all(&[0; SUPERBLOCK]).about(path)?;
    let mut at = SUPERBLOCK as u64;
    if lz4 {
        let mut options = Metadata::default();
        LZ4_OPTIONS.into_iter().for_each(|word| options.u32(word));
        options.write(out, &mut at).about(path)?;
    }
    for item in &mut items {
        if let Node::File { content, .. } = item.node {
            item.start = at;
            let mut pieces = Pieces { lz4, held: Vec::new(), sizes: Vec::new(), at, out };
            let mut len = 0;
            content.copy_to(&mut |bytes| {
                len += bytes.len() as u64;
                pieces.put(bytes).about(path)
            })?;
            (item.blocks, at) = pieces.finish().about(path)?;
            if len != content.len() {
                return Err(Error::unusable(format!("{} changed while it was read", item.path.display())));
            }
        }
    }
    let mut inodes = Metadata::default();
    let mut directories = Metadata::default();
    let too_large = || Error::unusable(format!("{}: too many files", path.display()));
    for number in (0..items.len()).rev() {
        let place = inodes.position().ok_or_else(too_large)?;
        add(&items, number, &mut inodes, &mut directories).ok_or_else(too_large)?;
        if let Some(item) = items.get_mut(number) {
            item.inode = place;
        }
    }
    let root = items.first().map(|item| item.inode).unwrap_or_default();
    let inode_table = inodes.write(out, &mut at).about(path)?;
    let directory_table = directories.write(out, &mut at).about(path)?;
    let owners = Metadata(vec![0; 4]).write(out, &mut at).about(path)?;
    let owner_table = at;
    out.write_all(&owners.to_le_bytes()).about(path)?;
    at += 8;
    let used = at;
    let padding = vec![0; usize::try_from(at.next_multiple_of(PAGE) - at).unwrap_or(0)];
    out.write_all(&padding).about(path)?;

    let mut superblock = Metadata::default();
    superblock.u32(MAGIC);
    superblock.u32(u32::try_from(items.len()).map_err(|_| too_large())?);
    superblock.u32(0);
    superblock.u32(1 << BLOCK_LOG);
    superblock.u32(0);
    let (form, flags) = if lz4 { (LZ4, FLAGS | HAS_OPTIONS) } else { (ZLIB, FLAGS | PLAIN_DATA) };
    for half in [form, BLOCK_LOG, flags, 1, 4, 0] {
        superblock.u16(half);
    }
    let root = (u64::from(root.0) << 16) | u64::from(root.1);
    for word in [root, used, owner_table, NONE_64, inode_table, directory_table, NONE_64, NONE_64] {
        superblock.0.extend_from_slice(&word.to_le_bytes());
    }
    out.seek(SeekFrom::Start(0)).and_then(|_| out.write_all(&superblock.0)).about(path)?;
    Ok(used.next_multiple_of(PAGE))
}

/// The nodes in `top`, which comes first itself.
fn items<'a>(tree: &'a Tree, top: &Path) -> Result<Vec<Item<'a>>> {
    let mut items: Vec<Item<'a>> = Vec::new();
    let mut parents: Vec<(PathBuf, usize)> = Vec::new();
    for (path, node) in tree.iter().filter(|(path, _)| path.starts_with(top)) {
        let number = items.len();
        while parents.last().is_some_and(|(parent, _)| !path.starts_with(parent)) {
            parents.pop();
        }
        let parent = parents.last().map_or(0, |(_, number)| *number);
        if number > 0
            && let Some(parent) = items.get_mut(parent)
        {
            parent.children.push(number);
        }
        if *node == Node::Directory {
            parents.push((path.to_owned(), number));
        }
        items.push(Item {
            path,
            node,
            parent,
            children: Vec::new(),
            start: 0,
            blocks: Vec::new(),
            inode: (0, 0),
        });
    }
    match items.first() {
        Some(Item { node: Node::Directory, .. }) => Ok(items),
        _ => Err(Error::unusable(format!("{}: nothing belongs there", top.display()))),
    }
}

/// Inodes are numbered from 1.
fn inode_number(number: usize) -> Option<u32> {
    u32::try_from(number).ok()?.checked_add(1)
}

/// Adds the inode of an item, and its entries if it is a directory.
fn add(items: &[Item<'_>], number: usize, inodes: &mut Metadata, directories: &mut Metadata) -> Option<()> {
    let item = items.get(number)?;
    let (kind, mode) = match item.node {
        Node::Directory => (LARGE_DIRECTORY, 0o755),
        Node::Link(_) => (LINK, 0o777),
        Node::File { is_program: true, .. } => (FILE, 0o755),
        Node::File { is_program: false, .. } => (FILE, 0o644),
        // The kernel's devices are in its own filesystem.
        Node::Device { .. } => return None,
    };
    for half in [kind, mode, 0, 0] {
        inodes.u16(half);
    }
    inodes.u32(0);
    inodes.u32(inode_number(number)?);
    match item.node {
        Node::Directory => {
            let (block, offset) = directories.position()?;
            let before = directories.0.len();
            list(items, &item.children, directories)?;
            let subdirectories = item
                .children
                .iter()
                .filter(|child| items.get(**child).is_some_and(|child| *child.node == Node::Directory));
            inodes.u32(u32::try_from(subdirectories.count()).ok()?.checked_add(2)?);
            inodes.u32(u32::try_from(directories.0.len() - before + DOTS).ok()?);
            inodes.u32(block);
            // The parent of the top is a number that no inode has.
            let parent = if number == 0 {
                u32::try_from(items.len()).ok()?.checked_add(1)?
            } else {
                inode_number(item.parent)?
            };
            inodes.u32(parent);
            inodes.u16(0);
            inodes.u16(offset);
            inodes.u32(NONE_32);
        }
        Node::Link(target) => {
            let target = target.as_os_str().as_bytes();
            inodes.u32(1);
            inodes.u32(u32::try_from(target.len()).ok()?);
            inodes.0.extend_from_slice(target);
        }
        Node::File { content, .. } => {
            inodes.u32(u32::try_from(item.start).ok()?);
            inodes.u32(NONE_32);
            inodes.u32(0);
            inodes.u32(u32::try_from(content.len()).ok()?);
            item.blocks.iter().for_each(|size| inodes.u32(*size));
        }
        Node::Device { .. } => return None,
    }
    Some(())
}

/// Adds a directory's entries: runs of those whose inodes are in the same block, with numbers near to each other.
fn list(items: &[Item<'_>], children: &[usize], out: &mut Metadata) -> Option<()> {
    let mut rest = children;
    while let Some(first) = rest.first() {
        let block = items.get(*first)?.inode.0;
        let base = inode_number(*first)?;
        let near = |child: &usize| {
            let difference = inode_number(*child).and_then(|number| number.checked_sub(base));
            items.get(*child).is_some_and(|item| item.inode.0 == block)
                && difference.is_some_and(|difference| i16::try_from(difference).is_ok())
        };
        let len = rest.iter().take(RUN_MAX).take_while(|child| near(child)).count().max(1);
        let (run, after) = rest.split_at_checked(len)?;
        rest = after;
        out.u32(u32::try_from(len).ok()?.checked_sub(1)?);
        out.u32(block);
        out.u32(base);
        for child in run {
            let item = items.get(*child)?;
            let name: OsString = item.path.file_name()?.to_owned();
            let name = name.into_vec();
            out.u16(item.inode.1);
            out.u16(u16::try_from(inode_number(*child)?.checked_sub(base)?).ok()?);
            out.u16(match item.node {
                Node::Directory => DIRECTORY,
                Node::Link(_) => LINK,
                _ => FILE,
            });
            out.u16(u16::try_from(name.len()).ok()?.checked_sub(1)?);
            out.0.extend_from_slice(&name);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;
    use std::fs::File;
    use std::process::Command;

    /// More entries than a run has, metadata of several blocks, files of no, one and several pieces.
    fn tree() -> Tree {
        let mut tree = Tree::default();
        let big: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        tree.file("/usr/bin/big", Content::Bytes(big), true).unwrap();
        tree.file("/usr/bin/exact", Content::Bytes(vec![7; 1 << BLOCK_LOG]), false).unwrap();
        tree.text("/usr/lib/empty", "").unwrap();
        tree.link("/usr/lib/link", "../bin/big").unwrap();
        tree.directory("/usr/share/nothing").unwrap();
        for n in 0..700 {
            tree.text(format!("/usr/many/{n}/a-file-with-a-rather-long-name-{n}"), n.to_string()).unwrap();
        }
        tree.text("/etc/elsewhere", "").unwrap();
        tree
    }

    #[test]
    fn unsquashfs_gets_out_what_went_in() {
        let plain = gets_out_what_went_in(false);
        assert!(gets_out_what_went_in(true) < plain);
    }

    fn gets_out_what_went_in(lz4: bool) -> u64 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let mut out = File::create(&path).unwrap();
        let len = write(&tree(), Path::new("/usr"), lz4, &mut out, &path).unwrap();
        assert_eq!((len, len % PAGE), (path.metadata().unwrap().len(), 0));
        let copy = directory.path().join("copy");
        let output =
            Command::new("unsquashfs").args(["-no-progress", "-d"]).args([&copy, &path]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut seen = 0;
        for (name, node) in tree().iter().filter(|(name, _)| name.starts_with("/usr")) {
            let place = copy.join(name.strip_prefix("/usr").unwrap());
            let metadata = place.symlink_metadata().unwrap();
            match node {
                Node::Directory => assert!(metadata.is_dir(), "{name:?}"),
                Node::Link(target) => assert_eq!(&place.read_link().unwrap(), target),
                Node::File { content: Content::Bytes(bytes), .. } => {
                    assert!(std::fs::read(&place).unwrap() == *bytes, "{name:?}");
                }
                Node::File { .. } | Node::Device { .. } => panic!("{name:?}"),
            }
            seen += 1;
        }
        let count = Command::new("find").arg(&copy).output().unwrap().stdout;
        assert_eq!(seen, count.iter().filter(|byte| **byte == b'\n').count());
        len
    }

    #[test]
    fn equal_trees_are_equal_images_and_an_empty_place_is_refused() {
        let image = || {
            let mut out = std::io::Cursor::new(Vec::new());
            write(&tree(), Path::new("/usr"), true, &mut out, Path::new("x")).unwrap();
            out.into_inner()
        };
        assert!(image() == image());
        let mut out = std::io::Cursor::new(Vec::new());
        assert!(write(&tree(), Path::new("/opt"), true, &mut out, Path::new("x")).is_err());
        assert!(write(&tree(), Path::new("/etc/elsewhere"), true, &mut out, Path::new("x")).is_err());
    }
}

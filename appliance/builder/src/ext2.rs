//! A small empty ext2 filesystem: the root disk of a fixed appliance, of which libguestfs only reads the UUID.
//!
//! ```text
//! block   0      1           2       3       4       5, 6     7  8           up to 63
//!         boot   superblock  group   blocks  inodes  inodes   /  lost+found  free
//! ```
//!
//! Form: Documentation/filesystems/ext2.rst of Linux, and fs/ext2/ext2.h. Times are 0.

/// Bytes in a block.
const BLOCK: usize = 1024;
const BLOCKS: u32 = 64;
const INODES: u32 = 16;
const INODE: usize = 128;
/// Blocks that are in use: all before the first free one, but for the boot block, which no group counts.
const FIRST_FREE: u32 = 9;
/// Inodes up to 10 are reserved; `lost+found` is the one after them.
const ROOT: u32 = 2;
const LOST_AND_FOUND: u32 = 11;
const MAGIC: u16 = 0xef53;
/// Entries of directories say of which type they are.
const FEATURE_FILETYPE: u32 = 2;
const TYPE_DIRECTORY: u8 = 2;
const DIRECTORY_MODE: u16 = 0o040_755;
const LOST_AND_FOUND_MODE: u16 = 0o040_700;
/// Sectors that a directory of one block takes.
const SECTORS: u32 = 2;

/// The filesystem's bytes.
pub(crate) fn empty(uuid: [u8; 16]) -> Vec<u8> {
    let mut image = Image(vec![0; BLOCK * BLOCKS as usize]);
    let superblock = BLOCK;
    for (at, value) in [
        (0, INODES),
        (4, BLOCKS),
        (12, BLOCKS - FIRST_FREE),
        (16, INODES - LOST_AND_FOUND),
        // The first block that groups count; sizes of blocks and fragments are 1024 << 0.
        (20, 1),
        // In a group: blocks, fragments, inodes.
        (32, 8 * 1024),
        (36, 8 * 1024),
        (40, INODES),
        // Revision with inodes of any size.
        (76, 1),
        (84, LOST_AND_FOUND),
        (96, FEATURE_FILETYPE),
    ] {
        image.u32(superblock + at, value);
    }
    // Mounts before a check (never), magic, clean, go on after errors, size of inodes.
    for (at, value) in [(54, u16::MAX), (56, MAGIC), (58, 1), (60, 1), (88, 128)] {
        image.u16(superblock + at, value);
    }
    image.bytes(superblock + 104, &uuid);
    image.bytes(superblock + 120, b"guestfs");

    let group = 2 * BLOCK;
    for (at, value) in [(0, 3), (4, 4), (8, 5)] {
        image.u32(group + at, value);
    }
    // Free blocks, free inodes, directories.
    for (at, value) in [(12, 55), (14, 5), (16, 2)] {
        image.u16(group + at, value);
    }
    // Blocks 1 to 8; those after the last are marked as used.
    image.used(3 * BLOCK, 8, 63);
    image.used(4 * BLOCK, 11, 16);
    for (number, mode, block, links) in
        [(ROOT, DIRECTORY_MODE, 7, 3), (LOST_AND_FOUND, LOST_AND_FOUND_MODE, 8, 2)]
    {
        let inode = 5 * BLOCK + (number as usize - 1) * INODE;
        image.u16(inode, mode);
        image.u32(inode + 4, 1024);
        image.u16(inode + 26, links);
        image.u32(inode + 28, SECTORS);
        image.u32(inode + 40, block);
    }
    image.directory(7 * BLOCK, &[(ROOT, b"."), (ROOT, b".."), (LOST_AND_FOUND, b"lost+found")]);
    image.directory(8 * BLOCK, &[(LOST_AND_FOUND, b"."), (ROOT, b"..")]);
    image.0
}

struct Image(Vec<u8>);

impl Image {
    fn bytes(&mut self, at: usize, bytes: &[u8]) {
        for (to, from) in self.0.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }

    fn u16(&mut self, at: usize, value: u16) {
        self.bytes(at, &value.to_le_bytes());
    }

    fn u32(&mut self, at: usize, value: u32) {
        self.bytes(at, &value.to_le_bytes());
    }

    /// A bitmap of one block: the first `used` are, of `all` that there are.
    fn used(&mut self, at: usize, used: usize, all: usize) {
        for (bit, byte) in (0..8 * BLOCK).map(|bit| (bit, at + bit / 8)) {
            if (bit < used || bit >= all)
                && let Some(byte) = self.0.get_mut(byte)
            {
                *byte |= 1 << (bit % 8);
            }
        }
    }

    /// A directory of one block, whose last entry takes the rest of it.
    fn directory(&mut self, start: usize, entries: &[(u32, &[u8])]) {
        let mut at = start;
        for (n, (inode, name)) in entries.iter().enumerate() {
            let len = if n + 1 == entries.len() {
                start + BLOCK - at
            } else {
                (8 + name.len()).next_multiple_of(4)
            };
            self.u32(at, *inode);
            self.u16(at + 4, u16::try_from(len).unwrap_or(u16::MAX));
            self.bytes(at + 6, &[u8::try_from(name.len()).unwrap_or(u8::MAX), TYPE_DIRECTORY]);
            self.bytes(at + 8, name);
            at += len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_standard_programs_find_nothing_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root");
        let uuid = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x4d, 0xef, 0x80, 1, 2, 3, 4, 5, 6, 7];
        std::fs::write(&path, empty(uuid)).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).arg(&path).output().unwrap();
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let (status, text) = run("e2fsck", &["-f", "-n"]);
        assert_eq!(status, Some(0), "{text}");
        assert!(text.contains("11/16 files") && text.contains("9/64 blocks"), "{text}");
        let (_, text) = run("blkid", &["-p", "-o", "export"]);
        assert!(text.contains("UUID=12345678-9abc-4def-8001-020304050607\n"), "{text}");
        assert!(text.contains("TYPE=ext2\n"), "{text}");
    }
}

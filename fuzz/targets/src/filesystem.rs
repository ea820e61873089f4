//! Filesystems.

use std::ops::ControlFlow;
use std::sync::Arc;

use disk::MemSource;
use disk::fs::{self, FileType, Filesystem, InodeId};

/// Most inodes looked at in one run.
const MOST_INODES: usize = 500;
/// Attributes that lists do not have (NTFS), and how many inodes may be known where they are asked for: each of them may have
/// the filesystem's descriptors looked through.
const HIDDEN: [&str; 6] = [
    "system.ntfs_acl",
    "system.ntfs_attrib",
    "system.ntfs_dos_name",
    "system.ntfs_object_id",
    "system.ntfs_times_be",
    "system.ntfs_reparse_data",
];
const MOST_HIDDEN: usize = 20;
/// Most bytes read of one file, in pieces of [`PIECE`].
const MOST_BYTES: u64 = 1 << 20;
/// Bytes read at once.
const PIECE: usize = 16384;

/// A filesystem of any kind: a walk ends, names are names, a file's data has the size that the inode says, and a name
/// that a directory lists can be looked up.
pub(crate) fn filesystem(data: &[u8]) {
    let Ok(filesystem) = fs::open(Arc::new(MemSource::new(data))) else { return };
    let _ = filesystem.stat_fs();
    walk(&*filesystem);
}

/// Looks at what can be reached from the root; the inodes in the order in which they were found.
pub(crate) fn walk(filesystem: &dyn Filesystem) -> Vec<InodeId> {
    let mut queue = vec![filesystem.root()];
    let mut next = 0;
    while let Some(&inode) = queue.get(next) {
        next += 1;
        look(filesystem, inode, &mut queue);
    }
    queue
}

fn look(filesystem: &dyn Filesystem, inode: InodeId, queue: &mut Vec<InodeId>) {
    let Ok(metadata) = filesystem.metadata(inode) else { return };
    assert_eq!(metadata.subvolume, inode.subvolume, "an inode is in the subvolume that it is asked for in");
    assert!(metadata.permissions <= 0o7777);
    // The field of ext has 30 bits, that of EROFS 32, and the kernel shows them as they are.
    assert!(metadata.modified.nanoseconds < 1 << 30 || filesystem.kind() == "erofs");
    let _ = filesystem.xattrs(inode);
    if queue.len() < MOST_HIDDEN {
        for name in HIDDEN {
            let _ = filesystem.hidden_xattr(inode, name.as_bytes());
        }
    }
    match metadata.file_type {
        FileType::Directory => {
            let mut names = Vec::new();
            let _ = filesystem.read_dir(inode, &mut |entry| {
                assert!(!entry.name.is_empty() && !entry.name.iter().any(|byte| b"/\0".contains(byte)));
                assert!(entry.name != b"." && entry.name != b"..");
                names.push(entry.name.to_vec());
                if queue.len() < MOST_INODES {
                    queue.push(entry.inode);
                }
                if names.len() < MOST_INODES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            for name in names.iter().take(16) {
                let _ = filesystem.lookup(inode, name);
            }
        }
        FileType::Regular => {
            let Ok(mut file) = filesystem.open(inode) else { return };
            assert_eq!(file.len(), metadata.size, "size of the file and of the inode");
            let mut buffer = vec![0; PIECE];
            let mut offset = 0;
            while offset < MOST_BYTES {
                let Ok(count) = file.read_at(offset, &mut buffer) else { break };
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                assert!(offset.saturating_add(count) <= metadata.size, "read past the end of the file");
                if count == 0 {
                    break;
                }
                offset += count;
            }
        }
        FileType::Symlink => {
            if let Ok(target) = filesystem.read_link(inode) {
                assert!(!target.contains(&0), "a link's target holds no NUL");
            }
        }
        _ => {}
    }
}

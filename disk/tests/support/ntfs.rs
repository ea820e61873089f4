//! Images of NTFS that are kept in `data/ntfs`, and files on them.
#![allow(clippy::unwrap_used, reason = "in tests only")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use disk::MemSource;
use disk::fs::ntfs::Ntfs;
use disk::fs::{Filesystem, InodeId};

/// The bytes of the image `name`.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/ntfs/{name}.img.xz"));
    let output = Command::new("xz").arg("-dc").arg(data).output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// The filesystem on the image `name`.
pub(crate) fn image(name: &str) -> Ntfs {
    open(bytes(name)).unwrap()
}

/// The filesystem on an image of these bytes.
pub(crate) fn open(bytes: Vec<u8>) -> disk::Result<Ntfs> {
    Ntfs::open(Arc::new(MemSource::new(bytes)))
}

/// What lies at `path`.
pub(crate) fn walk(fs: &Ntfs, path: &str) -> InodeId {
    path.split('/').fold(fs.root(), |dir, name| fs.lookup(dir, name.as_bytes()).unwrap().unwrap())
}

/// The content of a file.
pub(crate) fn read(fs: &Ntfs, inode: InodeId) -> disk::Result<Vec<u8>> {
    let mut file = fs.open(inode)?;
    let mut bytes = vec![0; usize::try_from(file.len()).unwrap()];
    assert_eq!(file.read_at(0, &mut bytes)?, bytes.len());
    Ok(bytes)
}

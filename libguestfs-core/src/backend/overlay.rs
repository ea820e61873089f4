//! Throw-away layers over images that must not change: an empty qcow2 image in a file without a name.
//!
//! A guest that mounts a filesystem writes (it replays a journal, it marks the filesystem as mounted). For a drive that was
//! added read-only this goes to an overlay that is gone as soon as nobody has it open. It names no backing file: qemu is
//! told in so many words what lies below.
//!
//! The image, in clusters of 64 KiB (docs/interop/qcow2.txt of qemu): header, refcount table, one block of refcounts, L1
//! table of zeros.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;

use crate::{Error, Result};

/// Bytes in a cluster, and its logarithm.
const CLUSTER: u64 = 1 << CLUSTER_BITS;
const CLUSTER_BITS: u32 = 16;
/// Bytes that one entry of the L1 table stands for: a cluster of L2 entries of 8 bytes, one cluster each.
const PER_L1_ENTRY: u64 = CLUSTER / 8 * CLUSTER;
/// Largest L1 table that qemu opens in bytes (QCOW_MAX_L1_SIZE).
const L1_MAX: u64 = 32 << 20;
/// qcow2's feature bit by which refcounts are written late: nobody repairs this image.
const LAZY_REFCOUNTS: u64 = 1;

/// An empty image of `size` bytes in a file below `directory` that has no name.
pub(super) fn create(directory: &Path, size: u64) -> Result<File> {
    let named = || format!("making an overlay in {}", directory.display());
    let image = layout(size).ok_or_else(|| {
        Error::usage(format!("a disk of {size} bytes is too large to be protected by an overlay"))
    })?;
    let file = nameless(directory).map_err(|e| Error::io(named(), e))?;
    for (offset, bytes) in &image.parts {
        file.write_all_at(bytes, *offset).map_err(|e| Error::io(named(), e))?;
    }
    file.set_len(image.len).map_err(|e| Error::io(named(), e))?;
    Ok(file)
}

/// A file that no name leads to, now or later.
pub(super) fn nameless(directory: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().custom_flags(libc::O_TMPFILE).open(directory) {
        // Not every filesystem has files without names.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {}
        other => return other,
    }
    let mut attempt = 0u32;
    loop {
        let path = directory.join(format!("guestfs-{}-{attempt}", std::process::id()));
        match options.clone().create_new(true).open(&path) {
            Ok(file) => return std::fs::remove_file(&path).map(|()| file),
            Err(e) if e.kind() == ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            Err(e) => return Err(e),
        }
    }
}

struct Image {
    parts: [(u64, Vec<u8>); 3],
    len: u64,
}

fn layout(size: u64) -> Option<Image> {
    let entries = size.div_ceil(PER_L1_ENTRY).max(1);
    if entries * 8 > L1_MAX {
        return None;
    }
    let (table, block, l1) = (CLUSTER, 2 * CLUSTER, 3 * CLUSTER);
    let clusters = 3 + (entries * 8).div_ceil(CLUSTER);
    let mut header = Vec::new();
    header.extend_from_slice(b"QFI\xfb");
    header.extend_from_slice(&3u32.to_be_bytes());
    // No backing file: offset and length of its name.
    header.extend_from_slice(&[0; 12]);
    header.extend_from_slice(&CLUSTER_BITS.to_be_bytes());
    header.extend_from_slice(&size.to_be_bytes());
    // Not encrypted.
    header.extend_from_slice(&0u32.to_be_bytes());
    header.extend_from_slice(&u32::try_from(entries).ok()?.to_be_bytes());
    header.extend_from_slice(&l1.to_be_bytes());
    header.extend_from_slice(&table.to_be_bytes());
    // Clusters of the refcount table.
    header.extend_from_slice(&1u32.to_be_bytes());
    // No snapshots: number, offset; no incompatible features.
    header.extend_from_slice(&[0; 4 + 8 + 8]);
    header.extend_from_slice(&LAZY_REFCOUNTS.to_be_bytes());
    // No autoclear features; refcounts of 2^4 bits; length of this header.
    header.extend_from_slice(&0u64.to_be_bytes());
    header.extend_from_slice(&4u32.to_be_bytes());
    header.extend_from_slice(&104u32.to_be_bytes());
    let counts = 1u16.to_be_bytes().repeat(usize::try_from(clusters).ok()?);
    Some(Image {
        parts: [(0, header), (table, block.to_be_bytes().to_vec()), (block, counts)],
        len: clusters * CLUSTER,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::Command;

    #[test]
    fn qemu_finds_nothing_wrong_with_an_overlay_of_any_size() {
        let dir = tempfile::tempdir().unwrap();
        for size in [512, 4096, 1 << 30, (1 << 40) + 512, 1 << 50] {
            let mut bytes = Vec::new();
            let mut file = create(dir.path(), size).unwrap();
            file.read_to_end(&mut bytes).unwrap();
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "an overlay has no name");
            let named = dir.path().join("named");
            std::fs::write(&named, &bytes).unwrap();
            let run =
                |arguments: &[&str]| Command::new("qemu-img").args(arguments).arg(&named).output().unwrap();
            let checked = run(&["check", "-f", "qcow2"]);
            assert!(checked.status.success(), "{size}: {checked:?}");
            let info = String::from_utf8(run(&["info", "--output=json"]).stdout).unwrap();
            assert!(info.contains(&format!("\"virtual-size\": {size},")), "{info}");
            std::fs::remove_file(&named).unwrap();
        }
        assert!(create(dir.path(), 1 << 53).is_err());
    }
}

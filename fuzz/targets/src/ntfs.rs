//! NTFS: what the walk of any filesystem does not call, and behind the numbers that guard its structures.

use std::sync::Arc;

use disk::MemSource;
use disk::fs::Filesystem;
use disk::fs::ntfs::Ntfs;

use crate::filesystem::walk;

/// Bytes between two guarded places.
const STRIDE: usize = 512;
/// What guarded structures start with.
const MAGIC: [&[u8]; 3] = [b"FILE", b"INDX", b"RSTR"];
/// Most strides of a structure.
const MOST_STRIDES: usize = 128;
/// Bytes read of a stream.
const MOST_BYTES: usize = 70_000;

/// A volume whose guards are made right: names that are found in any case are found again, streams have the sizes that they
/// say, and the state that it was left in has a sentence for all that is wrong.
pub(crate) fn ntfs(data: &[u8]) {
    let mut data = data.to_vec();
    guard(&mut data);
    let Ok(filesystem) = Ntfs::open(Arc::new(MemSource::new(data))) else { return };
    if let Ok(state) = filesystem.state() {
        assert_eq!(state == disk::fs::ntfs::State::default(), state.warnings().count() == 0);
    }
    let _ = filesystem.stat_fs();
    for inode in walk(&filesystem) {
        let _ = filesystem.reparse_data(inode);
        for name in [&b"HIBERFIL.SYS"[..], b"users", b"Many"] {
            if let Ok(Some((found, stored))) = filesystem.lookup_ignoring_case(inode, name) {
                assert!(!stored.is_empty(), "a name that is stored");
                let again = filesystem.lookup_ignoring_case(inode, name);
                assert!(again.is_ok_and(|again| again == Some((found, stored))), "the same name");
            }
        }
        for name in [&b"Zone.Identifier"[..], b"WofCompressedData", b"stream 3"] {
            let Ok(Some(mut stream)) = filesystem.open_stream(inode, name) else { continue };
            let mut buffer = vec![0; MOST_BYTES];
            if let Ok(count) = stream.read_at(0, &mut buffer) {
                let len = usize::try_from(stream.len()).unwrap_or(usize::MAX);
                assert_eq!(count, len.min(MOST_BYTES), "bytes of a stream");
            }
        }
    }
}

/// Gives all structures the number that guards them, and keeps what was in its places.
fn guard(data: &mut [u8]) {
    for start in (0..data.len()).step_by(STRIDE) {
        let rest = &mut data[start..];
        if !MAGIC.iter().any(|magic| rest.starts_with(magic)) || rest.len() < STRIDE {
            continue;
        }
        let array = usize::from(u16::from_le_bytes([rest[4], rest[5]]));
        let strides = usize::from(u16::from_le_bytes([rest[6], rest[7]])).saturating_sub(1);
        if strides > MOST_STRIDES || rest.len() < strides * STRIDE || array + 2 * strides + 2 > STRIDE - 2 {
            continue;
        }
        let guard = [rest[array], rest[array + 1]];
        for stride in 1..=strides {
            let (place, kept) = (stride * STRIDE - 2, array + 2 * stride);
            let there = [rest[place], rest[place + 1]];
            if there != guard {
                rest[kept..kept + 2].copy_from_slice(&there);
                rest[place..place + 2].copy_from_slice(&guard);
            }
        }
    }
}

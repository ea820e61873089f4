//! Bytes from one open file to another, holes as holes.

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;

use rustix::fs::{SeekFrom, copy_file_range, fstat, ftruncate, seek};
use rustix::io::Errno;

use crate::engine;

/// Bytes that one system call copies at most: often enough to tell how far it is.
const PIECE: u64 = 16 << 20;
/// Bytes at a time where the kernel can't copy by itself.
const BUFFER: usize = 1 << 20;

/// Copies the whole content of a file to an empty one.
pub(super) fn copy_whole(from: &OwnedFd, to: &OwnedFd) -> engine::Result<()> {
    let length = fstat(from)?.st_size.cast_unsigned();
    copy_range(from, 0, to, 0, length, &mut |_| ControlFlow::Continue(()))?;
    Ok(ftruncate(to, length)?)
}

/// Copies `length` bytes of a file from `source` to offset `target` of another. Holes of the source are left as they are
/// in the target. `told` hears how much is done, and can end it. Says how many bytes there were: less than `length` at the end of the
/// source.
pub(in crate::calls) fn copy_range(
    from: &OwnedFd,
    source: u64,
    to: &OwnedFd,
    target: u64,
    length: u64,
    told: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> engine::Result<u64> {
    let size = fstat(from)?.st_size.cast_unsigned();
    let end = source.saturating_add(length).min(size);
    let mut at = source;
    let mut in_kernel = true;
    while at < end {
        let data = match seek(from, SeekFrom::Data(at)) {
            Ok(start) => start.min(end),
            // Only a hole follows.
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let hole = seek(from, SeekFrom::Hole(data)).unwrap_or(end).min(end);
        at = data;
        while at < hole {
            let piece = hole.saturating_sub(at).min(PIECE);
            let put = target.saturating_add(at.saturating_sub(source));
            let copied = if in_kernel {
                let (mut off_in, mut off_out) = (at, put);
                let count = usize::try_from(piece).unwrap_or(usize::MAX);
                match copy_file_range(from, Some(&mut off_in), to, Some(&mut off_out), count) {
                    Ok(count) => count,
                    // Different filesystems, or one that can't.
                    Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                        in_kernel = false;
                        continue;
                    }
                    Err(errno) => return Err(errno.into()),
                }
            } else {
                by_hand(from, at, to, put, piece)?
            };
            if copied == 0 {
                return Ok(at.saturating_sub(source));
            }
            at = at.saturating_add(u64::try_from(copied).unwrap_or(u64::MAX));
            if told(at.saturating_sub(source)).is_break() {
                return Ok(at.saturating_sub(source));
            }
        }
    }
    Ok(end.saturating_sub(source))
}

fn by_hand(from: &OwnedFd, source: u64, to: &OwnedFd, target: u64, length: u64) -> engine::Result<usize> {
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(BUFFER)];
    let count = rustix::io::pread(from, &mut buffer, source)?;
    write_all_at(to, buffer.get(..count).unwrap_or_default(), target)?;
    Ok(count)
}

/// Writes all bytes at an offset.
pub(in crate::calls) fn write_all_at(to: &OwnedFd, mut bytes: &[u8], mut offset: u64) -> engine::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(to, bytes, offset) {
            Ok(0) => return Err(Errno::IO.into()),
            Ok(count) => {
                bytes = bytes.get(count..).unwrap_or_default();
                offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

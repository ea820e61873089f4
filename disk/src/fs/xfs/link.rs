//! Targets of symbolic links: in the inode, or in blocks.
//!
//! Source: "XFS Algorithms & Data Structures", section "Symbolic Links".

use bstr::BString;

use super::Xfs;
use super::blocks::Which;
use super::checksum;
use super::extents::{Place, Segment};
use super::inode::{Format, Inode};
use crate::bytes::{Fields, index};
use crate::fs::FileType;
use crate::{Error, ErrorKind, Result};

/// The longest target in bytes.
const MAX_TARGET: u64 = 1024;
/// What each run of blocks starts with in version 5.
const MAGIC: [u8; 4] = *b"XSLM";
/// Size of the header that starts so.
const HEADER: usize = 56;
/// Where the checksum lies in it.
const CRC_OFFSET: usize = 12;

impl Xfs {
    /// The target of symbolic link `inode`: as the kernel gives it, up to the first NUL byte.
    pub(super) fn link_target(&self, inode: &Inode) -> Result<BString> {
        if inode.file_type != FileType::Symlink {
            let what = format!("inode {} is not a symbolic link", inode.number);
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        if inode.size == 0 || inode.size > MAX_TARGET {
            return Err(Error::corrupt(format!("symbolic link {} of {} bytes", inode.number, inode.size)));
        }
        let size = usize::try_from(inode.size).unwrap_or(usize::MAX);
        let fork = inode.data()?;
        if fork.format == Format::Local {
            return Ok(until_nul(fork.bytes.slice(0, size)?));
        }
        self.remote_target(inode, size)
    }

    /// A target of `size` bytes in blocks: each run of them has a header in version 5.
    fn remote_target(&self, inode: &Inode, size: usize) -> Result<BString> {
        let sb = &self.superblock;
        let header = if sb.v5 { HEADER } else { 0 };
        let block_size = index(sb.block_size);
        let blocks = size.div_ceil(block_size.saturating_sub(header).max(1));
        let end = u64::try_from(blocks).unwrap_or(u64::MAX);
        let mut target = Vec::with_capacity(size);
        let mut segment = Segment::default();
        let mut at = 0;
        while target.len() < size && at < end {
            let run = self.run(inode, Which::Data, at, &mut segment)?;
            let Place::Data(fsblock) = run.place else {
                return Err(Error::corrupt(format!("symbolic link {} with a hole", inode.number)));
            };
            let count = run.blocks.end.min(end).saturating_sub(at);
            let offset = sb.offset(fsblock, count)?;
            let len = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(block_size);
            let bytes = self.blocks.read(offset, len)?;
            let wanted = size.saturating_sub(target.len()).min(len.saturating_sub(header));
            if sb.v5 {
                checksum::verify(&bytes, CRC_OFFSET, "symbolic link")?;
                self.check_owner(&bytes, [40, 16, 32], offset, inode.number)?;
                let (magic, start, stored) = (bytes.array::<4>(0)?, bytes.be32(4)?, bytes.be32(8)?);
                if magic != MAGIC || index(start) != target.len() || index(stored) != wanted {
                    return Err(Error::corrupt(format!(
                        "{stored} bytes from byte {start} on of symbolic link {}",
                        inode.number
                    )));
                }
            }
            target.extend_from_slice(bytes.slice(header, wanted)?);
            at = at.saturating_add(count);
        }
        if target.len() < size {
            return Err(Error::corrupt(format!("symbolic link {} is too short", inode.number)));
        }
        Ok(until_nul(&target))
    }
}

fn until_nul(bytes: &[u8]) -> BString {
    bytes.split(|b| *b == 0).next().unwrap_or_default().into()
}

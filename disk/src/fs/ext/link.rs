//! Targets of symbolic links: in `i_block` if they are short, inline, or in a block.

use bstr::BString;

use super::Ext;
use super::blocks::Check;
use super::inode::{BLOCK_SIZE, Inode};
use super::map::{Map, Place, Segment};
use crate::bytes::Fields;
use crate::fs::FileType;
use crate::{Error, ErrorKind, Result};

impl Ext {
    /// The target of symbolic link `inode`: as the kernel gives it, up to the first NUL byte.
    pub(super) fn link_target(&self, inode: &Inode) -> Result<BString> {
        if inode.file_type != FileType::Symlink {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("inode {} is not a symbolic link", inode.number),
            ));
        }
        inode.refuse_encrypted()?;
        let bad = || Error::corrupt(format!("symbolic link {} of {} bytes", inode.number, inode.size));
        let size = usize::try_from(inode.size).map_err(|_| bad())?;
        if let Some(data) = self.inline_data(inode)? {
            return Ok(until_nul(data.get(..size).ok_or_else(bad)?));
        }
        if self.is_short_link(inode) {
            // One byte must be left for the NUL, and the target must be as long as the inode says.
            let target = until_nul(inode.block()?.slice(0, size.min(BLOCK_SIZE))?);
            return if size != 0 && size < BLOCK_SIZE && target.len() == size {
                Ok(target)
            } else {
                Err(bad())
            };
        }
        let run = Map::new(self, inode).run(0, &mut Segment::new(0))?;
        let Place::Data(at) = run.place else { return Err(bad()) };
        let block = self.blocks.get(at, Check::None)?;
        if size >= block.len() {
            return Err(bad());
        }
        Ok(until_nul(block.slice(0, size)?))
    }

    /// Is the target in `i_block`? It is if the link has no blocks but those of its attributes.
    fn is_short_link(&self, inode: &Inode) -> bool {
        let cluster =
            u64::from(self.superblock.block_size).saturating_mul(self.superblock.cluster_blocks.into());
        let xattr_sectors = if inode.xattr_block == 0 { 0 } else { cluster >> 9 };
        inode.sectors == xattr_sectors
    }
}

fn until_nul(bytes: &[u8]) -> BString {
    bytes.split(|b| *b == 0).next().unwrap_or_default().into()
}

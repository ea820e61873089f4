//! Extended attributes: those of an inode follow it; those that many have are stored once, and inodes name them.

use bstr::BString;

use super::Erofs;
use super::inode::{Inode, XATTR_HEAD};
use super::superblock::Prefixes;
use crate::bytes::Fields;
use crate::fs::Xattr;
use crate::{Context, Error, Result};

/// Size of an attribute's head in bytes.
const ENTRY: u64 = 4;
/// Unit in which attributes are placed, in bytes.
const UNIT: u64 = 4;
/// Bit of the number of a namespace: a prefix that the filesystem defines itself.
const OWN_PREFIX: u8 = 0x80;

/// A prefix that the filesystem defines: what follows the namespace of that number.
#[derive(Debug)]
pub(super) struct Prefix {
    namespace: u8,
    infix: Vec<u8>,
}

impl Erofs {
    /// The prefixes that the filesystem defines: each with its length before it, in units of 4 bytes.
    pub(super) fn read_prefixes(&self) -> Result<Vec<Prefix>> {
        let (count, place) = self.superblock.prefixes;
        let read = |at: u64, bytes: &mut [u8]| match place {
            Prefixes::Plain(start) => self.source.read_at(start.saturating_add(at), bytes),
            Prefixes::Packed(start) => self.read_packed(start.saturating_add(at), bytes),
        };
        let mut at = 0_u64;
        let mut prefixes = Vec::new();
        for _ in 0..count {
            let mut len = [0; 2];
            read(at, &mut len).context(|| "reading prefixes of attributes' names".to_owned())?;
            let len = u16::from_le_bytes(len);
            let mut prefix = vec![0; len.into()];
            read(at.saturating_add(2), &mut prefix)?;
            let Some((&namespace, infix)) = prefix.split_first() else {
                return Err(Error::corrupt("an empty prefix of attributes' names"));
            };
            prefixes.push(Prefix { namespace, infix: infix.to_vec() });
            at = at.saturating_add(2).saturating_add(len.into()).next_multiple_of(UNIT);
        }
        Ok(prefixes)
    }

    /// As the kernel lists them: first those that follow the inode, then shared ones.
    pub(super) fn inode_xattrs(&self, inode: &Inode) -> Result<Vec<Xattr>> {
        let mut xattrs = Vec::new();
        if !inode.xattrs.is_empty() {
            let number = inode.number;
            self.collect(inode, &mut xattrs)
                .context(|| format!("reading the extended attributes of inode {number}"))?;
        }
        Ok(xattrs)
    }

    fn collect(&self, inode: &Inode, xattrs: &mut Vec<Xattr>) -> Result<()> {
        // At most 256 KiB, since 16 bits count units of 4 bytes.
        let len = inode.xattrs.end.saturating_sub(inode.xattrs.start);
        let mut body = vec![0; usize::try_from(len).unwrap_or_default()];
        self.source.read_at(inode.xattrs.start, &mut body)?;
        let body: &[u8] = &body;
        let shared = u64::from(body.u8(4)?);
        let mut at = XATTR_HEAD.saturating_add(shared.saturating_mul(UNIT));
        while at < len {
            let (xattr, next) =
                self.parse_xattr(body.get(usize::try_from(at).unwrap_or(usize::MAX)..).unwrap_or_default())?;
            xattrs.extend(xattr);
            at = at.saturating_add(next);
        }
        for index in 0..shared {
            let at = XATTR_HEAD.saturating_add(index.saturating_mul(UNIT));
            let id = body.le32(usize::try_from(at).unwrap_or(usize::MAX))?;
            let area = self.superblock.offset(self.superblock.xattr_block);
            xattrs.extend(self.shared(area.saturating_add(u64::from(id).saturating_mul(UNIT)))?);
        }
        Ok(())
    }

    /// The attribute at byte `at` of the source.
    fn shared(&self, at: u64) -> Result<Option<Xattr>> {
        let mut head = [0; 4];
        self.source.read_at(at, &mut head)?;
        let head: &[u8] = &head;
        let len = ENTRY.saturating_add(head.u8(0)?.into()).saturating_add(head.le16(2)?.into());
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        self.source.read_at(at, &mut bytes)?;
        Ok(self.parse_xattr(&bytes)?.0)
    }

    /// The attribute that `bytes` starts with (`None` if the kernel does not show its kind), and how many bytes it takes.
    fn parse_xattr(&self, bytes: &[u8]) -> Result<(Option<Xattr>, u64)> {
        let (name_len, index) = (usize::from(bytes.u8(0)?), bytes.u8(1)?);
        let value_len = usize::from(bytes.le16(2)?);
        let name = bytes.slice(4, name_len)?;
        let value = bytes.slice(name_len.saturating_add(4), value_len)?;
        let len = u64::try_from(name_len.saturating_add(value_len)).unwrap_or(u64::MAX);
        let next = ENTRY.saturating_add(len).next_multiple_of(UNIT);
        let (namespace, infix) = if index & OWN_PREFIX == 0 {
            (index, &[][..])
        } else {
            let Some(prefix) = self.prefixes.get(usize::from(index & !OWN_PREFIX)) else {
                return Err(Error::corrupt(format!("prefix {index:#x} of an attribute's name")));
            };
            (prefix.namespace, prefix.infix.as_slice())
        };
        let prefix: &[u8] = match namespace {
            1 => b"user.",
            2 => b"system.posix_acl_access",
            3 => b"system.posix_acl_default",
            4 => b"trusted.",
            6 => b"security.",
            _ => return Ok((None, next)),
        };
        let name: BString = [prefix, infix, name].concat().into();
        Ok((Some(Xattr { name, value: value.into() }), next))
    }
}

//! Extended attributes. An inode names a set of them; values that several sets share are stored once.

use bstr::BString;

use super::Squashfs;
use super::blocks::Cursor;
use super::inode::Inode;
use crate::bytes::Fields;
use crate::fs::Xattr;
use crate::{Context, Error, Result};

/// Flag of an attribute's type: the value lies elsewhere.
const ELSEWHERE: u16 = 0x100;
/// Namespaces by their number.
const PREFIXES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
/// Most bytes that names and values of an inode may take; Linux gives no value of more than 64 KiB, and no more names.
const MAX_BYTES: usize = 4 << 20;
/// What the heads of name and value take of that.
const HEADS: usize = 8;
/// The longest value in bytes (`XATTR_SIZE_MAX` of Linux).
const MAX_VALUE: usize = 64 << 10;
/// The longest name with its namespace in bytes (`XATTR_NAME_MAX` of Linux).
const MAX_NAME: usize = 255;

impl Squashfs {
    pub(super) fn inode_xattrs(&self, inode: &Inode) -> Result<Vec<Xattr>> {
        let (Some(set), Some(table)) = (inode.xattrs, &self.xattrs) else { return Ok(Vec::new()) };
        let set = self.xattr_set(set)?;
        let mut cursor = self.xattr_cursor(table.start, set.reference);
        let mut xattrs = Vec::new();
        let mut bytes = 0_usize;
        for _ in 0..set.count {
            let xattr = self
                .xattr(&mut cursor, table.start)
                .context(|| format!("reading the extended attributes of inode {}", inode.number))?;
            bytes = bytes.saturating_add(HEADS);
            if let Some(xattr) = &xattr {
                bytes = bytes.saturating_add(xattr.name.len()).saturating_add(xattr.value.len());
            }
            if bytes > MAX_BYTES {
                return Err(Error::corrupt(format!("extended attributes of more than {MAX_BYTES} bytes")));
            }
            // Namespaces that are not known are passed over, as the kernel does.
            xattrs.extend(xattr);
        }
        Ok(xattrs)
    }

    fn xattr_cursor(&self, start: u64, reference: u64) -> Cursor<'_> {
        let offset = usize::try_from(reference & 0xFFFF).unwrap_or(usize::MAX);
        self.blocks.cursor(start.saturating_add(reference >> 16), offset)
    }

    fn xattr(&self, cursor: &mut Cursor<'_>, start: u64) -> Result<Option<Xattr>> {
        let head = cursor.array::<4>()?;
        let head: &[u8] = &head;
        let (kind, len) = (head.le16(0)?, usize::from(head.le16(2)?));
        let prefix = PREFIXES.get(usize::from(kind & !ELSEWHERE)).copied();
        if len > MAX_NAME {
            return Err(Error::corrupt(format!("the name of an attribute with {len} bytes")));
        }
        let mut name = prefix.unwrap_or_default().to_vec();
        let from = name.len();
        name.resize(from.saturating_add(len), 0);
        cursor.read(name.get_mut(from..).unwrap_or_default())?;
        let mut value = Vec::new();
        if kind & ELSEWHERE == 0 {
            read_value(cursor, &mut value)?;
        } else {
            let len = cursor.le32()?;
            let reference = u64::from_le_bytes(cursor.array()?);
            if len != 8 {
                return Err(Error::corrupt(format!("a reference to an attribute's value of {len} bytes")));
            }
            read_value(&mut self.xattr_cursor(start, reference), &mut value)?;
        }
        Ok(prefix.map(|_| Xattr { name: name.into(), value: BString::from(value) }))
    }
}

/// Reads a value and its length.
fn read_value(cursor: &mut Cursor<'_>, value: &mut Vec<u8>) -> Result<()> {
    let len = crate::bytes::index(cursor.le32()?);
    if len > MAX_VALUE {
        return Err(Error::corrupt(format!("the value of an attribute with {len} bytes")));
    }
    value.resize(len, 0);
    cursor.read(value)
}

//! Inodes: their items, their attributes, and how many names they have.

use super::super::dir::{Entries, find_in_item};
use super::super::key::{Key, kind};
use super::items::{self, inode};
use super::{Replay, strange};
use crate::bytes::Fields;
use crate::{Error, Result};

impl Replay<'_> {
    /// The item of an inode of the subvolume.
    pub(super) fn inode(&self, number: u64) -> Result<Option<Vec<u8>>> {
        self.get(self.subvolume, Key::new(number, kind::INODE_ITEM, 0))
    }

    /// The item of an inode that must be there for the kernel to mount.
    pub(super) fn need_inode(&self, number: u64) -> Result<Vec<u8>> {
        self.inode(number)?.ok_or_else(|| strange(format!("it needs inode {number}, which is not there")))
    }

    pub(super) fn put_inode(&mut self, number: u64, item: Vec<u8>) -> Result<()> {
        self.put(Key::new(number, kind::INODE_ITEM, 0), item)
    }

    /// An inode item of the log, and what it says of the inode's attributes, names and end.
    pub(super) fn replay_inode(&mut self, key: Key, item: Vec<u8>) -> Result<()> {
        let number = key.object;
        self.delete_attributes(number)?;
        if inode::is_directory(&item)? {
            self.delete_names(number, Some(self.log))?;
        }
        let is_regular = inode::is_regular(&item)?;
        self.overwrite(key, item)?;
        if is_regular {
            // Space that was reserved past the end comes back with the log.
            let mut now = self.need_inode(number)?;
            let end = inode::size(&now)?.checked_next_multiple_of(self.sector_size);
            let end = end.ok_or_else(|| Error::corrupt(format!("the size of inode {number}")))?;
            let dropped = self.drop_extents(number, end..u64::MAX)?;
            let bytes = inode::bytes(&now)?.saturating_sub(dropped);
            inode::set_bytes(&mut now, bytes)?;
            self.put_inode(number, now)?;
        }
        self.link(number)
    }

    /// Notes that the names of an inode must be counted.
    pub(super) fn link(&mut self, number: u64) -> Result<()> {
        let _ = self.need_inode(number)?;
        self.linked.insert(number);
        Ok(())
    }

    /// Takes out the attributes of an inode that its log does not have.
    fn delete_attributes(&mut self, number: u64) -> Result<()> {
        for (key, item) in self.all(self.subvolume, number, kind::XATTR_ITEM)? {
            self.steps.step()?;
            let logged = self.get(self.log, key)?.unwrap_or_default();
            let mut kept = item.clone();
            let mut entries = Entries(&item);
            while let Some(entry) = entries.next()? {
                if find_in_item(&logged, entry.name)?.is_none() {
                    kept = items::without_entry(&kept, entry.name)?;
                }
            }
            if kept != item {
                self.put_rest(key, kept)?;
            }
        }
        Ok(())
    }

    /// Copies an item of the log into the subvolume. Of inodes, some fields stay.
    pub(super) fn overwrite(&mut self, key: Key, item: Vec<u8>) -> Result<()> {
        let mut item = item;
        let before = self.get(self.subvolume, key)?;
        if key.kind == kind::INODE_ITEM && before.as_ref() != Some(&item) {
            match before {
                Some(mut before) if inode::generation(&item)? == 0 => {
                    // The log knows only that it is there, and maybe its size.
                    let size = inode::size(&item)?;
                    if inode::is_regular(&item)? && inode::is_regular(&before)? && size != 0 {
                        inode::set_size(&mut before, size)?;
                    }
                    item = before;
                }
                Some(before) => {
                    inode::set_bytes(&mut item, inode::bytes(&before)?)?;
                    if inode::is_directory(&item)? {
                        let size = if inode::is_directory(&before)? { inode::size(&before)? } else { 0 };
                        inode::set_size(&mut item, size)?;
                    }
                }
                None => {
                    inode::set_bytes(&mut item, 0)?;
                    if inode::is_directory(&item)? {
                        inode::set_size(&mut item, 0)?;
                    }
                    if inode::generation(&item)? == 0 {
                        inode::set_generation(&mut item, self.generation)?;
                    }
                }
            }
        }
        self.put(key, item)
    }

    /// Counts the names of all inodes that need it, from the last to the first. What has none is gone, with all in it.
    pub(super) fn count_names(&mut self) -> Result<()> {
        while let Some(number) = self.linked.pop_last() {
            self.steps.step()?;
            let mut item = self.need_inode(number)?;
            let mut count = 0_usize;
            for (key, item) in self.all(self.subvolume, number, kind::INODE_REF)? {
                count = count.saturating_add(items::references(key.offset, &item)?.len());
            }
            for (_, item) in self.all(self.subvolume, number, kind::INODE_EXTREF)? {
                count = count.saturating_add(items::extended_references(&item)?.len());
            }
            let count = u32::try_from(count).map_err(|_| strange("it counts too many names"))?;
            inode::set_links(&mut item, count)?;
            let is_directory = inode::is_directory(&item)?;
            self.put_inode(number, item)?;
            if count == 0 && is_directory {
                self.delete_names(number, None)?;
            }
        }
        Ok(())
    }

    /// Makes a directory longer or shorter by a name.
    pub(super) fn resize_directory(&mut self, dir: u64, name: &[u8], longer: bool) -> Result<()> {
        let mut item = self.need_inode(dir)?;
        // A directory's size counts each name twice: by its hash, and by its number.
        let by = u64::try_from(name.len()).unwrap_or(u64::MAX).saturating_mul(2);
        let size = inode::size(&item)?;
        let size = if longer { size.checked_add(by) } else { size.checked_sub(by) };
        inode::set_size(&mut item, size.ok_or_else(|| strange(format!("the size of directory {dir}")))?)?;
        self.put_inode(dir, item)
    }

    /// The type that names have of an inode.
    pub(super) fn entry_type(&self, number: u64) -> Result<u8> {
        inode::entry_type(&self.need_inode(number)?)
    }

    /// The ranges of names of directory `dir` of which the log has all.
    pub(super) fn logged_ranges(&self, dir: u64) -> Result<Vec<std::ops::RangeInclusive<u64>>> {
        let items = self.all(self.log, dir, kind::DIR_LOG_INDEX)?;
        items.iter().map(|(key, item)| Ok(key.offset..=item.le64(0)?)).collect()
    }
}

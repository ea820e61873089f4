//! Was the volume left clean? Reading goes on if not: what is read may be stale then.
//!
//! Source: the Linux-NTFS project's "NTFS Documentation", sections `$Volume` and `$LogFile`.

use super::fixup;
use super::record::kind;
use super::{Ntfs, ROOT, VOLUME};
use crate::Result;
use crate::bytes::{Fields, index};
use crate::fs::InodeId;

/// Record of the journal.
const LOG: u64 = 2;
/// Most bytes of an attribute that describes the volume.
const MAX_INFORMATION: u64 = 256;
/// Flag of a volume: to be checked.
const DIRTY: u16 = 1;
/// What the journal's restart pages start with, and their sizes in bytes.
const RESTART: &[u8; 4] = b"RSTR";
const PAGES: std::ops::RangeInclusive<usize> = 512..=65536;
/// In place of a client of the journal: there is none.
const NO_CLIENT: u16 = 0xFFFF;
/// Flag of the journal: nothing is to be done.
const CLEAN: u16 = 2;
/// The file that memory is saved in, and what it starts with while that is of use.
const HIBERNATION: &[u8] = b"hiberfil.sys";
const HIBERNATED: [&[u8; 4]; 2] = [b"hibr", b"HIBR"];

/// How a volume was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Windows would check it.
    pub dirty: bool,
    /// The journal has changes that may not have been made.
    pub unfinished: bool,
    /// Windows is hibernated, or was shut down in its fast way: what it has in memory is newer.
    pub hibernated: bool,
}

impl State {
    /// What a user should know, a sentence each.
    pub fn warnings(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (
                self.hibernated,
                "Windows is hibernated or was shut down by its fast startup: files that it keeps in memory may be newer than what is read here",
            ),
            (
                self.unfinished,
                "the NTFS journal was not closed: names, sizes and times that changed last may be stale",
            ),
            (self.dirty, "the NTFS volume is marked to be checked by chkdsk"),
        ];
        all.into_iter().filter_map(|(is, text)| is.then_some(text))
    }
}

impl Ntfs {
    pub(super) fn read_state(&self) -> Result<State> {
        let volume = self.inode(InodeId::new(VOLUME))?;
        let information = self.value(&volume, kind::VOLUME_INFORMATION, &[], MAX_INFORMATION)?;
        let flags = information.unwrap_or_default().le16(10)?;
        Ok(State {
            dirty: flags & DIRTY != 0,
            unfinished: !self.is_log_clean()?,
            hibernated: self.is_hibernated()?,
        })
    }

    fn is_log_clean(&self) -> Result<bool> {
        let inode = self.inode(InodeId::new(LOG))?;
        let Some(mut log) = self.stream(&inode, kind::DATA, &[])? else { return Ok(true) };
        let mut start = [0; 32];
        log.read_at(&self.volume, 0, &mut start)?;
        // Formatters, and Windows before it uses the volume again, fill the journal with ones.
        if start.starts_with(&[0xFF; 4]) {
            return Ok(true);
        }
        let size = index(start.le32(16)?);
        if !start.starts_with(RESTART) || !PAGES.contains(&size) {
            return Ok(false);
        }
        // Of two restart pages, the one that was written last is in force.
        let mut last: Option<(u64, bool)> = None;
        for nr in 0..2 {
            let mut page = vec![0; size];
            let at = u64::try_from(size).unwrap_or(u64::MAX).saturating_mul(nr);
            let is_whole =
                log.read_at(&self.volume, at, &mut page)? == size && fixup::fix(&mut page, RESTART).is_ok();
            if is_whole
                && let Ok((number, clean)) = restart(&page)
                && last.is_none_or(|(newest, _)| number >= newest)
            {
                last = Some((number, clean));
            }
        }
        Ok(last.is_some_and(|(_, clean)| clean))
    }

    fn is_hibernated(&self) -> Result<bool> {
        let Some((file, _)) = self.lookup_ignoring_case(InodeId::new(ROOT), HIBERNATION)? else {
            return Ok(false);
        };
        let inode = self.inode(file)?;
        let Some(mut saved) = self.stream(&inode, kind::DATA, &[])? else { return Ok(false) };
        let mut start = [0; 4];
        saved.read_at(&self.volume, 0, &mut start)?;
        Ok(HIBERNATED.contains(&&start))
    }
}

/// Number of the last record that a restart page knows, and whether all was done then.
fn restart(page: &[u8]) -> Result<(u64, bool)> {
    let area = usize::from(page.le16(24)?);
    let field = |at: usize| page.le16(area.saturating_add(at));
    Ok((page.le64(area)?, field(12)? == NO_CLIENT || field(14)? & CLEAN != 0))
}

//! How was the volume left? Reading goes on if it was not left clean: what is read may be stale then.
//!
//! Sources: the Linux-NTFS project's "NTFS Documentation", sections `$Volume`, `$LogFile` and `$MFTMirr`; what ntfs-3g
//! refuses to write to, for the rest.

use super::record::{Record, Reference, kind};
use super::{MFT, Ntfs, ROOT, VOLUME, fixup};
use crate::bytes::{Fields, index};
use crate::fs::InodeId;
use crate::{Error, ErrorKind, Result};

/// Record of the copy of the first records, and of the journal.
const MIRROR: u64 = 1;
const LOG: u64 = 2;
/// Records that have a copy. Where a cluster has more of them so has the copy, but only these are the filesystem's own.
const MIRRORED: u64 = 4;
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
/// Version of the journal while Windows (8 and later) may have parts of the volume in its cache; as it leaves a volume to
/// others it makes it 1.1.
const IN_USE: u16 = 2;
/// The file that memory is saved in, and what it starts with while that is of use.
const HIBERNATION: &[u8] = b"hiberfil.sys";
const HIBERNATED: [&[u8; 4]; 2] = [b"hibr", b"HIBR"];
/// Bytes of its header. On a volume that Windows did not start from, there is less of it.
const HIBERNATION_HEADER: u64 = 4096;

/// How a volume was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Windows would check it.
    pub dirty: bool,
    /// The journal has changes that may not have been made.
    pub unfinished: bool,
    /// Windows did not let go of it: it may have changes in its cache.
    pub cached: bool,
    /// Windows is hibernated, or was shut down in its fast way: what it has in memory is newer.
    pub hibernated: bool,
    /// The copy of the first file records differs from them.
    pub mirror_differs: bool,
}

impl State {
    /// What a user should know, a sentence each.
    pub fn warnings(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (
                self.hibernated,
                "Windows is hibernated or was shut down by its fast startup: files that it keeps in memory may be newer than what is read here",
            ),
            // A hibernated Windows has not let go either.
            (
                self.cached && !self.hibernated,
                "Windows did not release the NTFS volume: changes that it has in its cache are missing here",
            ),
            (
                self.unfinished,
                "the NTFS journal was not closed: names, sizes and times that changed last may be stale",
            ),
            (self.dirty, "the NTFS volume is marked to be checked by chkdsk"),
            (
                self.mirror_differs,
                "the first records of the NTFS volume differ from their copy: it should be checked by chkdsk",
            ),
        ];
        all.into_iter().filter_map(|(is, text)| is.then_some(text))
    }
}

/// What the journal's restart page in force says.
#[derive(Debug, Clone, Copy)]
struct Restart {
    /// The last record that it knows.
    number: u64,
    version: u16,
    clean: bool,
}

impl Ntfs {
    pub(super) fn read_state(&self) -> Result<State> {
        let volume = self.inode(InodeId::new(VOLUME))?;
        let information = self.value(&volume, kind::VOLUME_INFORMATION, &[], MAX_INFORMATION)?;
        let flags = information.unwrap_or_default().le16(10)?;
        let (unfinished, cached) = self.log_state()?;
        Ok(State {
            dirty: flags & DIRTY != 0,
            unfinished,
            cached,
            hibernated: self.is_hibernated()?,
            mirror_differs: self.does_mirror_differ()?,
        })
    }

    /// Does the journal have unfinished changes, and does Windows still use it?
    fn log_state(&self) -> Result<(bool, bool)> {
        let inode = self.inode(InodeId::new(LOG))?;
        let Some(mut log) = self.stream(&inode, kind::DATA, &[])? else { return Ok((false, false)) };
        let mut start = [0; 32];
        log.read_at(&self.volume, 0, &mut start)?;
        // Formatters, and Windows before it uses the volume again, fill the journal with ones.
        if start.starts_with(&[0xFF; 4]) {
            return Ok((false, false));
        }
        let size = index(start.le32(16)?);
        if !start.starts_with(RESTART) || !PAGES.contains(&size) {
            return Ok((true, false));
        }
        // Of two restart pages, the one that was written last is in force.
        let mut last: Option<Restart> = None;
        for nr in 0..2 {
            let mut page = vec![0; size];
            let at = u64::try_from(size).unwrap_or(u64::MAX).saturating_mul(nr);
            let is_whole =
                log.read_at(&self.volume, at, &mut page)? == size && fixup::fix(&mut page, RESTART).is_ok();
            if is_whole
                && let Ok(restart) = restart(&page)
                && last.is_none_or(|newest| restart.number >= newest.number)
            {
                last = Some(restart);
            }
        }
        Ok(last.map_or((true, false), |last| (!last.clean, last.version >= IN_USE)))
    }

    fn is_hibernated(&self) -> Result<bool> {
        let Some((file, _)) = self.lookup_ignoring_case(InodeId::new(ROOT), HIBERNATION)? else {
            return Ok(false);
        };
        let inode = self.inode(file)?;
        let Some(mut saved) = self.stream(&inode, kind::DATA, &[])? else { return Ok(false) };
        let mut start = [0; 4];
        saved.read_at(&self.volume, 0, &mut start)?;
        Ok(saved.len() < HIBERNATION_HEADER || HIBERNATED.contains(&&start))
    }

    fn does_mirror_differ(&self) -> Result<bool> {
        for number in MFT..MIRRORED {
            match (self.record(Reference(number)), self.mirrored(number)) {
                (Ok(original), Ok(copy)) if original == copy => {}
                (Err(e), _) | (_, Err(e)) if e.kind() == ErrorKind::Io => return Err(e),
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    /// The copy of record `number`.
    fn mirrored(&self, number: u64) -> Result<Record> {
        let inode = self.inode(InodeId::new(MIRROR))?;
        let mirror = self.stream(&inode, kind::DATA, &[])?;
        let mirror = mirror.ok_or_else(|| Error::corrupt("the copy of the first records has no data"))?;
        let size = u64::try_from(self.record_size).unwrap_or(u64::MAX);
        let mut bytes = vec![0; self.record_size];
        mirror.read_plain(&self.volume, number.saturating_mul(size), &mut bytes)?;
        Record::parse(bytes, Reference(number))
    }
}

fn restart(page: &[u8]) -> Result<Restart> {
    let area = usize::from(page.le16(24)?);
    let field = |at: usize| page.le16(area.saturating_add(at));
    let clean = field(12)? == NO_CLIENT || field(14)? & CLEAN != 0;
    Ok(Restart { number: page.le64(area)?, version: page.le16(28)?, clean })
}

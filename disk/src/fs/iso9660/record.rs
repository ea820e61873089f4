//! Directory records, and walks through directories.
//!
//! Source: ECMA-119, sections 6.8 and 9.1.

use std::ops::ControlFlow;

use super::Iso9660;
use crate::bytes::Fields;
use crate::fs::{Timestamp, calendar};
use crate::{Context, Error, Result};

/// Bytes of a record before its name.
pub(super) const FIXED: usize = 33;
/// Bytes of the longest record.
const MAX_LEN: usize = 255;
/// Records don't cross multiples of this (bytes); what is left before one is zeros.
const SECTOR: u64 = 2048;
/// How much of a directory is read at a time (bytes).
const PIECE: u64 = 32 << 10;
/// Most bytes of a directory that are gone through: 2.7 million of the shortest names.
const MAX_DIRECTORY: u64 = 128 << 20;
/// Most records that one file can have: as many as Linux follows.
pub(super) const MAX_SECTIONS: usize = 100;
/// Flags: a directory; a file that belongs to another; not the last of the file's records.
const DIRECTORY: u8 = 0x02;
const ASSOCIATED: u8 = 0x04;
const MORE: u8 = 0x80;
/// Greatest distance from UTC that is believed, in quarters of an hour.
const MAX_ZONE: i64 = 52;

/// A record, with what follows its name.
#[derive(Debug, Clone)]
pub(super) struct Record {
    bytes: Vec<u8>,
    /// Byte of the source where it starts.
    pub(super) at: u64,
}

impl Record {
    /// The record that `bytes` starts with, which stands at byte `at` of the source.
    fn parse(bytes: &[u8], at: u64) -> Result<Self> {
        let len = usize::from(bytes.u8(0)?);
        let name_len = usize::from(bytes.u8(32)?);
        if len < FIXED.saturating_add(name_len) {
            return Err(Error::corrupt(format!(
                "a directory record of {len} bytes with a name of {name_len}"
            )));
        }
        Ok(Record { bytes: bytes.slice(0, len)?.to_vec(), at })
    }

    /// The name as it is stored.
    pub(super) fn name(&self) -> &[u8] {
        let len = usize::from(self.bytes.get(32).copied().unwrap_or(0));
        self.bytes.get(FIXED..).and_then(|rest| rest.get(..len)).unwrap_or_default()
    }

    /// Does it stand for the directory itself, or for the one above it?
    pub(super) fn is_dots(&self) -> bool {
        matches!(self.name(), [0 | 1])
    }

    /// What follows the name, from an even byte on.
    pub(super) fn system_use(&self) -> &[u8] {
        let end = FIXED.saturating_add(self.name().len());
        self.bytes.get(end.next_multiple_of(2)..).unwrap_or_default()
    }

    fn flags(&self) -> u8 {
        self.bytes.get(25).copied().unwrap_or(0)
    }

    pub(super) fn is_directory(&self) -> bool {
        self.flags() & DIRECTORY != 0
    }

    pub(super) fn is_associated(&self) -> bool {
        self.flags() & ASSOCIATED != 0
    }

    pub(super) fn has_more(&self) -> bool {
        self.flags() & MORE != 0
    }

    pub(super) fn is_interleaved(&self) -> bool {
        self.bytes.get(26..28).is_none_or(|units| units != [0, 0])
    }

    /// Block where the content starts: behind its extended attributes.
    pub(super) fn block(&self) -> Result<u32> {
        let bytes: &[u8] = &self.bytes;
        Ok(bytes.le32(2)?.saturating_add(bytes.u8(1)?.into()))
    }

    /// Bytes of the content.
    pub(super) fn size(&self) -> Result<u32> {
        let bytes: &[u8] = &self.bytes;
        bytes.le32(10)
    }

    pub(super) fn time(&self) -> Result<Timestamp> {
        let bytes: &[u8] = &self.bytes;
        time(bytes.slice(18, 7)?)
    }
}

/// A time of seven bytes: years since 1900, month, day, hours, minutes, seconds, distance from UTC. Linux does not
/// believe in distances of more than 13 hours. (Times after 2038 are right here, and wrong in Linux 6.1.)
pub(super) fn time(bytes: &[u8]) -> Result<Timestamp> {
    let [year, month, day, hours, minutes, seconds, zone] = bytes.array(0)?;
    let date = [i64::from(year).saturating_add(1900), month.into(), day.into()];
    let mut seconds = calendar::seconds(date, [hours, minutes, seconds].map(i64::from));
    let zone = i64::from(i8::from_le_bytes([zone]));
    if (-MAX_ZONE..=MAX_ZONE).contains(&zone) {
        seconds = seconds.saturating_sub(zone.saturating_mul(15 * 60));
    }
    Ok(Timestamp { seconds, nanoseconds: 0 })
}

impl Iso9660 {
    /// The record at byte `at` of the source.
    pub(super) fn record(&self, at: u64) -> Result<Record> {
        let left = self.source.len().saturating_sub(at);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(MAX_LEN);
        let mut bytes = vec![0; len];
        self.source.read_at(at, &mut bytes)?;
        Record::parse(&bytes, at).context(|| format!("in the directory record at byte {at}"))
    }

    /// The records of the file whose first is `first`: more than one, if it is larger than one can say.
    pub(super) fn sections(&self, first: Record) -> Result<Vec<Record>> {
        let mut at = first.at;
        let mut sections = vec![first];
        while let Some(last) = sections.last().filter(|last| last.has_more()) {
            if sections.len() >= MAX_SECTIONS {
                return Err(Error::unsupported(format!("a file of more than {MAX_SECTIONS} sections")));
            }
            at = at.saturating_add(u64::try_from(last.bytes.len()).unwrap_or(u64::MAX));
            let mut len = [0];
            self.source.read_at(at, &mut len)?;
            if len == [0] {
                at = next_sector(at);
            }
            sections.push(self.record(at)?);
        }
        Ok(sections)
    }

    /// Calls `each` for the records in the `size` bytes from byte `start` of the source on.
    pub(super) fn records(
        &self,
        start: u64,
        size: u64,
        each: &mut dyn FnMut(Record) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if size > MAX_DIRECTORY {
            return Err(Error::unsupported(format!("a directory of {size} bytes")));
        }
        let mut piece = Vec::new();
        let mut piece_at = 0u64;
        let mut at = 0u64;
        while at < size {
            let within = at.saturating_sub(piece_at);
            let there = u64::try_from(piece.len()).unwrap_or(u64::MAX).saturating_sub(within);
            if there < u64::try_from(MAX_LEN).unwrap_or(u64::MAX)
                && piece_at.saturating_add(within.saturating_add(there)) < size
            {
                piece_at = at;
                piece.clear();
                piece.resize(usize::try_from(size.saturating_sub(at).min(PIECE)).unwrap_or(0), 0);
                let from = start.saturating_add(at);
                self.source.read_at(from, &mut piece).context(|| "reading a directory".to_owned())?;
            }
            let within = usize::try_from(at.saturating_sub(piece_at)).unwrap_or(usize::MAX);
            let rest = piece.get(within..).unwrap_or_default();
            let place = start.saturating_add(at);
            let len = rest.u8(0)?;
            if len == 0 {
                at = next_sector(at);
                continue;
            }
            let record =
                Record::parse(rest, place).context(|| format!("in the directory record at byte {place}"))?;
            if each(record)?.is_break() {
                break;
            }
            at = at.saturating_add(len.into());
        }
        Ok(())
    }
}

fn next_sector(at: u64) -> u64 {
    (at / SECTOR).saturating_add(1).saturating_mul(SECTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_to_utc() {
        let at = |zone: i8| time(&[126, 11, 21, 12, 0, 1, zone as u8]).unwrap().seconds;
        let noon = 1_795_219_200 + 12 * 3600 + 1;
        for (zone, hours) in [(0, 0), (4, 1), (-20, -5), (52, 13), (-52, -13), (53, 0), (-53, 0)] {
            assert_eq!(at(zone), noon - hours * 3600, "{zone}");
        }
    }
}

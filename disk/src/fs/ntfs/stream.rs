//! The bytes of an attribute: in its record, in clusters, in holes, or compressed.
//!
//! What is compressed is so in units of clusters (16 of them). A unit without clusters is zeros, one that has all is
//! plain, and one that has some holds LZNT1 in those.
//!
//! Source: the Linux-NTFS project's "NTFS Documentation", section "Compression".

use std::ops::Range;
use std::sync::Arc;

use super::record::{Flags, Raw, Sizes, Value};
use super::runs::Runs;
use crate::codec::lznt1;
use crate::{Context, Error, ReadAt, Result};

/// The one way of compression that there is.
const LZNT1: u16 = 1;
/// Largest unit of compression in bytes. Windows has units of 64 KiB at most.
const MAX_UNIT: u64 = 1 << 20;
/// Most runs that one search for data goes through.
const MAX_STEPS: usize = 1 << 14;

/// Where clusters lie.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) source: Arc<dyn ReadAt>,
    pub(super) cluster_shift: u32,
    pub(super) clusters: u64,
}

impl Volume {
    /// Size of a cluster in bytes.
    pub(super) fn cluster_size(&self) -> u64 {
        1u64.wrapping_shl(self.cluster_shift)
    }

    /// Bytes in `clusters`.
    pub(super) fn bytes(&self, clusters: u64) -> u64 {
        clusters.saturating_mul(self.cluster_size())
    }

    /// The cluster that has byte `at`, and which byte of it that is.
    fn split(&self, at: u64) -> (u64, u64) {
        let cluster = at.wrapping_shr(self.cluster_shift);
        (cluster, at.saturating_sub(self.bytes(cluster)))
    }
}

/// An attribute's value.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    place: Place,
    sizes: Sizes,
    /// Clusters of a unit of compression, as a shift, if it is compressed.
    unit_shift: Option<u32>,
    encrypted: bool,
    /// The unit that was last read in part, decompressed.
    unit: Option<(u64, Vec<u8>)>,
}

#[derive(Debug, Clone)]
enum Place {
    Record(Vec<u8>),
    Clusters(Runs),
}

impl Stream {
    /// The value whose first part is `raw`.
    pub(super) fn new(raw: &Raw<'_>, volume: &Volume) -> Result<Self> {
        let flags = raw.flags()?;
        let clusters = match raw.value()? {
            Value::Resident(bytes) => {
                return Ok(Stream {
                    place: Place::Record(bytes.to_vec()),
                    sizes: sizes(raw)?,
                    unit_shift: None,
                    encrypted: flags.is_encrypted(),
                    unit: None,
                });
            }
            Value::Clusters(clusters) => clusters,
        };
        let unit_shift = unit_shift(flags, clusters.unit_shift, volume)?;
        let mut runs = Runs::default();
        runs.add(clusters.runs, clusters.first, volume.clusters)?;
        let sizes = clusters.sizes;
        Ok(Stream {
            place: Place::Clusters(runs),
            sizes,
            unit_shift,
            encrypted: flags.is_encrypted(),
            unit: None,
        })
    }

    /// Adds another part.
    pub(super) fn add(&mut self, raw: &Raw<'_>, volume: &Volume) -> Result<()> {
        match (&mut self.place, raw.value()?) {
            (Place::Clusters(runs), Value::Clusters(more)) => {
                runs.add(more.runs, more.first, volume.clusters)
            }
            _ => Err(Error::corrupt("an attribute in several parts, not all in clusters")),
        }
    }

    /// Bytes.
    pub(super) fn len(&self) -> u64 {
        self.sizes.data
    }

    /// All bytes, if they are at most `most`.
    pub(super) fn all(&mut self, volume: &Volume, most: u64) -> Result<Vec<u8>> {
        if self.len() > most {
            return Err(Error::unsupported(format!(
                "an attribute of {} bytes, more than {most}",
                self.len()
            )));
        }
        let mut bytes = vec![0; usize::try_from(self.len()).unwrap_or(0)];
        self.read_at(volume, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads from byte `offset` on, to the end of `buf` or of the value.
    pub(super) fn read_at(&mut self, volume: &Volume, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let wanted = bounded(&(offset..self.len()), buf.len());
        let buf = buf.get_mut(..wanted).unwrap_or_default();
        self.refuse_encrypted()?;
        let written = bounded(&(offset..self.sizes.initialized), buf.len());
        let (written, zeros) = buf.split_at_mut(written);
        zeros.fill(0);
        match self.unit_shift {
            None => self.fill(volume, offset, written)?,
            Some(shift) => self.fill_units(volume, shift, offset, written)?,
        }
        Ok(wanted)
    }

    /// Like [`read_at`](Self::read_at) where nothing is compressed, and all of `buf` must be there.
    pub(super) fn read_plain(&self, volume: &Volume, offset: u64, buf: &mut [u8]) -> Result<()> {
        if self.unit_shift.is_some() || bounded(&(offset..self.sizes.initialized), buf.len()) < buf.len() {
            return Err(Error::corrupt(format!("no {} bytes at byte {offset}", buf.len())));
        }
        self.fill(volume, offset, buf)
    }

    /// Refuses what only Windows' keys can read.
    pub(super) fn refuse_encrypted(&self) -> Result<()> {
        if self.encrypted {
            return Err(Error::unsupported("a file encrypted by Windows (EFS)"));
        }
        Ok(())
    }

    /// Fills `buf` with what is stored from byte `offset` on.
    fn fill(&self, volume: &Volume, offset: u64, buf: &mut [u8]) -> Result<()> {
        let runs = match &self.place {
            Place::Record(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let stored = bytes.get(start..).and_then(|rest| rest.get(..buf.len()));
                buf.copy_from_slice(stored.ok_or_else(|| Error::corrupt("a value that is too short"))?);
                return Ok(());
            }
            Place::Clusters(runs) => runs,
        };
        let (mut rest, mut at) = (buf, offset);
        while !rest.is_empty() {
            let (cluster, within) = volume.split(at);
            let run = runs.find(cluster).ok_or_else(|| no_cluster(cluster))?;
            let count = bounded(&(within..volume.bytes(run.count)), rest.len());
            let (part, after) = rest.split_at_mut(count);
            match run.place {
                Some(place) => volume.source.read_at(volume.bytes(place).saturating_add(within), part)?,
                None => part.fill(0),
            }
            rest = after;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Like [`fill`](Self::fill), from units of `1 << shift` clusters.
    fn fill_units(&mut self, volume: &Volume, shift: u32, offset: u64, buf: &mut [u8]) -> Result<()> {
        let clusters = 1u64.wrapping_shl(shift);
        let unit_size = volume.bytes(clusters);
        let (mut rest, mut at) = (buf, offset);
        while !rest.is_empty() {
            let nr = at.checked_div(unit_size).unwrap_or(0);
            let within = at.saturating_sub(nr.saturating_mul(unit_size));
            let count = bounded(&(within..unit_size), rest.len());
            let (part, after) = rest.split_at_mut(count);
            match self.packed(nr.saturating_mul(clusters), clusters)? {
                0 => part.fill(0),
                packed if packed == clusters => self.fill(volume, at, part)?,
                packed if count == usize::try_from(unit_size).unwrap_or(usize::MAX) => {
                    self.unpack(volume, nr, packed, part)?;
                }
                packed => {
                    let start = usize::try_from(within).unwrap_or(usize::MAX);
                    let unit = self.unit(volume, nr, packed, unit_size)?;
                    let bytes = unit.get(start..).and_then(|rest| rest.get(..count));
                    part.copy_from_slice(bytes.unwrap_or_default());
                }
            }
            rest = after;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// How many of the `clusters` from `first` on there are; what is there comes before what is not.
    fn packed(&self, first: u64, clusters: u64) -> Result<u64> {
        let Place::Clusters(runs) = &self.place else { return Ok(clusters) };
        let (mut packed, mut hole) = (0u64, false);
        for run in runs.within(first..first.saturating_add(clusters)) {
            match run.place {
                None => hole = true,
                Some(_) if hole => return Err(Error::corrupt("a compressed unit with a hole within")),
                Some(_) => packed = packed.saturating_add(run.count),
            }
        }
        Ok(packed)
    }

    /// Unit `nr`, decompressed from its first `packed` clusters, which is kept for the next time.
    fn unit(&mut self, volume: &Volume, nr: u64, packed: u64, unit_size: u64) -> Result<&[u8]> {
        if self.unit.as_ref().is_none_or(|(have, _)| *have != nr) {
            let mut unit = self.unit.take().map_or_else(Vec::new, |(_, unit)| unit);
            unit.resize(usize::try_from(unit_size).unwrap_or(0), 0);
            self.unpack(volume, nr, packed, &mut unit)?;
            self.unit = Some((nr, unit));
        }
        Ok(self.unit.as_ref().map_or(&[], |(_, unit)| unit))
    }

    /// Decompresses all of unit `nr` into `unit`.
    fn unpack(&self, volume: &Volume, nr: u64, packed: u64, unit: &mut [u8]) -> Result<()> {
        let mut data = vec![0; usize::try_from(volume.bytes(packed)).unwrap_or(0)];
        let start = nr.saturating_mul(u64::try_from(unit.len()).unwrap_or(u64::MAX));
        self.fill(volume, start, &mut data)?;
        lznt1::decompress(&data, unit).context(|| format!("decompressing unit {nr}"))
    }

    /// The next range with data at or after `offset`, as [`FileData::next_data`](crate::fs::FileData::next_data) has it.
    pub(super) fn next_data(&self, volume: &Volume, offset: u64) -> Option<Range<u64>> {
        let end = self.sizes.initialized.min(self.len());
        if offset >= end {
            return None;
        }
        let Place::Clusters(runs) = &self.place else { return Some(offset..end) };
        let unit = volume.bytes(1u64.wrapping_shl(self.unit_shift.unwrap_or(0)));
        let mut data: Option<Range<u64>> = None;
        let (mut at, _) = volume.split(offset);
        for _ in 0..MAX_STEPS {
            let Some(run) = runs.find(at).filter(|run| volume.bytes(run.at) < end) else { return data };
            at = at.saturating_add(run.count);
            let stop = volume.bytes(at);
            // What is compressed fills its whole unit.
            let stop = stop.checked_next_multiple_of(unit).unwrap_or(stop).min(end);
            match (&mut data, run.place) {
                (Some(data), Some(_)) => data.end = stop.max(data.end),
                (Some(data), None) if volume.bytes(at) > data.end => return Some(data.clone()),
                (Some(_), None) => {}
                (None, Some(_)) => data = Some(volume.bytes(run.at).max(offset)..stop),
                // A search may begin in the empty part of a unit.
                (None, None) => {
                    let start = volume.bytes(run.at);
                    let full = start.checked_next_multiple_of(unit).unwrap_or(start).min(end);
                    if full > offset {
                        data = Some(start.max(offset)..full);
                    }
                }
            }
        }
        // So much for a search: the next goes on behind what may be data.
        Some(data.unwrap_or(offset..volume.bytes(at).min(end)))
    }
}

/// What `lstat` shows of an attribute whose first part is `raw`.
pub(super) fn sizes(raw: &Raw<'_>) -> Result<Sizes> {
    match raw.value()? {
        Value::Clusters(clusters) => Ok(clusters.sizes),
        Value::Resident(bytes) => {
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            // Values in records are padded to 8 bytes.
            let allocated = len.checked_next_multiple_of(8).unwrap_or(len);
            Ok(Sizes { data: len, initialized: len, allocated })
        }
    }
}

fn unit_shift(flags: Flags, shift: u8, volume: &Volume) -> Result<Option<u32>> {
    match flags.compression() {
        0 => Ok(None),
        LZNT1 => {
            let unit = 1u64.checked_shl(shift.into()).map_or(u64::MAX, |clusters| volume.bytes(clusters));
            if shift == 0 || unit > MAX_UNIT {
                return Err(Error::unsupported(format!("compression in units of {unit} bytes")));
            }
            Ok(Some(shift.into()))
        }
        other => Err(Error::unsupported(format!("compression of kind {other}"))),
    }
}

/// Length of a range that memory can hold, at most `max`.
fn bounded(range: &Range<u64>, max: usize) -> usize {
    usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX).min(max)
}

#[cold]
fn no_cluster(cluster: u64) -> Error {
    Error::corrupt(format!("no run has cluster {cluster} of an attribute"))
}

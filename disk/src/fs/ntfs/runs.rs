//! Runs: which clusters of the volume an attribute lies in.
//!
//! Packed, a run is a byte whose halves say how many bytes a length and a distance have, then these: the length in
//! clusters, and how far the run starts from the start of the one before. Without a distance it is a hole.
//!
//! Source: the Linux-NTFS project's "NTFS Documentation", section "Data Runs".

use std::ops::Range;

use crate::bytes::Fields;
use crate::{Error, Result};

/// Most runs of an attribute that are kept: 24 MB. A list of attributes of the largest size (256 KiB) and records of
/// 1 KiB can have about as many.
const MAX_RUNS: usize = 1 << 20;

/// Clusters next to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// First cluster of the attribute.
    pub(super) at: u64,
    pub(super) count: u64,
    /// First cluster of the volume, if it is not a hole.
    pub(super) place: Option<u64>,
}

/// All runs of an attribute, without gaps, in the order of the attribute's clusters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// The cluster after the last.
    pub(super) fn end(&self) -> u64 {
        self.0.last().map_or(0, |run| run.at.saturating_add(run.count))
    }

    /// Adds the runs packed in `bytes`, the first of which is for cluster `first` of the attribute. The volume has
    /// `clusters`.
    pub(super) fn add(&mut self, bytes: &[u8], first: u64, clusters: u64) -> Result<()> {
        if first != self.end() {
            let end = self.end();
            return Err(Error::corrupt(format!("runs from cluster {first} on follow those up to {end}")));
        }
        let mut at = 0usize;
        let (mut next, mut place) = (first, 0i64);
        loop {
            let head = match bytes.u8(at) {
                Ok(0) | Err(_) => return Ok(()),
                Ok(head) => head,
            };
            at = at.saturating_add(1);
            let count = signed(bytes, &mut at, head & 0xF)?;
            let count = u64::try_from(count).ok().filter(|count| *count > 0);
            let count = count.ok_or_else(|| Error::corrupt("a run of no clusters"))?;
            let mut run = Run { at: next, count, place: None };
            if head >> 4 != 0 {
                place = place.saturating_add(signed(bytes, &mut at, head >> 4)?);
                let start = u64::try_from(place).ok();
                run.place = start.filter(|start| start.saturating_add(count) <= clusters);
                if run.place.is_none() {
                    return Err(Error::corrupt(format!(
                        "a run of {count} clusters from {place} on, of {clusters}"
                    )));
                }
            }
            next = next.saturating_add(count);
            if i64::try_from(next).is_err() {
                return Err(Error::corrupt(format!("an attribute of {next} clusters")));
            }
            if self.0.len() >= MAX_RUNS {
                return Err(Error::unsupported(format!("an attribute of more than {MAX_RUNS} runs")));
            }
            self.0.push(run);
        }
    }

    /// The part of a run from cluster `at` of the attribute on, or `None` after the last.
    pub(super) fn find(&self, at: u64) -> Option<Run> {
        let nr = self.0.partition_point(|run| run.at <= at).checked_sub(1)?;
        let run = self.0.get(nr)?;
        let skip = at.saturating_sub(run.at);
        let count = run.count.checked_sub(skip).filter(|count| *count > 0)?;
        Some(Run { at, count, place: run.place.map(|place| place.saturating_add(skip)) })
    }

    /// The runs within clusters `range` of the attribute, cut to it.
    pub(super) fn within(&self, range: Range<u64>) -> impl Iterator<Item = Run> + '_ {
        let mut at = range.start;
        std::iter::from_fn(move || {
            let mut run = self.find(at).filter(|_| at < range.end)?;
            run.count = run.count.min(range.end.saturating_sub(at));
            at = at.saturating_add(run.count);
            Some(run)
        })
    }
}

/// The signed number in the next `len` bytes.
fn signed(bytes: &[u8], at: &mut usize, len: u8) -> Result<i64> {
    let stored = bytes.slice(*at, len.into())?;
    *at = at.saturating_add(len.into());
    let negative = stored.last().is_some_and(|last| last & 0x80 != 0);
    let mut number = if negative { [0xFF; 8] } else { [0; 8] };
    match number.get_mut(..stored.len()) {
        Some(low) => low.copy_from_slice(stored),
        None => return Err(Error::corrupt(format!("a number of {len} bytes in a run"))),
    }
    Ok(i64::from_le_bytes(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn runs_are_relative_and_may_be_holes() {
        let mut runs = Runs::default();
        runs.add(&[0x21, 0x18, 0x34, 0x56, 0x01, 0x08, 0x11, 0x10, 0xE0, 0], 0, 1 << 20).unwrap();
        let run = |at, count, place| Run { at, count, place };
        assert_eq!(runs.0, [run(0, 0x18, Some(0x5634)), run(0x18, 8, None), run(0x20, 0x10, Some(0x5614))]);
        // Each part counts from the start of the volume.
        runs.add(&[0x11, 0x10, 0x40], 0x30, 1 << 20).unwrap();
        for (at, found) in [
            (0, Some(run(0, 0x18, Some(0x5634)))),
            (0x17, Some(run(0x17, 1, Some(0x564B)))),
            (0x1F, Some(run(0x1F, 1, None))),
            (0x31, Some(run(0x31, 0xF, Some(0x41)))),
            (0x40, None),
        ] {
            assert_eq!(runs.find(at), found, "{at:#x}");
        }
        assert_eq!(
            runs.within(0x1E..0x22).collect::<Vec<_>>(),
            [run(0x1E, 2, None), run(0x20, 2, Some(0x5614))]
        );
    }

    #[test]
    fn runs_outside_the_volume_are_corrupt() {
        for bytes in [
            &[0x11, 0x10, 0x7F][..],
            &[0x11, 0x10, 0xFF],
            &[0x11, 0x00, 0x01],
            &[0x11, 0xFF, 0x01],
            &[0x10],
            &[0x1F, 1, 1, 1],
            &[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x01, 1],
        ] {
            let error = Runs::default().add(bytes, 0, 0x80).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{bytes:x?}");
        }
        assert_eq!(Runs::default().add(&[0x11, 1, 1], 1, 9).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

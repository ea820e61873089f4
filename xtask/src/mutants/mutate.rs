//! Which bytes of a fixture a mutant changes.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use disk::{ReadAt, Result};

use super::checksums::Repair;

/// Unit in which places to change are chosen, in bytes.
pub(super) const SECTOR: u64 = 512;
/// How many of the sectors that are read first count as headers, which a third of all changes go to.
const HEADERS: usize = 24;
/// Longest read that is taken for metadata, in bytes.
const METADATA_READ: usize = 64 << 10;

/// Numbers that readers may stumble over.
const INTERESTING: [u64; 18] = [
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0xFF,
    0x400,
    0x1000,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
    0xFFFF_FFFF_FFFF_FFFF,
];

/// Random numbers that are the same everywhere: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The numbers for mutant `number` of the fixture `name`.
    pub(super) fn new(name: &str, number: u64) -> Self {
        let seed = name.bytes().fold(number, |seed, byte| Random(seed ^ u64::from(byte)).next());
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn of<T: Copy>(&mut self, choice: &[T]) -> Option<T> {
        choice.get(usize::try_from(self.below(choice.len() as u64)).ok()?).copied()
    }
}

/// A source that notes which sectors are read in small pieces, in the order of their first read.
#[derive(Debug)]
pub(super) struct Recorder {
    inner: Arc<dyn ReadAt>,
    seen: Mutex<(BTreeSet<u64>, Vec<u64>)>,
}

impl Recorder {
    pub(super) fn new(inner: Arc<dyn ReadAt>) -> Self {
        Recorder { inner, seen: Mutex::default() }
    }

    /// The sectors, by number.
    pub(super) fn sectors(&self) -> Vec<u64> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

impl ReadAt for Recorder {
    fn len(&self) -> u64 {
        self.inner.len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        if buf.len() <= METADATA_READ && !buf.is_empty() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for sector in offset / SECTOR..(offset + buf.len() as u64).div_ceil(SECTOR) {
                if seen.0.insert(sector) {
                    seen.1.push(sector);
                }
            }
        }
        self.inner.read_at(offset, buf)
    }
    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        self.inner.next_data(offset)
    }
    fn sector_size(&self) -> u32 {
        self.inner.sector_size()
    }
}

/// New content for some bytes.
#[derive(Debug, Clone)]
pub(super) struct Patch {
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// A source with some bytes changed. Later patches lie over earlier ones.
#[derive(Debug)]
pub(super) struct Mutant {
    inner: Arc<dyn ReadAt>,
    pub(super) patches: Vec<Patch>,
    /// How often a place in a sector is chosen until there are not only zeros.
    tries: u32,
}

impl Mutant {
    /// The mutant of `inner` that `random` gives, changed somewhere in `sectors`. Each change is where `tries` find something
    /// else than zeros.
    pub(super) fn new(inner: Arc<dyn ReadAt>, sectors: &[u64], tries: u32, random: &mut Random) -> Self {
        let mut mutant = Mutant { inner, patches: Vec::new(), tries };
        for _ in 0..1 + random.below(4) {
            mutant.change(sectors, random);
        }
        mutant
    }

    /// Makes checksums right after every change.
    pub(super) fn repair(&mut self, repair: Repair) {
        let changed: Vec<u64> = self.patches.iter().map(|patch| patch.offset).collect();
        for offset in changed {
            // What can't be read (a change past the end) is left as it is.
            let patches = repair(&self.inner, self, offset).unwrap_or_default();
            self.patches.extend(patches);
        }
    }

    fn change(&mut self, sectors: &[u64], random: &mut Random) {
        let headers = sectors.get(..HEADERS.min(sectors.len())).unwrap_or_default();
        let from = if random.below(3) == 0 { headers } else { sectors };
        let (Some(sector), Some(other)) = (random.of(from), random.of(sectors)) else { return };
        let wide = 1_u64 << random.below(4);
        let width = usize::try_from(wide).unwrap_or(1);
        let (mut offset, mut now) = (0, [0; 8]);
        for _ in 0..self.tries {
            offset = sector * SECTOR + random.below(SECTOR / wide) * wide;
            if self.read_at(offset, &mut now[..width]).is_err() {
                return;
            }
            if now != [0; 8] {
                break;
            }
        }
        let big_endian = random.below(3) == 0;
        let mut number = if big_endian {
            now[..width].iter().fold(0, |n, b| n << 8 | u64::from(*b))
        } else {
            now[..width].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
        };
        let bytes = match random.below(12) {
            0..=2 => {
                number ^= 1 << random.below(8 * width as u64);
                None
            }
            3..=5 => {
                number = random.of(&INTERESTING).unwrap_or_default();
                None
            }
            6 => {
                number = number.wrapping_add(random.below(9)).wrapping_sub(4);
                None
            }
            7 => {
                number = random.below(self.len() / 1024);
                None
            }
            8 => {
                number = random.next();
                None
            }
            // Some bytes, or a whole sector, from another place.
            9 => self.copy(other * SECTOR + offset % SECTOR, width),
            10 => self.copy(other * SECTOR, 512),
            _ => Some(vec![random.of(&[0, 0xFF, 0x41]).unwrap_or_default(); 16]),
        };
        let bytes = bytes.unwrap_or_else(|| {
            let le = number.to_le_bytes();
            let mut bytes = le[..width].to_vec();
            if big_endian {
                bytes.reverse();
            }
            bytes
        });
        let offset = if bytes.len() == 512 { sector * SECTOR } else { offset };
        self.patches.push(Patch { offset, bytes });
    }

    fn copy(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_at(offset, &mut bytes).ok()?;
        Some(bytes)
    }
}

impl ReadAt for Mutant {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.inner.read_at(offset, buf)?;
        let end = offset + buf.len() as u64;
        for patch in &self.patches {
            let patch_end = patch.offset + patch.bytes.len() as u64;
            let (from, to) = (offset.max(patch.offset), end.min(patch_end));
            if from < to {
                let count = (to - from) as usize;
                let (at, skip) = ((from - offset) as usize, (from - patch.offset) as usize);
                buf[at..at + count].copy_from_slice(&patch.bytes[skip..skip + count]);
            }
        }
        Ok(())
    }
}

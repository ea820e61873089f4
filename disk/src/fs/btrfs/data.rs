//! Sectors of data, checked by the checksum tree, and whole extents, decompressed.
//!
//! Each sector is compared with its checksum. Where the first copy is wrong, the others are tried for that sector alone.
//! A sector without a checksum has the checksum zero, as in the kernel: it is wrong, but in one of 2^32 cases.

use std::sync::{Mutex, PoisonError};

use super::checksum::Checksum;
use super::compress::Decompressor;
use super::extents::Compressed;
use super::key::{Key, kind, object};
use super::superblock::Superblock;
use super::tree::{Root, Trees};
use crate::bytes::index;
use crate::{Error, Result};

/// How many bytes are read from a device at once and checked while the processor still has them in its cache.
const PIECE: usize = 256 << 10;
/// How many decompressed extents are kept by each open file. Where a part of an extent was written anew, reading goes
/// from it to another one and back.
const DECOMPRESSED: usize = 2;
/// How many workspaces of files that were closed are kept.
const SPARE: usize = 2;

/// How data is checked, and memory for reading it.
#[derive(Debug)]
pub(super) struct Data {
    checksums: Root,
    checksum: Checksum,
    sector_size: u32,
    #[expect(clippy::vec_box, reason = "files take them and give them back by their pointers")]
    spare: Mutex<Vec<Box<Workspace>>>,
}

/// Memory for reading compressed data, and data whose bounds are not those of sectors.
#[derive(Debug)]
pub(super) struct Workspace {
    decompressor: Decompressor,
    stored: Vec<u8>,
    sums: Vec<u8>,
    /// The one that was used last comes first.
    extents: Vec<Decompressed>,
    /// Sectors, and where they lie.
    sectors: Vec<u8>,
    address: u64,
    checked: bool,
}

#[derive(Debug)]
struct Decompressed {
    /// Address and length on disk, length.
    of: (u64, u32, u32),
    checked: bool,
    bytes: Vec<u8>,
}

impl Data {
    /// For a filesystem whose checksum tree has that root.
    pub(super) fn new(superblock: &Superblock, checksums: Root) -> Self {
        Data {
            checksums,
            checksum: superblock.checksum,
            sector_size: superblock.sector_size,
            spare: Mutex::new(Vec::new()),
        }
    }

    /// Memory for one open file.
    pub(super) fn workspace(&self) -> Box<Workspace> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| {
            Box::new(Workspace {
                decompressor: Decompressor::new(self.sector_size),
                stored: Vec::new(),
                sums: Vec::new(),
                extents: Vec::new(),
                sectors: Vec::new(),
                address: 0,
                checked: false,
            })
        })
    }

    /// Takes memory back. What it holds stays right: a filesystem does not change.
    pub(super) fn give_back(&self, workspace: Box<Workspace>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(workspace);
        }
    }

    fn sector(&self) -> usize {
        index(self.sector_size)
    }

    /// How far into its sector `address` is.
    fn within(&self, address: u64) -> u64 {
        address.checked_rem(self.sector_size.into()).unwrap_or_default()
    }

    /// Reads whole sectors from `address` on into `buf`, and checks them if they are `checked`.
    fn read_sectors(
        &self,
        trees: &Trees,
        address: u64,
        checked: bool,
        sums: &mut Vec<u8>,
        buf: &mut [u8],
    ) -> Result<()> {
        let mut at = address;
        for piece in buf.chunks_mut(PIECE) {
            if checked {
                self.find_sums(trees, at, piece.len(), sums)?;
            }
            let read = trees.volumes.read_mirror(at, 0, piece);
            let mut sector_at = at;
            let mut all = sums.chunks_exact(self.checksum.size());
            for sector in piece.chunks_mut(self.sector()) {
                let sum = if checked { all.next() } else { None };
                let good = |data: &[u8]| sum.is_none_or(|sum| self.checksum.matches(sum, data));
                if read.is_err() || !good(sector) {
                    self.read_sector(trees, sector_at, good, sector)?;
                }
                sector_at = sector_at.saturating_add(self.sector_size.into());
            }
            at = sector_at;
        }
        Ok(())
    }

    /// Reads one sector from any copy that is good.
    #[cold]
    fn read_sector(
        &self,
        trees: &Trees,
        address: u64,
        good: impl Fn(&[u8]) -> bool,
        sector: &mut [u8],
    ) -> Result<()> {
        trees.volumes.read_logical(address, sector, |data| {
            if good(data) {
                return Ok(());
            }
            Err(Error::corrupt(format!("the checksum of the data at logical address {address} is wrong")))
        })
    }

    /// The checksums of the sectors in `len` bytes from `address` on.
    fn find_sums(&self, trees: &Trees, address: u64, len: usize, sums: &mut Vec<u8>) -> Result<()> {
        let size = self.checksum.size();
        let sector = u64::from(self.sector_size);
        let count = len.checked_div(self.sector()).unwrap_or_default();
        sums.clear();
        sums.resize(count.saturating_mul(size), 0);
        let end = address.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        let first = Key::new(object::EXTENT_CSUM, kind::EXTENT_CSUM, address);
        let mut items = trees.search_back(self.checksums, first)?;
        while let Some((key, item)) = items.next()? {
            if key.object > object::EXTENT_CSUM || key.offset >= end {
                break;
            }
            if !key.is(object::EXTENT_CSUM, kind::EXTENT_CSUM) {
                continue;
            }
            let bad =
                || Error::corrupt(format!("the checksums of the data at logical address {}", key.offset));
            if !item.len().is_multiple_of(size) || !key.offset.is_multiple_of(sector) {
                return Err(bad());
            }
            let skip = address.saturating_sub(key.offset).checked_div(sector).and_then(to_usize);
            let place = key.offset.saturating_sub(address).checked_div(sector).and_then(to_usize);
            let (skip, place) = skip.zip(place).ok_or_else(bad)?;
            let from = item.get(skip.saturating_mul(size)..).unwrap_or_default();
            let to = sums.get_mut(place.saturating_mul(size)..).unwrap_or_default();
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
        }
        Ok(())
    }

    /// Reads what lies from `address` on, in any sectors, into `buf`.
    pub(super) fn read(
        &self,
        trees: &Trees,
        address: u64,
        checked: bool,
        workspace: &mut Workspace,
        buf: &mut [u8],
    ) -> Result<()> {
        let (mut at, mut rest) = (address, buf);
        while !rest.is_empty() {
            let within = to_usize(self.within(at)).unwrap_or_default();
            let whole =
                rest.len().checked_rem(self.sector()).map_or(0, |over| rest.len().saturating_sub(over));
            let count = if within == 0 && (whole == rest.len() || whole > PIECE) {
                let part = rest.get_mut(..whole).unwrap_or_default();
                self.read_sectors(trees, at, checked, &mut workspace.sums, part)?;
                whole
            } else {
                let sectors = workspace.sectors_from(self, trees, at, checked, rest.len())?;
                let count = sectors.len().min(rest.len());
                copy(sectors, rest, count);
                count
            };
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            rest = rest.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// What an extent gives when it is decompressed: as many bytes as it should.
    pub(super) fn decompressed<'a>(
        &self,
        trees: &Trees,
        extent: &Compressed,
        checked: bool,
        workspace: &'a mut Workspace,
    ) -> Result<&'a [u8]> {
        let of = (extent.address, extent.stored, extent.size);
        let known = workspace.extents.iter().position(|known| (known.of, known.checked) == (of, checked));
        match known {
            Some(at) => workspace.extents.get_mut(..=at).unwrap_or_default().rotate_right(1),
            None => {
                let bytes = match workspace.extents.len() {
                    DECOMPRESSED.. => workspace.extents.pop().map(|oldest| oldest.bytes).unwrap_or_default(),
                    _ => Vec::new(),
                };
                let bytes = self.decompress(trees, extent, checked, workspace, bytes)?;
                workspace.extents.insert(0, Decompressed { of, checked, bytes });
            }
        }
        Ok(workspace.extents.first().map(|extent| extent.bytes.as_slice()).unwrap_or_default())
    }

    /// Reads and decompresses an extent into `bytes`.
    fn decompress(
        &self,
        trees: &Trees,
        extent: &Compressed,
        checked: bool,
        workspace: &mut Workspace,
        mut bytes: Vec<u8>,
    ) -> Result<Vec<u8>> {
        workspace.stored.resize(index(extent.stored), 0);
        self.read_sectors(trees, extent.address, checked, &mut workspace.sums, &mut workspace.stored)?;
        bytes.resize(index(extent.size), 0);
        let count = workspace.decompressor.run(extent.algorithm, &workspace.stored, &mut bytes)?;
        // Zeros follow what there is: the last sector of a file is compressed up to its end only.
        bytes.get_mut(count..).unwrap_or_default().fill(0);
        Ok(bytes)
    }
}

impl Workspace {
    /// The bytes from `address` on: at least one, and up to `len` as far as memory for them goes.
    fn sectors_from(
        &mut self,
        data: &Data,
        trees: &Trees,
        address: u64,
        checked: bool,
        len: usize,
    ) -> Result<&[u8]> {
        let kept = address.checked_sub(self.address).and_then(to_usize).filter(|at| *at < self.sectors.len());
        if let Some(at) = kept.filter(|_| self.checked == checked) {
            return Ok(self.sectors.get(at..).unwrap_or_default());
        }
        let within = data.within(address);
        let skip = to_usize(within).unwrap_or_default();
        let count = skip.saturating_add(len).next_multiple_of(data.sector()).min(PIECE);
        self.address = address.saturating_sub(within);
        self.checked = checked;
        self.sectors.clear();
        self.sectors.resize(count, 0);
        let read = data.read_sectors(trees, self.address, checked, &mut self.sums, &mut self.sectors);
        if let Err(error) = read {
            self.sectors.clear();
            return Err(error);
        }
        Ok(self.sectors.get(skip..).unwrap_or_default())
    }
}

/// Copies `count` bytes from the front of `from` to the front of `to`; both have them.
fn copy(from: &[u8], to: &mut [u8], count: usize) {
    if let (Some(from), Some(to)) = (from.get(..count), to.get_mut(..count)) {
        to.copy_from_slice(from);
    }
}

fn to_usize(number: u64) -> Option<usize> {
    usize::try_from(number).ok()
}

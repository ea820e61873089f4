//! Chunks: runs of logical addresses, and where they lie on devices.
//!
//! Source: btrfs documentation, "On-disk Format", `btrfs_chunk` and `btrfs_stripe`; "mkfs.btrfs", "Profiles".

use super::key::{self, Key, kind, object};
use super::superblock::Uuid;
use crate::bytes::Fields;
use crate::{Error, Result};

/// Size of a chunk item without its stripes, and of a stripe, in bytes.
const HEADER: usize = 48;
const STRIPE: usize = 32;
/// Unit of striping in bytes: the only one that there is.
const STRIPE_LEN: u64 = 64 << 10;
/// [`STRIPE_LEN`] as a shift.
const STRIPE_BITS: u32 = 16;
/// The longest chunk in bytes, as the kernel has it: what 2^32 stripes hold.
const MAX_LEN: u64 = 0xffff_ffff << STRIPE_BITS;
/// Most chunks that are kept: 256 TiB in chunks of 1 GiB.
const MAX_CHUNKS: usize = 1 << 18;

/// What a chunk or block group is for, and its profile.
pub(super) mod profile {
    pub(in super::super) const DATA: u64 = 1 << 0;
    pub(in super::super) const SYSTEM: u64 = 1 << 1;
    pub(in super::super) const METADATA: u64 = 1 << 2;
    /// All of these.
    pub(in super::super) const USES: u64 = DATA | SYSTEM | METADATA;
    pub(in super::super) const RAID0: u64 = 1 << 3;
    pub(in super::super) const RAID1: u64 = 1 << 4;
    pub(in super::super) const DUP: u64 = 1 << 5;
    pub(in super::super) const RAID10: u64 = 1 << 6;
    pub(in super::super) const RAID5: u64 = 1 << 7;
    pub(in super::super) const RAID6: u64 = 1 << 8;
    pub(in super::super) const RAID1C3: u64 = 1 << 9;
    pub(in super::super) const RAID1C4: u64 = 1 << 10;
    /// All of these; none of them is "single".
    pub(in super::super) const PROFILES: u64 =
        RAID0 | RAID1 | DUP | RAID10 | RAID5 | RAID6 | RAID1C3 | RAID1C4;
}

/// How addresses of a chunk are spread over its stripes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Every stripe has all of it.
    Mirrored,
    /// One unit after the other, each on so many neighbouring stripes.
    Striped { copies: u16 },
    /// As `Striped`, but each row of units has so many of parity, which go round.
    Parity { parity: u16 },
}

/// A part of a device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stripe {
    pub(super) devid: u64,
    /// Where it begins on the device, in bytes.
    offset: u64,
    uuid: Uuid,
}

/// A run of logical addresses.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// The first address.
    pub(super) start: u64,
    /// Bytes.
    pub(super) len: u64,
    /// What it is for, and its profile.
    pub(super) flags: u64,
    layout: Layout,
    pub(super) stripes: Box<[Stripe]>,
}

/// Where an address lies, and for how many bytes from there on that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) devid: u64,
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Chunk {
    /// The chunk under `key`; addresses and lengths are multiples of `sector_size`.
    pub(super) fn parse(key: Key, bytes: &[u8], sector_size: u32) -> Result<Self> {
        let (start, len, flags) = (key.offset, bytes.le64(0)?, bytes.le64(24)?);
        let count = bytes.le16(44)?;
        let bad = |what: &str| Error::corrupt(format!("the chunk at {start}: {what}"));
        let sector = u64::from(sector_size);
        let aligned = start.is_multiple_of(sector) && len.is_multiple_of(sector);
        if len == 0 || len > MAX_LEN || !aligned || start.checked_add(len).is_none() {
            return Err(bad("its length"));
        }
        if bytes.le64(16)? != STRIPE_LEN {
            return Err(bad("its unit of striping"));
        }
        if flags & !(profile::USES | profile::PROFILES) != 0 {
            return Err(Error::unsupported(format!("a chunk of type {flags:#x}")));
        }
        let used_for = flags & profile::USES;
        if used_for == 0 || used_for & profile::SYSTEM != 0 && used_for != profile::SYSTEM {
            return Err(bad("its type"));
        }
        let layout =
            layout(flags & profile::PROFILES, count, bytes.le16(46)?).ok_or_else(|| bad("its profile"))?;
        if bytes.len() != HEADER.saturating_add(usize::from(count).saturating_mul(STRIPE)) {
            return Err(bad("its size"));
        }
        let mut stripes = Vec::with_capacity(count.into());
        for stripe in bytes.get(HEADER..).unwrap_or_default().chunks_exact(STRIPE) {
            stripes.push(Stripe { devid: stripe.le64(0)?, offset: stripe.le64(8)?, uuid: stripe.array(16)? });
        }
        Ok(Chunk { start, len, flags, layout, stripes: stripes.into() })
    }

    /// The first address after it.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// How many copies there are of everything. Parity is none.
    pub(super) fn mirrors(&self) -> usize {
        match self.layout {
            Layout::Mirrored => self.stripes.len(),
            Layout::Striped { copies } => copies.into(),
            Layout::Parity { .. } => 1,
        }
    }

    /// Can what is wrong on all copies be computed from others?
    pub(super) fn has_parity(&self) -> bool {
        matches!(self.layout, Layout::Parity { .. })
    }

    /// How many bytes of a device each stripe takes.
    pub(super) fn stripe_len(&self) -> u64 {
        let count = u64::try_from(self.stripes.len()).unwrap_or(u64::MAX);
        let data = match self.layout {
            Layout::Mirrored => 1,
            Layout::Striped { copies } => count.checked_div(copies.into()).unwrap_or(1),
            Layout::Parity { parity } => count.saturating_sub(parity.into()),
        };
        self.len.checked_div(data).unwrap_or_default()
    }

    /// Where copy `mirror` (from 0) of `address` lies, which is within the chunk.
    pub(super) fn place(&self, address: u64, mirror: usize) -> Option<Place> {
        let within = address.checked_sub(self.start)?;
        let left = self.len.checked_sub(within)?;
        let (unit, in_unit) = (within >> STRIPE_BITS, within % STRIPE_LEN);
        let count = u64::try_from(self.stripes.len()).ok()?;
        let mirror_nr = u64::try_from(mirror).ok()?;
        let (stripe, row) = match self.layout {
            Layout::Mirrored => {
                let stripe = self.stripes.get(mirror)?;
                return Some(Place {
                    devid: stripe.devid,
                    offset: stripe.offset.checked_add(within)?,
                    len: left,
                });
            }
            Layout::Striped { copies } => {
                let copies = u64::from(copies);
                let sets = count.checked_div(copies)?;
                let first = unit.checked_rem(sets)?.checked_mul(copies)?;
                (first.checked_add(mirror_nr).filter(|_| mirror_nr < copies)?, unit.checked_div(sets)?)
            }
            Layout::Parity { parity } => {
                let data = count.checked_sub(parity.into())?;
                let row = unit.checked_div(data)?;
                (unit.checked_rem(data)?.checked_add(row)?.checked_rem(count).filter(|_| mirror == 0)?, row)
            }
        };
        let stripe = self.stripes.get(usize::try_from(stripe).ok()?)?;
        let offset = stripe.offset.checked_add(row.checked_mul(STRIPE_LEN)?)?.checked_add(in_unit)?;
        Some(Place { devid: stripe.devid, offset, len: left.min(STRIPE_LEN.checked_sub(in_unit)?) })
    }
}

/// The layout of `count` stripes under one profile; `None` for numbers that cannot be.
fn layout(profile: u64, count: u16, sub_stripes: u16) -> Option<Layout> {
    let mirrored = |copies: u16| (count == copies).then_some(Layout::Mirrored);
    match profile {
        0 => mirrored(1),
        profile::DUP | profile::RAID1 => mirrored(2),
        profile::RAID1C3 => mirrored(3),
        profile::RAID1C4 => mirrored(4),
        profile::RAID0 => (count >= 1).then_some(Layout::Striped { copies: 1 }),
        profile::RAID10 => (count >= 2 && count.is_multiple_of(2) && sub_stripes == 2)
            .then_some(Layout::Striped { copies: 2 }),
        profile::RAID5 => (count >= 2).then_some(Layout::Parity { parity: 1 }),
        profile::RAID6 => (count >= 3).then_some(Layout::Parity { parity: 2 }),
        _ => None,
    }
}

/// All chunks that are known, in the order of their addresses.
#[derive(Debug, Default)]
pub(super) struct Chunks(Vec<Chunk>);

impl Chunks {
    /// The chunks that the superblock has, through which the others are read.
    pub(super) fn of_superblock(array: &[u8], sector_size: u32) -> Result<Self> {
        let mut chunks = Chunks::default();
        let mut rest = array;
        while !rest.is_empty() {
            let key = Key::read(rest, 0)?;
            if !key.is(object::FIRST_CHUNK_TREE, kind::CHUNK_ITEM) {
                return Err(Error::corrupt(format!("an item {key} among the superblock's chunks")));
            }
            let body = rest.get(key::SIZE..).unwrap_or_default();
            let size = HEADER.saturating_add(usize::from(body.le16(44)?).saturating_mul(STRIPE));
            let chunk = Chunk::parse(key, body.slice(0, size)?, sector_size)?;
            if chunk.flags & profile::SYSTEM == 0 {
                return Err(Error::corrupt("a chunk in the superblock that is not of the system"));
            }
            // There is room for few.
            let at = chunks.0.partition_point(|other| other.start < chunk.start);
            chunks.0.insert(at, chunk);
            rest = body.get(size..).unwrap_or_default();
        }
        chunks.check_order()?;
        Ok(chunks)
    }

    /// Adds the chunk that comes next in the order of addresses.
    pub(super) fn push(&mut self, chunk: Chunk) -> Result<()> {
        if self.0.len() >= MAX_CHUNKS {
            return Err(Error::unsupported(format!("a btrfs filesystem of over {MAX_CHUNKS} chunks")));
        }
        if self.0.last().is_some_and(|last| last.end() > chunk.start) {
            return Err(Error::corrupt(format!("the chunk at {} overlaps the one before", chunk.start)));
        }
        self.0.push(chunk);
        Ok(())
    }

    fn check_order(&self) -> Result<()> {
        match self.0.windows(2).any(|pair| matches!(pair, [a, b] if a.end() > b.start)) {
            true => Err(Error::corrupt("chunks of the superblock overlap")),
            false => Ok(()),
        }
    }

    /// The chunk that `address` lies in.
    pub(super) fn find(&self, address: u64) -> Result<&Chunk> {
        let after = self.0.partition_point(|chunk| chunk.start <= address);
        after
            .checked_sub(1)
            .and_then(|at| self.0.get(at))
            .filter(|chunk| address < chunk.end())
            .ok_or_else(|| Error::corrupt(format!("logical address {address} lies in no chunk")))
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Chunk> {
        self.0.iter()
    }
}

impl Stripe {
    /// The UUID of the device.
    pub(super) fn device_uuid(&self) -> &Uuid {
        &self.uuid
    }

    /// Does it end, being of `len` bytes, within `size` bytes?
    pub(super) fn ends_within(&self, len: u64, size: u64) -> bool {
        self.offset.checked_add(len).is_some_and(|end| end <= size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(flags: u64, stripes: u16, sub_stripes: u16, len: u64) -> Result<Chunk> {
        let mut bytes = vec![0; HEADER];
        bytes[0..8].copy_from_slice(&len.to_le_bytes());
        bytes[16..24].copy_from_slice(&STRIPE_LEN.to_le_bytes());
        bytes[24..32].copy_from_slice(&flags.to_le_bytes());
        bytes[44..46].copy_from_slice(&stripes.to_le_bytes());
        bytes[46..48].copy_from_slice(&sub_stripes.to_le_bytes());
        for nr in 0..u64::from(stripes) {
            bytes.extend((nr + 1).to_le_bytes());
            bytes.extend(((nr + 1) << 24).to_le_bytes());
            bytes.extend([0; 16]);
        }
        Chunk::parse(Key::new(256, kind::CHUNK_ITEM, 1 << 20), &bytes, 4096)
    }

    /// Device and unit on it of the units of a chunk, in order.
    fn units(chunk: &Chunk, mirror: usize) -> Vec<(u64, u64)> {
        (0..6)
            .map(|unit| {
                let place = chunk.place(chunk.start + unit * STRIPE_LEN + 5, mirror).unwrap();
                (place.devid, (place.offset - 5 - (place.devid << 24)) / STRIPE_LEN)
            })
            .collect()
    }

    #[test]
    fn profiles_spread_addresses() {
        let len = 12 * STRIPE_LEN;
        let raid0 = chunk(profile::DATA | profile::RAID0, 3, 1, len).unwrap();
        assert_eq!(units(&raid0, 0), [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (3, 1)]);
        assert_eq!((raid0.mirrors(), raid0.stripe_len()), (1, 4 * STRIPE_LEN));
        assert_eq!(raid0.place(raid0.start + 5, 0).unwrap().len, STRIPE_LEN - 5);
        assert_eq!(raid0.place(raid0.start, 1), None);
        let raid10 = chunk(profile::DATA | profile::RAID10, 4, 2, len).unwrap();
        assert_eq!(units(&raid10, 0), [(1, 0), (3, 0), (1, 1), (3, 1), (1, 2), (3, 2)]);
        assert_eq!(units(&raid10, 1), [(2, 0), (4, 0), (2, 1), (4, 1), (2, 2), (4, 2)]);
        let raid5 = chunk(profile::DATA | profile::RAID5, 3, 1, len).unwrap();
        assert_eq!(units(&raid5, 0), [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (1, 2)]);
        assert_eq!((raid5.mirrors(), raid5.stripe_len()), (1, 6 * STRIPE_LEN));
        let raid6 = chunk(profile::DATA | profile::RAID6, 4, 1, len).unwrap();
        assert_eq!(units(&raid6, 0), [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (4, 2)]);
        let c3 = chunk(profile::METADATA | profile::RAID1C3, 3, 1, len).unwrap();
        assert_eq!(units(&c3, 2), [(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5)]);
        assert_eq!((c3.mirrors(), c3.stripe_len()), (3, len));
        assert_eq!(c3.place(c3.start + 5, 0).unwrap().len, len - 5);
    }

    #[test]
    fn impossible_chunks_are_refused() {
        for (flags, stripes, sub, len) in [
            (profile::DATA, 2, 1, STRIPE_LEN),
            (profile::DATA, 0, 1, STRIPE_LEN),
            (profile::DATA, 1, 1, 0),
            (profile::DATA, 1, 1, 4095),
            (profile::DATA, 1, 1, u64::MAX - 4095),
            (0, 1, 1, STRIPE_LEN),
            (profile::DATA | profile::SYSTEM, 1, 1, STRIPE_LEN),
            (profile::DATA | profile::RAID1 | profile::DUP, 2, 1, STRIPE_LEN),
            (profile::DATA | profile::RAID10, 3, 2, STRIPE_LEN),
            (profile::DATA | profile::RAID10, 4, 1, STRIPE_LEN),
            (profile::DATA | profile::RAID6, 2, 1, STRIPE_LEN),
            (profile::DATA | 1 << 11, 1, 1, STRIPE_LEN),
        ] {
            assert!(chunk(flags, stripes, sub, len).is_err(), "{flags:#x} {stripes} {sub} {len}");
        }
    }
}

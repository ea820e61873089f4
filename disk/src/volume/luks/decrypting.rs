//! The bytes of an unlocked device: sectors that are decrypted as they are read.

use std::sync::Arc;

use super::SECTOR;
use super::cipher::{CipherSpec, SectorCipher};
use crate::bytes::index;
use crate::source::check_range;
use crate::volume::map::{AreaMap, Mapped};
use crate::{Error, ReadAt, Result};

/// Largest sector in bytes (dm-crypt's is a page).
const SECTOR_MAX: usize = 4096;

/// A run of a device's bytes that are one after the other in what is unlocked.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// First byte on the device.
    pub(super) offset: u64,
    /// Bytes.
    pub(super) len: u64,
    pub(super) coding: Coding,
}

/// How a segment's bytes stand on the device.
#[derive(Debug, Clone, Copy)]
pub(super) enum Coding {
    /// As they are.
    Linear,
    /// Encrypted.
    Crypt {
        cipher: CipherSpec,
        /// What the initialisation vectors count from.
        first_sector: u64,
        /// Bytes that are encrypted together: 512, 1024, 2048 or 4096.
        sector_size: u32,
    },
}

/// The content of `device` under a volume key.
pub(super) fn open(device: &Arc<dyn ReadAt>, segments: &[Segment], key: &[u8]) -> Result<Arc<dyn ReadAt>> {
    let mut sources = Vec::new();
    for segment in segments {
        let source: Arc<dyn ReadAt> = match segment.coding {
            Coding::Linear => Arc::new(crate::Window::new(Arc::clone(device), segment.offset, segment.len)),
            Coding::Crypt { cipher, first_sector, sector_size } => {
                let cipher = SectorCipher::new(cipher, key)?;
                Arc::new(Decrypting::new(Arc::clone(device), segment, cipher, first_sector, sector_size)?)
            }
        };
        sources.push((source, segment.len));
    }
    if let [(source, _)] = sources.as_slice() {
        return Ok(Arc::clone(source));
    }
    let mut mapped = Mapped::new();
    for (source, len) in sources {
        mapped.push(len, vec![AreaMap { source, start: 0 }], 0)?;
    }
    Ok(Arc::new(mapped))
}

/// One encrypted segment.
#[derive(Debug)]
struct Decrypting {
    device: Arc<dyn ReadAt>,
    /// First byte on the device, and bytes; within the device, and whole sectors.
    start: u64,
    len: u64,
    cipher: SectorCipher,
    first_sector: u64,
    sector_size: u32,
}

impl Decrypting {
    fn new(
        device: Arc<dyn ReadAt>,
        segment: &Segment,
        cipher: SectorCipher,
        first_sector: u64,
        sector_size: u32,
    ) -> Result<Self> {
        if !sector_size.is_power_of_two() || !(SECTOR..=4096).contains(&u64::from(sector_size)) {
            return Err(Error::corrupt(format!("LUKS sectors of {sector_size} bytes")));
        }
        let end = segment.offset.checked_add(segment.len);
        if end.is_none_or(|end| end > device.len()) {
            return Err(Error::corrupt("a LUKS segment that runs past the end of its device"));
        }
        if segment.len & u64::from(sector_size.saturating_sub(1)) != 0 {
            // The kernel refuses such a device.
            return Err(Error::unsupported(format!(
                "a LUKS segment of {} bytes, which are not whole sectors of {sector_size} bytes",
                segment.len
            )));
        }
        Ok(Decrypting { device, start: segment.offset, len: segment.len, cipher, first_sector, sector_size })
    }

    /// Reads whole sectors from byte `offset` on, which is the first of one.
    fn sectors(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.device.read_at(self.start.saturating_add(offset), buf)?;
        // The kernel counts in 512 bytes whatever the size of the sectors, and wraps around.
        let units = u64::from(self.sector_size >> SECTOR.trailing_zeros());
        let mut number = self.first_sector.wrapping_add(offset >> SECTOR.trailing_zeros());
        for sector in buf.chunks_mut(index(self.sector_size)) {
            self.cipher.decrypt(number, sector);
            number = number.wrapping_add(units);
        }
        Ok(())
    }
}

impl ReadAt for Decrypting {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        let size = index(self.sector_size);
        let below = u64::from(self.sector_size.saturating_sub(1));
        let (mut offset, mut buf) = (offset, buf);
        while !buf.is_empty() {
            let within = usize::try_from(offset & below).unwrap_or(0);
            let whole = buf.len().saturating_sub(buf.len() & size.saturating_sub(1));
            let now = if within == 0 && whole > 0 {
                let (now, later) = std::mem::take(&mut buf).split_at_mut(whole);
                self.sectors(offset, now)?;
                buf = later;
                whole
            } else {
                let mut scratch = [0; SECTOR_MAX];
                let sector = scratch.get_mut(..size).unwrap_or_default();
                self.sectors(offset & !below, sector)?;
                let wanted = sector.get(within..).unwrap_or_default();
                let count = wanted.len().min(buf.len());
                let (now, later) = std::mem::take(&mut buf).split_at_mut(count);
                now.copy_from_slice(wanted.get(..count).unwrap_or_default());
                buf = later;
                count
            };
            offset = offset.saturating_add(u64::try_from(now).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn sector_size(&self) -> u32 {
        self.device.sector_size().max(self.sector_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, MemSource};

    fn device(sector_size: u32) -> Result<Arc<dyn ReadAt>> {
        let device: Arc<dyn ReadAt> =
            Arc::new(MemSource::new((0..20_480).map(|n: u32| (n >> 3) as u8).collect::<Vec<_>>()));
        let cipher = CipherSpec::parse("aes-xts-plain64").unwrap();
        let crypt = |offset, len, first_sector| Segment {
            offset,
            len,
            coding: Coding::Crypt { cipher, first_sector, sector_size },
        };
        let linear = Segment { offset: 0, len: 4096, coding: Coding::Linear };
        let segments = [crypt(4096, 8192, 7), linear, crypt(12_288, 8192, 1 << 40)];
        open(&device, &segments, &[9; 64])
    }

    #[test]
    fn any_part_reads_as_it_does_in_the_whole() {
        for sector_size in [512, 1024, 4096] {
            let device = device(sector_size).unwrap();
            let mut whole = vec![0; 20_480];
            device.read_at(0, &mut whole).unwrap();
            for (offset, len) in [(0, 1), (511, 2), (4095, 4099), (8191, 1), (8100, 8000), (12_288, 8192)] {
                let mut part = vec![0; len];
                device.read_at(offset as u64, &mut part).unwrap();
                assert_eq!(part, whole[offset..offset + len], "{sector_size} {offset} {len}");
            }
            assert_eq!(device.sector_size(), sector_size);
            let past = device.read_at(20_479, &mut [0; 2]).unwrap_err();
            assert_eq!(past.kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn sizes_that_no_kernel_takes_are_refused() {
        for sector_size in [0, 256, 768, 8192] {
            assert_eq!(device(sector_size).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}

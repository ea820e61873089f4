//! Logical addresses: what all parts of a filesystem are found by, over its devices.

use super::chunk::Chunks;
use super::device::Devices;
use crate::{Context, Error, Result};

/// The space of logical addresses.
#[derive(Debug)]
pub(super) struct Volumes {
    pub(super) devices: Devices,
    pub(super) chunks: Chunks,
}

impl Volumes {
    /// How many copies there are of what lies at `address`, at least 1.
    pub(super) fn mirrors(&self, address: u64) -> Result<usize> {
        Ok(self.chunks.find(address)?.mirrors())
    }

    /// Reads what lies from `address` on into all of `buf`, from copy `mirror` (from 0).
    pub(super) fn read_mirror(&self, address: u64, mirror: usize, buf: &mut [u8]) -> Result<()> {
        let mut at = address;
        let mut rest = buf;
        while !rest.is_empty() {
            let chunk = self.chunks.find(at)?;
            let nowhere = || Error::corrupt(format!("logical address {at} has no copy {mirror}"));
            let place = chunk.place(at, mirror).ok_or_else(nowhere)?;
            let count = usize::try_from(place.len).unwrap_or(usize::MAX).min(rest.len());
            let (part, after) = rest.split_at_mut(count);
            let devid = place.devid;
            let device = self.devices.get(devid).ok_or_else(|| {
                Error::corrupt(format!("logical address {at} lies on device {devid}, which is none"))
            })?;
            device
                .source
                .read_at(place.offset, part)
                .context(|| format!("reading {count} bytes at logical address {at}"))?;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            rest = after;
        }
        Ok(())
    }

    /// Reads what lies from `address` on into all of `buf`, from the first copy that can be read and of which `check`
    /// says nothing bad. All of it must lie in one chunk.
    pub(super) fn read_logical(
        &self,
        address: u64,
        buf: &mut [u8],
        mut check: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut first = None;
        for mirror in 0..self.mirrors(address)? {
            match self.read_mirror(address, mirror, buf).and_then(|()| check(buf)) {
                Ok(()) => return Ok(()),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(self.lost(address, first.unwrap_or_else(|| Error::corrupt("no copy"))))
    }

    /// What to say if no copy of what lies at `address` is good, of which the first had `error`: with parity, the kernel
    /// would compute it, which is not done here.
    pub(super) fn lost(&self, address: u64, error: Error) -> Error {
        match self.chunks.find(address) {
            Ok(chunk) if chunk.has_parity() => Error::unsupported(format!(
                "computing what lies at logical address {address} from parity ({error})"
            )),
            _ => error,
        }
    }
}

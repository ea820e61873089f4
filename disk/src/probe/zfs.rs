//! Members of ZFS pools (OpenZFS's `ZFS On-Disk Specification`).
//!
//! ```text
//! label    256 KiB, of which two stand at the start and two at the end of a device
//!   16 KiB   name-value pairs of the pool and this device, in XDR
//!   128 KiB  ring of 128 überblocks, of which the newest counts
//! ```

use super::{Details, Magic, Prober, Reader, Usage, label};
use crate::Result;
use crate::bytes::Fields;

pub(super) const PROBERS: &[Prober] =
    &[Prober::new("zfs_member", Usage::Filesystem, &[], zfs).at_least(64 << 20)];

/// Sizes and places in a label (bytes).
const LABEL: u64 = 256 << 10;
const PAIRS: u64 = 16 << 10;
const RING: u64 = 128 << 10;
const RING_LEN: usize = 128 << 10;
/// Least size of an überblock; larger ones take several places of the ring.
const UBERBLOCK: usize = 1024;
const MAGIC: u64 = 0x00ba_b10c;
/// As many überblocks libblkid wants to see.
const WANTED: usize = 4;

fn zfs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let end = reader.len().saturating_sub(reader.len().checked_rem(LABEL).unwrap_or(0));
    let mut found = 0usize;
    for at in [0, LABEL, end.saturating_sub(LABEL.saturating_mul(2)), end.saturating_sub(LABEL)] {
        let ring = reader.large(at.saturating_add(RING), RING_LEN)?;
        let mut version = None;
        for uberblock in ring.chunks_exact(UBERBLOCK) {
            let little = uberblock.le64(0)? == MAGIC;
            if little || uberblock.be64(0)? == MAGIC {
                found = found.saturating_add(1);
                version = Some(if little { uberblock.le64(8)? } else { uberblock.be64(8)? });
            }
        }
        if let Some(version) = version.filter(|_| found >= WANTED) {
            let details = Details { version: Some(version.to_string()), ..Details::default() };
            return pairs(&reader.bytes(at.saturating_add(PAIRS), MAX_PAIRS)?, details).map(Some);
        }
    }
    Ok(None)
}

/// As much of the pairs as libblkid looks at (bytes).
const MAX_PAIRS: usize = 4096;
/// Bytes before the first pair: encoding, version, flags.
const LIST_HEADER: usize = 12;
/// Types of values.
const NUMBER: u32 = 8;
const STRING: u32 = 9;
const LIST: u32 = 19;
/// Bytes before a nested list's first pair: type, count, version, flags.
const NESTED_HEADER: usize = 16;
/// Bytes of the pair of zeros that ends a list.
const LIST_END: usize = 8;

/// Name, identifiers and sector size. Whatever does not add up ends the search.
fn pairs(bytes: &[u8], mut details: Details) -> Result<Details> {
    let (mut at, mut depth) = (LIST_HEADER, 0u32);
    while let Ok(size) = bytes.be32(at) {
        if size == 0 {
            let Some(above) = depth.checked_sub(1) else { break };
            (depth, at) = (above, at.saturating_add(LIST_END));
            continue;
        }
        let Ok(pair) = bytes.slice(at, crate::bytes::index(size)) else {
            // A nested list may run past what is looked at.
            let rest = bytes.get(at..).unwrap_or_default();
            let Some((_, value_at)) = pair_name(rest) else { break };
            if rest.be32(value_at).ok() != Some(LIST) {
                break;
            }
            (depth, at) =
                (depth.saturating_add(1), at.saturating_add(value_at).saturating_add(NESTED_HEADER));
            continue;
        };
        let Some((name, value_at)) = pair_name(pair) else { break };
        let value = pair.get(value_at..).unwrap_or_default();
        let kind = value.be32(0).unwrap_or_default();
        match (name, kind, depth) {
            (b"name", STRING, 0) => {
                let len = crate::bytes::index(value.be32(8)?);
                details.label = label(value.slice(12, len)?);
            }
            (b"guid", NUMBER, 0) => details.uuid_sub = Some(value.be64(8)?.to_string()),
            (b"pool_guid", NUMBER, 0) => details.uuid = Some(value.be64(8)?.to_string()),
            (b"ashift", NUMBER, _) => {
                let shift = u32::try_from(value.be64(8)?).unwrap_or(u32::MAX);
                details.block_size = 1u32.checked_shl(shift).or(details.block_size);
            }
            _ => {}
        }
        if kind == LIST {
            depth = depth.saturating_add(1);
            at = at.saturating_add(value_at).saturating_add(NESTED_HEADER);
        } else {
            at = at.saturating_add(pair.len());
        }
    }
    Ok(details)
}

/// The name of a pair, and where its value starts; sizes stand before the name.
fn pair_name(pair: &[u8]) -> Option<(&[u8], usize)> {
    let len = crate::bytes::index(pair.be32(8).ok()?);
    let name = pair.slice(12, len).ok()?;
    Some((name, 12usize.checked_add(len.checked_next_multiple_of(4)?)?))
}

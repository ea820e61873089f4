//! The bytes of an array, by its level.

use std::sync::Arc;

use super::bad_blocks::WithBadBlocks;
use super::superblock::Superblock;
use super::{Found, SECTOR};
use crate::volume::map::{AreaMap, Mapped};
use crate::volume::redundant::{Column, Copies, CopyLayout, Mirror, Parity, ParityLayout};
use crate::{Error, ErrorKind, ReadAt, Result, Window};

/// A place of an array, with the member that has it.
pub(super) type Place<'f> = Option<&'f Found<'f>>;

const LINEAR: i32 = -1;
/// Layouts of a RAID-0 whose members differ in size: which device a chunk past the smallest is on was reckoned in two ways
/// (md(4)).
const ORIGINAL: u32 = 1;
const ALTERNATE: u32 = 2;
/// Least chunk of levels above 1 (bytes): a page of the kernel.
const PAGE: u64 = 4096;
/// Fewest devices of a RAID-6.
const RAID6_DEVICES: usize = 4;

/// The name that mdadm has for a level.
pub(super) fn level_name(level: i32) -> &'static str {
    match level {
        LINEAR => "linear",
        0 => "raid0",
        1 => "raid1",
        4 => "raid4",
        5 => "raid5",
        6 => "raid6",
        10 => "raid10",
        -4 => "multipath",
        -5 => "faulty",
        _ => "unknown",
    }
}

fn too_large() -> Error {
    Error::corrupt("an array of more than 2^64 bytes")
}

fn bytes(sectors: u64) -> Result<u64> {
    sectors.checked_mul(SECTOR).ok_or_else(too_large)
}

/// The bytes of the array with those places; `stale` are the devices that missed changes.
pub(super) fn open(array: &Superblock, places: &[Place<'_>], stale: &[String]) -> Result<Arc<dyn ReadAt>> {
    let missing: Vec<String> = (0..).zip(places).filter(|(_, place)| place.is_none()).map(number).collect();
    let lacks = || {
        let mut what =
            format!("{} of its {} devices are missing: {}", missing.len(), places.len(), missing.join(", "));
        if !stale.is_empty() {
            what.push_str(&format!(" ({} missed changes)", stale.join(", ")));
        }
        Error::new(ErrorKind::NotFound, what)
    };
    let all =
        || -> Result<Vec<&Found<'_>>> { places.iter().copied().collect::<Option<_>>().ok_or_else(lacks) };
    match array.level {
        LINEAR => linear(array, &all()?),
        0 => striped(array, &all()?),
        1 => mirrored(array, places)?.ok_or_else(lacks),
        4..=6 => {
            let layout = match (array.level, array.layout) {
                (4, _) => Some(ParityLayout::RAID4),
                (5, Some(layout)) => ParityLayout::raid5(layout),
                (_, Some(layout)) => ParityLayout::raid6(layout),
                _ => None,
            };
            let layout = layout.ok_or_else(|| unknown_layout(array))?;
            if missing.len() > layout.checks() {
                return Err(lacks());
            }
            if !missing.is_empty() && !array.clean {
                return Err(unclean(array, &missing));
            }
            with_parity(array, layout, places)
        }
        10 => copied(array, places)?.ok_or_else(lacks),
        level => Err(Error::unsupported(format!("level {level} ({})", level_name(level)))),
    }
}

fn number<T>((number, _): (u32, T)) -> String {
    number.to_string()
}

fn unknown_layout(array: &Superblock) -> Error {
    Error::unsupported(format!("layout {:?} of level {}", array.layout, level_name(array.level)))
}

/// Checks may not agree with data after an unclean stop, so that nothing can be made up for.
fn unclean(array: &Superblock, missing: &[String]) -> Error {
    let what = format!("it was not stopped cleanly, and lacks device {}", missing.join(", "));
    if array.has_partial_parity {
        return Error::unsupported(format!("{what}: its log of partial parity has to be replayed"));
    }
    Error::new(ErrorKind::NotFound, format!("{what} (mdadm --assemble --force starts it all the same)"))
}

/// The data of a member, of which there are so many sectors.
fn data(member: &Found<'_>, sectors: u64) -> Result<Arc<dyn ReadAt>> {
    let superblock = &member.superblock;
    if superblock.data_len < sectors {
        return Err(Error::corrupt(format!(
            "{} has {} sectors of {sectors}",
            member.name, superblock.data_len
        )));
    }
    let mut source = Arc::clone(member.source);
    if !superblock.bad_blocks.is_empty() {
        source = Arc::new(WithBadBlocks::new(source, &superblock.bad_blocks));
    }
    let (start, len) = (bytes(superblock.data_start)?, bytes(sectors)?);
    let window = Window::new(source, start, len);
    if window.len() < len {
        return Err(Error::corrupt(format!("the data of {} go past its end", member.name)));
    }
    Ok(Arc::new(window))
}

/// Sectors of a member's data in whole chunks, if there are chunks.
fn whole_chunks(sectors: u64, chunk: u64) -> u64 {
    sectors.saturating_sub(sectors.checked_rem(chunk).unwrap_or(0))
}

fn linear(array: &Superblock, members: &[&Found<'_>]) -> Result<Arc<dyn ReadAt>> {
    let mut mapped = Mapped::new();
    for member in members {
        let source = data(member, whole_chunks(member.superblock.data_len, array.chunk))?;
        mapped.push(source.len(), vec![AreaMap { source, start: 0 }], 0)?;
    }
    Ok(Arc::new(mapped))
}

/// Zones, each across the members that are larger than the zones before.
fn striped(array: &Superblock, members: &[&Found<'_>]) -> Result<Arc<dyn ReadAt>> {
    let chunk = bytes(array.chunk)?;
    if chunk == 0 {
        return Err(Error::corrupt("chunks of no size"));
    }
    let mut sources = Vec::new();
    for member in members {
        sources.push(data(member, whole_chunks(member.superblock.data_len, array.chunk))?);
    }
    let mut mapped = Mapped::new();
    let mut done = 0;
    while let Some(end) = sources.iter().map(ReadAt::len).filter(|len| *len > done).min() {
        let mut areas: Vec<AreaMap> = sources
            .iter()
            .filter(|source| source.len() > done)
            .map(|source| AreaMap { source: Arc::clone(source), start: done })
            .collect();
        let count = u64::try_from(areas.len()).unwrap_or(u64::MAX);
        if done > 0 && count > 1 {
            // The chunk's number in the array, or in the zone, says which device it is on.
            let turn = match array.layout {
                Some(ORIGINAL) => {
                    mapped.len().checked_div(chunk).and_then(|chunks| chunks.checked_rem(count))
                }
                Some(ALTERNATE) => Some(0),
                _ => None,
            };
            let turn = turn.and_then(|turn| usize::try_from(turn).ok()).ok_or_else(|| {
                Error::unsupported("devices of different sizes, and no word on which layout they have")
            })?;
            areas.rotate_left(turn);
        }
        let len = end.saturating_sub(done).checked_mul(count).ok_or_else(too_large)?;
        mapped.push(len, areas, chunk)?;
        done = end;
    }
    // Linux clears bits of each size as if chunks were powers of two (raid0_size): of others, the end of the array is lost.
    let mask = !array.chunk.saturating_sub(1);
    let shown = sources.iter().map(|source| source.len().checked_div(SECTOR).unwrap_or(0) & mask);
    let sectors = shown.fold(0, u64::saturating_add);
    Ok(Arc::new(Window::new(mapped, 0, bytes(sectors)?)))
}

/// Devices that are for writing mostly come last.
fn mirrored(array: &Superblock, places: &[Place<'_>]) -> Result<Option<Arc<dyn ReadAt>>> {
    let mut members: Vec<&Found<'_>> = places.iter().flatten().copied().collect();
    if members.is_empty() {
        return Ok(None);
    }
    members.sort_by_key(|member| member.superblock.write_mostly);
    let copies = members.into_iter().map(|member| data(member, array.size)).collect::<Result<_>>()?;
    Ok(Some(Arc::new(Mirror::new(copies, bytes(array.size)?)?)))
}

/// The size of chunks in bytes, as levels above 1 can have it.
fn chunk(array: &Superblock) -> Result<u64> {
    let chunk = bytes(array.chunk)?;
    if chunk < PAGE || !chunk.is_power_of_two() {
        return Err(Error::corrupt(format!("chunks of {chunk} bytes")));
    }
    Ok(chunk)
}

fn columns(places: &[Place<'_>], sectors: u64) -> Result<Vec<Column>> {
    places.iter().map(|place| place.map(|member| data(member, sectors)).transpose()).collect()
}

fn with_parity(array: &Superblock, layout: ParityLayout, places: &[Place<'_>]) -> Result<Arc<dyn ReadAt>> {
    if array.level == 6 && places.len() < RAID6_DEVICES {
        return Err(Error::corrupt(format!("RAID-6 of {} devices", places.len())));
    }
    let chunk = chunk(array)?;
    let each = whole_chunks(array.size, array.chunk);
    let with_data = places.len().saturating_sub(layout.checks());
    let len = u64::try_from(with_data).ok().and_then(|count| bytes(each).ok()?.checked_mul(count));
    let columns = columns(places, each)?;
    Ok(Arc::new(Parity::new(columns, layout, chunk, len.ok_or_else(too_large)?)?))
}

fn copied(array: &Superblock, places: &[Place<'_>]) -> Result<Option<Arc<dyn ReadAt>>> {
    let layout = array.layout.and_then(CopyLayout::of_number).ok_or_else(|| unknown_layout(array))?;
    let copies = Copies::new(columns(places, array.size)?, layout, chunk(array)?, bytes(array.size)?)?;
    Ok(if copies.is_complete() { Some(Arc::new(copies)) } else { None })
}

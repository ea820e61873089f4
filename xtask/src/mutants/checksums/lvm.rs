//! LVM2: the label, the header of the metadata area, and the text of the metadata each have a CRC-32 that starts from a
//! value of LVM's own and is not inverted (lib/misc/crc.c and lib/format_text/layout.h of LVM2 give the numbers).

use disk::{ReadAt, Result};

use super::super::mutate::Patch;
use super::{crc32, number, patch, read};

const START: u32 = 0xF597_A6CF;
const SECTOR: u64 = 512;
/// Length of the header of a metadata area.
const AREA_HEADER: u64 = 512;
/// Longest text that is summed.
const MAX_TEXT: u64 = 1 << 20;

/// See [`Repair`](super::Repair).
pub(in super::super) fn repair(_: &dyn ReadAt, mutant: &dyn ReadAt, offset: u64) -> Result<Vec<Patch>> {
    let mut patches = Vec::new();
    let sector_at = offset / SECTOR * SECTOR;
    let sector = read(mutant, sector_at, 512)?;
    if sector.starts_with(b"LABELONE") {
        patches.push(patch(sector_at + 16, crc32(START, &sector[20..])));
    }
    // The fixtures have one area, which begins at the first page.
    let area_at = 4096;
    let mut header = read(mutant, area_at, 512)?;
    let (area_len, text_at, text_len) =
        (number::<8>(&header, 32), number::<8>(&header, 40), number::<8>(&header, 48));
    if !(area_at..area_at.saturating_add(area_len)).contains(&offset) {
        return Ok(patches);
    }
    if text_len <= MAX_TEXT && text_at <= area_len && area_at.saturating_add(area_len) <= mutant.len() {
        // The text goes on behind the header where the area ends.
        let until_end = text_len.min(area_len - text_at);
        let mut text = read(mutant, area_at + text_at, usize::try_from(until_end).unwrap_or(0))?;
        let rest = text_len - until_end;
        text.extend(read(mutant, area_at + AREA_HEADER, usize::try_from(rest).unwrap_or(0))?);
        let sum = crc32(START, &text);
        header[56..60].copy_from_slice(&sum.to_le_bytes());
        patches.push(patch(area_at + 56, sum));
    }
    patches.push(patch(area_at, crc32(START, &header[4..])));
    Ok(patches)
}

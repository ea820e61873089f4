//! What lies on each physical volume: label, header, and areas of metadata (lvm2's `lib/format_text/layout.h` and
//! `lib/label`, as facts).
//!
//! ```text
//! one of the first 4 sectors   label: "LABELONE", checksum, place of ↓
//! usually 32 bytes later       header: identifier, size, data areas, metadata areas
//! a metadata area              header of 512 bytes: place, length and checksum of the text
//!                              ring of texts: the newest may run over the end, back to byte 512
//! ```

use crate::bytes::{Fields, index};
use crate::crc::crc32;
use crate::{Error, ErrorKind, ReadAt, Result};

use super::Uuid;

/// Sectors (of 512 bytes) at the start of a device in which a label may lie.
const LABEL_SECTORS: u64 = 4;
/// The unit of LVM2's numbers (bytes).
pub(super) const SECTOR: u64 = 512;
/// First bytes of a label, and the type that stands 24 bytes into it.
const LABEL_ID: &[u8] = b"LABELONE";
const LABEL_TYPE: (usize, &[u8]) = (24, b"LVM2 001");
/// The checksum of a label covers its sector from here on.
const LABEL_SUMMED_FROM: usize = 20;
/// LVM2's checksums are CRC-32 that starts from this register and is not inverted.
const CRC_START: u32 = 0xf597_a6cf;
/// Size of a pair of 64-bit numbers, place and length, in the header's lists. A pair of zeros ends a list.
const LOCATION_LEN: usize = 16;

/// Bytes of the header of a metadata area.
const AREA_HEADER_LEN: u64 = 512;
/// What stands 4 bytes into that header, and the version after it.
const AREA_MAGIC: (usize, &[u8]) = (4, b" LVM2 x[5A%r0N*>");
const AREA_VERSION: u32 = 1;
/// In the flags of a text's location: the text is out of date on purpose (`vgchange --metadatacopies`).
const LOCATION_IGNORED: u32 = 1;
/// Longest text that is read (bytes). LVM2's own areas are 1 MiB unless told otherwise.
const MAX_TEXT: u64 = 16 << 20;

/// A device that carries a label.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) uuid: Uuid,
    /// Size of the device in bytes when the header was written.
    pub(super) device_size: u64,
    /// Where data begins (bytes).
    pub(super) data_start: u64,
    pub(super) areas: Vec<Area>,
}

/// A metadata area.
#[derive(Debug)]
pub(super) struct Area {
    /// Bytes.
    pub(super) size: u64,
    /// The committed text, or what is wrong with it.
    pub(super) text: Result<Text>,
}

/// What a sound metadata area holds.
#[derive(Debug)]
pub(super) enum Text {
    Committed(Vec<u8>),
    /// There never was one.
    Unused,
    /// The area is out of use on purpose.
    Ignored,
}

impl Label {
    /// The label of `device`, if it carries one. A label with a wrong checksum does not count, as in LVM2.
    pub(super) fn read(device: &dyn ReadAt) -> Result<Option<Label>> {
        for sector in 0..LABEL_SECTORS {
            let offset = sector.saturating_mul(SECTOR);
            if device.len() < offset.saturating_add(SECTOR) {
                break;
            }
            let mut bytes = [0; 512];
            device.read_at(offset, &mut bytes)?;
            let is_label = bytes.starts_with(LABEL_ID)
                && bytes.slice(LABEL_TYPE.0, LABEL_TYPE.1.len())? == LABEL_TYPE.1
                && bytes.le64(8)? == sector
                && bytes.le32(16)? == crc32(CRC_START, bytes.get(LABEL_SUMMED_FROM..).unwrap_or_default());
            if is_label {
                return Label::parse(device, &bytes).map(Some);
            }
        }
        Ok(None)
    }

    fn parse(device: &dyn ReadAt, sector: &[u8]) -> Result<Label> {
        let header = sector.get(index(sector.le32(20)?)..).unwrap_or_default();
        let mut at = 40;
        let data = locations(header, &mut at)?;
        let areas = locations(header, &mut at)?;
        Ok(Label {
            uuid: Uuid::from_raw(header.array(0)?)?,
            device_size: header.le64(32)?,
            data_start: data.first().map_or(0, |&(start, _)| start),
            areas: areas
                .into_iter()
                .map(|(start, size)| Area::read(device, start, size))
                .collect::<Result<_>>()?,
        })
    }
}

/// A list of places and lengths from byte `at` of `header` on, at most as long as the header's sector.
fn locations(header: &[u8], at: &mut usize) -> Result<Vec<(u64, u64)>> {
    let mut list = Vec::new();
    loop {
        let start = header.le64(*at)?;
        let size = header.le64(at.saturating_add(8))?;
        *at = at.saturating_add(LOCATION_LEN);
        if start == 0 {
            return Ok(list);
        }
        list.push((start, size));
    }
}

fn read_text(device: &dyn ReadAt, start: u64, size: u64) -> Result<Text> {
    let mut header = [0; 512];
    device.read_at(start, &mut header)?;
    let valid = header.slice(AREA_MAGIC.0, AREA_MAGIC.1.len())? == AREA_MAGIC.1
        && header.le32(0)? == crc32(CRC_START, header.get(4..).unwrap_or_default())
        && header.le32(20)? == AREA_VERSION
        && header.le64(24)? == start
        && header.le64(32)? == size;
    if !valid {
        return Err(Error::corrupt(format!("LVM2 metadata area at byte {start} has a damaged header")));
    }
    // The first of four locations is that of the committed text; the second is for one not yet committed.
    let (text_at, text_len) = (header.le64(40)?, header.le64(48)?);
    let (crc, flags) = (header.le32(56)?, header.le32(60)?);
    if flags & LOCATION_IGNORED != 0 {
        return Ok(Text::Ignored);
    }
    if text_at == 0 {
        return Ok(Text::Unused);
    }

    let ring = size.saturating_sub(AREA_HEADER_LEN);
    if text_at < AREA_HEADER_LEN || text_at >= size || text_len > ring {
        return Err(Error::corrupt(format!(
            "LVM2 metadata of {text_len} bytes at byte {text_at} of an area of {size} bytes"
        )));
    }
    if text_len > MAX_TEXT {
        return Err(Error::unsupported(format!("LVM2 metadata of {text_len} bytes")));
    }
    // Checked before memory is taken for it: the text lies on the device.
    if start.saturating_add(size) > device.len() {
        return Err(Error::corrupt(format!(
            "LVM2 metadata area at byte {start} runs past the end of its device"
        )));
    }
    let mut text = vec![0; usize::try_from(text_len).unwrap_or_default()];
    let to_end = usize::try_from(size.saturating_sub(text_at)).unwrap_or(usize::MAX);
    let split = to_end.min(text.len());
    let (first, wrapped) = text.split_at_mut(split);
    device.read_at(start.saturating_add(text_at), first)?;
    device.read_at(start.saturating_add(AREA_HEADER_LEN), wrapped)?;
    if crc32(CRC_START, &text) != crc {
        return Err(Error::corrupt(format!("LVM2 metadata at byte {start} has a wrong checksum")));
    }
    Ok(Text::Committed(text))
}

impl Area {
    /// The area of `size` bytes from byte `start` on. Damage is noted; what cannot be read or is not understood could
    /// be the newest metadata of its group, so that is an error.
    fn read(device: &dyn ReadAt, start: u64, size: u64) -> Result<Area> {
        let text = read_text(device, start, size);
        match text {
            Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
            text => Ok(Area { size, text }),
        }
    }

    /// Bytes free for more text, as `pv_mda_free` gives it; `None` for an area out of use, which does not count.
    ///
    /// A text may take half of the ring less a sector, as each starts at a sector; what a text leaves of that is given
    /// in whole sectors.
    pub(super) fn free(&self) -> Option<u64> {
        let used = match &self.text {
            Ok(Text::Committed(text)) => u64::try_from(text.len()).unwrap_or(u64::MAX),
            Ok(Text::Ignored) => return None,
            Ok(Text::Unused) | Err(_) => 0,
        };
        let half = self.size.saturating_sub(AREA_HEADER_LEN).checked_div(2)?.saturating_sub(SECTOR);
        let free = half.saturating_sub(used);
        Some(free.saturating_sub(free.checked_rem(SECTOR)?))
    }
}

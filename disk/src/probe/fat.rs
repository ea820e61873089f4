//! FAT12, FAT16 and FAT32 (Microsoft's FAT specification 1.03), exFAT (Microsoft's exFAT specification).

use super::{Details, Magic, Prober, Reader, Usage, label, magic};
use crate::Result;
use crate::bytes::Fields;

/// Names that formatters write into the boot sector; without them, the jump at its start and its signature have to do.
const MAGICS: &[Magic] = &[
    magic(0x52, b"MSWIN"),
    magic(0x52, b"FAT32   "),
    magic(0x36, b"MSDOS"),
    magic(0x36, b"FAT16   "),
    magic(0x36, b"FAT12   "),
    magic(0x36, b"FAT     "),
    magic(0, b"\xeb"),
    magic(0, b"\xe9"),
    magic(0x1fe, b"\x55\xaa"),
];
/// Marks of this length and shorter prove little.
const WEAK_MAGIC: usize = 2;
/// Filesystems whose first sector may look like that of a FAT, by their names at 0x36.
const DISGUISED: [&[u8]; 2] = [b"JFS     ", b"HPFS    "];

/// Most clusters that a FAT of each width can have.
const FAT12_MAX: u64 = 0xff4;
const FAT16_MAX: u64 = 0xfff4;
const FAT32_MAX: u64 = 0x0fff_fff6;

/// Size of a directory entry (bytes).
const ENTRY: u64 = 32;
/// Entries read at a time.
const ENTRIES_AT_A_TIME: u64 = 128;
/// Clusters of a FAT32's root directory that are searched for a label.
const MAX_CLUSTERS: u32 = 100;
/// Label that stands for none.
const NO_NAME: &[u8] = b"NO NAME    ";

pub(super) const PROBERS: &[Prober] = &[Prober::new("vfat", Usage::Filesystem, MAGICS, vfat)];

/// exFAT, which libblkid looks for later.
pub(super) const EXFAT: &[Prober] =
    &[Prober::new("exfat", Usage::Filesystem, &[magic(3, b"EXFAT   ")], exfat)];

/// The geometry that the boot sector gives, in sectors where not said otherwise.
#[derive(Debug)]
struct Geometry {
    /// Bytes.
    sector: u64,
    cluster: u64,
    reserved: u64,
    /// All copies of the table.
    fats: u64,
    /// One copy of a FAT32's table; zero for narrower ones.
    fat32: u64,
    /// Entries.
    root_entries: u64,
    clusters: u64,
}

impl Geometry {
    /// `None` if the numbers make no filesystem.
    fn read(boot: &[u8]) -> Result<Option<Geometry>> {
        let (sector, cluster) = (u64::from(boot.le16(11)?), u64::from(boot.u8(13)?));
        let (reserved, copies) = (u64::from(boot.le16(14)?), u64::from(boot.u8(16)?));
        let media = boot.u8(21)?;
        let sane = copies != 0
            && reserved != 0
            && (media == 0xf0 || media >= 0xf8)
            && cluster.is_power_of_two()
            && sector.is_power_of_two()
            && (512..=4096).contains(&sector);
        if !sane {
            return Ok(None);
        }
        let root_entries = u64::from(boot.le16(17)?);
        let sectors = match boot.le16(19)? {
            0 => u64::from(boot.le32(32)?),
            n => u64::from(n),
        };
        let (fat, fat32) = match boot.le16(22)? {
            0 => (u64::from(boot.le32(36)?), u64::from(boot.le32(36)?)),
            n => (u64::from(n), 0),
        };
        let fats = fat.saturating_mul(copies);
        let root = root_entries.saturating_mul(ENTRY).div_ceil(sector);
        let before = reserved.saturating_add(fats).saturating_add(root);
        let Some(data) = sectors.checked_sub(before) else { return Ok(None) };
        let clusters = data.checked_div(cluster).unwrap_or(0);
        let most = match (fat32, clusters) {
            (1.., _) => FAT32_MAX,
            (0, 0..=FAT12_MAX) => FAT12_MAX,
            (0, _) => FAT16_MAX,
        };
        let geometry = Geometry { sector, cluster, reserved, fats, fat32, root_entries, clusters };
        Ok((clusters <= most).then_some(geometry))
    }
}

fn vfat(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    let boot = reader.bytes(0, 512)?;
    if found.bytes.len() <= WEAK_MAGIC {
        let name = boot.slice(0x36, 8)?;
        if boot.slice(0x1fe, 2)? != b"\x55\xaa" || DISGUISED.contains(&name) {
            return Ok(None);
        }
    }
    let Some(geometry) = Geometry::read(&boot)? else { return Ok(None) };
    let (found_label, serial, version, sec_type);
    if geometry.fat32 == 0 {
        if boot.le16(22)? == 0 {
            return Ok(None);
        }
        let root = geometry.reserved.saturating_add(geometry.fats).saturating_mul(geometry.sector);
        found_label = search(reader, root, geometry.root_entries)?;
        serial = boot.array::<4>(0x27)?;
        version = if geometry.clusters < FAT12_MAX { "FAT12" } else { "FAT16" };
        sec_type = Some("msdos");
    } else {
        if !has_valid_info(reader, &boot, &geometry)? {
            return Ok(None);
        }
        found_label = search_chain(reader, &boot, &geometry)?;
        serial = boot.array::<4>(0x43)?;
        version = "FAT32";
        sec_type = None;
    }
    let [a, b, c, d] = serial;
    Ok(Some(Details {
        label: found_label.filter(|name| name != NO_NAME).and_then(|name| label(&name)),
        uuid: (serial != [0; 4]).then(|| format!("{d:02X}{c:02X}-{b:02X}{a:02X}")),
        version: Some(version.to_owned()),
        block_size: u32::try_from(geometry.sector).ok(),
        sec_type,
        ..Details::default()
    }))
}

/// FAT32's information sector has its two signatures, or nothing in their place.
fn has_valid_info(reader: &mut Reader<'_>, boot: &[u8], geometry: &Geometry) -> Result<bool> {
    let sector = u64::from(boot.le16(0x30)?);
    if sector == 0 {
        return Ok(true);
    }
    let info = reader.bytes(sector.saturating_mul(geometry.sector), 512)?;
    let (first, second) = (info.array::<4>(0)?, info.array::<4>(0x1e4)?);
    Ok([*b"RRaA", *b"RRdA", [0; 4]].contains(&first) && [*b"rrAa", [0; 4]].contains(&second))
}

/// The label among the `count` directory entries from byte `at` on.
fn search(reader: &mut Reader<'_>, at: u64, count: u64) -> Result<Option<Vec<u8>>> {
    /// In the attributes: a volume's label; a directory; all that long names have.
    const LABEL: u8 = 0x08;
    const DIRECTORY: u8 = 0x10;
    const LONG_NAME: u8 = 0x0f;
    /// First byte of a name: a deleted entry; a name that starts with the byte for "deleted".
    const DELETED: u8 = 0xe5;
    const ESCAPED: u8 = 0x05;

    let mut at = at;
    let mut left = count;
    while left > 0 {
        let now = left.min(ENTRIES_AT_A_TIME);
        let len = usize::try_from(now.saturating_mul(ENTRY)).unwrap_or_default();
        let Ok(entries) = reader.bytes(at, len) else { return Ok(None) };
        for entry in entries.as_chunks::<32>().0 {
            let (start, attributes) = (entry.u8(0)?, entry.u8(11)?);
            if start == 0 {
                return Ok(None);
            }
            let has_data = entry.le16(20)? != 0 || entry.le16(26)? != 0;
            if start == DELETED || has_data || attributes & 0x3f == LONG_NAME {
                continue;
            }
            if attributes & (LABEL | DIRECTORY) == LABEL {
                let mut name = entry.slice(0, 11)?.to_vec();
                if let Some(first) = name.first_mut().filter(|first| **first == ESCAPED) {
                    *first = DELETED;
                }
                return Ok(Some(name));
            }
        }
        left = left.saturating_sub(now);
        at = at.saturating_add(now.saturating_mul(ENTRY));
    }
    Ok(None)
}

/// The label in the root directory of a FAT32, which is a chain of clusters.
fn search_chain(reader: &mut Reader<'_>, boot: &[u8], geometry: &Geometry) -> Result<Option<Vec<u8>>> {
    let cluster_bytes = geometry.cluster.saturating_mul(geometry.sector);
    let data = geometry.reserved.saturating_add(geometry.fats).saturating_mul(geometry.sector);
    let table = geometry.reserved.saturating_mul(geometry.sector);
    let table_entries = geometry.fat32.saturating_mul(geometry.sector).checked_div(4).unwrap_or(0);
    let mut cluster = boot.le32(0x2c)?;
    for _ in 1..MAX_CLUSTERS {
        let number = u64::from(cluster);
        // Numbers 0 and 1 stand for nothing; those past the table end the chain.
        let Some(position) = number.checked_sub(2).filter(|_| number < table_entries) else { break };
        let at = data.saturating_add(position.saturating_mul(cluster_bytes));
        let count = cluster_bytes.checked_div(ENTRY).unwrap_or(0);
        if let Some(name) = search(reader, at, count)? {
            return Ok(Some(name));
        }
        let Ok(next) = reader.bytes(table.saturating_add(number.saturating_mul(4)), 4) else { break };
        cluster = next.le32(0)? & 0x0fff_ffff;
    }
    Ok(None)
}

/// Sectors of a boot region that its checksum covers; it fills the one after them.
const EXFAT_BOOT_SECTORS: u64 = 11;
/// Entries of the root directory that are searched for a label.
const EXFAT_MAX_ENTRIES: u32 = 10_000;

fn exfat(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let boot = reader.bytes(0, 512)?;
    let (sector_shift, cluster_shift) = (boot.u8(108)?, boot.u8(109)?);
    if boot.slice(510, 2)? != b"\x55\xaa"
        || !(9..=12).contains(&sector_shift)
        || cluster_shift > 25u8.saturating_sub(sector_shift)
    {
        return Ok(None);
    }
    let sector = 1u64.checked_shl(u32::from(sector_shift)).unwrap_or(0);
    let sum_at = EXFAT_BOOT_SECTORS.saturating_mul(sector);
    let region = reader.bytes(0, usize::try_from(sum_at).unwrap_or_default())?;
    // Flags and "percent in use" change without the checksum.
    let summed = region.iter().enumerate().filter(|(at, _)| ![106, 107, 112].contains(at));
    let sum = summed.fold(0u32, |sum, (_, byte)| sum.rotate_right(1).wrapping_add(u32::from(*byte)));
    if reader.bytes(sum_at, 4)?.le32(0)? != sum {
        return Ok(None);
    }
    let [a, b, c, d] = boot.array(100)?;
    Ok(Some(Details {
        label: exfat_label(reader, &boot, sector)?.and_then(|name| label(name.as_bytes())),
        uuid: ([a, b, c, d] != [0; 4]).then(|| format!("{d:02X}{c:02X}-{b:02X}{a:02X}")),
        version: Some(format!("{}.{}", boot.u8(105)?, boot.u8(104)?)),
        block_size: u32::try_from(sector).ok(),
        ..Details::default()
    }))
}

/// The label in the root directory, which is a chain of clusters.
fn exfat_label(reader: &mut Reader<'_>, boot: &[u8], sector: u64) -> Result<Option<String>> {
    /// Types of entries: the end of the directory; a label.
    const END: u8 = 0;
    const LABEL: u8 = 0x83;
    /// Characters of a label at most.
    const MAX_LABEL: usize = 11;

    let cluster_bytes = sector.checked_shl(u32::from(boot.u8(109)?)).unwrap_or(0);
    let table = u64::from(boot.le32(80)?).saturating_mul(sector);
    let heap = u64::from(boot.le32(88)?).saturating_mul(sector);
    let clusters = u64::from(boot.le32(92)?);
    let mut cluster = u64::from(boot.le32(96)?);
    let mut at = 0;
    for _ in 0..EXFAT_MAX_ENTRIES {
        let Some(position) = cluster.checked_sub(2).filter(|&position| position < clusters) else { break };
        let start = heap.saturating_add(position.saturating_mul(cluster_bytes));
        let Ok(entry) = reader.bytes(start.saturating_add(at), 32) else { break };
        match entry.u8(0)? {
            END => break,
            LABEL => {
                let len = usize::from(entry.u8(1)?).min(MAX_LABEL).saturating_mul(2);
                return Ok(Some(super::utf16(entry.slice(2, len)?, u16::from_le_bytes)));
            }
            _ => {}
        }
        at = at.saturating_add(ENTRY);
        if at >= cluster_bytes {
            at = 0;
            let Ok(next) = reader.bytes(table.saturating_add(cluster.saturating_mul(4)), 4) else { break };
            cluster = u64::from(next.le32(0)?);
        }
    }
    Ok(None)
}

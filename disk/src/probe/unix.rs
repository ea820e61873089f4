//! Filesystems of other Unixes, old and small ones: UFS, Minix, BFS; and APFS.

use super::{Details, Magic, Prober, Reader, Usage, label, magic, uuid};
use crate::Result;
use crate::bytes::Fields;

pub(super) const UFS: &[Prober] = &[Prober::new("ufs", Usage::Filesystem, &[], ufs)];
pub(super) const MINIX: &[Prober] = &[Prober::new("minix", Usage::Filesystem, MINIX_MAGICS, minix)];
pub(super) const BFS: &[Prober] =
    &[Prober::new("bfs", Usage::Filesystem, &[magic(0, b"\xce\xfa\xad\x1b")], |_, _| {
        Ok(Some(Details::default()))
    })];
pub(super) const APFS: &[Prober] = &[Prober::new("apfs", Usage::Filesystem, &[magic(32, b"NXSB")], apfs)];

/// Where UFS may have its superblock, and the part of it that is read (bytes; FreeBSD's `sys/ufs/ffs/fs.h`).
const UFS_PLACES: [u64; 4] = [0, 8 << 10, 64 << 10, 256 << 10];
const UFS_LEN: usize = 1377;
/// Where its magic number stands.
const UFS_MAGIC: usize = 1372;
const UFS2: u32 = 0x1954_0119;
/// Magic numbers of UFS2, of UFS1 and of its variants.
const UFS_MAGICS: [u32; 6] = [UFS2, 0x0001_1954, 0x0019_5612, 0x0009_5014, 0x0061_2195, 0x0523_1994];

fn ufs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    for at in UFS_PLACES {
        let superblock = reader.bytes(at, UFS_LEN)?;
        let (little, big) = (superblock.le32(UFS_MAGIC)?, superblock.be32(UFS_MAGIC)?);
        let Some(magic) = UFS_MAGICS.into_iter().find(|magic| [little, big].contains(magic)) else {
            continue;
        };
        let field = |at| if magic == big { superblock.be32(at) } else { superblock.le32(at) };
        let (first, second) = (field(144)?, field(148)?);
        return Ok(Some(Details {
            label: if magic == UFS2 { label(superblock.slice(680, 32)?) } else { None },
            uuid: ((first, second) != (0, 0)).then(|| format!("{first:08x}{second:08x}")),
            version: Some(if magic == UFS2 { "2" } else { "1" }.to_owned()),
            block_size: Some(field(52)?),
            ..Details::default()
        }));
    }
    Ok(None)
}

/// Marks of Minix filesystems (Linux's `include/uapi/linux/minix_fs.h`): versions 1, 2 and 3, in either byte order.
const MINIX_MAGICS: &[Magic] = &[
    magic(0x410, b"\x7f\x13"),
    magic(0x410, b"\x8f\x13"),
    magic(0x410, b"\x13\x7f"),
    magic(0x410, b"\x13\x8f"),
    magic(0x410, b"\x68\x24"),
    magic(0x410, b"\x78\x24"),
    magic(0x410, b"\x24\x68"),
    magic(0x410, b"\x24\x78"),
    magic(0x418, b"\x5a\x4d"),
    magic(0x418, b"\x4d\x5a"),
];
/// Size of a block of versions 1 and 2 (bytes); version 3 says its own.
const MINIX_BLOCK: u32 = 1024;
/// The mark of ext2/3/4, whose superblocks may look like this, and its place.
const EXT: Magic = magic(0x438, b"\x53\xef");

fn minix(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(1024, 32)?;
    if reader.has(&EXT)? {
        return Ok(None);
    }
    let big =
        [b"\x13\x7f", b"\x13\x8f", b"\x24\x68", b"\x24\x78", b"\x4d\x5a"].iter().any(|m| found.bytes == *m);
    let half = |at| if big { superblock.be16(at) } else { superblock.le16(at) };
    let version = match (found.at, found.bytes) {
        (0x418, _) => 3,
        (_, b"\x7f\x13" | b"\x8f\x13" | b"\x13\x7f" | b"\x13\x8f") => 1,
        _ => 2,
    };
    let details = |block_size| Details {
        version: Some(format!("{version}")),
        block_size: Some(block_size),
        ..Details::default()
    };
    if version == 3 {
        let valid = half(6)? != 0 && half(8)? != 0;
        return Ok(valid.then_some(details(u32::from(half(28)?))));
    }
    let (inode_maps, zone_maps) = (u64::from(half(4)?), u64::from(half(6)?));
    let zones = match (version, big) {
        (1, _) => u64::from(half(2)?),
        (_, true) => u64::from(superblock.be32(20)?),
        _ => u64::from(superblock.le32(20)?),
    };
    let bits = |blocks: u64| blocks.saturating_mul(u64::from(MINIX_BLOCK)).saturating_mul(8);
    let valid = inode_maps != 0
        && zone_maps != 0
        && bits(inode_maps) > u64::from(half(0)?)
        && bits(zone_maps) > zones.saturating_sub(u64::from(half(8)?));
    Ok(valid.then(|| details(MINIX_BLOCK)))
}

/// The container's superblock (Apple File System Reference, "nx_superblock_t").
fn apfs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(0, 4096)?;
    let block_size = superblock.le32(36)?;
    let valid = superblock.le16(24)? == 1
        && superblock.le16(28)? == 0
        && superblock.le16(30)? == 0
        && block_size == 4096;
    Ok(valid.then_some(Details {
        uuid: uuid(&superblock, 72)?,
        block_size: Some(block_size),
        ..Details::default()
    }))
}

//! Filesystems that several hosts share: GFS, GFS2, OCFS2, VMFS.

use super::volumes::vmfs_uuid;
use super::{Details, Magic, Prober, Reader, Usage, label, magic, uuid};
use crate::Result;
use crate::bytes::Fields;

pub(super) const GFS: &[Prober] = &[
    Prober::new("gfs", Usage::Filesystem, GFS_MAGIC, |reader, _| gfs(reader, Format::Gfs)).at_least(32 << 20),
    Prober::new("gfs2", Usage::Filesystem, GFS_MAGIC, |reader, _| gfs(reader, Format::Gfs2))
        .at_least(32 << 20),
    Prober::new("ocfs2", Usage::Filesystem, OCFS2, ocfs2).at_least(14000 << 10),
];
pub(super) const VMFS: &[Prober] =
    &[Prober::new("VMFS", Usage::Filesystem, &[magic(2 << 20, b"\x5e\xf1\xab\x2f")], vmfs)];

/// Both generations have their superblock in the same place (Linux's `include/uapi/linux/gfs2_ondisk.h`).
const GFS_MAGIC: &[Magic] = &[magic(0x10000, b"\x01\x16\x19\x70")];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Gfs,
    Gfs2,
}

fn gfs(reader: &mut Reader<'_>, wanted: Format) -> Result<Option<Details>> {
    let superblock = reader.bytes(0x10000, 272)?;
    let format = match (superblock.be32(24)?, superblock.be32(28)?) {
        (1309, 1401) => Format::Gfs,
        (1801..=1899, 1900) => Format::Gfs2,
        _ => return Ok(None),
    };
    Ok((format == wanted).then_some(Details {
        label: label(superblock.slice(160, 64)?),
        uuid: uuid(&superblock, 256)?,
        version: (format == Format::Gfs2).then(|| "1".to_owned()),
        block_size: (format == Format::Gfs2).then_some(superblock.be32(36)?),
        ..Details::default()
    }))
}

/// The superblock is the third block (Linux's `fs/ocfs2/ocfs2_fs.h`).
const OCFS2: &[Magic] =
    &[magic(0x400, b"OCFSV2"), magic(0x800, b"OCFSV2"), magic(0x1000, b"OCFSV2"), magic(0x2000, b"OCFSV2")];

fn ocfs2(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(found.at, 352)?;
    Ok(Some(Details {
        label: label(superblock.slice(272, 64)?),
        uuid: uuid(&superblock, 336)?,
        version: Some(format!("{}.{}", superblock.le16(192)?, superblock.le16(194)?)),
        block_size: 1u32.checked_shl(superblock.le32(248)?),
        ..Details::default()
    }))
}

fn vmfs(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    let header = reader.bytes(found.at, 157)?;
    Ok(Some(Details {
        label: label(header.slice(29, 128)?),
        uuid: Some(vmfs_uuid(header.slice(9, 16)?)?),
        version: Some(header.u8(8)?.to_string()),
        ..Details::default()
    }))
}

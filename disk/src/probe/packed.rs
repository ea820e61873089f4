//! Read-only and flash filesystems: cramfs, romfs, EROFS, UBIFS.

use super::{Details, Magic, Prober, Reader, Usage, label, magic, uuid};
use crate::Result;
use crate::bytes::Fields;

pub(super) const CRAMFS: &[Prober] = &[
    Prober::new(
        "cramfs",
        Usage::Filesystem,
        &[magic(0, b"\x45\x3d\xcd\x28"), magic(0, b"\x28\xcd\x3d\x45")],
        |reader, _| named(reader, 48, None),
    ),
    Prober::new("romfs", Usage::Filesystem, &[magic(0, b"-rom1fs-")], |reader, _| {
        named(reader, 16, Some(1024))
    }),
];
pub(super) const UBIFS: &[Prober] =
    &[Prober::new("ubifs", Usage::Filesystem, &[magic(0, b"\x31\x18\x10\x06")], ubifs)];
pub(super) const EROFS: &[Prober] =
    &[Prober::new("erofs", Usage::Filesystem, &[magic(1024, b"\xe2\xe1\xf5\xe0")], erofs)];

/// Nothing but a name of 16 bytes at byte `at` (Linux's `Documentation/filesystems/cramfs.rst`, `romfs.rst`).
fn named(reader: &mut Reader<'_>, at: u64, block_size: Option<u32>) -> Result<Option<Details>> {
    Ok(Some(Details { label: label(&reader.bytes(at, 16)?), block_size, ..Details::default() }))
}

/// The superblock node, with which the first erase block starts (Linux's `fs/ubifs/ubifs-media.h`).
fn ubifs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let node = reader.bytes(0, 128)?;
    Ok(Some(Details {
        uuid: uuid(&node, 108)?,
        version: Some(format!("w{}r{}", node.le32(80)?, node.le32(124)?)),
        ..Details::default()
    }))
}

/// EROFS (Linux's `fs/erofs/erofs_fs.h`).
fn erofs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(1024, 128)?;
    let Some(block_size) = 1u32.checked_shl(u32::from(superblock.u8(12)?)) else { return Ok(None) };
    Ok(Some(Details {
        label: label(superblock.slice(64, 16)?),
        uuid: uuid(&superblock, 48)?,
        block_size: Some(block_size),
        ..Details::default()
    }))
}

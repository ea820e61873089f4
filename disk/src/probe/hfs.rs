//! HFS (Inside Macintosh: Files, chapter 2) and HFS+ (Apple's Technical Note TN1150), which may lie within an HFS.

use md5::{Digest, Md5};

use super::{Details, Magic, Prober, Reader, Usage, label, magic};
use crate::Result;
use crate::bytes::Fields;

pub(super) const PROBERS: &[Prober] = &[
    Prober::new(
        "hfsplus",
        Usage::Filesystem,
        &[magic(HEADER, b"BD"), magic(HEADER, b"H+"), magic(HEADER, b"HX")],
        hfsplus,
    ),
    Prober { tolerant: true, ..Prober::new("hfs", Usage::Filesystem, &[magic(HEADER, b"BD")], hfs) },
];

/// Where the header of a volume stands (bytes).
const HEADER: u64 = 1024;
/// Unit of some of HFS's numbers (bytes).
const SECTOR: u64 = 512;
/// Name space in which libblkid makes UUIDs (of version 3) from identifiers of 8 bytes.
const NAME_SPACE: [u8; 16] =
    [0xb3, 0xe2, 0x0f, 0x39, 0xf2, 0x92, 0x11, 0xd6, 0x97, 0xa4, 0x00, 0x30, 0x65, 0x43, 0xec, 0xac];

fn identifier(raw: [u8; 8]) -> Option<String> {
    if raw == [0; 8] {
        return None;
    }
    let mut bytes: [u8; 16] = Md5::new().chain_update(NAME_SPACE).chain_update(raw).finalize().into();
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    *version = 0x30 | (*version & 0x0f);
    *variant = 0x80 | (*variant & 0x3f);
    Some(crate::guid::uuid(&bytes))
}

/// Does this master directory block of an HFS enclose an HFS+?
fn encloses_plus(block: &[u8]) -> Result<bool> {
    Ok([b"H+", b"HX"].contains(&&block.array(124)?))
}

fn hfs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let block = reader.bytes(HEADER, 162)?;
    let size = u64::from(block.be32(20)?);
    if encloses_plus(&block)? || size == 0 || !size.is_multiple_of(SECTOR) {
        return Ok(None);
    }
    let name = block.slice(37, 27)?;
    Ok(Some(Details {
        label: label(name.get(..usize::from(block.u8(36)?)).unwrap_or(name)),
        uuid: identifier(block.array(116)?),
        ..Details::default()
    }))
}

fn hfsplus(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let block = reader.bytes(HEADER, 162)?;
    let start = match (block.starts_with(b"BD"), encloses_plus(&block)?) {
        (true, false) => return Ok(None),
        (true, true) => {
            let allocated = u64::from(block.be16(126)?).saturating_mul(u64::from(block.be32(20)?));
            u64::from(block.be16(28)?).saturating_mul(SECTOR).saturating_add(allocated)
        }
        (false, _) => 0,
    };
    let header = reader.bytes(start.saturating_add(HEADER), 512)?;
    let block_size = header.be32(40)?;
    if !(header.starts_with(b"H+") || header.starts_with(b"HX")) || u64::from(block_size) < SECTOR {
        return Ok(None);
    }
    Ok(Some(Details {
        // A damaged catalog leaves a volume without a name.
        label: name(reader, start, &header, u64::from(block_size)).unwrap_or_default(),
        uuid: identifier(header.array(104)?),
        block_size: Some(block_size),
        ..Details::default()
    }))
}

/// Where the catalog's extents stand in the header of a volume, and how many there are (start, count: 4 bytes each).
const CATALOG_EXTENTS: usize = 288;
const EXTENTS: usize = 8;
/// Type of a leaf node, and parent of the root folder, whose name is the volume's.
const LEAF: u8 = 0xff;
const ROOT_PARENT: u32 = 1;
/// Bytes before the first record of a node.
const NODE_HEADER: usize = 14;
/// The least that a node must hold: its header and a whole key.
const MIN_NODE: u64 = 14 + 2 + 4 + 2 + 510;

/// The name of the root folder: the first record of the first leaf of the catalog.
fn name(
    reader: &mut Reader<'_>,
    start: u64,
    header: &[u8],
    block_size: u64,
) -> Result<Option<bstr::BString>> {
    let extents = header.slice(CATALOG_EXTENTS, EXTENTS.saturating_mul(8))?;
    let at = |block: u64| start.saturating_add(block.saturating_mul(block_size));
    let tree = reader.bytes(at(u64::from(extents.be32(0)?)), 64)?;
    let (leaves, first_leaf) = (tree.be32(20)?, u64::from(tree.be32(24)?));
    let node_size = u64::from(tree.be16(32)?);
    if node_size < MIN_NODE || leaves == 0 {
        return Ok(None);
    }
    let mut block = first_leaf.saturating_mul(node_size).checked_div(block_size).unwrap_or(0);
    for extent in extents.as_chunks::<8>().0 {
        let (first, count) = (u64::from(extent.be32(0)?), u64::from(extent.be32(4)?));
        if count == 0 {
            break;
        }
        if block >= count {
            block = block.saturating_sub(count);
            continue;
        }
        let node = reader.bytes(at(first.saturating_add(block)), usize::try_from(node_size).unwrap_or(0))?;
        let key = node.get(NODE_HEADER..).unwrap_or_default();
        let units = usize::from(key.be16(6)?);
        if node.u8(8)? != LEAF || node.be16(10)? == 0 || key.be32(2)? != ROOT_PARENT || units > 255 {
            break;
        }
        let text = super::utf16(key.slice(8, units.saturating_mul(2))?, u16::from_be_bytes);
        return Ok(label(text.as_bytes()));
    }
    Ok(None)
}

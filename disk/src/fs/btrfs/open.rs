//! Opening: from the superblock over the chunk tree to the root tree.

use std::sync::Arc;

use super::chunk::{Chunk, Chunks};
use super::device::{Devices, Item};
use super::key::{Key, kind, object};
use super::node::Format;
use super::superblock::Superblock;
use super::tree::{Root, Trees};
use super::volumes::Volumes;
use crate::bytes::index;
use crate::{Context, Error, ReadAt, Result};

/// The trees of the filesystem on `source` (and further devices among `members`), and its superblock.
pub(super) fn open(source: &Arc<dyn ReadAt>, members: &[Arc<dyn ReadAt>]) -> Result<(Trees, Superblock)> {
    let (devices, superblock) = Devices::gather(source, members)?;
    let format = Format {
        node_size: index(superblock.node_size),
        checksum: superblock.checksum,
        fsid: superblock.metadata_uuid,
    };
    let chunks = Chunks::of_superblock(&superblock.sys_chunks, superblock.sector_size)
        .context(|| "in the superblock".to_owned())?;
    need_devices(&devices, &superblock, &chunks)?;
    let mut trees = Trees::new(Volumes { devices, chunks }, format);
    let (address, level, generation) = superblock.chunk_root;
    let chunk_root = Root { id: object::CHUNK_TREE, address, level, generation };
    let (items, chunks) = read_chunk_tree(&trees, chunk_root, &superblock)?;
    for item in items {
        trees.volumes.devices.confirm(item, &superblock.metadata_uuid)?;
    }
    check_stripes(&chunks, &trees.volumes.devices)?;
    trees.volumes.chunks = chunks;
    Ok((trees, superblock))
}

/// If the chunk tree itself lies on a device that is not there, that device is what is missing.
fn need_devices(devices: &Devices, superblock: &Superblock, chunks: &Chunks) -> Result<()> {
    for stripe in chunks.iter().flat_map(|chunk| &chunk.stripes) {
        if devices.get(stripe.devid).is_none() && chunks.iter().all(|chunk| chunk.mirrors() == 1) {
            return Err(Error::unsupported(format!(
                "device {} (UUID {}) of the btrfs filesystem is missing ({} devices in all)",
                stripe.devid,
                crate::guid::uuid(stripe.device_uuid()),
                superblock.num_devices
            )));
        }
    }
    Ok(())
}

/// All devices and chunks.
fn read_chunk_tree(trees: &Trees, root: Root, superblock: &Superblock) -> Result<(Vec<Item>, Chunks)> {
    let mut devices = Vec::new();
    let mut chunks = Chunks::default();
    let mut items = trees.search(root, Key::FIRST)?;
    while let Some((key, data)) = items.next()? {
        if key.is(object::DEV_ITEMS, kind::DEV_ITEM) {
            let item = Item::parse(data)?;
            if item.devid != key.offset {
                return Err(Error::corrupt(format!(
                    "the item of device {} is of {}",
                    key.offset, item.devid
                )));
            }
            if devices.len() >= super::device::MAX_DEVICES {
                return Err(Error::unsupported("a btrfs filesystem of so many devices"));
            }
            devices.push(item);
        } else if key.is(object::FIRST_CHUNK_TREE, kind::CHUNK_ITEM) {
            let chunk = Chunk::parse(key, data, superblock.sector_size)?;
            chunks.push(chunk)?;
        }
    }
    Ok((devices, chunks))
}

/// Checks that all chunks lie on devices.
fn check_stripes(chunks: &Chunks, devices: &Devices) -> Result<()> {
    for chunk in chunks.iter() {
        for stripe in &chunk.stripes {
            let fits = devices.get(stripe.devid).is_some_and(|device| {
                device.item.uuid == *stripe.device_uuid()
                    && stripe.ends_within(chunk.stripe_len(), device.item.total_bytes)
            });
            if !fits {
                return Err(Error::corrupt(format!(
                    "the chunk at {} does not lie on its devices",
                    chunk.start
                )));
            }
        }
    }
    Ok(())
}

/// The root tree.
pub(super) fn root_tree(superblock: &Superblock) -> Root {
    let (address, level) = superblock.root;
    Root { id: object::ROOT_TREE, address, level, generation: superblock.generation }
}

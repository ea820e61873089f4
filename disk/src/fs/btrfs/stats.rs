//! The numbers of `statvfs`, computed as the kernel (6.x) does when it has just mounted the filesystem read-only.
//!
//! Free is what block groups have left, less the reserve that the kernel keeps for itself. Available is what is free in
//! block groups for data, and what could still be made into such block groups on the devices under the profile of data.
//! All of it is divided by how many copies data has. Block groups that new data avoids, because others have more
//! copies, count as full.
//!
//! Source: btrfs documentation, "btrfs-filesystem", commands `df` and `usage` ("global reserve", "Free (statfs, df)");
//! "mkfs.btrfs", section "Profiles"; the rest by comparison with the kernel.

use super::Btrfs;
use super::chunk::profile;
use super::dir::MAX_NAME;
use super::features::compat_ro;
use super::key::{Key, kind, object};
use crate::bytes::Fields;
use crate::fs::FsStats;
use crate::{Error, Result};

/// Size of a block group item in bytes.
const BLOCK_GROUP: usize = 24;
/// What the kernel keeps free at the start of each device, in bytes.
const DEVICE_RESERVED: u64 = 1 << 20;
/// Unit of allocation on devices in bytes.
const STRIPE_LEN: u64 = 64 << 10;
/// The most that the global reserve has, in bytes.
const MAX_RESERVE: u64 = 512 << 20;
/// The global reserve has room for so many items at least, beside one for each tree that every change changes: what it takes
/// to remove a name…
const ITEMS_TO_UNLINK: u64 = 6;
/// … and to note what that sets free, twice if it is noted in a free space tree too.
const ITEMS_OF_REFERENCES: u64 = 6;
/// For one item as many blocks are reserved: two for each level that a tree can have.
const BLOCKS_PER_ITEM: u64 = 16;

/// A profile: how it spreads data.
#[derive(Debug, Clone, Copy)]
struct Profile {
    flag: u64,
    copies: u64,
    /// Fewest devices that it needs.
    min_devices: usize,
    /// Stripes on each device.
    per_device: u64,
}

const fn profile(flag: u64, copies: u64, min_devices: usize, per_device: u64) -> Profile {
    Profile { flag, copies, min_devices, per_device }
}

/// All profiles in the order of their flags.
const PROFILES: [Profile; 9] = [
    profile(0, 1, 1, 1),
    profile(profile::RAID0, 1, 1, 1),
    profile(profile::RAID1, 2, 2, 1),
    profile(profile::DUP, 2, 1, 2),
    profile(profile::RAID10, 2, 2, 1),
    profile(profile::RAID5, 1, 2, 1),
    profile(profile::RAID6, 1, 3, 1),
    profile(profile::RAID1C3, 3, 3, 1),
    profile(profile::RAID1C4, 4, 4, 1),
];
/// Profiles from that which the kernel likes best for new block groups.
const PREFERRED: [u64; 8] = [
    profile::RAID1C4,
    profile::RAID6,
    profile::RAID1C3,
    profile::RAID5,
    profile::RAID10,
    profile::RAID1,
    profile::DUP,
    profile::RAID0,
];
/// Profiles without copies, whose block groups are avoided once there are others.
const UNSAFE: u64 = profile::RAID0;

/// A block group: for what, of how many bytes, of which how many are used.
#[derive(Debug, Clone, Copy)]
struct Group {
    flags: u64,
    len: u64,
    used: u64,
}

impl Group {
    /// Its profile.
    fn profile(&self) -> Profile {
        by_flags(self.flags)
    }

    /// `bytes` of it as bytes on devices.
    fn on_devices(&self, bytes: u64) -> u64 {
        bytes.saturating_mul(self.profile().copies)
    }

    fn free(&self) -> u64 {
        self.len.saturating_sub(self.used)
    }
}

/// The profile that `flags` name.
fn by_flags(flags: u64) -> Profile {
    let [single, ..] = PROFILES;
    PROFILES.into_iter().find(|profile| profile.flag != 0 && flags & profile.flag != 0).unwrap_or(single)
}

/// Which of the profiles in `flags` new block groups get on that many devices.
fn chosen(flags: u64, devices: usize) -> Profile {
    let possible = |flag: &u64| flags & flag != 0 && devices >= by_flags(*flag).min_devices;
    by_flags(PREFERRED.into_iter().find(possible).unwrap_or_default())
}

impl Btrfs {
    /// What `statvfs` shows at the root of `subvolume`.
    ///
    /// # Errors
    /// As everywhere.
    pub fn stats_at(&self, subvolume: u64) -> Result<FsStats> {
        let groups = self.groups()?;
        let of_data = |group: &&Group| group.flags & profile::DATA != 0;
        let data_flags = groups.iter().filter(of_data).fold(0, |all, group| all | group.flags);
        let devices = self.trees.volumes.devices.iter().count();
        let data = chosen(data_flags & profile::PROFILES, devices);
        let copies = PROFILES
            .into_iter()
            .rfind(|profile| groups.iter().filter(of_data).any(|group| group.profile().flag == profile.flag))
            .map_or(1, |profile| profile.copies);

        let mut used = 0_u64;
        let mut free_for_data = 0_u64;
        for group in &groups {
            used = used.saturating_add(group.on_devices(group.used));
        }
        for group in groups.iter().filter(of_data) {
            let plain = matches!(group.profile().flag, 0 | UNSAFE);
            if !(plain && data.flag & !UNSAFE != 0) {
                free_for_data = free_for_data.saturating_add(group.on_devices(group.free()));
            }
        }
        let unit = u64::from(self.superblock.sector_size);
        let share = |bytes: u64| bytes.checked_div(copies).unwrap_or_default();
        let in_blocks = |bytes: u64| bytes.checked_div(unit).unwrap_or_default();
        let blocks = in_blocks(share(self.superblock.total_bytes));
        let free = blocks.saturating_sub(in_blocks(share(used)));
        let available = share(free_for_data).saturating_add(share(self.allocatable(data)));
        Ok(FsStats {
            block_size: unit,
            fragment_size: unit,
            blocks,
            blocks_free: free.saturating_sub(in_blocks(self.reserve()?)),
            blocks_available: in_blocks(available),
            files: 0,
            files_free: 0,
            id: self.id(subvolume)?,
            name_max: u64::try_from(MAX_NAME).unwrap_or(u64::MAX),
        })
    }

    /// The UUID folded, and the number of the subvolume in it.
    fn id(&self, subvolume: u64) -> Result<u64> {
        let fsid: &[u8] = &self.superblock.fsid;
        let high = u64::from(fsid.be32(4)? ^ fsid.be32(12)?) ^ (subvolume & u64::from(u32::MAX));
        let low = u64::from(fsid.be32(0)? ^ fsid.be32(8)?) ^ (subvolume >> 32);
        Ok(high << 32 | low)
    }

    /// All block groups: each chunk is one.
    fn groups(&self) -> Result<Vec<Group>> {
        let has_tree = self.superblock.compat_ro & compat_ro::BLOCK_GROUP_TREE != 0;
        let tree = if has_tree { object::BLOCK_GROUP_TREE } else { object::EXTENT_TREE };
        let root = self.trees.system_root(self.roots, tree)?;
        let mut groups = Vec::new();
        for chunk in self.trees.volumes.chunks.iter() {
            let key = Key::new(chunk.start, kind::BLOCK_GROUP_ITEM, chunk.len);
            let group = self.trees.get(root, key, |item| {
                Ok(Group {
                    flags: item.slice(0, BLOCK_GROUP)?.le64(16)?,
                    len: chunk.len,
                    used: item.le64(0)?,
                })
            })?;
            let bad = || Error::corrupt(format!("the block group of the chunk at {}", chunk.start));
            let fits = |group: &Group| group.flags == chunk.flags && group.used <= group.len;
            groups.push(group.filter(fits).ok_or_else(bad)?);
        }
        Ok(groups)
    }

    /// Bytes on devices that could be made into block groups of that profile.
    fn allocatable(&self, profile: Profile) -> u64 {
        let min_stripe = profile.per_device.saturating_mul(STRIPE_LEN);
        let mut left: Vec<u64> = Vec::new();
        let mut devices = 0_usize;
        for device in self.trees.volumes.devices.iter() {
            devices = devices.saturating_add(1);
            let free = device.item.total_bytes.saturating_sub(device.item.bytes_used);
            let free = free.checked_div(STRIPE_LEN).unwrap_or_default().saturating_mul(STRIPE_LEN);
            if free > DEVICE_RESERVED.saturating_add(min_stripe) {
                left.push(free.saturating_sub(DEVICE_RESERVED));
            }
        }
        left.sort_unstable_by(|a, b| b.cmp(a));
        let mut stripes = match profile.flag {
            profile::RAID0 => devices,
            profile::RAID1 => 2,
            profile::RAID1C3 => 3,
            profile::RAID1C4 | profile::RAID10 => 4,
            _ => 1,
        };
        // Stripes as long as the smallest device has room, on that and the next larger ones; then without it.
        let mut total = 0_u64;
        while left.len() >= profile.min_devices
            && let Some(smallest) = left.last().copied()
        {
            stripes = stripes.min(left.len());
            if smallest >= min_stripe {
                let stripes_64 = u64::try_from(stripes).unwrap_or(u64::MAX);
                total = total.saturating_add(smallest.saturating_mul(stripes_64));
                for free in left.iter_mut().rev().take(stripes) {
                    *free = free.saturating_sub(smallest);
                }
            }
            left.pop();
        }
        total
    }

    /// Size in bytes of the global reserve: what the trees that every change changes have, within limits.
    fn reserve(&self) -> Result<u64> {
        let mut used = 0_u64;
        // The root tree is one of those trees, though what it takes is not counted.
        let mut items = ITEMS_TO_UNLINK.saturating_add(ITEMS_OF_REFERENCES).saturating_add(1);
        if self.superblock.compat_ro & compat_ro::FREE_SPACE_TREE != 0 {
            items = items.saturating_add(ITEMS_OF_REFERENCES);
        }
        for tree in
            [object::EXTENT_TREE, object::CSUM_TREE, object::FREE_SPACE_TREE, object::BLOCK_GROUP_TREE]
        {
            if let Some(item) = self.trees.root_item(self.roots, tree)? {
                used = used.saturating_add(item.bytes_used);
                items = items.saturating_add(1);
            }
        }
        let least = items.saturating_mul(BLOCKS_PER_ITEM).saturating_mul(self.superblock.node_size.into());
        Ok(used.max(least).min(MAX_RESERVE))
    }
}

//! What `pvs`, `vgs` and `lvs` report, as they would with every volume group activated that
//! `vgchange --activate ay` activates.
//!
//! Sizes are in bytes. Attribute strings are those of lvm's manual pages pvs(8), vgs(8) and lvs(8).

use std::collections::BTreeSet;
use std::sync::Arc;

use bstr::{BString, ByteSlice};

use super::metadata::{Lv, Metadata, Pv};
use super::{Devices, Found, MISSING, SECTOR, STRIPED, Uuid, Volumes};
use crate::volume::refusal::Refusal;
use crate::{ErrorKind, ReadAt, Result};

/// A physical volume.
#[derive(Debug, Clone)]
pub struct PhysicalVolume {
    /// Device; `None` if it is missing.
    pub device: Option<BString>,
    /// Identifier.
    pub uuid: Uuid,
    /// Index in [`Volumes::groups`] of the group that it belongs to.
    pub group: Option<usize>,
    /// Size in bytes of what it gives to its group, or could give.
    pub size: u64,
    /// Size in bytes of its device.
    pub device_size: u64,
    /// Bytes not allocated to logical volumes.
    pub free: u64,
    /// Bytes allocated to logical volumes.
    pub used: u64,
    /// `pv_attr`.
    pub attributes: String,
    /// Extents.
    pub extents: u64,
    /// Extents allocated to logical volumes.
    pub allocated: u64,
    /// Tags, joined by commas.
    pub tags: BString,
    /// Byte of the device at which extents begin.
    pub start: u64,
    /// Metadata areas.
    pub metadata_areas: u64,
    /// Bytes free in the fullest of them.
    pub metadata_free: u64,
}

/// A volume group.
#[derive(Debug)]
pub struct VolumeGroup {
    /// Name.
    pub name: BString,
    /// Identifier.
    pub uuid: Uuid,
    /// `vg_attr`.
    pub attributes: String,
    /// Bytes in all.
    pub size: u64,
    /// Bytes not allocated to logical volumes.
    pub free: u64,
    /// Host that owns the group: always empty, as LVM2 hides groups that another host owns.
    pub system_id: BString,
    /// Bytes in an extent.
    pub extent_size: u64,
    /// Extents in all.
    pub extents: u64,
    /// Extents not allocated.
    pub free_extents: u64,
    /// Most logical volumes that it may have; 0: no limit.
    pub max_lv: u64,
    /// Most physical volumes that it may have; 0: no limit.
    pub max_pv: u64,
    /// Physical volumes, missing ones included.
    pub pv_count: u64,
    /// Visible logical volumes.
    pub lv_count: u64,
    /// Snapshots among them.
    pub snap_count: u64,
    /// Number of its metadata's version.
    pub seqno: u64,
    /// Tags, joined by commas.
    pub tags: BString,
    /// Metadata areas on all of its physical volumes.
    pub metadata_areas: u64,
    /// Bytes free in the fullest of them.
    pub metadata_free: u64,
    /// Are physical volumes missing?
    pub partial: bool,
    /// Logical volumes in the order of the metadata, hidden ones included.
    pub volumes: Vec<LogicalVolume>,
}

/// A logical volume.
#[derive(Debug)]
pub struct LogicalVolume {
    /// Name.
    pub name: BString,
    /// Identifier.
    pub uuid: Uuid,
    /// `lv_attr`.
    pub attributes: String,
    /// Device number that it must have, if any.
    pub major: Option<u64>,
    /// Unit of that number.
    pub minor: Option<u64>,
    /// Unit of its device-mapper device under Linux, if it is active and that can be told: units are given out in
    /// the order of activation, and volumes that are not `complete` take several.
    pub kernel_minor: Option<u64>,
    /// Bytes.
    pub size: u64,
    /// Segments.
    pub segments: u64,
    /// Types of the segments, each once.
    pub segment_types: Vec<BString>,
    /// Volume of which this is a snapshot, or that a cache is for, or empty; hidden volumes stand in brackets.
    pub origin: BString,
    /// Tags, joined by commas.
    pub tags: BString,
    /// Hidden volume in which a mirror keeps its log, or empty; hidden volumes stand in brackets.
    pub mirror_log: BString,
    /// Kernel modules needed beside device-mapper itself, joined by commas.
    pub modules: BString,
    /// Does `lvs` list it? The parts of RAID volumes, pools and the like are hidden.
    pub visible: bool,
    /// Is its role "public": visible and not a pool?
    pub public: bool,
    /// Is it only activated on explicit request (flag `k`)?
    pub skip_activation: bool,
    /// Does `vgchange --activate ay` activate it?
    pub active: bool,
    /// Are the fields here, and no percentages, all that LVM2 would report without asking the kernel? That is so for
    /// linear and striped volumes. Fill levels and synchronisation of others are in the kernel's hands.
    pub complete: bool,
    source: Result<Arc<dyn ReadAt>, Refusal>,
}

impl LogicalVolume {
    /// The volume's bytes, whether it is active or not.
    ///
    /// # Errors
    /// `Unsupported` for types that this code does not read, `NotFound` if a physical volume is missing, `Corrupt` if
    /// the metadata contradicts itself or its devices.
    pub fn open(&self) -> Result<Arc<dyn ReadAt>> {
        self.source.clone().map_err(Refusal::error)
    }
}

/// Extents allocated on each physical volume of a group, in the order of its metadata.
fn allocated(metadata: &Metadata) -> Vec<u64> {
    let mut allocated = vec![0u64; metadata.pvs.len()];
    for segment in metadata.lvs.iter().flat_map(|lv| &lv.segments) {
        let stripes = u64::try_from(segment.stripes.len()).unwrap_or(u64::MAX);
        let each = segment.extents.checked_div(stripes).unwrap_or(0);
        let stripes = segment.stripes.iter().map(|area| (area, each));
        let mirrors = segment.mirrors.iter().map(|area| (area, segment.extents));
        for (area, extents) in stripes.chain(mirrors) {
            let count = metadata.pv(&area.volume).and_then(|(position, _)| allocated.get_mut(position));
            if let Some(count) = count {
                *count = count.saturating_add(extents);
            }
        }
    }
    allocated
}

/// Adds a group with its volumes to what is reported. `ambiguous` says why none of them can be opened, if so.
pub(super) fn add_group(
    all: &mut Volumes,
    metadata: &Metadata,
    devices: &Devices<'_>,
    ambiguous: Option<&str>,
) {
    let index = all.groups.len();
    let extent = metadata.extent_size.saturating_mul(SECTOR);
    let mut group = VolumeGroup {
        name: metadata.name.clone(),
        uuid: metadata.uuid,
        attributes: String::new(),
        size: 0,
        free: 0,
        system_id: metadata.system_id.clone(),
        extent_size: extent,
        extents: 0,
        free_extents: 0,
        max_lv: metadata.max_lv,
        max_pv: metadata.max_pv,
        pv_count: u64::try_from(metadata.pvs.len()).unwrap_or(u64::MAX),
        lv_count: 0,
        snap_count: 0,
        seqno: metadata.seqno,
        tags: bstr::join(",", &metadata.tags).into(),
        metadata_areas: 0,
        metadata_free: u64::MAX,
        partial: false,
        volumes: Vec::new(),
    };
    for (pv, allocated) in metadata.pvs.iter().zip(allocated(metadata)) {
        let found = devices.get(pv.uuid);
        let pv = physical_volume(metadata, pv, allocated, found, index);
        group.partial |= pv.attributes.ends_with('m');
        group.extents = group.extents.saturating_add(pv.extents);
        group.free_extents = group.free_extents.saturating_add(pv.extents.saturating_sub(pv.allocated));
        group.metadata_areas = group.metadata_areas.saturating_add(pv.metadata_areas);
        if found.is_some_and(|found| found.label.areas.iter().any(|area| area.free().is_some())) {
            group.metadata_free = group.metadata_free.min(pv.metadata_free);
        }
        all.physical_volumes.push(pv);
    }
    if group.metadata_free == u64::MAX {
        group.metadata_free = 0;
    }
    group.size = group.extents.saturating_mul(extent);
    group.free = group.free_extents.saturating_mul(extent);
    group.attributes = group_attributes(metadata, group.partial);
    group.volumes = metadata.lvs.iter().map(|lv| logical_volume(metadata, lv, devices, ambiguous)).collect();
    let visible = || group.volumes.iter().filter(|lv| lv.visible);
    group.lv_count = u64::try_from(visible().count()).unwrap_or(u64::MAX);
    group.snap_count =
        u64::try_from(visible().filter(|lv| is_snapshot(metadata, &lv.name)).count()).unwrap_or(u64::MAX);
    all.groups.push(group);
}

fn physical_volume(
    metadata: &Metadata,
    pv: &Pv,
    allocated: u64,
    found: Option<&Found<'_>>,
    group: usize,
) -> PhysicalVolume {
    let extent = metadata.extent_size.saturating_mul(SECTOR);
    let missing = found.is_none() || pv.flags.has(MISSING);
    let (metadata_areas, metadata_free) = found.map_or((0, 0), areas);
    PhysicalVolume {
        device: found.map(|f| f.name.to_owned()),
        uuid: pv.uuid,
        group: Some(group),
        size: pv.extents.saturating_mul(extent),
        device_size: found.map_or_else(|| pv.device_size.saturating_mul(SECTOR), |f| f.source.len()),
        free: pv.extents.saturating_sub(allocated).saturating_mul(extent),
        used: allocated.saturating_mul(extent),
        attributes: [
            if pv.flags.has("ALLOCATABLE") { 'a' } else { 'u' },
            if metadata.flags.has("EXPORTED") { 'x' } else { '-' },
            if missing { 'm' } else { '-' },
        ]
        .iter()
        .collect(),
        extents: pv.extents,
        allocated,
        tags: bstr::join(",", &pv.tags).into(),
        start: pv.start.saturating_mul(SECTOR),
        metadata_areas,
        metadata_free,
    }
}

/// Number of metadata areas, and bytes free in the fullest.
fn areas(found: &Found<'_>) -> (u64, u64) {
    let areas = &found.label.areas;
    let free = areas.iter().filter_map(super::label::Area::free).min().unwrap_or(0);
    (u64::try_from(areas.len()).unwrap_or(u64::MAX), free)
}

/// Adds the physical volumes that belong to no group; `hidden` are those of groups that are not shown.
pub(super) fn add_orphans(all: &mut Volumes, found: &[Found<'_>], hidden: &[Uuid]) {
    for pv in found {
        let uuid = pv.label.uuid;
        if hidden.contains(&uuid) || all.physical_volumes.iter().any(|known| known.uuid == uuid) {
            continue;
        }
        let (metadata_areas, metadata_free) = areas(pv);
        all.physical_volumes.push(PhysicalVolume {
            device: Some(pv.name.to_owned()),
            uuid: pv.label.uuid,
            group: None,
            size: pv.label.device_size,
            device_size: pv.source.len(),
            free: pv.label.device_size,
            used: 0,
            attributes: "---".to_owned(),
            extents: 0,
            allocated: 0,
            tags: BString::default(),
            start: pv.label.data_start,
            metadata_areas,
            metadata_free,
        });
    }
    // Those that were found come first, in the order of their devices.
    let order = |pv: &PhysicalVolume| {
        found.iter().position(|f| Some(f.name) == pv.device.as_ref().map(|d| d.as_bstr()))
    };
    all.physical_volumes.sort_by_key(|pv| order(pv).unwrap_or(usize::MAX));
}

/// Gives the volumes that are activated the units that device-mapper gives them: each the lowest that is free.
pub(super) fn number_devices(groups: &mut [VolumeGroup]) {
    let mut taken = BTreeSet::new();
    for lv in groups.iter_mut().flat_map(|group| &mut group.volumes) {
        if lv.visible && !lv.complete {
            // It takes several units, and which ones depends on its type.
            return;
        }
        if !lv.active {
            continue;
        }
        let unit = match lv.minor {
            Some(unit) => Some(unit),
            None => (0..).find(|unit| !taken.contains(unit)),
        };
        taken.extend(unit);
        lv.kernel_minor = unit;
    }
}

fn group_attributes(metadata: &Metadata, partial: bool) -> String {
    let has = |flag| metadata.flags.has(flag);
    [
        if has("WRITE") { 'w' } else { 'r' },
        if has("RESIZEABLE") { 'z' } else { '-' },
        if has("EXPORTED") { 'x' } else { '-' },
        if partial { 'p' } else { '-' },
        metadata.allocation.letter(),
        if has("CLUSTERED") {
            'c'
        } else if metadata.lock_type.is_empty() || metadata.lock_type == "none" {
            '-'
        } else {
            's'
        },
    ]
    .iter()
    .collect()
}

fn is_snapshot(metadata: &Metadata, name: &BString) -> bool {
    metadata.uses(name).iter().any(|other| other.role == "cow_store" || other.role == "merging_store")
}

/// Does the volume, or any that it is made of, lie on a missing physical volume?
fn is_partial(lv: &Lv, metadata: &Metadata, devices: &Devices<'_>) -> bool {
    let on_missing =
        |volume: &BString| metadata.pv(volume).is_some_and(|(_, pv)| devices.source(pv).is_err());
    lv.segments.iter().flat_map(|s| s.stripes.iter().chain(&s.mirrors)).any(|area| on_missing(&area.volume))
}

fn logical_volume(
    metadata: &Metadata,
    lv: &Lv,
    devices: &Devices<'_>,
    ambiguous: Option<&str>,
) -> LogicalVolume {
    let mut segment_types: Vec<BString> = Vec::new();
    for segment in &lv.segments {
        if !segment_types.contains(&segment.kind) {
            segment_types.push(segment.kind.clone());
        }
    }
    let snapshot = is_snapshot(metadata, &lv.name);
    let origin_of_snapshot =
        metadata.uses(&lv.name).iter().any(|other| other.role == "origin" && other.kind == "snapshot");
    let visible = metadata.is_visible(lv);
    let pool = segment_types.iter().any(|kind| kind.ends_with(b"-pool"));
    let partial = is_partial(lv, metadata, devices);
    let skip_activation = lv.flags.has("ACTIVATION_SKIP");
    let inactive = skip_activation
        || partial
        || lv.flags.has("NOAUTOACTIVATE")
        || ["NOAUTOACTIVATE", "EXPORTED"].iter().any(|flag| metadata.flags.has(flag))
        || !metadata.lock_type.is_empty() && metadata.lock_type != "none";
    let active = visible && !inactive;

    let source = match ambiguous {
        Some(why) => Err(Refusal {
            kind: ErrorKind::Unsupported,
            what: format!("{}/{}: {why}", metadata.name, lv.name),
        }),
        None => super::open(metadata, lv, devices).map_err(Refusal::from),
    };
    LogicalVolume {
        name: lv.name.clone(),
        uuid: lv.uuid,
        attributes: volume_attributes(metadata, lv, snapshot, origin_of_snapshot, active, partial),
        major: lv.major,
        minor: lv.minor,
        kernel_minor: None,
        size: lv.extents().saturating_mul(metadata.extent_size).saturating_mul(SECTOR),
        segments: u64::try_from(lv.segments.len()).unwrap_or(u64::MAX),
        origin: origin(metadata, lv),
        tags: bstr::join(",", &lv.tags).into(),
        mirror_log: lv
            .segments
            .first()
            .and_then(|segment| segment.volume("mirror_log"))
            .map(|log| bracketed(metadata, log))
            .unwrap_or_default(),
        modules: modules(&segment_types, snapshot || origin_of_snapshot).into(),
        visible,
        public: visible && !pool,
        skip_activation,
        active,
        complete: !snapshot && !origin_of_snapshot && segment_types.iter().all(|kind| kind == STRIPED),
        segment_types,
        source,
    }
}

/// The volume of which this is a snapshot: named by a snapshot segment for its changes, by a thin volume itself.
fn origin(metadata: &Metadata, lv: &Lv) -> BString {
    let by_snapshot = metadata
        .uses(&lv.name)
        .iter()
        .find(|other| other.role == "cow_store")
        .and_then(|other| metadata.lv(&other.by)?.segments.first()?.volume("origin"));
    let own = || lv.segments.first().and_then(|s| s.volume("origin").or_else(|| s.volume("external_origin")));
    by_snapshot.or_else(own).map(|name| bracketed(metadata, name)).unwrap_or_default()
}

/// A volume's name as reports show it: hidden ones in brackets.
fn bracketed(metadata: &Metadata, name: &BString) -> BString {
    let hidden = metadata.lv(name).is_some_and(|lv| !metadata.is_visible(lv));
    if hidden { format!("[{name}]").into() } else { name.clone() }
}

/// Kernel modules by the type of a segment.
fn modules(segment_types: &[BString], snapshot: bool) -> Vec<u8> {
    let mut modules: Vec<&[u8]> = Vec::new();
    if snapshot {
        modules.push(b"snapshot");
    }
    for kind in segment_types {
        let needed: &[&[u8]] = match kind.as_slice() {
            STRIPED_BYTES => &[],
            b"mirror" => &[b"mirror"],
            b"thin" => &[b"thin", b"thin-pool"],
            b"cache" | b"cache-pool" => &[b"cache"],
            b"zero" => &[b"zero"],
            b"error" => &[b"error"],
            kind if kind.starts_with(b"raid") => &[b"raid"],
            other => &[other],
        };
        for module in needed {
            if !modules.contains(module) {
                modules.push(module);
            }
        }
    }
    bstr::join(",", &modules)
}

/// [`STRIPED`] as bytes.
const STRIPED_BYTES: &[u8] = STRIPED.as_bytes();

fn volume_attributes(
    metadata: &Metadata,
    lv: &Lv,
    snapshot: bool,
    origin_of_snapshot: bool,
    active: bool,
    partial: bool,
) -> String {
    let kind = lv.segments.first().map_or(STRIPED_BYTES, |segment| segment.kind.as_slice());
    let synced = !lv.flags.has("NOTSYNCED");
    let external_origin = metadata.uses(&lv.name).iter().any(|other| other.role == "external_origin");
    let volume_type = match kind {
        _ if snapshot => 's',
        _ if origin_of_snapshot || external_origin => 'o',
        b"mirror" => {
            if synced {
                'm'
            } else {
                'M'
            }
        }
        b"thin" => 'V',
        b"thin-pool" => 't',
        b"cache" | b"cache-pool" | b"writecache" => 'C',
        b"vdo" => 'v',
        b"vdo-pool" => 'd',
        b"error" | b"zero" => 'v',
        kind if kind.starts_with(b"raid") => {
            if synced {
                'r'
            } else {
                'R'
            }
        }
        _ => '-',
    };
    let target = match kind {
        _ if snapshot || origin_of_snapshot => 's',
        b"mirror" => 'm',
        b"thin" | b"thin-pool" => 't',
        b"cache" | b"cache-pool" | b"writecache" => 'C',
        b"vdo" | b"vdo-pool" => 'v',
        b"error" | b"zero" => 'v',
        kind if kind.starts_with(b"raid") => 'r',
        _ => '-',
    };
    let pool = match kind {
        b"thin" => lv.segments.first().and_then(|s| s.volume("thin_pool")),
        b"thin-pool" => Some(&lv.name),
        _ => None,
    };
    let zeroes = pool.and_then(|pool| metadata.lv(pool)).is_some_and(|pool| {
        pool.segments.first().and_then(|segment| segment.number("zero_new_blocks")) == Some(1)
    });
    let allocation = match lv.allocation.letter() {
        letter if lv.flags.has("LOCKED") => letter.to_ascii_uppercase(),
        letter => letter,
    };
    [
        volume_type,
        if lv.flags.has("WRITE") { 'w' } else { 'r' },
        allocation,
        if lv.flags.has("FIXED_MINOR") { 'm' } else { '-' },
        if active { 'a' } else { '-' },
        // Nothing is mounted, but a thin pool is held open by its volumes.
        if active && kind == b"thin-pool" && metadata.uses(&lv.name).iter().any(|other| other.kind == "thin")
        {
            'o'
        } else {
            '-'
        },
        target,
        if zeroes { 'z' } else { '-' },
        if partial { 'p' } else { '-' },
        if lv.flags.has("ACTIVATION_SKIP") { 'k' } else { '-' },
    ]
    .iter()
    .collect()
}

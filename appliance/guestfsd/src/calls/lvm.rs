//! LVM2: physical volumes, volume groups, logical volumes.

use bstr::{BStr, BString, ByteSlice};
use disk::volume::lvm2::{LogicalVolume, PhysicalVolume, VolumeGroup, Volumes};
use libguestfs_core::api::{LvmLv, LvmPv, LvmVg, Uuid};
use libguestfs_core::{Error, Result};

use super::wire;
use crate::Guestfsd;
use crate::engine::{Mountable, names};
use crate::error::{At, refused};

/// Major number of device-mapper's devices in the original's appliance.
pub(crate) const DEVICE_MAPPER_MAJOR: u32 = 253;

/// The one format of metadata that is left (`fmt` columns).
const FORMAT: &str = "lvm2";
/// A number that LVM2 does not have (`lv_major` of a volume that may have any).
const NONE: i64 = -1;
/// A percentage that does not apply.
const NO_PERCENTAGE: f32 = -1.0;

impl Guestfsd {
    fn volumes(&self) -> Result<std::sync::Arc<Volumes>> {
        self.engine.lvm().at("lvm")
    }

    pub(crate) fn pvs(&mut self) -> Result<Vec<BString>> {
        if self.lvm_is_filtered() {
            let mut list: Vec<BString> = self.report_pvs()?.into_iter().map(|pv| pv.pv_name).collect();
            // What is missing has no device.
            list.retain(|name| name.starts_with(b"/dev/"));
            list.sort();
            return Ok(list);
        }
        let volumes = self.volumes()?;
        let mut list: Vec<_> = volumes.physical_volumes.iter().filter_map(|pv| pv.device.clone()).collect();
        list.sort();
        Ok(list)
    }

    pub(crate) fn vgs(&mut self) -> Result<Vec<BString>> {
        if self.lvm_is_filtered() {
            let mut list: Vec<BString> = self.report_vgs()?.into_iter().map(|group| group.vg_name).collect();
            list.sort();
            return Ok(list);
        }
        let mut list: Vec<_> = self.volumes()?.groups.iter().map(|group| group.name.clone()).collect();
        list.sort();
        Ok(list)
    }

    pub(crate) fn lvs(&mut self) -> Result<Vec<BString>> {
        self.logical_volumes()
    }

    /// The device of the volume that a volume is a snapshot of.
    pub(super) fn origin(&self, device: &BStr) -> Option<BString> {
        let (group, name) = device.strip_prefix(b"/dev/")?.split_once_str("/")?;
        // Where the metadata can't be read, no volume is listed either; a kernel's tools may understand more of it.
        let volumes = self.engine.lvm().ok()?;
        let volume = volumes.logical_volume(group, name).ok()?;
        // Hidden ones, such as that of a cache, stand in brackets.
        let is_shown = !volume.origin.is_empty() && !volume.origin.starts_with(b"[");
        is_shown.then(|| names::volume(&group.into(), &volume.origin))
    }

    /// Devices of all logical volumes that are for use.
    pub(super) fn logical_volumes(&self) -> Result<Vec<BString>> {
        if self.lvm_is_filtered() {
            let mut list = self.report_lv_devices()?;
            list.sort();
            return Ok(list);
        }
        let volumes = self.volumes()?;
        let mut list: Vec<_> = listed(&volumes).map(|(group, lv)| device_name(group, lv)).collect();
        list.sort();
        Ok(list)
    }

    pub(crate) fn pvs_full(&mut self) -> Result<Vec<LvmPv>> {
        let mut list: Vec<_> = match self.engine.kernel() {
            Some(_) => self.report_pvs()?,
            None => self.volumes()?.physical_volumes.iter().map(physical_volume).collect(),
        };
        list.sort_by(|a, b| a.pv_name.cmp(&b.pv_name));
        Ok(list)
    }

    pub(crate) fn vgs_full(&mut self) -> Result<Vec<LvmVg>> {
        let mut list: Vec<_> = match self.engine.kernel() {
            Some(_) => self.report_vgs()?,
            None => self.volumes()?.groups.iter().map(volume_group).collect(),
        };
        list.sort_by(|a, b| a.vg_name.cmp(&b.vg_name));
        Ok(list)
    }

    pub(crate) fn lvs_full(&mut self) -> Result<Vec<LvmLv>> {
        let mut list = match self.engine.kernel() {
            Some(_) => self.report_lvs()?,
            None => self.read_lvs()?,
        };
        list.sort_by(|(a_group, a), (b_group, b)| (a_group, &a.lv_name).cmp(&(b_group, &b.lv_name)));
        Ok(list.into_iter().map(|(_, lv)| lv).collect())
    }

    /// What the metadata says, with the names of groups.
    fn read_lvs(&self) -> Result<Vec<(BString, LvmLv)>> {
        let volumes = self.volumes()?;
        let mut list = Vec::new();
        let mut active = 0;
        for group in &volumes.groups {
            for lv in &group.volumes {
                let minor = i64::try_from(self.engine.volume_minor(active)).unwrap_or(NONE);
                active += usize::from(lv.active);
                if !lv.visible {
                    continue;
                }
                if !lv.complete {
                    let why = format!("{}: state of a volume that the kernel keeps", device_name(group, lv));
                    return Err(Error::needs_appliance(why));
                }
                list.push((group.name.clone(), logical_volume(lv, minor)));
            }
        }
        Ok(list)
    }

    /// Volumes are looked for whenever they are asked for. A kernel has to be told of those that came with a device that
    /// was opened meanwhile; where none did, LVM need not be there at all.
    pub(crate) fn lvm_scan(&mut self, activate: bool) -> Result<()> {
        if self.engine.kernel().is_none() || !activate || self.volumes()?.physical_volumes.is_empty() {
            return Ok(());
        }
        self.activate_new_volumes()
    }

    pub(crate) fn lvm_canonical_lv_name(&mut self, name: &BStr) -> Result<BString> {
        if !name.starts_with(b"/dev/") {
            return Err(refused(format!("{name}: not a device name")));
        }
        let device = self.device(name).map_err(|error| error.prefixed("stat"))?;
        if !self.logical_volumes()?.contains(&device) {
            return Err(refused(format!("{name}: not a logical volume")));
        }
        Ok(device)
    }

    pub(crate) fn is_lv(&mut self, mountable: &BStr) -> Result<bool> {
        match self.mountable(mountable)? {
            Mountable::Device(device) => Ok(self.logical_volumes()?.contains(&device)),
            Mountable::BtrfsVolume { .. } => Ok(false),
        }
    }

    pub(crate) fn pvuuid(&mut self, device: &BStr) -> Result<BString> {
        let device = self.device(device)?;
        let volumes = self.volumes()?;
        let found = volumes.physical_volumes.iter().find(|pv| pv.device.as_ref() == Some(&device));
        let pv =
            found.ok_or_else(|| refused(format!("{device}: no physical volume label read from {device}")))?;
        Ok(pv.uuid.raw().into())
    }

    pub(crate) fn lvuuid(&mut self, device: &BStr) -> Result<BString> {
        let device = self.device(device)?;
        let volumes = self.volumes()?;
        let found = listed(&volumes).find(|(group, lv)| device_name(group, lv) == device);
        let (_, lv) = found.ok_or_else(|| refused(format!("{device}: not a logical volume")))?;
        Ok(lv.uuid.raw().into())
    }

    fn with_group<T>(&self, name: &BStr, give: impl FnOnce(&Volumes, usize, &VolumeGroup) -> T) -> Result<T> {
        let volumes = self.volumes()?;
        let found = volumes.groups.iter().enumerate().find(|(_, group)| group.name == name);
        let (index, group) = found.ok_or_else(|| {
            refused(format!(
                "{name}:   Volume group \"{name}\" not found\n  Cannot process volume group {name}"
            ))
        })?;
        Ok(give(&volumes, index, group))
    }

    pub(crate) fn vguuid(&mut self, name: &BStr) -> Result<BString> {
        self.with_group(name, |_, _, group| group.uuid.raw().into())
    }

    pub(crate) fn vgpvuuids(&mut self, name: &BStr) -> Result<Vec<BString>> {
        self.with_group(name, |volumes, index, _| {
            let pvs = volumes.physical_volumes.iter().filter(|pv| pv.group == Some(index));
            let mut list: Vec<BString> = pvs.map(|pv| pv.uuid.raw().into()).collect();
            list.sort();
            list
        })
    }

    pub(crate) fn vglvuuids(&mut self, name: &BStr) -> Result<Vec<BString>> {
        self.with_group(name, |_, _, group| {
            let lvs = group.volumes.iter().filter(|lv| lv.visible);
            let mut list: Vec<BString> = lvs.map(|lv| lv.uuid.raw().into()).collect();
            list.sort();
            list
        })
    }
}

/// The volumes that `lvs` lists: public ones that are not skipped on activation.
fn listed(volumes: &Volumes) -> impl Iterator<Item = (&VolumeGroup, &LogicalVolume)> {
    let all = volumes.groups.iter().flat_map(|group| group.volumes.iter().map(move |lv| (group, lv)));
    all.filter(|(_, lv)| lv.public && !lv.skip_activation)
}

/// `/dev/VG/LV`.
pub(crate) fn device_name(group: &VolumeGroup, lv: &LogicalVolume) -> BString {
    format!("/dev/{}/{}", group.name.as_bstr(), lv.name.as_bstr()).into()
}

fn physical_volume(pv: &PhysicalVolume) -> LvmPv {
    LvmPv {
        pv_name: pv.device.clone().unwrap_or_else(|| "[unknown]".into()),
        pv_uuid: Uuid(*pv.uuid.raw()),
        pv_fmt: FORMAT.into(),
        pv_size: wire(pv.size),
        dev_size: wire(pv.device_size),
        pv_free: wire(pv.free),
        pv_used: wire(pv.used),
        pv_attr: pv.attributes.as_str().into(),
        pv_pe_count: wire(pv.extents),
        pv_pe_alloc_count: wire(pv.allocated),
        pv_tags: pv.tags.clone(),
        pe_start: wire(pv.start),
        pv_mda_count: wire(pv.metadata_areas),
        pv_mda_free: wire(pv.metadata_free),
    }
}

fn volume_group(group: &VolumeGroup) -> LvmVg {
    LvmVg {
        vg_name: group.name.clone(),
        vg_uuid: Uuid(*group.uuid.raw()),
        vg_fmt: FORMAT.into(),
        vg_attr: group.attributes.as_str().into(),
        vg_size: wire(group.size),
        vg_free: wire(group.free),
        vg_sysid: group.system_id.clone(),
        vg_extent_size: wire(group.extent_size),
        vg_extent_count: wire(group.extents),
        vg_free_count: wire(group.free_extents),
        max_lv: wire(group.max_lv),
        max_pv: wire(group.max_pv),
        pv_count: wire(group.pv_count),
        lv_count: wire(group.lv_count),
        snap_count: wire(group.snap_count),
        vg_seqno: wire(group.seqno),
        vg_tags: group.tags.clone(),
        vg_mda_count: wire(group.metadata_areas),
        vg_mda_free: wire(group.metadata_free),
    }
}

fn logical_volume(lv: &LogicalVolume, minor: i64) -> LvmLv {
    LvmLv {
        lv_name: lv.name.clone(),
        lv_uuid: Uuid(*lv.uuid.raw()),
        lv_attr: lv.attributes.as_str().into(),
        lv_major: lv.major.map_or(NONE, wire),
        lv_minor: lv.minor.map_or(NONE, wire),
        lv_kernel_major: if lv.active { i64::from(DEVICE_MAPPER_MAJOR) } else { NONE },
        lv_kernel_minor: if lv.active { minor } else { NONE },
        lv_size: wire(lv.size),
        seg_count: wire(lv.segments),
        origin: lv.origin.clone(),
        snap_percent: NO_PERCENTAGE,
        copy_percent: NO_PERCENTAGE,
        move_pv: BString::default(),
        lv_tags: lv.tags.clone(),
        mirror_log: BString::default(),
        modules: lv.modules.clone(),
    }
}

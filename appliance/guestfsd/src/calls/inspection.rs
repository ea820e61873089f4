//! Inspection: what operating systems are on the disks. The algorithm is [`libguestfs_core::inspect`]; here is what it
//! reads through, and the calls that return its results.

use std::cell::RefCell;
use std::rc::Rc;

use bstr::{BStr, BString, ByteSlice};
use disk::ErrorKind;
use disk::partition::PartitionType;
use libguestfs_core::api::Hashtable;
use libguestfs_core::inspect::{
    self, Array, Disks, DynamicVolume, Entry, Filesystem, GptPartition, Guest, Inspection, LogicalVolume,
    MbrPartition, Mount, Opened, Root, Tag, Tree, Trouble, Unread, Windows,
};
use libguestfs_core::{Error, Result};

use super::devices::is_array_member;
use super::guest_tree::GuestTree;
use crate::Guestfsd;
use crate::engine::{self, MountRequest, PartitionDevice, names};
use crate::error::{At, Failure, chain, refused};

/// Where a filesystem is mounted while it is looked at.
const SYSROOT: &str = "/";
/// What media to install from have, which may fill a disk that has partitions as well.
const MEDIUM: &str = "iso9660";

impl Guestfsd {
    pub(crate) fn inspect_os(&mut self) -> Result<Vec<BString>> {
        self.umount_all()?;
        self.inspection = None;
        let result = inspect::inspect(&mut Looking { daemon: Rc::new(RefCell::new(self)) });
        self.umount_all()?;
        let inspection = result?;
        let is_for_appliance = |unread: &&Unread| matches!(unread.why, Trouble::Unsupported(_));
        let for_appliance: Vec<String> =
            inspection.unread.iter().filter(is_for_appliance).map(Unread::to_string).collect();
        let roots = roots(&inspection);
        // Should no appliance be had, this is the answer nevertheless.
        self.inspection = Some(inspection);
        if !for_appliance.is_empty() {
            return Err(Error::needs_appliance(for_appliance.join("; ")));
        }
        Ok(roots)
    }

    pub(crate) fn inspect_get_roots(&mut self) -> Result<Vec<BString>> {
        self.inspected().map(roots)
    }

    fn inspected(&self) -> Result<&Inspection> {
        self.inspection.as_ref().ok_or_else(|| refused("no inspection data: call guestfs_inspect_os first"))
    }

    /// The root that a call asks about.
    fn root(&self, mountable: &BStr) -> Result<&Root> {
        let inspection = self.inspected()?;
        let name = self.mountable_name(mountable)?;
        inspection.root(name.as_bstr()).ok_or_else(|| {
            refused(format!(
                "{mountable}: root device not found: \
                 only call this function with a root device previously returned by guestfs_inspect_os"
            ))
        })
    }

    /// The name of a mountable as inspection has it.
    fn mountable_name(&self, mountable: &BStr) -> Result<BString> {
        Ok(self.mountable(mountable)?.to_name())
    }

    pub(crate) fn inspect_get_type(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.os_type().into())
    }

    pub(crate) fn inspect_get_distro(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.distro())
    }

    pub(crate) fn inspect_get_package_format(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.package_format().into())
    }

    pub(crate) fn inspect_get_package_management(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.package_management().into())
    }

    pub(crate) fn inspect_get_product_name(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.product_name())
    }

    pub(crate) fn inspect_get_product_variant(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.product_variant())
    }

    pub(crate) fn inspect_get_major_version(&mut self, root: &BStr) -> Result<i32> {
        Ok(self.root(root)?.major_version())
    }

    pub(crate) fn inspect_get_minor_version(&mut self, root: &BStr) -> Result<i32> {
        Ok(self.root(root)?.minor_version())
    }

    pub(crate) fn inspect_get_arch(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.arch())
    }

    pub(crate) fn inspect_get_hostname(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.hostname())
    }

    pub(crate) fn inspect_get_build_id(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.build_id())
    }

    pub(crate) fn inspect_get_format(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.format().into())
    }

    pub(crate) fn inspect_is_live(&mut self, root: &BStr) -> Result<bool> {
        self.root(root).map(Root::is_live)
    }

    pub(crate) fn inspect_is_netinst(&mut self, root: &BStr) -> Result<bool> {
        self.root(root).map(Root::is_netinst)
    }

    pub(crate) fn inspect_is_multipart(&mut self, root: &BStr) -> Result<bool> {
        self.root(root).map(Root::is_multipart)
    }

    /// A value that only a Windows has.
    fn windows<T>(&self, root: &BStr, what: &str, value: impl FnOnce(&Windows) -> Option<T>) -> Result<T> {
        let found = self.root(root)?.windows().and_then(value);
        found.ok_or_else(|| refused(format!("not a Windows guest, or {what}")))
    }

    pub(crate) fn inspect_get_windows_systemroot(&mut self, root: &BStr) -> Result<BString> {
        self.windows(root, "systemroot could not be determined", |windows| Some(windows.systemroot.clone()))
    }

    pub(crate) fn inspect_get_windows_current_control_set(&mut self, root: &BStr) -> Result<BString> {
        let what = "CurrentControlSet could not be determined";
        self.windows(root, what, |windows| windows.current_control_set.clone())
    }

    pub(crate) fn inspect_get_windows_software_hive(&mut self, root: &BStr) -> Result<BString> {
        self.windows(root, "software hive not found", |windows| windows.software_hive.clone())
    }

    /// The hive SOFTWARE of a root, if that is a Windows.
    pub(super) fn software_hive(&self, root: &BStr) -> Option<BString> {
        self.root(root).ok()?.windows()?.software_hive.clone()
    }

    pub(crate) fn inspect_get_windows_system_hive(&mut self, root: &BStr) -> Result<BString> {
        self.windows(root, "system hive not found", |windows| windows.system_hive.clone())
    }

    pub(crate) fn inspect_get_windows_group_policy(&mut self, root: &BStr) -> Result<bool> {
        self.windows(root, "group policy could not be determined", |windows| windows.group_policy)
    }

    pub(crate) fn inspect_get_mountpoints(&mut self, root: &BStr) -> Result<Hashtable> {
        let mounts = self.root(root)?.mountpoints();
        Ok(Hashtable(
            mounts.into_iter().map(|Mount { mountable, mountpoint }| (mountpoint, mountable)).collect(),
        ))
    }

    pub(crate) fn inspect_get_filesystems(&mut self, root: &BStr) -> Result<Vec<BString>> {
        Ok(self.root(root)?.filesystems())
    }

    pub(crate) fn internal_inspect_notes(&mut self) -> Result<Vec<BString>> {
        Ok(self.inspected()?.notes.iter().map(|note| note.as_str().into()).collect())
    }

    pub(crate) fn internal_inspect_unread(&mut self) -> Result<Vec<BString>> {
        let unread = &self.inspected()?.unread;
        let damaged = unread.iter().filter(|unread| matches!(unread.why, Trouble::Damaged(_)));
        Ok(damaged.map(|unread| unread.to_string().into()).collect())
    }

    pub(crate) fn internal_inspect_snapshots(&mut self, root: &BStr) -> Result<Vec<BString>> {
        let root = self.root(root)?;
        Ok(self.inspected()?.snapshots_of(root).map(|snapshot| snapshot.mountable.clone()).collect())
    }

    pub(crate) fn internal_inspect_deployment(&mut self, root: &BStr) -> Result<BString> {
        Ok(self.root(root)?.deployment())
    }

    pub(crate) fn inspect_get_drive_mappings(&mut self, root: &BStr) -> Result<Hashtable> {
        Ok(Hashtable(self.root(root)?.drive_mappings()))
    }
}

fn roots(inspection: &Inspection) -> Vec<BString> {
    inspection.roots.iter().map(|root| root.mountable.clone()).collect()
}

/// The daemon while it is inspecting. Whatever is looked at is mounted at the root, one filesystem at a time.
struct Looking<'d> {
    daemon: Rc<RefCell<&'d mut Guestfsd>>,
}

impl<'d> Guest for Looking<'d> {
    type Error = Error;
    type Tree = Mounted<'d>;

    fn disks(&mut self) -> Result<Disks> {
        let mut daemon = self.daemon.borrow_mut();
        let mut filesystems = daemon.list_filesystems()?.0;
        // Arrays that only a kernel puts together may hold a system.
        let members = daemon.foreign_members()?.into_iter();
        filesystems.extend(members.map(|member| (member.device, member.kind.into())));
        // The halves of a mirror hold what the mirror holds; a system is on the volume.
        filesystems.retain(|(mountable, _)| !mountable.starts_with(names::LDM_PARTITION.as_bytes()));
        // A hybrid medium has a table of partitions, none of which need hold the medium's filesystem.
        for disk in daemon.engine.disks() {
            let is_listed = filesystems.iter().any(|(mountable, _)| *mountable == disk);
            if !is_listed && let Ok(Some(probe)) = daemon.engine.probe(disk.as_bstr()) {
                filesystems.extend((probe.kind == MEDIUM).then(|| (disk, probe.kind.into())));
            }
        }
        let (gpt, mbr) = partitions(&daemon)?;
        Ok(Disks {
            devices: daemon.engine.disks(),
            partitions: daemon.list_partitions()?,
            logical_volumes: logical_volumes(&mut daemon)?,
            arrays: arrays(&mut daemon)?,
            unlocked: daemon.engine.unlocked(),
            gpt,
            mbr,
            dynamic: dynamic_volumes(&daemon)?,
            damage: damage(&daemon)?,
            filesystems: filesystems
                .into_iter()
                .map(|(mountable, kind)| Filesystem { mountable, kind })
                .collect(),
        })
    }

    fn open(&mut self, filesystem: &Filesystem) -> Result<Opened<Mounted<'d>>> {
        let mut daemon = self.daemon.borrow_mut();
        if is_array_member(filesystem.kind.as_ref()) {
            let members = daemon.foreign_members()?;
            let member = members.into_iter().find(|member| member.device == filesystem.mountable);
            return Ok(member.map_or(Opened::Nothing, |m| Opened::Unread(Trouble::Unsupported(m.why))));
        }
        // Nothing mounts what blkid cannot name, but something may be there that it can't read.
        if filesystem.kind == "unknown" {
            return Ok(match daemon.unnamed(filesystem.mountable.as_bstr()) {
                Ok(()) => Opened::Nothing,
                Err(failure) => Opened::Unread(daemon.trouble(&failure)),
            });
        }
        daemon.umount_all()?;
        let mountable = daemon.mountable(filesystem.mountable.as_bstr())?;
        let request =
            MountRequest { options: "ro".into(), kind: "".into(), mountable: &mountable, at: SYSROOT.into() };
        match daemon.engine.mount(request) {
            Ok(()) => Ok(Opened::Tree(Mounted { daemon: Rc::clone(&self.daemon), trouble: None })),
            Err(failure) => Ok(Opened::Unread(daemon.trouble(&failure))),
        }
    }

    fn find(&mut self, tag: Tag, value: &BStr) -> Result<Option<BString>> {
        let mut daemon = self.daemon.borrow_mut();
        let found = match tag {
            Tag::Uuid => daemon.findfs_uuid(value),
            Tag::Label => daemon.findfs_label(value),
            Tag::PartUuid => daemon.findfs_partuuid(value),
            Tag::PartLabel => daemon.findfs_partlabel(value),
        };
        match found {
            Ok(device) => Ok(Some(device)),
            // What findfs(8) says of a name that nothing has comes without an errno.
            Err(e) if e.kind() == libguestfs_core::ErrorKind::Daemon && e.errno().is_none() => Ok(None),
            // What kept it from being found is among what is not read.
            Err(e) if e.kind() == libguestfs_core::ErrorKind::NeedsAppliance => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn subvolume(&mut self, device: &BStr, id: u64) -> Result<Option<BString>> {
        let mut daemon = self.daemon.borrow_mut();
        let mountable = daemon.mountable(device)?;
        // What can't be listed has no subvolume that could be named.
        let Ok(subvolumes) = daemon.engine.subvolumes(&mountable) else { return Ok(None) };
        Ok(subvolumes.list.into_iter().find(|subvolume| subvolume.id == id).map(|subvolume| subvolume.path))
    }
}

impl Guestfsd {
    /// Is what blkid has no name for really nothing? An error says what keeps it from being known.
    fn unnamed(&self, device: &BStr) -> engine::Result<()> {
        match self.engine.probe(device) {
            // A volume that lacks a disk, or that is not active.
            Err(Failure::Os(_) | Failure::Text(..)) => return Ok(()),
            probed => probed?,
        };
        if self.engine.disks().iter().any(|disk| disk == device) {
            self.engine.partition_table(device)?;
        }
        Ok(())
    }

    /// What a failure means to the inspection. Beyond a kernel, there is no other engine.
    fn trouble(&self, failure: &Failure) -> Trouble {
        match failure.trouble() {
            Trouble::Unsupported(why) if self.engine.kernel().is_some() => Trouble::Damaged(why),
            trouble => trouble,
        }
    }
}

/// The arrays that run, with what mdadm says of them.
fn arrays(daemon: &mut Guestfsd) -> Result<Vec<Array>> {
    let mut arrays = Vec::new();
    for device in daemon.engine.arrays().at("list_md_devices")? {
        // One that stops meanwhile, or that mdadm can't describe, has no name that a guest could use.
        let Ok(Hashtable(detail)) = daemon.md_detail(device.as_bstr()) else { continue };
        let value = |key: &str| detail.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        let Some(uuid) = value("uuid") else { continue };
        arrays.push(Array { device, uuid, name: value("name").unwrap_or_default() });
    }
    Ok(arrays)
}

/// What is damaged of volumes' metadata. A kernel has programs for those, which tell the log. Devices that can't be read
/// are told of as filesystems.
fn damage(daemon: &Guestfsd) -> Result<Vec<String>> {
    if daemon.engine.kernel().is_some() {
        return Ok(Vec::new());
    }
    let lvm = daemon.engine.lvm().at("lvm")?;
    let ldm = daemon.engine.ldm().at("ldm")?;
    let problems = lvm.problems.iter().chain(&ldm.problems);
    let mut damage: Vec<String> =
        problems.filter(|problem| problem.kind() == ErrorKind::Corrupt).map(chain).collect();
    // An array that lacks too many devices may have had the system.
    let arrays = daemon.engine.assembled().at("list_md_devices")?;
    let lost = arrays.others.iter().filter_map(|array| array.open().err());
    damage.extend(lost.filter(|why| why.kind() != ErrorKind::Unsupported).map(|why| chain(&why)));
    Ok(damage)
}

/// The partitions of GPTs and those of MBRs. Of a disk whose table can't be read, none.
fn partitions(daemon: &Guestfsd) -> Result<(Vec<GptPartition>, Vec<MbrPartition>)> {
    let (mut gpt, mut mbr) = (Vec::new(), Vec::new());
    for PartitionDevice { name: device, parent: disk, number } in
        daemon.engine.partitions().at("list_partitions")?
    {
        let Ok(Some(table)) = daemon.engine.partition_table(disk.as_bstr()) else { continue };
        if table.is_dynamic() {
            continue;
        }
        let Some(entry) = table.partition(number) else { continue };
        match entry.partition_type {
            PartitionType::Gpt(kind) => {
                let kind = kind.to_string().to_ascii_uppercase().into();
                let guid = entry.guid.map_or([0; 16], |guid| guid.0);
                gpt.push(GptPartition { device, disk, kind, guid });
            }
            PartitionType::Mbr(_) => {
                let signature = table.uuid.as_ref().and_then(|uuid| u32::from_str_radix(uuid, 16).ok());
                let Some(signature) = signature else { continue };
                mbr.push(MbrPartition { device, signature, start: entry.start });
            }
        }
    }
    Ok((gpt, mbr))
}

/// The volumes of dynamic disks that can be read. Which order of bytes Windows remembers their identifiers in is not told by
/// any description, so both are given.
fn dynamic_volumes(daemon: &Guestfsd) -> Result<Vec<DynamicVolume>> {
    let disks = daemon.engine.ldm().at("ldm")?;
    let mut volumes = Vec::new();
    for group in &disks.groups {
        for volume in group.volumes.iter().filter(|volume| volume.open().is_ok()) {
            let device = names::ldm(names::LDM_VOLUME, &group.name, &volume.name);
            for guid in [volume.guid.0, volume.guid.swapped()] {
                volumes.push(DynamicVolume { device: device.clone(), guid });
            }
        }
    }
    Ok(volumes)
}

/// The logical volumes that can be read, with the names and UUIDs by which guests refer to them.
fn logical_volumes(daemon: &mut Guestfsd) -> Result<Vec<LogicalVolume>> {
    let mut volumes = Vec::new();
    for device in daemon.lvs()? {
        let mut names =
            device.strip_prefix(b"/dev/").unwrap_or_default().splitn_str(2, "/").map(BString::from);
        let (Some(group), Some(name)) = (names.next(), names.next()) else { continue };
        let group_uuid = daemon.vguuid(group.as_bstr())?;
        let uuid = daemon.lvuuid(device.as_bstr())?;
        let origin = daemon.origin(device.as_bstr());
        volumes.push(LogicalVolume { device, group, name, group_uuid, uuid, origin });
    }
    Ok(volumes)
}

/// The filesystem that is mounted.
struct Mounted<'d> {
    daemon: Rc<RefCell<&'d mut Guestfsd>>,
    trouble: Option<Trouble>,
}

impl Mounted<'_> {
    /// What can't be read is not there, and noted.
    fn with<T>(&mut self, look: impl FnOnce(&mut GuestTree<'_>) -> Result<Option<T>>) -> Result<Option<T>> {
        let daemon = self.daemon.borrow();
        let mut tree = GuestTree::new(daemon.tree());
        let found = look(&mut tree);
        let Some(trouble) = tree.trouble() else { return found };
        let trouble = match trouble {
            Trouble::Unsupported(why) if daemon.engine.kernel().is_some() => Trouble::Damaged(why),
            trouble => trouble,
        };
        self.trouble = Some(trouble.or_first(self.trouble.take()));
        Ok(found.unwrap_or_default())
    }
}

impl Tree for Mounted<'_> {
    type Error = Error;

    fn entry(&mut self, path: &BStr) -> Result<Option<Entry>> {
        self.with(|tree| tree.entry(path))
    }

    fn read_link(&mut self, path: &BStr) -> Result<Option<BString>> {
        self.with(|tree| tree.read_link(path))
    }

    fn read(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<u8>>> {
        self.with(|tree| tree.read(path, max))
    }

    fn find_nocase(&mut self, path: &BStr, name: &BStr) -> Result<Option<BString>> {
        self.with(|tree| tree.find_nocase(path, name))
    }

    fn names(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<BString>>> {
        self.with(|tree| tree.names(path, max))
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.clone()
    }
}

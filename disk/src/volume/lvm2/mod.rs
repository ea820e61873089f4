//! LVM2: physical volumes, the volume groups that they form, and the logical volumes in those.
//!
//! ```text
//! devices ─ label.rs ─► text ─ text.rs ─► sections ─ metadata.rs ─► one Metadata a group (its newest)
//!                                                                         │
//!                    Volumes (this file: what pvs, vgs and lvs report) ◄──┴──► ../map.rs: bytes of a volume
//! ```
//!
//! [`scan`] never fails for what lies on one device: damage is noted in [`Volumes::problems`], and what needs the
//! damaged part is refused when it is opened, while the rest stays usable. Logical volumes that are made of linear and
//! striped segments can be read, and RAID and mirrors that are whole (`raid.rs`). All others (snapshots, thin, cached…) are
//! listed, and [`LogicalVolume::open`] refuses them as `Unsupported`, naming the type.
//!
//! Facts about the format are from lvm2's `format_text` and its manual pages.

mod label;

mod metadata;
mod raid;
mod report;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use self::label::{Label, SECTOR};
use self::metadata::{Lv, Metadata};
use super::map::{AreaMap, Mapped};
use crate::{Context, Error, ErrorKind, ReadAt, Result};

pub use self::report::{LogicalVolume, PhysicalVolume, VolumeGroup};

/// LVM2's identifiers: 32 letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 32]);

impl Uuid {
    /// Sizes of the groups in which identifiers are shown.
    const GROUPS: [usize; 7] = [6, 4, 4, 4, 4, 4, 6];

    fn from_raw(raw: [u8; 32]) -> Result<Uuid> {
        if raw.iter().all(u8::is_ascii_alphanumeric) {
            Ok(Uuid(raw))
        } else {
            Err(Error::corrupt(format!("LVM2 identifier {:?}", raw.as_bstr())))
        }
    }

    /// The form with hyphens.
    fn parse(text: &BStr) -> Result<Uuid> {
        let raw: Vec<u8> = text.bytes().filter(|&c| c != b'-').collect();
        let raw = raw.try_into().map_err(|_| Error::corrupt(format!("LVM2 identifier {text:?}")))?;
        Uuid::from_raw(raw)
    }

    /// The 32 bytes without hyphens.
    pub fn raw(&self) -> &[u8; 32] {
        &self.0
    }
}

/// With hyphens, as lvm and blkid show it.
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        for (position, len) in Uuid::GROUPS.into_iter().enumerate() {
            let (group, later) = rest.split_at_checked(len).unwrap_or_default();
            rest = later;
            write!(f, "{}{}", if position == 0 { "" } else { "-" }, group.as_bstr())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything that LVM2 finds on some devices.
#[derive(Debug)]
pub struct Volumes {
    /// Physical volumes: those found, in the order of the devices, then those that are missing.
    pub physical_volumes: Vec<PhysicalVolume>,
    /// Volume groups, in the order in which their first physical volumes were found.
    pub groups: Vec<VolumeGroup>,
    /// What was damaged or ambiguous, in words.
    pub problems: Vec<Error>,
}

impl Volumes {
    /// The logical volume `name` of the group `group`.
    ///
    /// # Errors
    /// `NotFound` if there is none; `Unsupported` if there are several groups of that name.
    pub fn logical_volume(&self, group: &[u8], name: &[u8]) -> Result<&LogicalVolume> {
        let missing = || {
            Error::new(
                ErrorKind::NotFound,
                format!("no logical volume {}/{}", group.as_bstr(), name.as_bstr()),
            )
        };
        let mut groups = self.groups.iter().filter(|g| g.name == group);
        let found = groups.next().ok_or_else(missing)?;
        if groups.next().is_some() {
            return Err(Error::unsupported(format!("several volume groups are called {}", group.as_bstr())));
        }
        found.volumes.iter().find(|lv| lv.visible && lv.name == name).ok_or_else(missing)
    }
}

/// A device with a label.
#[derive(Debug)]
struct Found<'d> {
    name: &'d BStr,
    source: &'d Arc<dyn ReadAt>,
    label: Label,
}

/// The newest metadata of a group, and what it was chosen from.
#[derive(Debug)]
struct Group {
    metadata: Metadata,
    /// Do two texts claim to be the newest, and differ?
    contradicted: bool,
}

/// Looks for physical volumes on `devices` (name and content), and puts together what they form.
///
/// # Errors
/// `Unsupported` if metadata may be right and is not understood. Damaged structures, and devices that cannot be read, are no
/// error: see [`Volumes::problems`]. Groups that name a host as their owner are left out, with their physical
/// volumes, as LVM2 on a host without a name (libguestfs's appliance) leaves them out.
pub fn scan(devices: &[(BString, Arc<dyn ReadAt>)]) -> Result<Volumes> {
    let mut problems = Vec::new();
    let mut found: Vec<Found<'_>> = Vec::new();
    let mut duplicates: Vec<Uuid> = Vec::new();
    for (name, source) in devices {
        let label = match Label::read(source) {
            Ok(Some(label)) => label,
            Ok(None) => continue,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                return Err(error.context(format!("{name}")));
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                problems.push(error.context(format!("{name}: damaged LVM2 physical volume")));
                continue;
            }
            // As in a kernel: one disk that fails does not take the volumes of others along.
            Err(error) => {
                problems.push(error.context(format!("{name}: can't be read")));
                continue;
            }
        };
        if let Some(first) = found.iter().find(|f| f.label.uuid == label.uuid) {
            let uuid = label.uuid;
            problems.push(Error::unsupported(format!(
                "{name} and {} are both physical volume {uuid}",
                first.name
            )));
            duplicates.push(uuid);
            continue;
        }
        found.push(Found { name: name.as_bstr(), source, label });
    }

    let groups = newest_metadata(&found, &mut problems);
    let mut volumes = Volumes { physical_volumes: Vec::new(), groups: Vec::new(), problems };
    let mut hidden = Vec::new();
    for group in &groups {
        let metadata = &group.metadata;
        if !metadata.system_id.is_empty() {
            hidden.extend(metadata.pvs.iter().map(|pv| pv.uuid));
            volumes.problems.push(Error::unsupported(format!(
                "volume group {} belongs to the host {}",
                metadata.name, metadata.system_id
            )));
            continue;
        }
        let same_name = groups.iter().filter(|g| g.metadata.name == group.metadata.name).count();
        let devices = Devices { found: &found, duplicates: &duplicates };
        let ambiguous = if group.contradicted {
            Some("its physical volumes have different metadata of the same age".to_owned())
        } else if same_name > 1 {
            Some(format!("{same_name} volume groups have its name"))
        } else {
            None
        };
        report::add_group(&mut volumes, &group.metadata, &devices, ambiguous.as_deref());
    }
    report::number_devices(&mut volumes.groups);
    report::add_orphans(&mut volumes, &found, &hidden);
    Ok(volumes)
}

/// The newest valid metadata of each group that the labels tell of.
fn newest_metadata(found: &[Found<'_>], problems: &mut Vec<Error>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut texts: BTreeMap<Uuid, Vec<u8>> = BTreeMap::new();
    for pv in found {
        for area in &pv.label.areas {
            let text = match &area.text {
                Ok(text) => text,
                Err(error) => {
                    problems.push(Error::new(error.kind(), format!("{}: {error}", pv.name)));
                    continue;
                }
            };
            let label::Text::Committed(text) = text else { continue };
            if texts.values().any(|known| known == text) {
                continue;
            }
            let metadata = match Metadata::parse(text) {
                Ok(metadata) => metadata,
                Err(error) => {
                    problems.push(error.context(format!("{}: damaged LVM2 metadata", pv.name)));
                    continue;
                }
            };
            let uuid = metadata.uuid;
            match groups.iter_mut().find(|g| g.metadata.uuid == uuid) {
                None => groups.push(Group { metadata, contradicted: false }),
                Some(group) if metadata.seqno > group.metadata.seqno => {
                    *group = Group { metadata, contradicted: false };
                }
                Some(group) if metadata.seqno == group.metadata.seqno => {
                    group.contradicted = true;
                    continue;
                }
                Some(_) => continue,
            }
            texts.insert(uuid, text.clone());
        }
    }
    groups
}

/// The devices that a group's metadata is matched with.
#[derive(Debug)]
struct Devices<'d> {
    found: &'d [Found<'d>],
    /// Identifiers that several devices carry.
    duplicates: &'d [Uuid],
}

impl<'d> Devices<'d> {
    fn get(&self, uuid: Uuid) -> Option<&Found<'d>> {
        self.found.iter().find(|f| f.label.uuid == uuid)
    }

    /// The device of the physical volume that a group's metadata calls `key`.
    fn source(&self, pv: &metadata::Pv) -> Result<&'d Arc<dyn ReadAt>> {
        if self.duplicates.contains(&pv.uuid) {
            return Err(Error::unsupported(format!("several devices are physical volume {}", pv.uuid)));
        }
        match self.get(pv.uuid) {
            Some(found) if !pv.flags.has(MISSING) => Ok(found.source),
            _ => Err(Error::new(ErrorKind::NotFound, format!("physical volume {} is missing", pv.uuid))),
        }
    }
}

/// Flag of a physical volume that was away when its group was last changed: what it holds is out of date.
const MISSING: &str = "MISSING";

/// Type of a segment that is linear (one stripe) or striped.
const STRIPED: &str = "striped";

/// Type of a segment of zeros.
const ZERO: &str = "zero";

/// Sectors to bytes.
fn bytes(sectors: u64) -> Result<u64> {
    sectors.checked_mul(SECTOR).ok_or_else(|| Error::corrupt("LVM2: more than 2^64 bytes"))
}

/// Puts the bytes of `lv` together.
fn map(metadata: &Metadata, lv: &Lv, devices: &Devices<'_>) -> Result<Arc<dyn ReadAt>> {
    refuse_what_is_more_than_its_segments(metadata, lv)?;
    if lv.segments.iter().any(|segment| raid::is_raid(&segment.kind)) {
        return raid::open(metadata, lv, devices);
    }
    map_areas(metadata, lv, devices)
}

/// The same of a volume that lies on physical volumes.
fn map_areas(metadata: &Metadata, lv: &Lv, devices: &Devices<'_>) -> Result<Arc<dyn ReadAt>> {
    let extent = bytes(metadata.extent_size)?;
    let too_large = || Error::corrupt("LVM2: more than 2^64 bytes");
    let mut mapped = Mapped::new();
    for segment in &lv.segments {
        if segment.kind == ZERO && segment.kind_flags.is_empty() {
            let len = segment.extents.checked_mul(extent).ok_or_else(too_large)?;
            mapped.push(len, vec![AreaMap { source: Arc::new(raid::Zeros(len)), start: 0 }], 0)?;
            continue;
        }
        if segment.kind != STRIPED || !segment.kind_flags.is_empty() {
            return Err(Error::unsupported(format!("LVM2 segment of type {}", segment.kind)));
        }
        let stripes = u64::try_from(segment.stripes.len()).unwrap_or(u64::MAX);
        let extents_each = segment.extents.checked_div(stripes).unwrap_or(0);
        let mut areas = Vec::new();
        for stripe in &segment.stripes {
            let Some((_, pv)) = metadata.pv(&stripe.volume) else {
                return Err(Error::unsupported(format!("LVM2 segment that lies in {}", stripe.volume)));
            };
            if stripe.start.checked_add(extents_each).is_none_or(|end| end > pv.extents) {
                return Err(Error::corrupt(format!(
                    "LVM2 segment runs past the end of physical volume {}",
                    pv.uuid
                )));
            }
            let start = stripe.start.checked_mul(extent).ok_or_else(too_large)?;
            let start = bytes(pv.start)?.checked_add(start).ok_or_else(too_large)?;
            areas.push(AreaMap { source: devices.source(pv)?.clone(), start });
        }
        let len = segment.extents.checked_mul(extent).ok_or_else(too_large)?;
        mapped.push(len, areas, bytes(segment.stripe_size)?)?;
    }
    Ok(Arc::new(mapped))
}

/// Flags of logical volumes whose segments are what they hold.
const PLAIN_FLAGS: [&str; 7] =
    ["READ", "WRITE", "VISIBLE", "FIXED_MINOR", "ACTIVATION_SKIP", "NOAUTOACTIVATE", "LOCKED"];

/// A snapshot's own segments hold its changes, and an origin that a snapshot is merged into holds neither the old nor
/// the new: these must not be read as if they were plain.
fn refuse_what_is_more_than_its_segments(metadata: &Metadata, lv: &Lv) -> Result<()> {
    if let Some(flag) = lv.flags.other_than(&PLAIN_FLAGS) {
        return Err(Error::unsupported(format!("LVM2 volume with flag {flag}")));
    }
    for other in metadata.uses(&lv.name) {
        match other.role.as_slice() {
            b"cow_store" => return Err(Error::unsupported("LVM2 snapshot")),
            b"merging_store" => return Err(Error::unsupported("LVM2 snapshot that is being merged")),
            b"origin" if other.merging => {
                return Err(Error::unsupported("LVM2 volume that a snapshot is being merged into"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The bytes of `lv`, with its name in errors.
fn open(metadata: &Metadata, lv: &Lv, devices: &Devices<'_>) -> Result<Arc<dyn ReadAt>> {
    map(metadata, lv, devices).context(|| format!("{}/{}", metadata.name, lv.name))
}

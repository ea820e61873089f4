//! A disk group: records put together by their numbers, and where the bytes of volumes lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use bstr::{BString, ByteSlice};

use super::database::{self, Database};
use super::privhead::PrivHead;
use super::record::{self, Component, Layout, Record};
use super::{Found, SECTOR, Uuid};
use crate::volume::map::{AreaMap, Mapped};
use crate::volume::redundant::{Mirror, Parity, ParityLayout};
use crate::volume::refusal::Refusal;
use crate::{Error, ErrorKind, ReadAt, Result, Window};

/// Fewest columns that RAID-5 has on dynamic disks.
const RAID5_COLUMNS: usize = 3;
/// State of a component that is up to date.
const UP_TO_DATE: &str = "ACTIVE";

/// A disk group.
#[derive(Debug)]
pub struct DiskGroup {
    /// Identifier.
    pub guid: Uuid,
    /// Name.
    pub name: BString,
    /// Number of the last change that its newest database has.
    pub sequence: u64,
    /// Disks, in the order of the database, missing ones included.
    pub disks: Vec<Disk>,
    /// Partitions, in the order of the database.
    pub partitions: Vec<Partition>,
    /// Volumes, in the order of the database.
    pub volumes: Vec<Volume>,
}

/// A disk of a group.
#[derive(Debug)]
pub struct Disk {
    /// Name within the group.
    pub name: BString,
    /// Identifier.
    pub guid: Uuid,
    /// Where it was found; `None` if it is missing.
    pub device: Option<BString>,
    /// First byte of its data; 0 if it is missing.
    pub data_start: u64,
    /// Bytes of its data; 0 if it is missing.
    pub data_len: u64,
    /// First byte of its database; 0 if it is missing.
    pub metadata_start: u64,
    /// Bytes of its database; 0 if it is missing.
    pub metadata_len: u64,
    /// Did it miss changes of the group?
    pub outdated: bool,
    content: Option<Arc<dyn ReadAt>>,
    /// Several devices claim to be this disk.
    ambiguous: bool,
}

/// A run of a disk's bytes that a volume uses.
#[derive(Debug)]
pub struct Partition {
    /// Name.
    pub name: BString,
    /// First byte, counted from the start of its disk's data.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// Index in [`DiskGroup::disks`] of its disk.
    pub disk: usize,
    /// Does ldmtool make a device of it? It does for the parts of mirrors and RAID-5.
    pub has_device: bool,
    source: Result<Arc<dyn ReadAt>, Refusal>,
}

/// How a volume's partitions make it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeKind {
    /// One partition.
    Simple,
    /// Partitions one after the other.
    Spanned,
    /// Chunks by turns.
    Striped,
    /// The same bytes several times.
    Mirrored,
    /// Chunks by turns, with parity.
    Raid5,
}

impl VolumeKind {
    /// Name as ldmtool gives it.
    pub fn name(self) -> &'static str {
        match self {
            VolumeKind::Simple => "simple",
            VolumeKind::Spanned => "spanned",
            VolumeKind::Striped => "striped",
            VolumeKind::Mirrored => "mirrored",
            VolumeKind::Raid5 => "RAID5",
        }
    }
}

/// A volume.
#[derive(Debug)]
pub struct Volume {
    /// Name within the group.
    pub name: BString,
    /// Identifier, by which Windows remembers its drive letter.
    pub guid: Uuid,
    /// How its partitions make it up.
    pub kind: VolumeKind,
    /// Bytes.
    pub len: u64,
    /// Bytes of a chunk; 0 if it is not striped.
    pub chunk: u64,
    /// Type, as in an MBR.
    pub partition_type: u8,
    /// Where Windows last had it: a drive letter and a colon.
    pub hint: Option<BString>,
    /// Indexes in [`DiskGroup::partitions`] of its partitions.
    pub partitions: Vec<usize>,
    source: Result<Arc<dyn ReadAt>, Refusal>,
}

impl Volume {
    /// The volume's bytes.
    ///
    /// # Errors
    /// `NotFound` if disks are missing without which it can't be read, `Unsupported` if several devices claim to be the same
    /// disk, `Corrupt` if the database contradicts itself or its disks.
    pub fn open(&self) -> Result<Arc<dyn ReadAt>> {
        self.source.clone().map_err(Refusal::error)
    }
}

impl Partition {
    /// The partition's bytes.
    ///
    /// # Errors
    /// As for [`Volume::open`].
    pub fn open(&self) -> Result<Arc<dyn ReadAt>> {
        self.source.clone().map_err(Refusal::error)
    }
}

/// Puts the group together of which `members` are the disks that were found.
pub(super) fn assemble(members: &[&Found<'_>], problems: &mut Vec<Error>) -> Result<DiskGroup> {
    let copies = || members.iter().filter_map(|member| Some((*member, member.database.as_ref()?)));
    let Some((holder, newest)) = copies().rev().max_by_key(|(_, database)| database.sequence) else {
        return Err(Error::corrupt("no copy of its database is sound"));
    };
    for (member, database) in copies() {
        if database.sequence < newest.sequence {
            problems.push(Error::corrupt(format!(
                "{} missed changes of its disk group: it has number {}, {} has {}",
                member.name, database.sequence, holder.name, newest.sequence
            )));
        } else if sorted(database) != sorted(newest) {
            return Err(Error::unsupported(format!(
                "{} and {} have different databases of the same age",
                holder.name, member.name
            )));
        }
    }
    let name = database::group_name(&newest.records).unwrap_or_else(|| holder.head.group_name.clone());
    let mut group = DiskGroup {
        guid: holder.head.group,
        name,
        sequence: newest.sequence,
        disks: Vec::new(),
        partitions: Vec::new(),
        volumes: Vec::new(),
    };
    Builder { group: &mut group, newest, members }.build(problems)?;
    Ok(group)
}

fn sorted(database: &Database) -> Vec<&Record> {
    let mut records: Vec<_> = database.records.iter().collect();
    records.sort_unstable();
    records
}

/// Sectors of the database as bytes.
fn bytes(sectors: u64) -> Result<u64> {
    sectors.checked_mul(SECTOR).ok_or_else(|| Error::corrupt(format!("{sectors} sectors on a dynamic disk")))
}

#[derive(Debug)]
struct Builder<'g, 'd> {
    group: &'g mut DiskGroup,
    newest: &'g Database,
    members: &'g [&'g Found<'d>],
}

/// A component with the partitions that name it, in the order of their columns.
#[derive(Debug)]
struct Parts<'r> {
    component: &'r Component,
    /// The records, and their indexes in the group.
    partitions: Vec<(&'r record::Partition, usize)>,
}

impl<'g> Builder<'g, '_> {
    fn build(mut self, problems: &mut Vec<Error>) -> Result<()> {
        let mut disks = BTreeMap::new();
        for record in &self.newest.records {
            let Record::Disk(record) = record else { continue };
            disks.insert(record.id, self.group.disks.len());
            let disk = self.disk(record, problems);
            self.group.disks.push(disk);
        }
        let mut components: BTreeMap<u64, Parts<'_>> = BTreeMap::new();
        for record in &self.newest.records {
            if let Record::Component(component) = record {
                components.insert(component.id, Parts { component, partitions: Vec::new() });
            }
        }
        for record in &self.newest.records {
            let Record::Partition(record) = record else { continue };
            let unknown = |what: &str, id: u64| {
                Error::corrupt(format!("LDM partition {} of {what} {id}, which is not there", record.name))
            };
            let disk = *disks.get(&record.disk).ok_or_else(|| unknown("disk", record.disk))?;
            let parts = components.get_mut(&record.component);
            let parts = parts.ok_or_else(|| unknown("component", record.component))?;
            parts.partitions.push((record, self.group.partitions.len()));
            let partition = self.partition(record, disk)?;
            self.group.partitions.push(partition);
        }
        // In the order of the records, in which ldmtool goes through components.
        let order = self.newest.records.iter().filter_map(|record| match record {
            Record::Component(component) => components.remove(&component.id),
            _ => None,
        });
        let mut volumes: BTreeMap<u64, Vec<Parts<'_>>> = BTreeMap::new();
        for mut parts in order {
            let component = parts.component;
            if u64::try_from(parts.partitions.len()) != Ok(component.partitions) {
                return Err(Error::corrupt(format!(
                    "LDM component {} of {} partitions has {}",
                    component.id,
                    component.partitions,
                    parts.partitions.len()
                )));
            }
            parts.partitions.sort_by_key(|(partition, _)| partition.index);
            volumes.entry(component.volume).or_default().push(parts);
        }
        for record in &self.newest.records {
            let Record::Volume(record) = record else { continue };
            let parts = volumes.remove(&record.id).unwrap_or_default();
            let volume = self.volume(record, &parts)?;
            self.group.volumes.push(volume);
        }
        match volumes.keys().next() {
            Some(volume) => {
                Err(Error::corrupt(format!("LDM components of volume {volume}, which is not there")))
            }
            None => Ok(()),
        }
    }

    fn disk(&self, record: &record::Disk, problems: &mut Vec<Error>) -> Disk {
        let mut found = self.members.iter().filter(|member| member.head.disk == record.guid);
        let member = found.next();
        let others: Vec<String> = found.map(|other| other.name.to_string()).collect();
        if let Some(member) = member.filter(|_| !others.is_empty()) {
            problems.push(Error::unsupported(format!(
                "{} and {} are both disk {} of disk group {}",
                member.name,
                others.join(", "),
                record.name,
                self.group.name
            )));
        }
        let unit = member.map_or(SECTOR, |member| u64::from(member.source.sector_size()));
        let place = |place: fn(&PrivHead) -> (u64, u64)| {
            let (start, sectors) = member.map_or((0, 0), |member| place(&member.head));
            (start.saturating_mul(unit), sectors.saturating_mul(unit))
        };
        let (data_start, data_len) = place(|head| head.data);
        let (metadata_start, metadata_len) = place(|head| head.database);
        let is_newest = |member: &&&Found<'_>| {
            member.database.as_ref().is_some_and(|d| d.sequence == self.newest.sequence)
        };
        Disk {
            name: record.name.clone(),
            guid: record.guid,
            device: member.map(|member| member.name.to_owned()),
            data_start,
            data_len,
            metadata_start,
            metadata_len,
            outdated: member.is_some() && member.filter(is_newest).is_none(),
            content: member.map(|member| Arc::clone(member.source)),
            ambiguous: !others.is_empty(),
        }
    }

    fn partition(&self, record: &record::Partition, disk: usize) -> Result<Partition> {
        let (start, len) = (bytes(record.start)?, bytes(record.size)?);
        let on = self.group.disks.get(disk).ok_or_else(|| Error::corrupt("a partition of no disk"))?;
        let source = self.area(on, &record.name, start, len).map_err(Refusal::from);
        Ok(Partition { name: record.name.clone(), start, len, disk, has_device: false, source })
    }

    /// `len` bytes of a disk's data from byte `start` on.
    fn area(&self, disk: &Disk, name: &BString, start: u64, len: u64) -> Result<Arc<dyn ReadAt>> {
        let group = &self.group.name;
        if disk.ambiguous {
            return Err(Error::unsupported(format!(
                "several devices are {} of disk group {group}",
                disk.name
            )));
        }
        let Some(content) = &disk.content else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{} of disk group {group} is missing", disk.name),
            ));
        };
        let start = disk.data_start.checked_add(start);
        let inside = start.and_then(|start| start.checked_add(len)).is_some_and(|end| end <= content.len());
        match start {
            Some(start) if inside => Ok(Arc::new(Window::new(Arc::clone(content), start, len))),
            _ => Err(Error::corrupt(format!("LDM partition {name} goes past the end of {}", disk.name))),
        }
    }

    fn volume(&mut self, record: &record::Volume, components: &[Parts<'g>]) -> Result<Volume> {
        let contradiction =
            |what: String| Error::corrupt(format!("LDM volume {} is contradictory: {what}", record.name));
        let count = u64::try_from(components.len()).unwrap_or(u64::MAX);
        if count != record.components {
            return Err(contradiction(format!("{count} components instead of {}", record.components)));
        }
        let Some(last) = components.last() else { return Err(contradiction("no components".to_owned())) };
        let layout = last.component.layout;
        let kind = match (layout, components.len(), last.partitions.len()) {
            (Layout::Concatenated, 1, 1) => VolumeKind::Simple,
            (Layout::Concatenated, 1, _) => VolumeKind::Spanned,
            (Layout::Concatenated, ..) => VolumeKind::Mirrored,
            (Layout::Striped, 1, _) => VolumeKind::Striped,
            (Layout::Raid5, 1, _) => VolumeKind::Raid5,
            (_, count, _) => return Err(contradiction(format!("{count} components of {layout:?} layout"))),
        };
        let alike = components.iter().all(|parts| parts.component.layout == layout);
        if !alike || record.raid5 != (kind == VolumeKind::Raid5) {
            return Err(contradiction("kinds of components and volume".to_owned()));
        }
        let partitions: Vec<usize> =
            components.iter().flat_map(|parts| &parts.partitions).map(|(_, index)| *index).collect();
        if matches!(kind, VolumeKind::Mirrored | VolumeKind::Raid5) {
            for &index in &partitions {
                if let Some(partition) = self.group.partitions.get_mut(index) {
                    partition.has_device = partition.source.is_ok();
                }
            }
        }
        let mut volume = Volume {
            name: record.name.clone(),
            guid: record.guid,
            kind,
            len: bytes(record.size)?,
            chunk: bytes(last.component.chunk)?,
            partition_type: record.partition_type,
            hint: record.hint.clone(),
            partitions,
            source: Err(Refusal { kind: ErrorKind::NotFound, what: String::new() }),
        };
        volume.source = self.content(&volume, components).map_err(|error| {
            let what = format!("{} volume {}: {error}", kind.name(), volume.name);
            Refusal { kind: error.kind(), what }
        });
        Ok(volume)
    }

    /// The content of a volume, by what it is.
    fn content(&self, volume: &Volume, components: &[Parts<'g>]) -> Result<Arc<dyn ReadAt>> {
        let Some(first) = components.first() else { return Err(Error::corrupt("no components")) };
        match volume.kind {
            VolumeKind::Simple | VolumeKind::Spanned => self.concatenated(first),
            VolumeKind::Striped => self.striped(volume, first),
            VolumeKind::Mirrored => self.mirrored(volume, components),
            VolumeKind::Raid5 => self.raid5(volume, first),
        }
    }

    fn partition_source(&self, index: usize) -> Result<&Partition> {
        self.group.partitions.get(index).ok_or_else(|| Error::corrupt("a partition that is not there"))
    }

    /// Fails with all that keeps the partitions of a component from being read.
    fn need_all(&self, parts: &Parts<'_>) -> Result<()> {
        let mut refusals: Vec<&Refusal> = Vec::new();
        for (_, index) in &parts.partitions {
            if let Err(refusal) = &self.partition_source(*index)?.source
                && refusals.iter().all(|known| known.what != refusal.what)
            {
                refusals.push(refusal);
            }
        }
        let Some(first) = refusals.first() else { return Ok(()) };
        let whats: Vec<&str> = refusals.iter().map(|refusal| refusal.what.as_str()).collect();
        Err(Error::new(first.kind, whats.join("; ")))
    }

    fn concatenated(&self, parts: &Parts<'_>) -> Result<Arc<dyn ReadAt>> {
        self.need_all(parts)?;
        let mut partitions = parts.partitions.clone();
        partitions.sort_by_key(|(record, _)| record.volume_offset);
        let mut mapped = Mapped::new();
        for (record, index) in partitions {
            if bytes(record.volume_offset)? != mapped.len() {
                return Err(Error::corrupt(format!(
                    "{} does not follow the partition before it",
                    record.name
                )));
            }
            let source = self.partition_source(index)?.open()?;
            mapped.push(source.len(), vec![AreaMap { source, start: 0 }], 0)?;
        }
        Ok(Arc::new(mapped))
    }

    /// The indexes of a component's partitions, of which each is one column.
    fn columns(parts: &Parts<'_>) -> Result<Vec<usize>> {
        let numbered = (0..).zip(&parts.partitions).all(|(column, (record, _))| record.index == column);
        if !numbered || parts.component.columns != parts.component.partitions {
            return Err(Error::unsupported(format!(
                "{} partitions in {} columns",
                parts.component.partitions, parts.component.columns
            )));
        }
        Ok(parts.partitions.iter().map(|(_, index)| *index).collect())
    }

    fn striped(&self, volume: &Volume, parts: &Parts<'_>) -> Result<Arc<dyn ReadAt>> {
        let columns = Self::columns(parts)?;
        self.need_all(parts)?;
        let mut areas = Vec::new();
        for index in columns {
            areas.push(AreaMap { source: self.partition_source(index)?.open()?, start: 0 });
        }
        let mut mapped = Mapped::new();
        mapped.push(volume.len, areas, volume.chunk)?;
        Ok(Arc::new(mapped))
    }

    /// Did the disk of a component's partition miss changes?
    fn is_outdated(&self, parts: &Parts<'_>) -> bool {
        parts.partitions.iter().any(|(_, index)| {
            let partition = self.group.partitions.get(*index);
            partition.and_then(|p| self.group.disks.get(p.disk)).is_none_or(|disk| disk.outdated)
        })
    }

    fn mirrored(&self, volume: &Volume, components: &[Parts<'_>]) -> Result<Arc<dyn ReadAt>> {
        let mut refusal = None;
        let mut copies = Vec::new();
        for parts in components {
            match self.concatenated(parts) {
                Ok(copy) => {
                    let current = parts.component.state.as_bstr() == UP_TO_DATE && !self.is_outdated(parts);
                    copies.push((current, copy));
                }
                Err(error) => _ = refusal.get_or_insert(error),
            }
        }
        // Copies that missed changes hold older data: they stand in for nothing, and count only if there is no other.
        if copies.iter().any(|(current, _)| *current) {
            copies.retain(|(current, _)| *current);
        }
        match refusal {
            Some(error) if copies.is_empty() => Err(error),
            _ => {
                let copies = copies.into_iter().map(|(_, copy)| copy).collect();
                Ok(Arc::new(Mirror::new(copies, volume.len)?))
            }
        }
    }

    /// Parity rotates as in Linux's left-symmetric layout, as libldm has it made.
    fn raid5(&self, volume: &Volume, parts: &Parts<'_>) -> Result<Arc<dyn ReadAt>> {
        let columns = Self::columns(parts)?;
        let mut sources = Vec::new();
        for index in columns {
            let partition = self.partition_source(index)?;
            let outdated = self.group.disks.get(partition.disk).is_none_or(|disk| disk.outdated);
            sources.push((outdated, partition.source.as_ref().ok().cloned()));
        }
        let missing = sources.iter().filter(|(_, source)| source.is_none()).count();
        if missing > 1 {
            self.need_all(parts)?;
        }
        // One column may be done without: the one that is not there, or else the one that missed changes.
        let outdated = sources.iter().filter(|(outdated, source)| *outdated && source.is_some()).count();
        if missing == 0 && outdated == 1 {
            sources.iter_mut().filter(|(outdated, _)| *outdated).for_each(|(_, source)| *source = None);
        } else if outdated > 0 {
            return Err(Error::unsupported("several of its disks are missing or missed changes"));
        }
        let sources: Vec<_> = sources.into_iter().map(|(_, source)| source).collect();
        if sources.len() < RAID5_COLUMNS {
            return Err(Error::corrupt(format!("RAID-5 of {} columns", sources.len())));
        }
        let layout = ParityLayout::LEFT_SYMMETRIC;
        Ok(Arc::new(Parity::new(sources, layout, volume.chunk, volume.len)?))
    }
}

/// The partitions of the disk that `head` names: first byte on the disk and length, by their starts, cut to the disk.
pub(super) fn partitions_of(disk: &dyn ReadAt, head: &PrivHead, records: &[Record]) -> Vec<(u64, u64)> {
    let id = records.iter().find_map(|record| match record {
        Record::Disk(disk) if disk.guid == head.disk => Some(disk.id),
        _ => None,
    });
    let mut list: Vec<(u64, u64)> = records
        .iter()
        .filter_map(|record| match record {
            Record::Partition(partition) if Some(partition.disk) == id => {
                let data = head.data.0.checked_mul(u64::from(disk.sector_size()))?;
                let start = data.checked_add(partition.start.checked_mul(SECTOR)?)?;
                let left = disk.len().checked_sub(start)?;
                Some((start, partition.size.checked_mul(SECTOR)?.min(left)))
            }
            _ => None,
        })
        .collect();
    list.sort_unstable();
    list
}

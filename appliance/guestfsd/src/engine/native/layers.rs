//! Arrays and logical volumes, which may lie on each other: arrays on partitions or on arrays, volumes on arrays, arrays on
//! volumes.
//!
//! They are put together in the order in which libguestfs's appliance does it: arrays that lack no device, then volumes, then
//! arrays that can do without the devices that they lack, or lie on volumes. Volumes on those come last; the original has none.
//! What lies on encrypted devices comes when they are opened, and changes the number of no array.

use std::cmp::Reverse;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use disk::partition::{self, Table};
use disk::volume::lvm2::{self, Volumes};
use disk::volume::md::{self, Array};
use disk::{ErrorKind, ReadAt};

use crate::engine::{Arrays, Result, RunningArray, names};
use crate::error::Failure;

/// Number of the first array; the next has one less (mdadm numbers from 127 downwards what no name numbers).
const FIRST_NUMBER: u32 = 127;
/// How deep arrays of arrays go.
const MAX_NESTING: usize = 4;

/// A device that may be a part of something.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) name: BString,
    pub(super) source: Arc<dyn ReadAt>,
    /// Is it a member of an array?
    pub(super) is_member: bool,
    /// Has it partitions, so that nothing else is looked for on it?
    pub(super) has_partitions: bool,
}

/// What is put together.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) arrays: Arc<Arrays>,
    pub(super) volumes: Arc<Volumes>,
}

fn named<'c>(candidates: impl Iterator<Item = &'c Candidate>) -> Vec<(BString, Arc<dyn ReadAt>)> {
    candidates.map(|candidate| (candidate.name.clone(), Arc::clone(&candidate.source))).collect()
}

/// Where a device stands in the kernel's list: a disk, its partitions, the next disk; then what was put together. mdadm begins
/// with the last device, and with the array that it belongs to.
fn rank(device: &BString) -> (bool, usize, u32) {
    match names::parse(device) {
        Some((disk, partition)) => (false, disk, partition.unwrap_or(0)),
        None => (true, 0, 0),
    }
}

impl Layers {
    /// Puts together what lies on `candidates`, and then what lies on encrypted devices that were `opened`; `is_member` tells
    /// members of arrays among what comes up.
    pub(super) fn new(
        mut candidates: Vec<Candidate>,
        opened: Vec<Candidate>,
        is_member: impl Fn(&BStr, &Arc<dyn ReadAt>) -> Result<bool>,
    ) -> Result<Layers> {
        let mut arrays = Arrays::default();
        arrays.start(&mut candidates, &is_member, |array| array.complete)?;
        let mut volumes = volumes(&candidates)?;
        let logical = volumes.groups.iter().flat_map(|group| {
            let shown = group.volumes.iter().filter(|volume| volume.active && volume.public);
            shown.filter_map(|volume| Some((names::volume(&group.name, &volume.name), volume.open().ok()?)))
        });
        let mut on_volumes = false;
        for (name, source) in logical {
            if is_member(name.as_bstr(), &source)? {
                on_volumes = true;
                candidates.push(Candidate { name, source, is_member: true, has_partitions: false });
            }
        }
        if on_volumes || !arrays.others.is_empty() {
            let before = arrays.running.len();
            arrays.start(&mut candidates, &is_member, |_| true)?;
            if arrays.running.len() > before {
                volumes = self::volumes(&candidates)?;
            }
        }
        if !opened.is_empty() {
            candidates.extend(opened);
            arrays.start(&mut candidates, &is_member, |_| true)?;
            volumes = self::volumes(&candidates)?;
        }
        Ok(Layers { arrays: Arc::new(arrays), volumes: Arc::new(volumes) })
    }
}

/// What LVM2 makes of the devices. What is a member of an array is no physical volume, though its beginning may look like one.
fn volumes(candidates: &[Candidate]) -> Result<Volumes> {
    let plain = candidates.iter().filter(|candidate| !candidate.is_member && !candidate.has_partitions);
    lvm2::scan(&named(plain)).map_err(|e| Failure::disk("lvm".into(), e))
}

impl Arrays {
    /// Starts the arrays on `candidates` that can be read and that `may` be started, and adds what they make.
    fn start(
        &mut self,
        candidates: &mut Vec<Candidate>,
        is_member: &impl Fn(&BStr, &Arc<dyn ReadAt>) -> Result<bool>,
        may: impl Fn(&Array) -> bool,
    ) -> Result<()> {
        for _ in 0..MAX_NESTING {
            let members = named(candidates.iter().filter(|candidate| candidate.is_member));
            if members.is_empty() {
                return Ok(());
            }
            let mut found = md::scan(&members).map_err(|e| Failure::disk("md".into(), e))?;
            let before = self.running.len();
            self.others.clear();
            found.arrays.sort_by_key(|array| Reverse(array.members.iter().map(|m| rank(&m.device)).max()));
            for array in found.arrays {
                if self.running.iter().any(|running| running.array.uuid == array.uuid) {
                    continue;
                }
                match array.open() {
                    Ok(source) if may(&array) => self.run(array, source, candidates, is_member)?,
                    _ => self.others.push(array),
                }
            }
            if self.running.len() == before {
                return Ok(());
            }
        }
        Ok(())
    }

    fn run(
        &mut self,
        array: Array,
        source: Arc<dyn ReadAt>,
        candidates: &mut Vec<Candidate>,
        is_member: &impl Fn(&BStr, &Arc<dyn ReadAt>) -> Result<bool>,
    ) -> Result<()> {
        let started = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        let Some(number) = FIRST_NUMBER.checked_sub(started) else {
            self.others.push(array);
            return Ok(());
        };
        let device = names::array(number);
        let table = match partition::read(&source) {
            Ok(table) => table.map(Arc::new),
            // As on a disk: a damaged table has no partitions.
            Err(error) if error.kind() == ErrorKind::Corrupt => None,
            Err(error) => return Err(Failure::disk(device.as_bstr(), error)),
        };
        let mut add = |name: BString, source: Arc<dyn ReadAt>, has_partitions: bool| -> Result<()> {
            let is_member = is_member(name.as_bstr(), &source)?;
            candidates.push(Candidate { name, source, is_member, has_partitions });
            Ok(())
        };
        let partitions = table.as_ref().map(|table| table.partitions.as_slice()).unwrap_or_default();
        add(device.clone(), Arc::clone(&source), !partitions.is_empty())?;
        for entry in partitions {
            let name = names::array_partition(&device, entry.number);
            add(name, Arc::new(entry.open(Arc::clone(&source))), false)?;
        }
        self.running.push(RunningArray { device, number, array, source, table });
        Ok(())
    }
}

impl RunningArray {
    /// The numbers of its partitions, in order.
    pub(super) fn partition_numbers(&self) -> Vec<u32> {
        let entries = self.table.as_ref().map(|table: &Arc<Table>| table.partitions.as_slice());
        let mut numbers: Vec<u32> = entries.unwrap_or_default().iter().map(|entry| entry.number).collect();
        numbers.sort_unstable();
        numbers
    }
}

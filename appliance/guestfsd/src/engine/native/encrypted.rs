//! Encrypted devices that were opened: `/dev/mapper/NAME`, until they are closed.

use std::sync::Arc;

use bstr::{BStr, BString};
use disk::volume::luks::{Luks, Work};
use disk::{ErrorKind, ReadAt};
use libguestfs_core::inspect::Unlocked;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use super::devices::Devices;
use crate::engine::{Result, UnlockRequest, Unlocking, names};
use crate::error::Failure;

/// Most devices that are open at a time. Guests have a few; a caller that loops must not fill memory.
const OPEN_MAX: usize = 256;

/// A device that was opened.
#[derive(Debug)]
struct Mapping {
    /// What is known of it.
    unlocked: Unlocked,
    /// Its content.
    source: Arc<dyn ReadAt>,
    /// Its number among device-mapper's devices.
    minor: usize,
}

/// All that are open, in the order in which they were opened.
#[derive(Debug, Default)]
pub(super) struct Mappings(Vec<Mapping>);

impl Mappings {
    pub(super) fn list(&self) -> Vec<Unlocked> {
        self.0.iter().map(|mapping| mapping.unlocked.clone()).collect()
    }

    /// Names and contents.
    pub(super) fn sources(&self) -> impl Iterator<Item = (BString, Arc<dyn ReadAt>)> {
        self.0.iter().map(|mapping| (mapping.unlocked.device.clone(), Arc::clone(&mapping.source)))
    }

    /// The one with that name, or the name `/dev/dm-N`.
    pub(super) fn find(&self, name: &BStr) -> Option<usize> {
        let is_it = |m: &Mapping| name == m.unlocked.device || name == names::mapped(m.minor);
        self.0.iter().position(is_it)
    }

    fn get(&self, index: usize) -> Result<&Mapping> {
        Ok(self.0.get(index).ok_or(Errno::ENXIO)?)
    }

    pub(super) fn name(&self, index: usize) -> Result<BString> {
        Ok(self.get(index)?.unlocked.device.clone())
    }

    pub(super) fn open(&self, index: usize) -> Result<Arc<dyn ReadAt>> {
        Ok(Arc::clone(&self.get(index)?.source))
    }

    /// The encrypted device.
    pub(super) fn below(&self, index: usize) -> Result<BString> {
        Ok(self.get(index)?.unlocked.encrypted.clone())
    }

    pub(super) fn minor(&self, index: usize) -> Result<usize> {
        Ok(self.get(index)?.minor)
    }

    /// The number of the device-mapper device that is the `position`th one of those that are none of these.
    pub(super) fn number_of_other(&self, position: usize) -> usize {
        let mut taken: Vec<usize> = self.0.iter().map(|mapping| mapping.minor).collect();
        taken.sort_unstable();
        taken.into_iter().fold(position, |number, taken| if taken <= number { number + 1 } else { number })
    }
}

/// Room for Argon2 within this process's limit of memory: all of it, up to the ceiling that is set for the process.
struct Room(Option<(rlim_t, rlim_t)>);

impl Room {
    fn make() -> Room {
        let usual = getrlimit(Resource::RLIMIT_AS).ok().filter(|(limit, ceiling)| limit < ceiling);
        // Without it, few keys lack memory, and then say so.
        Room(usual.filter(|(_, ceiling)| setrlimit(Resource::RLIMIT_AS, *ceiling, *ceiling).is_ok()))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some((limit, ceiling)) = self.0 {
            // Lowering a limit does not fail.
            let _ = setrlimit(Resource::RLIMIT_AS, limit, ceiling);
        }
    }
}

/// See [`Engine::unlock`](crate::engine::Engine::unlock).
pub(super) fn unlock(devices: &mut Devices, request: UnlockRequest<'_>) -> Result<Unlocking> {
    let at = |e| Failure::disk(request.device, e);
    if devices.mappings().0.len() >= OPEN_MAX {
        return Err(Errno::ENOSPC.into());
    }
    let luks = match Luks::open(devices.open(request.device)?) {
        Ok(luks) if request.version.is_none_or(|version| version == luks.version) => luks,
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(at(e)),
        _ => return Ok(Unlocking::NotLuks),
    };
    let room = Room::make();
    let unlocked = luks.unlock(request.key, Work::default()).map_err(at);
    drop(room);
    let Some(source) = unlocked? else {
        return Ok(Unlocking::WrongKey);
    };
    let unlocked = Unlocked {
        device: names::mapping(request.name),
        uuid: luks.uuid,
        encrypted: request.device.to_owned(),
    };
    // The number after those of all that there is: what lies in it comes later.
    let minor = devices.mapped_count()?;
    devices.change_mappings(|mappings| mappings.0.push(Mapping { unlocked, source, minor }));
    Ok(Unlocking::Open)
}

/// See [`Engine::lock`](crate::engine::Engine::lock). `in_use` are devices that something is mounted from.
pub(super) fn lock(devices: &mut Devices, device: &BStr, in_use: &[BString]) -> Result<()> {
    let index = devices.mappings().find(device).ok_or(Errno::ENXIO)?;
    let name = devices.mappings().name(index)?;
    let volumes = devices.lvm()?;
    let holds_volumes = volumes.physical_volumes.iter().any(|pv| {
        let group = pv.group.and_then(|group| volumes.groups.get(group));
        pv.device.as_ref() == Some(&name) && group.is_some_and(|g| g.volumes.iter().any(|v| v.active))
    });
    let holds_device = devices.mappings().0.iter().any(|other| other.unlocked.encrypted == name);
    let mut mounted = false;
    for other in in_use {
        mounted |= devices.devices_of_filesystem(other.as_ref())?.contains(&name);
    }
    if holds_volumes || holds_device || mounted {
        return Err(Errno::EBUSY.into());
    }
    devices.change_mappings(|mappings| {
        mappings.0.remove(index);
    });
    Ok(())
}

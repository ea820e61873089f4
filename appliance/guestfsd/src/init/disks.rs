//! The guest's disks: waits until all are there, leaves out those of the appliance, and finds their labels.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bstr::{BString, ByteSlice};
use disk::ReadAt;

use super::cmdline::{CommandLine, Root};
use crate::engine::kernel::{Disk, Kernel};
use crate::log;
use crate::source::FileSource;

/// How long disks may take to come up after their driver was loaded.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait between looks.
const PAUSE: Duration = Duration::from_millis(1);

/// What was plugged in.
#[derive(Debug)]
pub(super) struct Found {
    /// The disks of the guest, in the order in which they were added.
    pub(super) guest: Vec<Disk>,
    /// The disk with the appliance's programs: the first after those of the guest.
    pub(super) programs: Option<BString>,
}

/// Waits for all disks. `needs_programs` says that there must be one more.
pub(super) fn find(line: &CommandLine, needs_programs: bool) -> Found {
    let deadline = Instant::now() + PATIENCE;
    let (kernel_names, programs) = loop {
        let there = Kernel::disks_of_machine();
        let guest = guest_disks(&there, line);
        let programs = line.disks.filter(|_| needs_programs).and_then(|count| there.get(count)).cloned();
        let complete = programs.is_some() || !needs_programs || line.disks.is_none();
        match guest {
            Some(guest) if complete => break (guest, programs),
            _ if Instant::now() > deadline => {
                log::line(format_args!("guestfsd: disks are missing: only {there:?} came up"));
                break (guest.unwrap_or(there), programs);
            }
            _ => std::thread::sleep(PAUSE),
        }
    };
    let of_host = line.disks.is_some();
    let label = |index: usize, kernel: &BString| match line.labels.iter().find(|(disk, _)| *disk == index) {
        Some((_, label)) => Some(label.clone()),
        // libguestfs 1.48 writes labels as serial numbers; our own backends say how many disks there are, and don't.
        None if !of_host => serial(kernel),
        None => None,
    };
    let named = kernel_names.into_iter().enumerate();
    let guest = named.map(|(index, kernel)| Disk { label: label(index, &kernel), kernel }).collect();
    Found { guest, programs }
}

/// Those of `there` that are the guest's, or `None` if some are not there yet.
fn guest_disks(there: &[BString], line: &CommandLine) -> Option<Vec<BString>> {
    if let Some(count) = line.disks {
        return there.get(..count).map(<[BString]>::to_vec);
    }
    let hidden = match &line.root {
        None => return Some(there.to_vec()),
        Some(Root::Disk(index)) => there.get(*index)?,
        // It comes last, so that of several with this UUID the guest's are the others.
        Some(Root::Uuid(uuid)) => there.iter().rev().find(|kernel| has_uuid(kernel, uuid))?,
    };
    Some(there.iter().filter(|kernel| *kernel != hidden).cloned().collect())
}

fn has_uuid(kernel: &BString, uuid: &BString) -> bool {
    let Ok(name) = kernel.to_path() else { return false };
    let Ok(file) = std::fs::File::open(Path::new("/dev").join(name)) else { return false };
    let Ok(source) = FileSource::new(file.into()) else { return false };
    let source: Arc<dyn ReadAt> = Arc::new(source);
    let probe = disk::probe::probe(&source).ok().flatten();
    probe.and_then(|probe| probe.uuid).is_some_and(|found| found.as_bytes() == uuid.as_bytes())
}

/// A disk's serial number, if it can be a label: what libguestfs lets labels be.
fn serial(kernel: &BString) -> Option<BString> {
    Kernel::serial(kernel.as_bstr()).filter(|text| text.iter().all(u8::is_ascii_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_appliance_keeps_its_own_disks() {
        let there: Vec<BString> = ["vda", "vdb", "vdc"].map(BString::from).to_vec();
        let disks = |count| CommandLine { disks: Some(count), ..CommandLine::default() };
        let root = |index| CommandLine { root: Some(Root::Disk(index)), ..CommandLine::default() };
        for (line, guest) in [
            (CommandLine::default(), Some(&there[..])),
            (disks(2), Some(&there[..2])),
            (disks(0), Some(&there[..0])),
            (disks(4), None),
            (root(2), Some(&there[..2])),
            (root(3), None),
        ] {
            assert_eq!(guest_disks(&there, &line).as_deref(), guest, "{line:?}");
        }
    }
}

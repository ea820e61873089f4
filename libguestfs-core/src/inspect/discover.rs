//! What a guest without fstab mounts: systemd finds its partitions by their types (the Discoverable Partitions
//! Specification of the UAPI group, section "Partition Names"; systemd-gpt-auto-generator(8)).
//!
//! Only partitions of the root's own disk count, the first of each type, and only if the guest runs systemd. `/var` is
//! left out: it counts only if its GUID fits the machine's ID, in a secret way.

use bstr::{BStr, BString};

use super::guest::{Disks, Files, Tree};
use super::root::Mount;

/// What makes a guest one of systemd.
const SYSTEMD: &[&str] = &["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
/// Type of the EFI system partition.
const EFI: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
/// Type of the extended boot loader partition.
const BOOT: &str = "BC13C2FF-59E6-4262-A352-B275FD6F7172";
/// Types with the only place where they are mounted.
static PLACES: &[(&str, &str)] = &[
    // /usr of x86-64, x86, 64-bit ARM, 32-bit ARM, 64-bit RISC-V.
    ("8484680C-9521-48C6-9C11-B0720656F69E", "/usr"),
    ("75250D76-8CC6-458E-BD66-BD47CC81A812", "/usr"),
    ("B0E01050-EE5F-4390-949A-9101B17104E9", "/usr"),
    ("7D0359A3-02B3-4F0A-865C-654403E70625", "/usr"),
    ("BEAEC34B-8442-439B-A40B-984381ED097D", "/usr"),
    ("933AC7E1-2EB4-4F13-B844-0E14E2AEF915", "/home"),
    ("3B8F8425-20E0-4F3B-907F-1A25A76F98E8", "/srv"),
    (BOOT, "/boot"),
    ("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "swap"),
];

/// The mounts of the root on `root`, with its own; none if there is nothing to discover.
pub(super) fn mounts<T: Tree>(
    disks: &Disks,
    files: &mut Files<T>,
    root: &BStr,
) -> Result<Vec<Mount>, T::Error> {
    let Some(own) = disks.gpt.iter().find(|partition| partition.device == root) else {
        return Ok(Vec::new());
    };
    let mut is_systemd = false;
    for path in SYSTEMD {
        is_systemd = is_systemd || files.leads_to_file(path)?;
    }
    if !is_systemd {
        return Ok(Vec::new());
    }
    let has =
        |kind: &str| disks.gpt.iter().any(|partition| partition.disk == own.disk && partition.kind == kind);
    let efi = if files.is_directory("/efi")? || has(BOOT) { "/efi" } else { "/boot" };
    let mut mounts = vec![Mount { mountable: root.into(), mountpoint: "/".into() }];
    for partition in
        disks.gpt.iter().filter(|partition| partition.disk == own.disk && partition.device != root)
    {
        let known = PLACES.iter().find(|(kind, _)| partition.kind == *kind).map(|&(_, place)| place);
        let Some(place) = known.or((partition.kind == EFI).then_some(efi)) else { continue };
        let is_first = mounts.iter().all(|mount| mount.mountpoint != place);
        if is_first && (place == "swap" || files.is_directory(place)?) {
            mounts.push(Mount { mountable: partition.device.clone(), mountpoint: BString::from(place) });
        }
    }
    Ok(if mounts.len() > 1 { mounts } else { Vec::new() })
}

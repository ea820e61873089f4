//! The root of a Windows: what its registry says about it.
//!
//! ```text
//! systemroot   the directory of the system: one of the usual names, or what boot.ini says
//!   SOFTWARE     name, version, variant, build, group policy
//!   SYSTEM       control set, name of the machine, drive letters
//!   cmd.exe      processor
//! ```
//!
//! Each value stands alone: a hive that is missing or damaged costs what is in it, and a note. Names are looked up in any
//! case, as Windows does, whatever the engine's filesystem does.

use bstr::{BStr, BString, ByteSlice};

use super::guest::{Disks, Entry, Files, MbrPartition, Tree};
use super::release::Release;
use super::root::{OsType, Root};
use super::text::{lines, matches};
use super::{osinfo, pe};
use crate::registry::{self, Registry};

/// Where systems are installed. That of ReactOS is the last.
const SYSTEMROOTS: [&str; 5] = ["/windows", "/winnt", "/win32", "/win", "/reactos"];
/// The boot menu of Windows NT to 2003.
const BOOT_INI: &str = "/boot.ini";
/// Longest boot menu in bytes that is read: NTLDR has room for ten entries.
const BOOT_INI_MAX: usize = 64 << 10;
/// Longest name of a machine in bytes that is believed: DNS names end at 253, other systems' are taken up to this.
const HOSTNAME_MAX: usize = 1024;
/// What the names of drive letters in `MountedDevices` are: this, a letter, a colon.
const DOS_DEVICE: &[u8] = br"\DosDevices\";
/// Longest value of `MountedDevices` in bytes that is looked at: those of partitions have 12 or 24.
const DEVICE_MAX: usize = 4096;
/// What stands before the GUID of a partition of a GPT, or of a volume of dynamic disks (dmio.sys is their driver).
const DMIO: &[u8] = b"DMIO:ID:";
/// Where a Windows says what it is, in SOFTWARE.
const CURRENT_VERSION: &str = r"Microsoft\Windows NT\CurrentVersion";
/// Where the group policies are that were applied, in SOFTWARE.
const GROUP_POLICY: &str = r"Microsoft\Windows\CurrentVersion\Group Policy\History";
/// The API's word for the distribution.
const DISTRO: &str = "windows";
/// What `PROCESSOR_ARCHITECTURE` says, and what that is in the API's words.
const PROCESSORS: [(&str, &str); 5] =
    [("AMD64", "x86_64"), ("x86", "i386"), ("ARM64", "aarch64"), ("ARM", "arm"), ("IA64", "ia64")];

/// What only a Windows has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Windows {
    /// Its directory, as `/Windows`.
    pub systemroot: BString,
    /// Path of the hive SOFTWARE, if it is there.
    pub software_hive: Option<BString>,
    /// Path of the hive SYSTEM, if it is there.
    pub system_hive: Option<BString>,
    /// The control set that counts, as `ControlSet001`.
    pub current_control_set: Option<BString>,
    /// Was a group policy ever applied? `None` if SOFTWARE cannot be read.
    pub group_policy: Option<bool>,
    /// `InstallationType`: `Client`, `Server`, `Server Core`…; Windows Vista is the first that has one.
    pub variant: Option<BString>,
    /// Drive letters, in the case that the registry has, and the devices that they are of.
    pub drive_mappings: Vec<(BString, BString)>,
}

/// The directory of the Windows on a filesystem.
pub(super) fn systemroot<T: Tree>(files: &mut Files<T>) -> Result<Option<BString>, T::Error> {
    for path in SYSTEMROOTS {
        if let Some(found) = as_systemroot(files, path.into())? {
            return Ok(Some(found));
        }
    }
    let Some((boot_ini, Entry::File(_))) = files.find_any_case(BOOT_INI.as_bytes())? else { return Ok(None) };
    let Some(text) = files.read(boot_ini, BOOT_INI_MAX)? else { return Ok(None) };
    for path in boot_entries(&text) {
        if let Some(found) = as_systemroot(files, path.as_bstr())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The directory at `path` as the filesystem spells it, if a Windows is in it.
fn as_systemroot<T: Tree>(files: &mut Files<T>, path: &BStr) -> Result<Option<BString>, T::Error> {
    let Some((found, Entry::Directory)) = files.find_any_case(path)? else { return Ok(None) };
    let config = files.find_any_case(&below(&found, "system32/config"))?;
    if !matches!(config, Some((_, Entry::Directory))) {
        return Ok(None);
    }
    // Where it is compressed as the system compacts its files (WOF), ntfs-3g shows it as a link.
    let is_program = matches!(
        files.find_any_case(&below(&found, "system32/cmd.exe"))?,
        Some((_, Entry::File(_) | Entry::Symlink))
    );
    Ok((is_program && found != "/").then_some(found))
}

fn below(directory: &BString, path: &str) -> BString {
    [directory.as_slice(), b"/", path.as_bytes()].concat().into()
}

/// The paths of the systems in a boot menu, on whatever disk: `multi(0)disk(0)rdisk(0)partition(1)\WINDOWS="…"`.
fn boot_entries(text: &[u8]) -> impl Iterator<Item = BString> + '_ {
    let is_head = |line: &&[u8]| line.trim_ascii().eq_ignore_ascii_case(b"[operating systems]");
    let section = lines(text).skip_while(move |line| !is_head(line)).skip(1);
    let section = section.map(<[u8]>::trim_ascii).take_while(|line| !line.starts_with(b"["));
    section.filter_map(|line| {
        let lower = line.to_ascii_lowercase();
        let is_entry =
            ["multi(", "scsi(", "signature("].iter().any(|start| lower.starts_with(start.as_bytes()));
        let after = lower.find(b"partition(").filter(|_| is_entry)?;
        let rest = line.get(after..)?;
        let path = rest.get(rest.find_byte(b')')?.checked_add(1)?..)?;
        let path = path.get(..path.find_byte(b'=')?)?;
        Some(path.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect())
    })
}

/// The Windows in `systemroot` of the filesystem `mountable`, and what could not be read of it.
pub(super) fn look<T: Tree>(
    files: &mut Files<T>,
    disks: &Disks,
    mountable: &BStr,
    systemroot: BString,
) -> Result<(Root, Vec<String>), T::Error> {
    let mut root = Root::new(mountable);
    root.os = Some(OsType::Windows);
    let mut windows = Windows::default();
    let mut notes = Vec::new();
    // One after the other: each is in memory as a whole.
    windows.software_hive = with_hive(files, &systemroot, "software", &mut notes, |registry| {
        windows.variant = current_version(registry, "InstallationType");
        windows.group_policy = Some(has_group_policy(registry));
        root.release = release(registry, windows.variant.as_ref());
    })?;
    root.release.distro = Some(DISTRO.into());
    let mut processor = None;
    windows.system_hive = with_hive(files, &systemroot, "system", &mut notes, |registry| {
        windows.drive_mappings = drive_mappings(registry, disks);
        windows.current_control_set = control_set(registry);
        if let Some(set) = &windows.current_control_set {
            root.hostname = hostname(registry, set);
            processor = processor_of(registry, set);
        }
    })?;
    let shell = files.find_any_case(&below(&systemroot, "system32/cmd.exe"))?;
    let start = match shell {
        Some((path, Entry::File(_))) => files.read_start(path, pe::HEAD_LEN)?,
        _ => None,
    };
    root.arch = start.and_then(|start| pe::arch(&start)).or(processor).map(BString::from);
    root.windows = Some(Windows { systemroot, ..windows });
    Ok((root, notes))
}

/// Lets a hive of the system be read, if it can be; returns its path, if it is there.
fn with_hive<T: Tree>(
    files: &mut Files<T>,
    systemroot: &BString,
    name: &str,
    notes: &mut Vec<String>,
    read: impl FnOnce(&Registry),
) -> Result<Option<BString>, T::Error> {
    let path = below(systemroot, &format!("system32/config/{name}"));
    let Some((path, Entry::File(_))) = files.find_any_case(&path)? else {
        notes.push(format!("{path}: there is no such hive"));
        return Ok(None);
    };
    match registry::open(files.tree(), path.as_bstr())? {
        Ok(registry) => {
            read(&registry);
            // What was met on the way is known only now.
            notes.extend(registry.notes().iter().map(|note| format!("{path}: {note}")));
        }
        Err(refused) => notes.push(format!("{path}: {refused}")),
    }
    Ok(Some(path))
}

/// A text in the key in which a Windows says what it is.
fn current_version(software: &Registry, value: &str) -> Option<BString> {
    software.text(software.key(CURRENT_VERSION)?, value)
}

/// Name and version.
fn release(software: &Registry, variant: Option<&BString>) -> Release {
    let Some(key) = software.key(CURRENT_VERSION) else { return Release::default() };
    let number = |name| software.number(key, name).and_then(|number| i32::try_from(number).ok());
    // Since Windows 10; the text then stays at 6.3.
    let numbers = number("CurrentMajorVersionNumber").zip(number("CurrentMinorVersionNumber"));
    let of_text = || matches(&software.text(key, "CurrentVersion")?, "#.#");
    let build_id = software.text(key, "CurrentBuildNumber").or_else(|| software.text(key, "CurrentBuild"));
    let is_server = variant.is_some_and(|variant| variant.contains_str("Server"));
    let product = software.text(key, "ProductName");
    let product = match &build_id {
        Some(build) if !is_server && osinfo::is_windows_11(build.as_bstr()) => {
            product.map(|name| name.replacen("Windows 10", "Windows 11", 1).into())
        }
        _ => product,
    };
    Release { product_name: product, version: numbers.or_else(of_text), build_id, ..Release::default() }
}

/// Is there a history of a policy, each of which is a key with a GUID as its name?
fn has_group_policy(software: &Registry) -> bool {
    let is_guid = |name: &BString| {
        let inner = name.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
        inner.is_some_and(|inner| {
            !inner.is_empty() && inner.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
        })
    };
    let history = software.key(GROUP_POLICY);
    history.is_some_and(|key| software.subkeys(key).any(|(name, _)| is_guid(&name)))
}

/// The control set with which the system ran last.
fn control_set(system: &Registry) -> Option<BString> {
    let number = system.number(system.key("Select")?, "Current")?;
    Some(format!("ControlSet{number:03}").into())
}

/// The name of the machine: the one in use, the one to be used after the next start, the one in Windows' own networks.
fn hostname(system: &Registry, set: &BString) -> Option<BString> {
    let names = [
        (r"Services\Tcpip\Parameters", "Hostname"),
        (r"Services\Tcpip\Parameters", "NV Hostname"),
        (r"Control\ComputerName\ComputerName", "ComputerName"),
    ];
    let mut found = names.iter().filter_map(|(path, value)| {
        system.text(system.key(&format!(r"{set}\{path}"))?, value).filter(|name| name.len() <= HOSTNAME_MAX)
    });
    found.next()
}

/// The processor for which the system says that it is, should its programs not be readable.
fn processor_of(system: &Registry, set: &BString) -> Option<&'static str> {
    let key = system.key(&format!(r"{set}\Control\Session Manager\Environment"))?;
    let name = system.text(key, "PROCESSOR_ARCHITECTURE")?;
    PROCESSORS.iter().find(|(known, _)| name == *known).map(|(_, arch)| *arch)
}

/// Drive letters with their devices; without those of what is no partition or volume of these disks.
fn drive_mappings(system: &Registry, disks: &Disks) -> Vec<(BString, BString)> {
    let Some(key) = system.key("MountedDevices") else { return Vec::new() };
    let mut mappings: Vec<(BString, BString)> = Vec::new();
    for (name, place) in system.blobs(key, DEVICE_MAX) {
        let Some(letter) = drive_letter(&name) else { continue };
        if let Some(device) = device_at(&place, disks)
            && mappings.iter().all(|(known, _)| known.as_slice() != [letter])
        {
            mappings.push(([letter].into(), device.clone()));
        }
    }
    mappings
}

/// The letter of the drive that a value of `MountedDevices` is of.
fn drive_letter(name: &BString) -> Option<u8> {
    let (start, rest) = name.split_at_checked(DOS_DEVICE.len())?;
    match rest {
        [letter, b':'] if letter.is_ascii_alphabetic() && start.eq_ignore_ascii_case(DOS_DEVICE) => {
            Some(*letter)
        }
        _ => None,
    }
}

/// The device of which a value of `MountedDevices` is: of a partition of an MBR, the disk's signature and where it begins,
/// both little-endian; of one of a GPT and of a volume of dynamic disks, its GUID after [`DMIO`]. The name of a removable
/// device is in the form of Windows' own.
fn device_at<'d>(place: &[u8], disks: &'d Disks) -> Option<&'d BString> {
    if let Some(guid) = place.strip_prefix(DMIO) {
        let guid = guid.first_chunk::<16>()?;
        let partition = disks.gpt.iter().find(|partition| partition.guid == *guid);
        let volume = || disks.dynamic.iter().find(|volume| volume.guid == *guid);
        return partition.map(|partition| &partition.device).or_else(|| Some(&volume()?.device));
    }
    let (signature, start) = place.split_first_chunk::<4>()?;
    let start: [u8; 8] = start.try_into().ok()?;
    let is_there = |partition: &&MbrPartition| {
        partition.signature == u32::from_le_bytes(*signature) && partition.start == u64::from_le_bytes(start)
    };
    disks.mbr.iter().find(is_there).map(|partition| &partition.device)
}

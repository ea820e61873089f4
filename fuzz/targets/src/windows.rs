//! Windows: the fuzzer's bytes are the length (4 bytes, little-endian) of a hive SOFTWARE, that hive, and a hive SYSTEM.
//!
//! What inspection says is the same twice; drive letters are of partitions that there are, each letter once; applications
//! stay within the limits of packages.

use std::collections::BTreeSet;

use bstr::{BStr, BString, ByteSlice};
use guest_packages::limits;
use hivex::{Error, Hive, Options, ValueType};
use libguestfs_core::inspect::inspect;
use libguestfs_core::registry;

use crate::guest::{Disk, Files, GUID, SIGNATURE, START};

/// Where the hives are.
const SOFTWARE: &str = "/Windows/System32/config/SOFTWARE";
const SYSTEM: &str = "/Windows/System32/config/SYSTEM";

/// A Windows of any two hives.
pub(crate) fn windows(data: &[u8]) {
    let Some((length, hives)) = data.split_first_chunk::<4>() else { return };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (software, system) = hives.split_at_checked(length).unwrap_or((hives, &[]));
    let files =
        Files::of([("/Windows/System32/cmd.exe", b"MZ".as_slice()), (SOFTWARE, software), (SYSTEM, system)]);
    let found = inspect(&mut Disk(&files, "ntfs"));
    assert_eq!(found, inspect(&mut Disk(&files, "ntfs")), "the same guest, inspected twice");
    assert!(found.as_ref().is_ok_and(|found| found.roots.len() == 1), "a damaged hive stops nothing");
    let Some(root) = found.as_ref().ok().and_then(|found| found.roots.first()) else { return };
    let letters: BTreeSet<BString> = root.drive_mappings().into_iter().map(|(letter, _)| letter).collect();
    assert_eq!(letters.len(), root.drive_mappings().len(), "a letter is of one device");
    for (letter, device) in root.drive_mappings() {
        assert!(letter.len() == 1 && device.starts_with(b"/dev/sd"), "{letter} is {device}");
    }
    for text in [root.product_name(), root.product_variant(), root.hostname(), root.build_id()] {
        assert!(text.len() <= 2 * data.len() + 64 && text.find_byte(0).is_none(), "{text:?}");
    }
    let Ok(Ok(software)) = registry::open(&mut &files, SOFTWARE.into()) else { return };
    let installed = registry::applications(&software);
    let mut total = 0;
    for package in &installed.packages {
        // The name to display may be empty, as in libguestfs.
        assert!(!package.name.is_empty());
        for text in package.texts() {
            assert!(text.len() <= limits::FIELD && text.find_byte(0).is_none(), "{text:?}");
            total += text.len();
        }
    }
    assert!(total <= limits::TEXT && installed.packages.len() <= limits::PACKAGES);
    assert!(installed.packages.is_sorted_by_key(|package| &package.name));
}

/// A guest with a value of each kind that is read.
pub(crate) fn seeds() -> Result<Vec<Vec<u8>>, Error> {
    let place = [SIGNATURE.to_le_bytes().as_slice(), &START.to_le_bytes()].concat();
    let gpt = [b"DMIO:ID:".as_slice(), &GUID].concat();
    let number = |number: u32| (ValueType::DWORD, number.to_le_bytes().to_vec());
    let text =
        |text: &str| (ValueType::SZ, text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect());
    let current = r"Microsoft\Windows NT\CurrentVersion";
    let mut software = vec![
        (current.to_owned(), "ProductName", text("Windows 10 Pro")),
        (current.to_owned(), "CurrentVersion", text("6.3")),
        (current.to_owned(), "CurrentMajorVersionNumber", number(10)),
        (current.to_owned(), "CurrentMinorVersionNumber", number(0)),
        (current.to_owned(), "CurrentBuildNumber", text("22000")),
        (current.to_owned(), "InstallationType", text("Client")),
        (
            r"Microsoft\Windows\CurrentVersion\Group Policy\History\{35378EAC-683F-11D2-A89A-00C04FBBCFA2}"
                .to_owned(),
            "Name",
            text("x"),
        ),
        (r"Microsoft\Windows Defender".to_owned(), "DisableAntiVirus", number(0)),
    ];
    for (prefix, name) in
        [("", "Viewer"), ("", "Ünïcode"), (r"WOW6432Node\", "{0}"), (r"WOW6432Node\", "AntiVirus")]
    {
        let key = format!(r"{prefix}Microsoft\Windows\CurrentVersion\Uninstall\{name}");
        for value in
            ["DisplayName", "DisplayVersion", "InstallLocation", "Publisher", "URLInfoAbout", "Comments"]
        {
            software.push((key.clone(), value, text(value)));
        }
    }
    let system = vec![
        ("Select".to_owned(), "Current", number(1)),
        (r"ControlSet001\Services\Tcpip\Parameters".to_owned(), "Hostname", text("PC")),
        (
            r"ControlSet001\Control\Session Manager\Environment".to_owned(),
            "PROCESSOR_ARCHITECTURE",
            text("AMD64"),
        ),
        ("MountedDevices".to_owned(), r"\DosDevices\C:", (ValueType::BINARY, place)),
        ("MountedDevices".to_owned(), r"\DosDevices\D:", (ValueType::BINARY, gpt)),
    ];
    let (software, system) = (hive(&software)?, hive(&system)?);
    let length = u32::try_from(software.len()).unwrap_or(0).to_le_bytes();
    Ok(vec![[length.as_slice(), &software, &system].concat()])
}

/// Path of a key, name of a value, its type and data.
type Value = (String, &'static str, (ValueType, Vec<u8>));

fn hive(values: &[Value]) -> Result<Vec<u8>, Error> {
    let mut hive = Hive::create(Options { write: true, ..Options::default() })?;
    for (path, name, (kind, data)) in values {
        let mut key = hive.root();
        for element in path.split('\\').map(BStr::new) {
            key = match hive.node_get_child(key, element)? {
                Some(child) => child,
                None => hive.node_add_child(key, element)?,
            };
        }
        hive.node_set_value(key, BStr::new(name), *kind, data)?;
    }
    hive.commit()?;
    Ok(hive.into_image())
}

//! Roots of Windows, with hives made here.

use bstr::{BStr, BString};
use hivex::{Hive, Options, ValueType};

use super::memory::{MemGuest, MemTree};
use crate::inspect::{DynamicVolume, GptPartition, Inspection, MbrPartition, Root, inspect};

const CURRENT_VERSION: &str = r"Microsoft\Windows NT\CurrentVersion";

/// A value of a key: path of the key, name, type, data.
type Value = (&'static str, &'static str, ValueType, Vec<u8>);

fn text(key: &'static str, name: &'static str, text: &str) -> Value {
    let data = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    (key, name, ValueType::SZ, data)
}

fn number(key: &'static str, name: &'static str, number: u32) -> Value {
    (key, name, ValueType::DWORD, number.to_le_bytes().into())
}

fn device(name: &'static str, data: &[u8]) -> Value {
    ("MountedDevices", name, ValueType::BINARY, data.into())
}

fn hive(values: &[Value]) -> Vec<u8> {
    let mut hive = Hive::create(Options { write: true, ..Options::default() }).unwrap();
    for (path, name, kind, data) in values {
        let mut key = hive.root();
        for element in path.split('\\') {
            let child = hive.node_get_child(key, BStr::new(element)).unwrap();
            key = match child {
                Some(child) => child,
                None => hive.node_add_child(key, BStr::new(element)).unwrap(),
            };
        }
        hive.node_set_value(key, BStr::new(name), *kind, data).unwrap();
    }
    hive.commit().unwrap();
    hive.into_image()
}

/// The beginning of a program for this machine.
fn program(machine: u16) -> Vec<u8> {
    let mut program = vec![0; 0x100];
    program[..2].copy_from_slice(b"MZ");
    program[0x3c] = 0x80;
    program[0x80..0x84].copy_from_slice(b"PE\0\0");
    program[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
    program
}

/// A filesystem with a Windows of these hives.
fn windows(software: &[Value], system: &[Value]) -> MemTree {
    MemTree::default()
        .file("/Windows/System32/cmd.exe", program(0x8664))
        .file("/Windows/System32/config/SOFTWARE", hive(software))
        .file("/Windows/System32/config/SYSTEM", hive(system))
}

fn inspected(tree: MemTree) -> Inspection {
    inspect(&mut MemGuest::new().filesystem("/dev/sda1", tree).of_kind("ntfs")).unwrap()
}

fn root(tree: MemTree) -> Root {
    let mut inspection = inspected(tree);
    assert_eq!(inspection.notes, Vec::<String>::new());
    assert_eq!(inspection.roots.len(), 1);
    inspection.roots.remove(0)
}

#[test]
fn a_windows_is_what_its_registry_says() {
    let values = |product: &str, build: &str, variant: &str| {
        vec![
            text(CURRENT_VERSION, "ProductName", product),
            text(CURRENT_VERSION, "CurrentVersion", "6.3"),
            number(CURRENT_VERSION, "CurrentMajorVersionNumber", 10),
            number(CURRENT_VERSION, "CurrentMinorVersionNumber", 0),
            text(CURRENT_VERSION, "CurrentBuildNumber", build),
            text(CURRENT_VERSION, "InstallationType", variant),
        ]
    };
    for (product, build, variant, shown) in [
        ("Windows 10 Pro", "19045", "Client", "Windows 10 Pro"),
        ("Windows 10 Pro", "21999", "Client", "Windows 10 Pro"),
        ("Windows 10 Pro", "22000", "Client", "Windows 11 Pro"),
        ("Windows Server 2022 Standard", "20348", "Server", "Windows Server 2022 Standard"),
        ("Windows 10 Server", "26100", "Server Core", "Windows 10 Server"),
    ] {
        let root = root(windows(&values(product, build, variant), &[number("Select", "Current", 12)]));
        assert_eq!(root.product_name(), shown);
        assert_eq!(root.product_variant(), variant);
        assert_eq!((root.major_version(), root.minor_version(), root.build_id()), (10, 0, build.into()));
        assert_eq!(
            (root.os_type(), root.distro(), root.arch()),
            ("windows", "windows".into(), "x86_64".into())
        );
        let windows = root.windows().unwrap();
        assert_eq!(windows.systemroot, "/Windows");
        assert_eq!(windows.software_hive, Some("/Windows/System32/config/SOFTWARE".into()));
        assert_eq!(windows.system_hive, Some("/Windows/System32/config/SYSTEM".into()));
        assert_eq!(windows.current_control_set, Some("ControlSet012".into()));
        assert_eq!(windows.group_policy, Some(false));
    }
}

#[test]
fn an_old_windows_has_its_version_in_a_text_and_its_directory_in_the_boot_menu() {
    let software = hive(&[text(CURRENT_VERSION, "CurrentVersion", "5.1")]);
    let set = r"ControlSet003\Services\Tcpip\Parameters";
    let system = hive(&[number("Select", "Current", 3), text(set, "NV Hostname", "XPBOX")]);
    let xp = |boot_ini: &str| {
        MemTree::default()
            .file("/MY/XP/SYSTEM32/CMD.EXE", program(0x14c))
            .file("/MY/XP/SYSTEM32/CONFIG/software", &software)
            .file("/MY/XP/SYSTEM32/CONFIG/system", &system)
            .file("/Boot.INI", boot_ini)
    };
    for boot_ini in [
        "[boot loader]\r\ntimeout=3\r\n[Operating Systems]\r\nC:\\=\"DOS\"\r\n\
         multi(0)disk(0)rdisk(0)partition(2)\\none=\"gone\"\r\nmulti(0)disk(0)rdisk(1)partition(12)\\my\\xp=\"XP\" /sos\r\n",
        "[operating systems]\nSCSI(0)disk(1)rdisk(0)partition(1)\\MY\\XP\\=\"XP\"",
        "[operating systems]\nsignature(8b467c12)disk(1)rdisk(0)partition(1)\\My\\Xp=\"XP\"",
    ] {
        let root = root(xp(boot_ini));
        assert_eq!((root.major_version(), root.minor_version()), (5, 1), "{boot_ini}");
        assert_eq!((root.arch(), root.hostname()), ("i386".into(), "XPBOX".into()));
        assert_eq!((root.product_name(), root.product_variant()), ("unknown".into(), "unknown".into()));
        assert_eq!(root.windows().unwrap().systemroot, "/MY/XP");
    }
    for boot_ini in [
        "multi(0)disk(0)rdisk(0)partition(1)\\MY\\XP=\"not in the section\"",
        "[operating systems]\n[other]\nmulti(0)disk(0)rdisk(0)partition(1)\\MY\\XP=\"XP\"",
        "[operating systems]\nmulti(0)disk(0)rdisk(0)partition(1)\\..\\MY\\XP=\"XP\"",
        "[operating systems]\nmulti(0)disk(0)rdisk(0)partition(1)\\=\"XP\"\nmulti(partition(=\nmulti(partition()",
    ] {
        assert_eq!(inspected(xp(boot_ini)).roots, [], "{boot_ini}");
    }
}

#[test]
fn what_is_missing_or_damaged_costs_no_more_than_itself() {
    let software = [text(CURRENT_VERSION, "ProductName", "Windows 8")];
    let set = r"ControlSet001\Control\ComputerName\ComputerName";
    let system = [number("Select", "Current", 1), text(set, "ComputerName", "EIGHT")];
    let start = || {
        MemTree::default()
            .file("/windows/system32/cmd.exe", "no program")
            .directory("/windows/system32/config")
    };

    let inspection = inspected(start());
    assert_eq!(inspection.notes.len(), 2, "{:?}", inspection.notes);
    assert_eq!(inspection.notes[0], "/dev/sda1: /windows/system32/config/software: there is no such hive");
    let root = &inspection.roots[0];
    assert_eq!(
        (root.product_name(), root.arch(), root.build_id()),
        ("unknown".into(), "unknown".into(), "unknown".into())
    );
    let windows = root.windows().unwrap();
    assert_eq!(
        (&windows.software_hive, &windows.current_control_set, windows.group_policy),
        (&None, &None, None)
    );

    let inspection = inspected(start().file("/windows/system32/config/system", hive(&system)));
    assert_eq!(inspection.notes.len(), 1);
    assert_eq!(inspection.roots[0].hostname(), "EIGHT");

    let mut damaged = hive(&system);
    damaged.truncate(600);
    let tree = start().file("/windows/system32/config/SYSTEM", damaged);
    let inspection = inspected(tree.file("/windows/system32/config/Software", hive(&software)));
    assert_eq!(inspection.notes.len(), 1, "{:?}", inspection.notes);
    assert!(inspection.notes[0].starts_with("/dev/sda1: /windows/system32/config/SYSTEM: "));
    let root = &inspection.roots[0];
    assert_eq!(root.product_name(), "Windows 8");
    assert_eq!(root.windows().unwrap().system_hive, Some("/windows/system32/config/SYSTEM".into()));
}

#[test]
fn a_program_that_cannot_be_read_leaves_the_processor_to_the_registry() {
    let environment = r"ControlSet001\Control\Session Manager\Environment";
    for (named, arch) in [("AMD64", "x86_64"), ("x86", "i386"), ("ARM64", "aarch64"), ("Z80", "unknown")] {
        let system =
            hive(&[number("Select", "Current", 1), text(environment, "PROCESSOR_ARCHITECTURE", named)]);
        let tree = MemTree::default()
            .symlink("/Windows/System32/cmd.exe", "unsupported reparse tag 0x80000017")
            .file("/Windows/System32/config/software", hive(&[]))
            .file("/Windows/System32/config/system", system);
        assert_eq!(root(tree).arch(), arch);
    }
}

#[test]
fn a_group_policy_is_a_key_with_a_guid_for_its_name() {
    let history = r"Microsoft\Windows\CurrentVersion\Group Policy\History";
    let guid =
        r"Microsoft\Windows\CurrentVersion\Group Policy\History\{35378eac-683F-11D2-A89A-00C04FBBCFA2}";
    let other = r"Microsoft\Windows\CurrentVersion\Group Policy\History\{Local}";
    for (key, expected) in [(history, false), (other, false), (guid, true)] {
        let root = root(windows(&[text(key, "DCName", "DC")], &[]));
        assert_eq!(root.windows().unwrap().group_policy, Some(expected), "{key}");
    }
}

#[test]
fn drive_letters_are_of_partitions_of_either_table_and_of_dynamic_volumes() {
    let guid = |first: u8| [first, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    let dmio = |first: u8| [b"DMIO:ID:".as_slice(), &guid(first)].concat();
    let mbr =
        |signature: u32, start: u64| [signature.to_le_bytes().as_slice(), &start.to_le_bytes()].concat();
    let system = [
        device(r"\DosDevices\C:", &mbr(0xCAFE, 1 << 20)),
        device(r"\??\Volume{a}", &mbr(0xCAFE, 1 << 20)),
        device(r"\dosdevices\d:", &dmio(1)),
        device(r"\DosDevices\E:", &dmio(7)),
        device(r"\DosDevices\F:", &mbr(0xCAFE, 1 << 21)),
        device(r"\DosDevices\G:", &mbr(0xBEEF, 1 << 20)),
        device(r"\DosDevices\H:", &dmio(9)),
        device(r"\DosDevices\I:", b"\\\0?\0?\0\\\0I\0D\0E\0"),
        device(r"\DosDevices\J", &dmio(1)),
        device(r"\DosDevices\1:", &dmio(1)),
        device(r"\DosDevices\K:", &[]),
        text("MountedDevices", r"\DosDevices\L:", "no bytes"),
    ];
    let mut guest = MemGuest::new().filesystem("/dev/sda1", windows(&[], &system)).of_kind("ntfs");
    guest.disks.mbr.push(MbrPartition { device: "/dev/sda1".into(), signature: 0xCAFE, start: 1 << 20 });
    let kind = BString::default();
    guest.disks.gpt.push(GptPartition {
        device: "/dev/sdb2".into(),
        disk: "/dev/sdb".into(),
        kind,
        guid: guid(1),
    });
    guest.disks.dynamic.push(DynamicVolume { device: "/dev/mapper/ldm_vol_a_b".into(), guid: guid(7) });
    let inspection = inspect(&mut guest).unwrap();
    let expected = [("C", "/dev/sda1"), ("d", "/dev/sdb2"), ("E", "/dev/mapper/ldm_vol_a_b")];
    assert_eq!(
        inspection.roots[0].drive_mappings(),
        expected.map(|(letter, device)| (BString::from(letter), BString::from(device)))
    );
}

#[test]
fn a_volume_of_a_windows_is_no_root() {
    for tree in [
        MemTree::default().directory("/System Volume Information"),
        MemTree::default().directory("/System Volume Information").directory("/Program Files"),
        MemTree::default().directory("/Windows/System32/config"),
        MemTree::default().file("/Windows/System32/cmd.exe", program(0x8664)),
        MemTree::default()
            .file("/Windows/System32/cmd.exe", program(0x8664))
            .file("/Windows/System32/config", ""),
    ] {
        assert_eq!(inspected(tree), Inspection::default());
    }
}

//! What is installed in a Windows: what its programs to uninstall are registered with in the hive SOFTWARE.
//!
//! An application is a subkey of the key `Uninstall` with a `DisplayName`; the subkey's name is the application's. Programs of
//! 32 bits on a Windows of 64 bits have a key of their own.

use bstr::{BString, ByteSlice};
use guest_packages::{Database, Format, Installed, Note, Package, limits};

use super::Registry;

/// Where applications are registered, relative to the root of the hive.
const UNINSTALL: [&str; 2] = [
    r"Microsoft\Windows\CurrentVersion\Uninstall",
    r"WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
];
/// What in a name, display name or publisher, in lower case, makes an application an antivirus (libguestfs 1.61.1,
/// lib/inspect-apps.c).
const ANTIVIRUS: [&[u8]; 7] =
    [b"virus", b"kaspersky", b"mcafee", b"norton", b"sophos", b"apexonent", b"avg technologies"];
/// The class of such an application.
const ANTIVIRUS_CLASS: &str = "antivirus";
/// Key of the antivirus that comes with Windows, which is not registered as an application.
const DEFENDER: &str = r"Microsoft\Windows Defender";

/// The applications in a hive SOFTWARE, sorted by their names, those of 64 bits first.
pub fn applications(software: &Registry) -> Installed {
    let mut installed = Installed {
        databases: vec![Database { format: Format::Windows, path: software.path.clone() }],
        ..Installed::default()
    };
    let mut total = 0usize;
    let mut is_full = false;
    let found = UNINSTALL.iter().filter_map(|path| software.key(path)).flat_map(|key| software.subkeys(key));
    let registered = found.filter_map(|(name, key)| application(software, name, key));
    for package in registered.chain(defender(software)) {
        let text: usize = package.texts().iter().map(|text| text.len()).sum();
        total = total.saturating_add(text);
        if installed.packages.len() >= limits::PACKAGES || total > limits::TEXT {
            is_full = true;
            break;
        }
        installed.packages.push(package);
    }
    installed.packages.sort_by(|a, b| a.name.cmp(&b.name));
    let mut notes = software.notes();
    if is_full {
        notes.push("there are more applications than are listed".to_owned());
    }
    installed.notes =
        notes.into_iter().map(|what| Note { path: software.path.clone(), what: what.into() }).collect();
    installed
}

/// The application whose subkey this is.
fn application(software: &Registry, name: BString, key: hivex::Node) -> Option<Package> {
    let text = |value: &str| software.text(key, value).map(clean).unwrap_or_default();
    // It may be empty.
    let (name, display_name) = (clean(name), clean(software.string(key, "DisplayName")?));
    if name.is_empty() {
        return None;
    }
    let mut package = Package {
        display_name,
        version: text("DisplayVersion"),
        install_path: text("InstallLocation"),
        publisher: text("Publisher"),
        url: text("URLInfoAbout"),
        description: text("Comments"),
        ..Package::new(Format::Windows, name)
    };
    let said = [&package.name, &package.display_name, &package.publisher];
    if said.iter().any(|text| is_antivirus(text)) {
        package.class = ANTIVIRUS_CLASS.into();
    }
    Some(package)
}

/// Names are counted in UTF-16 and may hold NULs; the texts of a package have an end, and none.
fn clean(mut text: BString) -> BString {
    if let Some(end) = text.find_byte(0) {
        text.truncate(end);
    }
    text.truncate(limits::FIELD);
    text
}

fn is_antivirus(text: &BString) -> bool {
    let lower = text.to_ascii_lowercase();
    ANTIVIRUS.iter().any(|word| lower.contains_str(word))
}

/// Windows' own antivirus, unless it is switched off.
fn defender(software: &Registry) -> Option<Package> {
    let key = software.key(DEFENDER)?;
    if software.number(key, "DisableAntiVirus") == Some(1) {
        return None;
    }
    Some(Package {
        display_name: "Microsoft Defender Antivirus".into(),
        publisher: "Microsoft Corporation".into(),
        class: ANTIVIRUS_CLASS.into(),
        ..Package::new(Format::Windows, "WinDefend")
    })
}

#[cfg(test)]
mod tests {
    use bstr::BStr;
    use hivex::{Hive, Options, ValueType};

    use super::*;

    /// A hive of keys, each with values.
    fn software(keys: &[(&str, &[(&str, &str)])]) -> Registry {
        let mut hive = Hive::create(Options { write: true, ..Options::default() }).unwrap();
        for (path, values) in keys {
            let mut key = hive.root();
            for element in path.split('\\').map(BStr::new) {
                let child = hive.node_get_child(key, element).unwrap();
                key = child.unwrap_or_else(|| hive.node_add_child(key, element).unwrap());
            }
            for (name, text) in *values {
                let data: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
                let kind = ValueType::SZ;
                match text.parse::<u32>() {
                    Ok(n) => hive.node_set_value(key, BStr::new(name), ValueType::DWORD, &n.to_le_bytes()),
                    Err(_) => hive.node_set_value(key, BStr::new(name), kind, &data),
                }
                .unwrap();
            }
        }
        Registry { path: "/SOFTWARE".into(), hive, notes: Vec::new() }
    }

    /// As Debian's virt-inspector lists the same keys.
    #[test]
    fn a_display_name_is_a_string_that_is_unicode() {
        const UNINSTALLED: &str = r"Microsoft\Windows\CurrentVersion\Uninstall\a";
        for (kind, data, expected) in [
            (ValueType::SZ, &b"A\0B\0\0\0"[..], Some("AB")),
            (ValueType::SZ, b"A\0B\0", Some("AB")),
            (ValueType::SZ, b"\0\0", Some("")),
            (ValueType::SZ, b"", Some("")),
            (ValueType::SZ, b"\x00\xd8B\0\0\0", None),
            (ValueType::EXPAND_SZ, b"A\0\0\0", Some("A")),
            (ValueType::LINK, b"A\0B\0", Some("AB")),
            (ValueType::NONE, b"A\0\0\0", None),
            (ValueType::BINARY, b"A\0\0\0", None),
            (ValueType::DWORD, b"A\0B\0", None),
            (ValueType::MULTI_SZ, b"A\0\0\0\0\0", None),
        ] {
            let mut registry = software(&[(UNINSTALLED, &[])]);
            let key = registry.key(UNINSTALLED).unwrap();
            registry.hive.node_set_value(key, "DisplayName".into(), kind, data).unwrap();
            let installed = applications(&registry);
            let found = installed.packages.first().map(|package| package.display_name.to_string());
            assert_eq!(found.as_deref(), expected, "{kind} {data:?}");
        }
    }

    #[test]
    fn what_has_a_name_to_show_is_an_application() {
        let installed = applications(&software(&[
            (
                r"Microsoft\Windows\CurrentVersion\Uninstall\b",
                &[("DisplayName", "Bé"), ("DisplayVersion", "1.0")],
            ),
            (r"Microsoft\Windows\CurrentVersion\Uninstall\hidden", &[("DisplayVersion", "1.0")]),
            (r"Microsoft\Windows\CurrentVersion\Uninstall\empty", &[("DisplayName", "")]),
            (r"Microsoft\Windows\CurrentVersion\Uninstall\number", &[("DisplayName", "7")]),
            (r"wow6432node\microsoft\windows\currentversion\uninstall\b", &[("displayname", "B, 32 bits")]),
            (r"WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall\A", &[("DisplayName", "McAfee X")]),
        ]));
        let shown: Vec<_> = installed
            .packages
            .iter()
            .map(|p| format!("{}|{}|{}|{}", p.name, p.display_name, p.version, p.class))
            .collect();
        assert_eq!(shown, ["A|McAfee X||antivirus", "b|Bé|1.0|", "b|B, 32 bits||", "empty|||"]);
        assert_eq!(installed.databases, [Database { format: Format::Windows, path: "/SOFTWARE".into() }]);
        assert_eq!(installed.notes, []);
    }

    #[test]
    fn defender_is_there_unless_it_is_switched_off() {
        for (value, is_there) in [("1", false), ("0", true)] {
            let installed = applications(&software(&[(DEFENDER, &[("DisableAntiVirus", value)])]));
            assert_eq!(installed.packages.iter().any(|package| package.name == "WinDefend"), is_there);
        }
    }
}

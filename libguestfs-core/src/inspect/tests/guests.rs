//! `guests.txt` and `relatives.txt`: every distribution by its release files.

use std::collections::BTreeMap;

use super::memory::{MemGuest, MemTree};
use crate::inspect::{inspect, osinfo};

#[test]
fn each_guest_is_what_the_table_says() {
    let mut wrong = Vec::new();
    let tables = [include_str!("guests.txt"), include_str!("relatives.txt")];
    for guest in tables.iter().flat_map(|table| table.split("\n= ").skip(1)) {
        let (name, rest) = guest.split_once('\n').unwrap();
        let (tree, mut expected) = parse(rest);
        let (distro, version) = (expected["distro"].clone(), expected["version"].clone());
        let numbers = if version == "0.0" || distro == "unknown" { None } else { Some(version) };
        expected
            .entry("osinfo".to_owned())
            .or_insert_with(|| numbers.map_or("unknown".to_owned(), |numbers| format!("{distro}{numbers}")));
        let found = found(tree);
        if found != expected {
            wrong.push(format!("{name}: expected {expected:#?}\nfound {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What inspection says of a guest with one filesystem.
fn found(tree: MemTree) -> BTreeMap<String, String> {
    let inspection = inspect(&mut MemGuest::new().filesystem("/dev/sda1", tree)).unwrap();
    let [root] = &inspection.roots[..] else { panic!("{inspection:?}") };
    assert_eq!(root.os_type(), "linux");
    let (distro, major, minor) = (root.distro(), root.major_version(), root.minor_version());
    let id = osinfo(root.os_type().into(), distro.as_ref(), major, minor);
    [
        ("distro", distro.to_string()),
        ("version", format!("{major}.{minor}")),
        ("product", root.product_name().to_string()),
        ("packages", format!("{} {}", root.package_format(), root.package_management())),
        ("osinfo", id.to_string()),
        ("build", root.build_id().to_string()),
    ]
    .map(|(field, value)| (field.to_owned(), value))
    .into()
}

/// The files of a guest, and what is expected of it.
fn parse(text: &str) -> (MemTree, BTreeMap<String, String>) {
    let mut tree = MemTree::linux("");
    let mut expected: BTreeMap<String, String> = [
        ("distro", "unknown"),
        ("version", "0.0"),
        ("product", "unknown"),
        ("packages", "unknown unknown"),
        ("build", "unknown"),
    ]
    .map(|(field, value)| (field.to_owned(), value.to_owned()))
    .into();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some((path, target)) = line.split_once(" -> ") {
            tree = tree.symlink(path, target);
        } else if line.starts_with('/') {
            let mut content = String::new();
            while let Some(text) = lines.next_if(|line| line.starts_with('|')) {
                content += text.strip_prefix("| ").unwrap();
                content.push('\n');
            }
            tree = tree.file(line, content);
        } else if let Some(fact) = line.strip_prefix("> ") {
            let (field, value) = fact.split_once(' ').unwrap();
            expected.insert(field.to_owned(), value.to_owned());
        } else {
            assert!(line.is_empty(), "{line}");
        }
    }
    (tree, expected)
}

//! Comparison of what probing says with what `blkid -p` says.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use disk::probe::Probe;

/// Values by tag.
pub(crate) type Tags = BTreeMap<String, String>;

/// What blkid says: tags that both sides have.
pub(crate) fn blkid(image: &Path) -> Tags {
    let output = Command::new("blkid").args(["-p", "-o", "full", "-o", "udev"]).arg(image).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let tags = text.lines().filter_map(|line| line.strip_prefix("ID_FS_")?.split_once('='));
    tags.map(|(tag, value)| (tag.to_owned(), value.to_owned())).collect()
}

/// What the library says, by the same tags.
pub(crate) fn tags(probe: &Probe) -> Tags {
    let label = probe.label.as_ref().map(ToString::to_string);
    let all = [
        ("TYPE", Some(probe.kind.to_owned())),
        ("USAGE", Some(probe.usage.name().to_owned())),
        ("LABEL_ENC", label),
        ("UUID_ENC", probe.uuid.clone()),
        ("UUID_SUB", probe.uuid_sub.clone()),
        ("VERSION", probe.version.clone()),
        ("BLOCK_SIZE", probe.block_size.map(|size| size.to_string())),
        ("SEC_TYPE", probe.sec_type.map(str::to_owned)),
    ];
    all.into_iter().filter_map(|(tag, value)| Some((tag.to_owned(), value?))).collect()
}

/// Tags that are compared.
const COMPARED: [&str; 8] =
    ["TYPE", "USAGE", "LABEL_ENC", "UUID_ENC", "UUID_SUB", "VERSION", "BLOCK_SIZE", "SEC_TYPE"];

/// Where the two differ, in words that start with `what`.
pub(crate) fn differences(what: &str, found: &Tags, wanted: &Tags) -> Vec<String> {
    let mut wrong = Vec::new();
    for tag in COMPARED {
        // Blkid escapes spaces.
        let (found, wanted) = (found.get(tag).map(|value| value.replace(' ', "\\x20")), wanted.get(tag));
        if found.as_ref() != wanted {
            wrong.push(format!("{what}: {tag} is {found:?}, blkid: {wanted:?}"));
        }
    }
    wrong
}

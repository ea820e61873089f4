//! systemd's mount units: what a guest mounts without a line in fstab (systemd.mount(5), systemd.unit(5)).
//!
//! A unit counts that the administrator has enabled, by a link in the directory of what `local-fs.target` wants or
//! requires. Those that a distribution brings along are about memory and kernel interfaces.

use bstr::{BString, ByteSlice};

use super::fstab::Entry;
use super::guest::{Files, Tree};
use super::text::lines;

/// Where links to enabled units are.
const DIRECTORIES: &[&str] =
    &["/etc/systemd/system/local-fs.target.requires", "/etc/systemd/system/local-fs.target.wants"];
/// Most units that are read in one directory.
const UNITS_MAX: usize = 256;
/// Longest unit in bytes that is read.
const UNIT_MAX: usize = 65_536;

/// The mounts of all enabled units, in the form of fstab.
pub(super) fn mounts<T: Tree>(files: &mut Files<T>) -> Result<Vec<Entry>, T::Error> {
    let mut mounts = Vec::new();
    for directory in DIRECTORIES {
        for name in files.names(directory.as_bytes(), UNITS_MAX)? {
            if name.ends_with(b".mount") {
                let path = [directory.as_bytes(), b"/", &name].concat();
                mounts.extend(files.read(&path, UNIT_MAX)?.and_then(|text| mount(&text)));
            }
        }
    }
    Ok(mounts)
}

/// What a unit says in its section `[Mount]`.
fn mount(text: &[u8]) -> Option<Entry> {
    let mut in_section = false;
    let [mut what, mut at, mut kind, mut options] = [const { None::<BString> }; 4];
    for line in lines(text).map(<[u8]>::trim_ascii) {
        if line.starts_with(b"[") {
            in_section = line == b"[Mount]";
        }
        let Some((key, value)) = line.split_once_str("=").filter(|_| in_section) else { continue };
        let field = match key.trim_ascii_end() {
            b"What" => &mut what,
            b"Where" => &mut at,
            b"Type" => &mut kind,
            b"Options" => &mut options,
            _ => continue,
        };
        *field = Some(value.trim_ascii_start().into());
    }
    let [kind, options] = [kind, options].map(Option::unwrap_or_default);
    Some(Entry { spec: what?, file: at?, kind, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_section_of_the_mount_counts() {
        let unit = b"[Unit]\nWhat=/no\n# What=/no\n[Mount]\nWhat=LABEL=data\n Where = /srv/data\nType=xfs\n\
            Options=rw,noatime\nOther=x\n[Install]\nWhere=/no\n";
        let entry = Entry {
            spec: "LABEL=data".into(),
            file: "/srv/data".into(),
            kind: "xfs".into(),
            options: "rw,noatime".into(),
        };
        assert_eq!(mount(unit), Some(entry));
        for incomplete in ["[Mount]\nWhat=/dev/sda1\n", "[Mount]\nWhere=/\n", "What=/dev/sda1\nWhere=/\n", ""]
        {
            assert_eq!(mount(incomplete.as_bytes()), None, "{incomplete}");
        }
    }
}

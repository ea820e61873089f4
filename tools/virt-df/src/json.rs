//! `--json`: one document around all that was examined, written guest by guest.
//!
//! ```text
//! {"schema":"virt-df","version":1,"guests":[
//! {"guest":"a.qcow2","disks":[{"path":"/images/a.qcow2"}],"filesystems":[
//! {"device":"/dev/sda1","type":"ext4",…},
//! {"device":"/dev/sda2","type":"xfs",…,"error":"…"}
//! ]},
//! {"guest":"b.qcow2","disks":[{"path":"b.qcow2"}],"filesystems":[
//! ],"errors":["…"]}
//! ]}
//! ```
//!
//! The manual page describes it for users. Whatever a program could rely on changes with [`VERSION`] only; keys may be
//! added without.

use std::io::{self, Write};

use libguestfs_core::api::Statvfs;
use serde::ser::{Serialize, SerializeMap, Serializer};
use virt_common::Guest;
use virt_common::json::text;

use crate::examine::{Examined, Filesystem};

/// Version of the document's form.
const VERSION: u32 = 1;

/// Writes the document.
pub(crate) struct Document {
    has_guest: bool,
}

impl Document {
    pub(crate) fn begin(out: &mut dyn Write) -> io::Result<Document> {
        write!(out, r#"{{"schema":"virt-df","version":{VERSION},"guests":["#)?;
        Ok(Document { has_guest: false })
    }

    pub(crate) fn guest(
        &mut self,
        guest: &Guest,
        examined: &Examined,
        mut out: &mut dyn Write,
    ) -> io::Result<()> {
        out.write_all(if self.has_guest { b",\n" } else { b"\n" })?;
        self.has_guest = true;
        let head = serde_json::to_string(guest)?;
        // The object stays open for its filesystems.
        write!(out, "{},\"filesystems\":[", head.trim_end_matches('}'))?;
        for (n, filesystem) in examined.filesystems.iter().enumerate() {
            out.write_all(if n > 0 { b",\n" } else { b"\n" })?;
            serde_json::to_writer(&mut out, filesystem)?;
        }
        out.write_all(b"\n]")?;
        if !examined.failures.is_empty() {
            let errors: Vec<String> = examined.failures.iter().map(ToString::to_string).collect();
            write!(out, ",\"errors\":{}", serde_json::to_string(&errors)?)?;
        }
        out.write_all(b"}")
    }

    pub(crate) fn end(self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"\n]}\n")
    }
}

impl Serialize for Filesystem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        text(&mut map, "device", &self.device)?;
        text(&mut map, "type", &self.kind)?;
        for (key, name) in [("label", &self.label), ("uuid", &self.uuid)] {
            if !name.is_empty() {
                text(&mut map, key, name)?;
            }
        }
        match &self.space {
            Ok(space) => {
                for (key, number) in numbers(space) {
                    map.serialize_entry(key, &number)?;
                }
            }
            Err(error) => map.serialize_entry("error", &error.to_string())?,
        }
        if !self.warnings.is_empty() {
            let warnings: Vec<String> = self.warnings.iter().map(ToString::to_string).collect();
            map.serialize_entry("warnings", &warnings)?;
        }
        map.end()
    }
}

/// Sizes in bytes, and inodes.
fn numbers(space: &Statvfs) -> [(&'static str, i64); 9] {
    let bytes = |blocks: i64| blocks.saturating_mul(space.frsize);
    [
        ("block_size", space.frsize),
        ("size", bytes(space.blocks)),
        ("used", bytes(space.blocks.wrapping_sub(space.bfree))),
        ("free", bytes(space.bfree)),
        ("available", bytes(space.bavail)),
        ("inodes", space.files),
        ("inodes_used", space.files.wrapping_sub(space.ffree)),
        ("inodes_free", space.ffree),
        ("inodes_available", space.favail),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_common::Error;
    use virt_common::options::Disk;

    #[test]
    fn a_document_is_json_with_all_that_was_examined() {
        let guest = |name: &[u8], paths: &[&str]| {
            let mut guest = Guest::new(paths.iter().map(Disk::image).collect());
            guest.name = name.into();
            guest
        };
        let space = Statvfs {
            bsize: 4096,
            frsize: 1024,
            blocks: 100,
            bfree: 40,
            bavail: 30,
            files: 8,
            ffree: 9,
            favail: 9,
            ..Statvfs::default()
        };
        let filesystem = |device: &str, space| Filesystem {
            device: device.into(),
            kind: "ext4".into(),
            label: "root".into(),
            uuid: "".into(),
            warnings: if device.ends_with('2') { vec![Error::new("stale")] } else { Vec::new() },
            space,
        };
        let mut out = Vec::new();
        let mut document = Document::begin(&mut out).unwrap();
        let first = Examined {
            is_open: true,
            filesystems: vec![
                filesystem("/dev/sda1", Ok(space)),
                filesystem("/dev/sda2", Err(Error::new("damaged"))),
            ],
            failures: vec![],
        };
        document.guest(&guest(b"a+", &["/a", "b"]), &first, &mut out).unwrap();
        let second = Examined { failures: vec![Error::new("no such file")], ..Examined::default() };
        document.guest(&guest(b"c\xff", &["c"]), &second, &mut out).unwrap();
        document.end(&mut out).unwrap();

        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"schema": "virt-df", "version": 1, "guests": [
                {"guest": "a+", "disks": [{"path": "/a"}, {"path": "b"}], "filesystems": [
                    {"device": "/dev/sda1", "type": "ext4", "label": "root", "block_size": 1024, "size": 102_400,
                     "used": 61_440, "free": 40_960, "available": 30_720, "inodes": 8, "inodes_used": -1,
                     "inodes_free": 9, "inodes_available": 9},
                    {"device": "/dev/sda2", "type": "ext4", "label": "root", "error": "damaged",
                     "warnings": ["stale"]},
                ]},
                {"guest": "c\u{fffd}", "guest_base64": "Y/8=", "disks": [{"path": "c"}], "filesystems": [],
                 "errors": ["no such file"]},
            ]})
        );
    }
}

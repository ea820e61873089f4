//! `--json`: one document around all that is listed, written as it comes.
//!
//! ```text
//! {"schema":"virt-ls","version":1,"mode":"records","directories":[
//! {"directory":"/etc","entries":[
//! {"path":"/etc","type":"directory",…},
//! {"path":"/etc/hostname","type":"regular",…}
//! ]},
//! {"directory":"/nothing","entries":[
//! ],"error":"…"}
//! ],"warnings":["…"]}
//! ```
//!
//! The manual page describes it for users. Whatever a program could rely on changes with [`VERSION`] only; keys may be
//! added without.

use std::io::{self, Write};

use bstr::BStr;
use serde::ser::{Serialize, SerializeMap, Serializer};
use virt_common::Error;
use virt_common::json::text;

use crate::options::Mode;
use crate::record::{Entry, kind, major, minor};

/// Version of the document's form.
const VERSION: u32 = 1;

/// Writes the document.
pub(crate) struct Document {
    has_directory: bool,
    has_entry: bool,
}

/// An entry that is no more than its name, or its path below the directory.
pub(crate) struct Name<'a> {
    pub(crate) key: &'static str,
    pub(crate) name: &'a BStr,
}

impl Document {
    pub(crate) fn begin(mode: Mode, out: &mut dyn Write) -> io::Result<Document> {
        let mode = match mode {
            Mode::Names => "names",
            Mode::Long => "long",
            Mode::Recursive => "recursive",
            Mode::Records => "records",
        };
        write!(out, r#"{{"schema":"virt-ls","version":{VERSION},"mode":"{mode}","directories":["#)?;
        Ok(Document { has_directory: false, has_entry: false })
    }

    pub(crate) fn begin_directory(&mut self, directory: &BStr, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(if self.has_directory { b",\n" } else { b"\n" })?;
        (self.has_directory, self.has_entry) = (true, false);
        let head = serde_json::to_string(&Name { key: "directory", name: directory })?;
        // The object stays open for its entries.
        write!(out, "{},\"entries\":[", head.trim_end_matches('}'))
    }

    pub(crate) fn entry(&mut self, entry: &impl Serialize, mut out: &mut dyn Write) -> io::Result<()> {
        out.write_all(if self.has_entry { b",\n" } else { b"\n" })?;
        self.has_entry = true;
        Ok(serde_json::to_writer(&mut out, entry)?)
    }

    pub(crate) fn end_directory(&mut self, error: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"\n]")?;
        if let Some(error) = error {
            write!(out, ",\"error\":{}", serde_json::to_string(error)?)?;
        }
        out.write_all(b"}")
    }

    pub(crate) fn end(self, warnings: &[Error], out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"\n]")?;
        if !warnings.is_empty() {
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            write!(out, ",\"warnings\":{}", serde_json::to_string(&warnings)?)?;
        }
        out.write_all(b"}\n")
    }
}

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        text(&mut map, self.key, self.name)?;
        map.end()
    }
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stat = self.stat;
        let mut map = serializer.serialize_map(None)?;
        text(&mut map, "path", self.path)?;
        map.serialize_entry("type", kind(stat.st_mode).1)?;
        map.serialize_entry("mode", &format!("{:04o}", stat.st_mode & 0o7777))?;
        for (key, number) in [
            ("size", stat.st_size),
            ("uid", stat.st_uid),
            ("gid", stat.st_gid),
            ("atime", stat.st_atime_sec),
            ("atime_nsec", stat.st_atime_nsec),
            ("mtime", stat.st_mtime_sec),
            ("mtime_nsec", stat.st_mtime_nsec),
            ("ctime", stat.st_ctime_sec),
            ("ctime_nsec", stat.st_ctime_nsec),
            ("inode", stat.st_ino),
            ("nlink", stat.st_nlink),
            ("blocks", stat.st_blocks),
        ] {
            map.serialize_entry(key, &number)?;
        }
        map.serialize_entry("device", &[major(stat.st_dev), minor(stat.st_dev)])?;
        if matches!(kind(stat.st_mode).0, 'b' | 'c') {
            map.serialize_entry("rdev", &[major(stat.st_rdev), minor(stat.st_rdev)])?;
        }
        if let Some(checksum) = &self.checksum {
            text(&mut map, "checksum", checksum)?;
        }
        if let Some(target) = &self.target {
            text(&mut map, "target", target)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libguestfs_core::api::Statns;

    #[test]
    fn a_document_is_json_with_all_that_was_listed() {
        let mut out = Vec::new();
        let mut document = Document::begin(Mode::Records, &mut out).unwrap();
        document.begin_directory(BStr::new("/dev"), &mut out).unwrap();
        let stat = Statns {
            st_mode: 0o020_620,
            st_rdev: 0x103,
            st_dev: 0x800,
            st_mtime_sec: -1,
            ..Statns::default()
        };
        let node = Entry { path: BStr::new("/dev/null"), stat: &stat, target: None, checksum: None };
        document.entry(&node, &mut out).unwrap();
        let stat = Statns { st_mode: 0o120_777, ..Statns::default() };
        let link =
            Entry { path: BStr::new(b"/dev/\xff"), stat: &stat, target: Some("a\"b".into()), checksum: None };
        document.entry(&link, &mut out).unwrap();
        document.end_directory(None, &mut out).unwrap();
        document.begin_directory(BStr::new("/nothing"), &mut out).unwrap();
        document.end_directory(Some("not there"), &mut out).unwrap();
        document.end(&[Error::new("it may be \"stale\"")], &mut out).unwrap();

        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&json["schema"], &json["version"]), (&"virt-ls".into(), &1.into()));
        let entries = &json["directories"][0]["entries"];
        assert_eq!(entries[0]["path"], "/dev/null");
        assert_eq!((&entries[0]["type"], &entries[0]["mode"]), (&"char".into(), &"0620".into()));
        assert_eq!(entries[0]["rdev"], serde_json::json!([1, 3]));
        assert_eq!(entries[0]["device"], serde_json::json!([8, 0]));
        assert_eq!(entries[0]["mtime"], -1);
        assert_eq!((&entries[1]["target"], &entries[1]["path_base64"]), (&"a\"b".into(), &"L2Rldi//".into()));
        assert!(entries[1].get("rdev").is_none());
        assert_eq!(
            json["directories"][1],
            serde_json::json!({"directory": "/nothing", "entries": [], "error": "not there"})
        );
        assert_eq!(json["warnings"], serde_json::json!(["it may be \"stale\""]));
    }

    #[test]
    fn a_listing_of_nothing_is_a_document() {
        let mut out = Vec::new();
        Document::begin(Mode::Names, &mut out).unwrap().end(&[], &mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["directories"], serde_json::json!([]));
        assert!(json.get("warnings").is_none());
    }
}

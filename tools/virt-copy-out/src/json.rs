//! `--json`: what became of each source, and of the copy as a whole, in one document at the end.
//!
//! ```text
//! {"schema":"virt-copy-out","version":1,"target":"homes","sources":[{"path":"/home"},{"path":"/nope","error":"…"}],
//!  "entries":12,"bytes":34567,"failures":["…"],"further_failures":0,"left_out":["…"],
//!  "verified":false,"interrupted":false}
//! ```
//!
//! The manual page describes it for users. Whatever a program could rely on changes with [`VERSION`] only; keys may be
//! added without.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bstr::BString;
use libguestfs_core::copy::Outcome;
use serde::ser::{Serialize, SerializeMap, Serializer};
use virt_common::json::text;

/// Version of the document's form.
const VERSION: u32 = 1;

/// What the document says.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) sources: Vec<Reported>,
    /// Files, directories and others that came.
    pub(crate) entries: u64,
    /// Bytes of data that came, holes not counted.
    pub(crate) bytes: u64,
    pub(crate) outcome: Outcome,
    /// Was it asked to compare the copy with the guest?
    pub(crate) verified: bool,
    pub(crate) interrupted: bool,
}

/// A source: its path in the guest, or what stood on the command line if that led to none.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) path: BString,
    pub(crate) error: Option<String>,
}

impl Report {
    /// Writes the document.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn write(&self, target: &Path, mut out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut out, &Document { report: self, target })?;
        out.write_all(b"\n")
    }
}

struct Document<'a> {
    report: &'a Report,
    target: &'a Path,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Document { report, target } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "virt-copy-out")?;
        map.serialize_entry("version", &VERSION)?;
        text(&mut map, "target", target.as_os_str().as_bytes())?;
        map.serialize_entry("sources", &report.sources)?;
        map.serialize_entry("entries", &report.entries)?;
        map.serialize_entry("bytes", &report.bytes)?;
        map.serialize_entry("failures", &report.outcome.failures)?;
        map.serialize_entry("further_failures", &report.outcome.further_failures)?;
        map.serialize_entry("left_out", &report.outcome.left_out)?;
        map.serialize_entry("verified", &report.verified)?;
        map.serialize_entry("interrupted", &report.interrupted)?;
        map.end()
    }
}

impl Serialize for Reported {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        text(&mut map, "path", &self.path)?;
        if let Some(error) = &self.error {
            map.serialize_entry("error", error)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_what_became_of_each_source() {
        let report = Report {
            sources: vec![
                Reported { path: "/home".into(), error: None },
                Reported { path: b"/caf\xe9".into(), error: Some("gone".into()) },
            ],
            entries: 2,
            bytes: 3,
            outcome: Outcome {
                failures: vec!["/home/x: no".into()],
                further_failures: 1,
                left_out: vec!["/home/s: a socket".into()],
            },
            verified: true,
            interrupted: false,
        };
        let mut out = Vec::new();
        report.write(Path::new("."), &mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "schema": "virt-copy-out", "version": 1, "target": ".",
                "sources": [
                    {"path": "/home"},
                    {"path": "/caf\u{fffd}", "path_base64": "L2NhZuk=", "error": "gone"},
                ],
                "entries": 2, "bytes": 3, "failures": ["/home/x: no"], "further_failures": 1,
                "left_out": ["/home/s: a socket"], "verified": true, "interrupted": false,
            })
        );
    }
}

//! Keys and values to standard output. What comes from the daemon is the text itself; in JSON, a document is put around it:
//!
//! ```text
//! {"schema":"virt-win-reg","version":1,"keys":[
//! {"key":"HKEY_LOCAL_MACHINE\\SYSTEM\\Select",…},
//! {"key":…}
//! ]}
//! ```
//!
//! The manual page describes it for users. Whatever a program could rely on changes with [`VERSION`] only; keys may be
//! added without.

use std::io::{self, Write};

use libguestfs_core::Guestfs;
use libguestfs_core::api::InternalRegistryExportOpts;
use virt_common::{Error, Result, Session};

use crate::open::Place;
use crate::options::{Options, Wanted};

/// Version of the document's form.
const VERSION: u32 = 1;
/// How the names of the daemon's own calls begin, which users need not know.
const OWN_CALLS: &str = "internal_registry_";

/// Prints a key with all below it, or a value.
pub(crate) fn show(
    handle: &Guestfs,
    place: &Place,
    wanted: &Wanted,
    options: &Options,
    session: &mut Session,
) -> Result<()> {
    let Place { hive, logs, prefix, key, .. } = place;
    let mut document = Document { out: &mut session.out, is_json: options.json, has_begun: false };
    let form = match (&wanted.value, options.json, options.unsafe_printable_strings) {
        (_, true, _) => "json",
        (Some(_), false, _) => "plain",
        (None, false, true) => "reg-printable",
        (None, false, false) => "reg",
    };
    let opts = InternalRegistryExportOpts {
        form: Some(form.into()),
        prefix: Some(prefix.clone()),
        maxdepth: options.max_depth,
        value: wanted.value.clone(),
    };
    let sent = handle.internal_registry_export(hive, logs, key, &mut document, &opts);
    let sent = sent.map_err(|e| place.named(plain(e)));
    document.end(sent.as_ref().err()).map_err(|e| Error::because("writing standard output", e))?;
    warn_of_notes(handle, &place.shown, session)?;
    sent
}

/// Says what the daemon met in a hive.
pub(crate) fn warn_of_notes(handle: &Guestfs, hive: &str, session: &mut Session) -> Result<()> {
    if handle.is_ready() {
        for note in handle.internal_registry_notes()? {
            session.warn(&Error::new(format!("{hive}: {note}")));
        }
    }
    Ok(())
}

/// The error without the name of a call of our own.
pub(crate) fn plain(error: libguestfs_core::Error) -> Error {
    let text = Error::from(error).to_string();
    let rest = text.strip_prefix(OWN_CALLS).and_then(|rest| rest.split_once(": "));
    Error::new(rest.map_or(text.as_str(), |(_, rest)| rest))
}

/// Standard output, with a document around what is JSON. Nothing is printed if nothing comes.
struct Document<'a> {
    out: &'a mut dyn Write,
    is_json: bool,
    has_begun: bool,
}

impl Document<'_> {
    fn end(&mut self, error: Option<&Error>) -> io::Result<()> {
        if !self.is_json || !self.has_begun {
            return Ok(());
        }
        self.out.write_all(b"\n]")?;
        if let Some(error) = error {
            write!(self.out, ",\"error\":{}", serde_json::to_string(&error.to_string())?)?;
        }
        self.out.write_all(b"}\n")
    }
}

impl Write for Document<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_json && !self.has_begun {
            writeln!(self.out, "{{\"schema\":\"virt-win-reg\",\"version\":{VERSION},\"keys\":[")?;
        }
        self.has_begun = true;
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::ByteSlice;

    #[test]
    fn a_document_is_whole_also_after_a_failure() {
        for (error, expected) in [
            (None, "{\"schema\":\"virt-win-reg\",\"version\":1,\"keys\":[\n{}\n]}\n"),
            (
                Some(Error::new("a \"b\"")),
                "{\"schema\":\"virt-win-reg\",\"version\":1,\"keys\":[\n{}\n],\"error\":\"a \\\"b\\\"\"}\n",
            ),
        ] {
            let mut out = Vec::new();
            let mut document = Document { out: &mut out, is_json: true, has_begun: false };
            document.write_all(b"{}").unwrap();
            document.end(error.as_ref()).unwrap();
            assert_eq!(out.as_bstr(), expected);
        }
    }
}

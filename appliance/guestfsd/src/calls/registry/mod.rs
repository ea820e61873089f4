//! Registry hives of Windows: exported, looked up in, and merged into. The parser is the crate `hivex-rs`; here is what it
//! reads from, a file of the guest that is mounted or a disk that is itself a hive, and the form of what is sent.
//!
//! ```text
//! locate   in which hive a key of the registry is
//! open     a hive and its logs, out of the tree or from disks
//! json     keys with their values, a JSON object each
//! value    one value, as hivexget prints it
//! merge    changes of .reg files, applied in memory
//! replace  a changed hive written back, in an appliance
//! ```
//!
//! A call that reads a hive leaves notes: what of the logs was applied, and what is damaged. The caller asks for them by
//! `internal_registry_notes`.

mod json;
mod locate;
mod merge;
mod open;
mod replace;
mod value;

use std::io::{self, Write};

use bstr::{BStr, BString, ByteSlice};
use hivex::reg::{Export, ExportError, export};
use hivex::{Hive, Node, Options, Value};
use libguestfs_core::api::InternalRegistryExportOpts;
use libguestfs_core::registry::Registry as OpenHive;
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use super::sink::Sink;
use crate::Guestfsd;
use crate::error::refused;

/// What the daemon remembers between calls about registries.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// What the last call met.
    notes: Vec<BString>,
    /// What is to be merged.
    changes: merge::Changes,
}

/// How keys are sent.
enum Form {
    /// A `.reg` file's text; with strings as text if that is said.
    Reg { printable_strings: bool },
    /// JSON.
    Json,
    /// One value, as hivexget prints it.
    Plain,
}

impl Guestfsd {
    pub(crate) fn internal_registry_export(
        &mut self,
        hive: &BStr,
        logs: &[BString],
        key: &BStr,
        out: &mut dyn Sink,
        opts: &InternalRegistryExportOpts,
    ) -> Result<()> {
        let form = match opts.form.as_ref().map_or(&b"reg"[..], |form| form.as_slice()) {
            b"reg" => Form::Reg { printable_strings: false },
            b"reg-printable" => Form::Reg { printable_strings: true },
            b"json" => Form::Json,
            b"plain" => Form::Plain,
            other => return Err(unknown_form(other)),
        };
        let opened = self.read_hive(hive, logs, Options::default())?;
        let hive = &opened.hive;
        let shown = full_path(prefix(opts), key);
        let node = key_at(hive, key, &shown)?;
        if let Some(name) = &opts.value {
            let found = value_of(hive, node, &shown, name.as_bstr())?;
            let content = match form {
                Form::Json => json::value(hive, node, found, prefix(opts)),
                _ => value::plain(hive, found),
            };
            self.note(&opened);
            return out.write(&content.map_err(|error| about(name.as_bstr(), &error))?);
        }
        let max_depth = opts.maxdepth.and_then(|depth| usize::try_from(depth).ok());
        let mut text = Text::new(out);
        let exported = match form {
            Form::Reg { printable_strings } => {
                let how = Export { prefix: prefix(opts).to_owned(), printable_strings, max_depth };
                export(hive, node, &how, &mut text)
            }
            Form::Json => json::export(hive, node, prefix(opts), max_depth, &mut text),
            Form::Plain => return Err(unknown_form(b"plain")),
        };
        self.note(&opened);
        match exported {
            Ok(()) => text.finish(),
            Err(ExportError::Hive(error)) => Err(about(shown.as_bstr(), &error)),
            Err(ExportError::Write(error)) => Err(text.error.unwrap_or_else(|| refused(error.to_string()))),
        }
    }

    pub(crate) fn internal_registry_notes(&mut self) -> Result<Vec<BString>> {
        Ok(self.registry.notes.clone())
    }

    /// Keeps what there is to say about a hive, some of which is met only while it is read.
    fn note(&mut self, hive: &OpenHive) {
        self.registry.notes = hive.notes().into_iter().map(BString::from).collect();
    }
}

/// The path of a key as users know it.
fn full_path(prefix: &BStr, key: &BStr) -> BString {
    let separator = if prefix.is_empty() || key.starts_with(b"\\") { "" } else { "\\" };
    BString::from([prefix, separator.as_bytes(), key].concat())
}

/// The key at a path within the hive, which users know as `shown`.
fn key_at(hive: &Hive, path: &BStr, shown: &BString) -> Result<Node> {
    let node = hive.node_get_path(hive.root(), path).map_err(|error| about(shown.as_bstr(), &error))?;
    node.ok_or_else(|| Error::daemon(Errno::ENOENT, format!("{shown}: there is no such key in the hive")))
}

/// The value of a key, the default value if it has no name.
fn value_of(hive: &Hive, node: Node, key: &BString, name: &BStr) -> Result<Value> {
    let found = hive.node_get_value(node, name).map_err(|error| about(name, &error))?;
    found.ok_or_else(|| {
        let shown = if name.is_empty() { BStr::new("@") } else { name };
        Error::daemon(Errno::ENOENT, format!("{key}: there is no value {shown}"))
    })
}

fn prefix(opts: &InternalRegistryExportOpts) -> &BStr {
    opts.prefix.as_ref().map_or(BStr::new(""), |prefix| prefix.as_bstr())
}

/// An error of a hive. None of them could be helped by an appliance.
fn about(place: &BStr, error: &hivex::Error) -> Error {
    let errno = match error.kind() {
        hivex::ErrorKind::NotFound => Errno::ENOENT,
        hivex::ErrorKind::AlreadyExists => Errno::EEXIST,
        hivex::ErrorKind::ReadOnly => Errno::EROFS,
        hivex::ErrorKind::TooLarge => Errno::ERANGE,
        hivex::ErrorKind::Corrupt | hivex::ErrorKind::Unfinished => Errno::EUCLEAN,
        _ => Errno::EINVAL,
    };
    Error::daemon(errno, format!("{place}: {error}"))
}

fn unknown_form(form: &[u8]) -> Error {
    Error::daemon(Errno::EINVAL, format!("{}: no such form", form.as_bstr()))
}

/// Bytes that small writes are gathered to before they are sent.
const GATHER: usize = 64 * 1024;

/// A file that is sent, as something to write to.
struct Text<'a> {
    sink: &'a mut dyn Sink,
    held: Vec<u8>,
    /// Why it could not be sent.
    error: Option<Error>,
}

impl<'a> Text<'a> {
    fn new(sink: &'a mut dyn Sink) -> Self {
        Text { sink, held: Vec::with_capacity(GATHER), error: None }
    }

    fn finish(mut self) -> Result<()> {
        match self.flush() {
            Ok(()) => Ok(()),
            Err(error) => Err(self.error.unwrap_or_else(|| refused(error.to_string()))),
        }
    }
}

impl Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= GATHER {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = self.sink.write(&self.held);
        self.held.clear();
        sent.map_err(|error| {
            let text = error.message().to_owned();
            self.error = Some(error);
            io::Error::other(text)
        })
    }
}

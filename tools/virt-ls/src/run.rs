//! One listing after the other, in the mode that was chosen.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};

use bstr::{BStr, ByteSlice};
use clap::ArgMatches;
use libguestfs_core::Guestfs;
use virt_common::{Error, GuestPaths, Opened, Output, Result, Session, about_path, go_on_after};

use crate::json::{Document, Name};
use crate::options::{Mode, Options};
use crate::record::{Entry, Format, kind};
use crate::time::Times;
use crate::walk::{self, Visitor};

/// Lists the directories. One that cannot be listed does not keep the others from being listed.
///
/// # Errors
/// If options do not fit together, the guest cannot be opened, or standard output cannot be written.
pub fn run(options: &Options, matches: &ArgMatches, session: &mut Session) -> Result<()> {
    let mode = options.mode()?;
    let Opened { handle, operands, mut paths } = virt_common::open(
        &options.guest,
        &options.common,
        &options.directories,
        "directory",
        matches,
        session,
    )?;
    let format = format(options);
    let mut document =
        if options.json { Some(Document::begin(mode, &mut session.out).map_err(broken)?) } else { None };
    let mut warnings = Vec::new();
    for operand in &operands {
        let directory = BStr::new(operand.as_bytes());
        let checksum = options.checksum.as_deref();
        let listed = match &mut document {
            None => paths.find(&handle, directory).and_then(|directory| {
                paths.warn(&handle, session)?;
                list_text(&handle, mode, directory.as_bstr(), &format, checksum, session)
            }),
            Some(document) => list_json(&handle, mode, directory, &mut paths, document, checksum, session),
        };
        if document.is_some() && handle.is_ready() {
            warnings.extend(paths.warnings(&handle)?);
        }
        if let Err(e) = listed {
            if session.out.has_failed() {
                return Ok(());
            }
            go_on_after(e, &handle, session)?;
        }
    }
    if let Some(document) = document {
        document.end(&warnings, &mut session.out).map_err(broken)?;
    }
    handle.shutdown()?;
    Ok(())
}

fn format(options: &Options) -> Format {
    let now = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    };
    let times = if options.time_t {
        Some(Times::Epoch)
    } else if options.time_relative {
        Some(Times::Relative(now()))
    } else if options.time_days {
        Some(Times::Days(now()))
    } else if options.times && !options.json {
        Some(Times::local())
    } else {
        None
    };
    Format {
        csv: options.csv,
        human: options.human_readable,
        uids: options.uids,
        times,
        extra_stats: options.extra_stats,
        checksums: options.checksum.is_some(),
    }
}

fn list_text(
    handle: &Guestfs,
    mode: Mode,
    directory: &BStr,
    format: &Format,
    checksum: Option<&str>,
    session: &mut Session,
) -> Result<()> {
    let failed = |e| about_path(handle, directory, e);
    match mode {
        Mode::Names => {
            for name in handle.ls(directory).map_err(failed)? {
                session.out.write_all(&name).map_err(broken)?;
                session.out.write_all(b"\n").map_err(broken)?;
            }
        }
        Mode::Long => {
            let text = handle.ll(directory).map_err(failed)?;
            session.out.write_all(&text).map_err(broken)?;
        }
        Mode::Recursive => {
            for path in handle.find(directory).map_err(failed)? {
                session.out.write_all(&path).map_err(broken)?;
                session.out.write_all(b"\n").map_err(broken)?;
            }
        }
        Mode::Records => {
            let mut line = Vec::new();
            let write = |entry: &Entry<'_>, out: &mut Output| {
                line.clear();
                format.line(entry, &mut line);
                out.write_all(&line)
            };
            walk::all_below(handle, directory, &mut Lister { handle, checksum, session, write })?;
        }
    }
    Ok(())
}

fn list_json(
    handle: &Guestfs,
    mode: Mode,
    directory: &BStr,
    paths: &mut GuestPaths,
    document: &mut Document,
    checksum: Option<&str>,
    session: &mut Session,
) -> Result<()> {
    document.begin_directory(directory, &mut session.out).map_err(broken)?;
    let result = paths
        .find(handle, directory)
        .and_then(|directory| entries(handle, mode, directory.as_bstr(), document, checksum, session));
    let error = result.as_ref().err().map(ToString::to_string);
    document.end_directory(error.as_deref(), &mut session.out).map_err(broken)?;
    result
}

/// What is listed of a directory.
fn entries(
    handle: &Guestfs,
    mode: Mode,
    directory: &BStr,
    document: &mut Document,
    checksum: Option<&str>,
    session: &mut Session,
) -> Result<()> {
    match mode {
        Mode::Names => handle.ls(directory).map_err(|e| about_path(handle, directory, e)).and_then(|names| {
            names.iter().try_for_each(|name| {
                document.entry(&Name { key: "name", name: name.as_bstr() }, &mut session.out).map_err(broken)
            })
        }),
        Mode::Recursive => {
            let found = handle.find(directory).map_err(|e| about_path(handle, directory, e));
            found.and_then(|paths| {
                paths.iter().try_for_each(|path| {
                    let path = path.trim_start_with(|c| c == '/').as_bstr();
                    document.entry(&Name { key: "path", name: path }, &mut session.out).map_err(broken)
                })
            })
        }
        Mode::Long | Mode::Records => {
            let write = |entry: &Entry<'_>, out: &mut Output| document.entry(entry, out);
            let visitor = &mut Lister { handle, checksum, session: &mut *session, write };
            if mode == Mode::Long {
                walk::inside(handle, directory, visitor)
            } else {
                walk::all_below(handle, directory, visitor)
            }
        }
    }
}

/// Writes the entries of a walk, with checksums if asked for.
struct Lister<'a, W> {
    handle: &'a Guestfs,
    checksum: Option<&'a str>,
    session: &'a mut Session,
    write: W,
}

impl<W: FnMut(&Entry<'_>, &mut Output) -> io::Result<()>> Visitor for Lister<'_, W> {
    fn entry(&mut self, mut entry: Entry<'_>) -> Result<()> {
        if let Some(checksum) = self.checksum.filter(|_| kind(entry.stat.st_mode).0 == '-') {
            match self.handle.checksum(checksum, entry.path) {
                Ok(checksum) => entry.checksum = Some(checksum),
                Err(e) => self.failed(about_path(self.handle, entry.path, e))?,
            }
        }
        (self.write)(&entry, &mut self.session.out).map_err(broken)
    }

    fn failed(&mut self, error: Error) -> Result<()> {
        go_on_after(error, self.handle, self.session)
    }
}

fn broken(error: io::Error) -> Error {
    Error::because("writing standard output", error)
}

//! Guests examined by several threads, and printed in the order of the command line.
//!
//! A guest that fails is reported in its place, and the others go on. The memory that disks take is their daemons', one for
//! each worker.

use std::io::{self, Write};

use bstr::ByteSlice;
use clap::ArgMatches;
use virt_common::{Error, Guest, Result, Session, parallel};

use crate::examine::{Examined, examine};
use crate::json::Document;
use crate::options::Options;
use crate::table::Format;

/// Shows how full the filesystems of all guests are.
///
/// # Errors
/// If options do not fit together, there is no guest, or standard output cannot be written.
pub fn run(options: &Options, matches: &ArgMatches, session: &mut Session) -> Result<()> {
    let guests = options.guests(matches)?;
    let mut form = Form::begin(options, &mut session.out).map_err(broken)?;
    let workers = parallel::workers(options.threads, guests.len());
    let work = |guest: &Guest| examine(guest, options);
    parallel::in_order(&guests, workers, work, |guest, examined| form.guest(guest, examined, session))?;
    form.end(&mut session.out).map_err(broken)
}

/// What is printed: a table or a document.
enum Form {
    /// As in the original, the title comes once a guest could be opened.
    Table {
        format: Format,
        has_title: bool,
    },
    Json(Document),
}

impl Form {
    fn begin(options: &Options, out: &mut dyn Write) -> io::Result<Form> {
        if options.json {
            return Document::begin(out).map(Form::Json);
        }
        let format = Format { csv: options.csv, human: options.human_readable, inodes: options.inodes };
        Ok(Form::Table { format, has_title: false })
    }

    fn guest(&mut self, guest: &Guest, examined: Examined, session: &mut Session) -> Result<()> {
        match self {
            Form::Json(document) => document.guest(guest, &examined, &mut session.out).map_err(broken)?,
            Form::Table { format, has_title } => {
                if examined.is_open && !*has_title {
                    *has_title = true;
                    session.out.write_all(&format.title()).map_err(broken)?;
                }
            }
        }
        for filesystem in &examined.filesystems {
            match (&*self, &filesystem.space) {
                (Form::Table { format, .. }, Ok(space)) => {
                    let line = format.line(guest.name.as_bstr(), filesystem.device.as_bstr(), space);
                    session.out.write_all(&line).map_err(broken)?;
                }
                (Form::Json(_), Ok(_)) => {}
                (_, Err(error)) => session.fail(error),
            }
            if matches!(self, Form::Table { .. }) {
                filesystem.warnings.iter().for_each(|warning| session.warn(warning));
            }
        }
        for failure in &examined.failures {
            session.fail(failure);
        }
        // Each guest is shown as soon as it is known.
        session.out.flush().map_err(broken)
    }

    fn end(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Form::Table { .. } => Ok(()),
            Form::Json(document) => document.end(out),
        }
    }
}

fn broken(error: io::Error) -> Error {
    Error::because("writing standard output", error)
}

//! Guests examined by several threads, and printed in the order of the command line.
//!
//! ```text
//! worker ─┐ takes the next guest, examines it by a daemon of its own
//! worker ─┼──(number, what was found)──> main thread: keeps what is early, prints what is next
//! worker ─┘
//! ```
//!
//! A guest that fails is reported in its place, and the others go on. What is kept is a few lines a guest; the memory that
//! disks take is their daemons', one for each worker.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use bstr::ByteSlice;
use clap::ArgMatches;
use virt_common::{Error, Result, Session};

use crate::examine::{Examined, examine};
use crate::json::Document;
use crate::options::{Guest, Options};
use crate::table::Format;

/// Shows how full the filesystems of all guests are.
///
/// # Errors
/// If options do not fit together, there is no guest, or standard output cannot be written.
pub fn run(options: &Options, matches: &ArgMatches, session: &mut Session) -> Result<()> {
    let guests = options.guests(matches)?;
    let mut form = Form::begin(options, &mut session.out).map_err(broken)?;
    let next = AtomicUsize::new(0);
    let (found, examined) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..options.workers(guests.len()) {
            let (found, next, guests) = (found.clone(), &next, &guests);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(guest) = guests.get(number) else { break };
                    // Nobody listens any more once the output is gone.
                    if found.send((number, examine(guest, &options.common, options.json))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(found);
        print_all(&guests, examined, &mut form, session)
    })?;
    form.end(&mut session.out).map_err(broken)
}

/// Prints what the workers send, in the order of the guests. They stop early if this does.
fn print_all(
    guests: &[Guest],
    examined: Receiver<(usize, Examined)>,
    form: &mut Form,
    session: &mut Session,
) -> Result<()> {
    let mut early = BTreeMap::new();
    for (turn, guest) in guests.iter().enumerate() {
        let one = loop {
            if let Some(one) = early.remove(&turn) {
                break one;
            }
            let (number, one) =
                examined.recv().map_err(|_| Error::new("a thread ended before its guest was done"))?;
            early.insert(number, one);
        };
        form.guest(guest, one, session)?;
    }
    Ok(())
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

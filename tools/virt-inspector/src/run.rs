//! Guests examined by several threads, and reported in the order of the command line.
//!
//! A guest that fails is reported in its place, and the others go on. Each is read by a daemon of its own.

use std::io::{self, Write};

use clap::ArgMatches;
use virt_common::{Ask, Error, Guest, Result, Session, parallel};

use crate::options::Options;
use crate::report::{Report, examine};
use crate::xml::Document;
use crate::{json, sbom, xpath};

/// Reports on all guests, or answers a query.
///
/// # Errors
/// If options do not fit together, there is no guest, or standard output cannot be written.
pub fn run(options: &Options, matches: &ArgMatches, session: &mut Session) -> Result<()> {
    if let Some(query) = options.xpath.as_deref().filter(|_| options.names_no_guest()) {
        let xml = xpath::read(&mut io::stdin().lock())?;
        return xpath::run(query, &xml, &mut session.out);
    }
    let guests = options.guests(matches)?;
    let fields = options.wanted();
    let mut form = Form::begin(options, guests.len() > 1, &mut session.out)?;
    let workers = parallel::workers(options.threads, guests.len());
    // Several guests are examined at once, and could not ask one after the other.
    let ask = if guests.len() == 1 { Ask::User } else { Ask::Nobody };
    let work = |guest: &Guest| examine(guest, &fields, options, ask);
    parallel::in_order(&guests, workers, work, |guest, report| form.guest(guest, &report, session))?;
    form.end(&mut session.out)
}

/// What is printed.
enum Form {
    Xml(Document),
    /// What a query finds in the document, which is kept until it is complete.
    Found {
        query: String,
        document: Document,
        xml: Vec<u8>,
    },
    Json,
    Sbom(sbom::Bills),
}

impl Form {
    fn begin(options: &Options, has_many: bool, out: &mut dyn Write) -> Result<Form> {
        if options.json {
            return Ok(Form::Json);
        }
        if let Some(query) = options.xpath.clone() {
            let mut xml = Vec::new();
            let document = Document::begin(has_many, &mut xml).map_err(broken)?;
            return Ok(Form::Found { query, document, xml });
        }
        match options.sbom {
            Some(form) => sbom::Bills::new(form).map(Form::Sbom),
            None => Document::begin(has_many, out).map(Form::Xml).map_err(broken),
        }
    }

    fn guest(&mut self, guest: &Guest, report: &Report, session: &mut Session) -> Result<()> {
        let out = &mut session.out;
        match self {
            Form::Xml(document) => document.guest(guest, report, out),
            Form::Found { document, xml, .. } => document.guest(guest, report, xml),
            Form::Json => json::line(guest, report, out),
            // Of a guest that could not be opened there is nothing to list.
            Form::Sbom(bills) if report.is_inspected => bills.document(guest, report, out),
            Form::Sbom(_) => Ok(()),
        }
        .map_err(broken)?;
        if let Form::Found { xml, .. } = self {
            xpath::check_size(xml.len())?;
        }
        for warning in &report.warnings {
            session.warn(warning);
        }
        for failure in &report.failures {
            session.fail(failure);
        }
        // Each guest is shown as soon as it is known.
        session.out.flush().map_err(broken)
    }

    fn end(self, out: &mut dyn Write) -> Result<()> {
        match self {
            Form::Xml(document) => document.end(out).map_err(broken),
            Form::Found { query, document, mut xml } => {
                document.end(&mut xml).map_err(broken)?;
                // There is no document if the only guest could not be opened, which was reported.
                if xml.is_empty() { Ok(()) } else { xpath::run(&query, &xml, out) }
            }
            Form::Json | Form::Sbom(_) => Ok(()),
        }
    }
}

fn broken(error: io::Error) -> Error {
    Error::because("writing standard output", error)
}

//! The classic document: byte for byte as the original's, which programs parse by line as well as by XML parsers.
//!
//! ```text
//! <?xml version="1.0"?>
//! <operatingsystems>
//!   <operatingsystem>
//!     <root>/dev/sda1</root>
//!     …
//! ```
//!
//! Elements that the original lacks are there only if they have a content: `build_id` (newer versions of it have that),
//! `deployment` and `snapshots`. What many guests have is in one document of its own: `<guests>` with a `<guest>` for each, which has its disks, its
//! `<operatingsystems>` and its errors.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libguestfs_core::api::Application2;
use libguestfs_core::packages;
use virt_common::Guest;

use crate::report::{Filesystem, Report, System, Value};

/// What every document begins with.
const DECLARATION: &[u8] = b"<?xml version=\"1.0\"?>\n";
/// What every level is indented by.
const INDENT: &[u8] = b"  ";
/// Characters of Base64 in a line, and what ends it (libxml2: `B64LINELEN`, `B64CRLF`).
const BASE64_LINE: usize = 72;
const BASE64_END: &[u8] = b"\r\n";

/// A document as it is written.
pub(crate) struct Document {
    has_many: bool,
}

impl Document {
    /// Begins a document of one guest, or of many.
    pub(crate) fn begin(has_many: bool, out: &mut dyn Write) -> io::Result<Document> {
        if has_many {
            out.write_all(DECLARATION)?;
            out.write_all(b"<guests>\n")?;
        }
        Ok(Document { has_many })
    }

    pub(crate) fn guest(&mut self, guest: &Guest, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        if !self.has_many && !report.is_inspected {
            // As in the original, there is no document then.
            return Ok(());
        }
        if !self.has_many {
            out.write_all(DECLARATION)?;
            return systems(&mut Xml { out, depth: 0 }, report);
        }
        let mut xml = Xml { out, depth: 1 };
        xml.element("guest", &[("name", &guest.name)], |xml| {
            for disk in guest.disks().unwrap_or_default() {
                xml.text("disk", disk.path.as_os_str().as_bytes())?;
            }
            if report.is_inspected {
                systems(xml, report)?;
            }
            report.failures.iter().try_for_each(|failure| xml.text("error", failure.to_string().as_bytes()))
        })
    }

    pub(crate) fn end(self, out: &mut dyn Write) -> io::Result<()> {
        if self.has_many { out.write_all(b"</guests>\n") } else { Ok(()) }
    }
}

fn systems(xml: &mut Xml<'_>, report: &Report) -> io::Result<()> {
    if report.systems.is_empty() {
        return xml.empty("operatingsystems");
    }
    xml.element("operatingsystems", &[], |xml| {
        report.systems.iter().try_for_each(|one| xml.element("operatingsystem", &[], |xml| system(xml, one)))
    })
}

fn system(xml: &mut Xml<'_>, system: &System) -> io::Result<()> {
    for (field, value) in &system.values {
        let name = field.name();
        match value {
            Value::Text(text) => xml.text(name, text)?,
            Value::Number(number) => xml.text(name, number.to_string().as_bytes())?,
            Value::Flag => xml.empty(name)?,
            Value::Mountpoints(mounts) => xml.list(name, mounts, |xml, (mountpoint, device)| {
                xml.text_with("mountpoint", &[("dev", device)], mountpoint)
            })?,
            Value::Filesystems(filesystems) => xml.list(name, filesystems, filesystem)?,
            Value::Drives(drives) => xml.list(name, drives, |xml, (letter, device)| {
                xml.text_with("drive_mapping", &[("name", letter)], device)
            })?,
            Value::Snapshots(snapshots) => {
                xml.list(name, snapshots, |xml, snapshot| xml.text("snapshot", snapshot))?;
            }
            Value::Packages { own, packages } => {
                let listed = packages.iter().filter(|package| own.is_none_or(|own| own == package.format));
                let listed: Vec<Application2> = listed.cloned().filter_map(packages::application).collect();
                xml.list(name, &listed, application)?;
            }
            Value::Icon(png) => xml.base64(name, png)?,
        }
    }
    Ok(())
}

fn filesystem(xml: &mut Xml<'_>, filesystem: &Filesystem) -> io::Result<()> {
    let Filesystem { device, kind, label, uuid } = filesystem;
    let texts = [("type", kind), ("label", label), ("uuid", uuid)];
    if texts.iter().all(|(_, text)| text.is_empty()) {
        return xml.empty_with("filesystem", &[("dev", device)]);
    }
    xml.element("filesystem", &[("dev", device)], |xml| {
        texts.iter().filter(|(_, text)| !text.is_empty()).try_for_each(|(name, text)| xml.text(name, text))
    })
}

/// An application. What is empty is left out; its name never is.
fn application(xml: &mut Xml<'_>, application: &Application2) -> io::Result<()> {
    let epoch = if application.app2_epoch == 0 { String::new() } else { application.app2_epoch.to_string() };
    let texts: [(&str, &[u8]); 12] = [
        ("display_name", &application.app2_display_name),
        ("epoch", epoch.as_bytes()),
        ("version", &application.app2_version),
        ("release", &application.app2_release),
        ("arch", &application.app2_arch),
        ("install_path", &application.app2_install_path),
        ("publisher", &application.app2_publisher),
        ("url", &application.app2_url),
        ("source_package", &application.app2_source_package),
        ("summary", &application.app2_summary),
        ("description", &application.app2_description),
        ("class", &application.app2_class),
    ];
    xml.element("application", &[], |xml| {
        xml.text("name", &application.app2_name)?;
        texts.iter().filter(|(_, text)| !text.is_empty()).try_for_each(|(name, text)| xml.text(name, text))
    })
}

type Attributes<'a> = [(&'a str, &'a [u8])];

/// Elements, indented by their depth.
struct Xml<'a> {
    out: &'a mut dyn Write,
    depth: usize,
}

impl Xml<'_> {
    /// An element with elements in it.
    fn element(
        &mut self,
        name: &str,
        attributes: &Attributes<'_>,
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.start(name, attributes)?;
        self.out.write_all(b">\n")?;
        self.depth += 1;
        content(self)?;
        self.depth -= 1;
        self.indent()?;
        writeln!(self.out, "</{name}>")
    }

    /// An element with one for each item; it is an empty one if there is none.
    fn list<T>(
        &mut self,
        name: &str,
        items: &[T],
        mut item: impl FnMut(&mut Self, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        if items.is_empty() {
            return self.empty(name);
        }
        self.element(name, &[], |xml| items.iter().try_for_each(|one| item(xml, one)))
    }

    fn empty(&mut self, name: &str) -> io::Result<()> {
        self.empty_with(name, &[])
    }

    fn empty_with(&mut self, name: &str, attributes: &Attributes<'_>) -> io::Result<()> {
        self.start(name, attributes)?;
        self.out.write_all(b"/>\n")
    }

    fn text(&mut self, name: &str, text: &[u8]) -> io::Result<()> {
        self.text_with(name, &[], text)
    }

    fn text_with(&mut self, name: &str, attributes: &Attributes<'_>, text: &[u8]) -> io::Result<()> {
        self.start(name, attributes)?;
        self.out.write_all(b">")?;
        self.escaped(text, Place::Text)?;
        writeln!(self.out, "</{name}>")
    }

    fn base64(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.start(name, &[])?;
        self.out.write_all(b">")?;
        for (number, line) in STANDARD.encode(bytes).as_bytes().chunks(BASE64_LINE).enumerate() {
            if number > 0 {
                self.out.write_all(BASE64_END)?;
            }
            self.out.write_all(line)?;
        }
        writeln!(self.out, "</{name}>")
    }

    /// A start tag but for its end.
    fn start(&mut self, name: &str, attributes: &Attributes<'_>) -> io::Result<()> {
        self.indent()?;
        write!(self.out, "<{name}")?;
        for (name, value) in attributes {
            write!(self.out, " {name}=\"")?;
            self.escaped(value, Place::Attribute)?;
            self.out.write_all(b"\"")?;
        }
        Ok(())
    }

    fn indent(&mut self) -> io::Result<()> {
        (0..self.depth).try_for_each(|_| self.out.write_all(INDENT))
    }

    /// A text of the guest. A document is Unicode without control characters: U+FFFD stands for what can't be in it.
    fn escaped(&mut self, text: &[u8], place: Place) -> io::Result<()> {
        let text = String::from_utf8_lossy(text);
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '&' => escaped.push_str("&amp;"),
                '"' => escaped.push_str("&quot;"),
                '\r' => escaped.push_str("&#13;"),
                '\n' if place == Place::Attribute => escaped.push_str("&#10;"),
                '\t' if place == Place::Attribute => escaped.push_str("&#9;"),
                '\n' | '\t' => escaped.push(c),
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
                _ => escaped.push(c),
            }
        }
        self.out.write_all(escaped.as_bytes())
    }
}

/// Where a text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Attribute,
}

//! `--sbom`: what is installed, as a software bill of materials. A document for each guest; those of several guests are
//! lines of their own, as in JSON Lines.
//!
//! ```text
//! purl        the package URL of a package: what other programs know it by
//! cyclonedx   CycloneDX 1.6: the image, its operating systems, and their packages as components
//! spdx        SPDX 2.3: the same as packages, with their relationships
//! ```
//!
//! What is not known (licenses of a Debian package, say) is left out or `NOASSERTION`, never guessed. The number of a
//! document is made from its content, so that two runs on the same image differ in the time only, and not at all under
//! SOURCE_DATE_EPOCH.

mod cyclonedx;
mod purl;
mod spdx;

use std::io::{self, Write};

use clap::ValueEnum;
use jiff::Timestamp;
use libguestfs_core::packages::Package;
use libguestfs_core::source_date_epoch;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use virt_common::{Error, Guest, Result};

use crate::field::Field;
use crate::report::{Report, System};

/// A form of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// CycloneDX 1.6, JSON
    #[value(name = "cyclonedx")]
    CycloneDx,
    /// SPDX 2.3, JSON
    Spdx,
}

/// What documents of one run have in common.
#[derive(Debug)]
pub(crate) struct Bills {
    form: Form,
    created: Timestamp,
}

impl Bills {
    /// Documents of this form, made now, or when the environment says.
    ///
    /// # Errors
    /// If it says what is no time.
    pub(crate) fn new(form: Form) -> Result<Bills> {
        let stated = source_date_epoch().map_err(|e| Error::bad_options(e.to_string()))?;
        let created = match stated {
            Some(seconds) => Timestamp::from_second(seconds)
                .map_err(|e| Error::bad_options(format!("SOURCE_DATE_EPOCH: {e}")))?,
            None => Timestamp::now(),
        };
        Ok(Bills { form, created })
    }

    /// Writes the document of a guest, in a line of its own.
    pub(crate) fn document(&self, guest: &Guest, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let name = guest.name.to_string();
        let document = match self.form {
            Form::CycloneDx => cyclonedx::document(&name, report, self.created),
            Form::Spdx => spdx::document(&name, report, self.created),
        };
        serde_json::to_writer(&mut *out, &document)?;
        out.write_all(b"\n")
    }
}

/// A time as both forms have it: to the second, in UTC.
fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A UUID made of what it is for (RFC 9562, version 8: the content's SHA-256, cut).
fn uuid(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, hashed)| *byte = hashed);
    let mut number = u128::from_be_bytes(bytes);
    // Version in the top of the seventh byte, variant in that of the ninth.
    number = number & !(0xf << 76) | 8 << 76;
    number = number & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{number:032x}");
    let mut text = String::with_capacity(36);
    for (place, digit) in hex.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// An operating system, as its distribution calls itself.
fn system_name(system: &System) -> String {
    let named =
        [Field::Distro, Field::Name].into_iter().map(|field| system.text(field)).find(|t| !t.is_empty());
    String::from_utf8_lossy(named.unwrap_or(b"unknown")).into_owned()
}

/// `major.minor`, or what of it is known.
fn system_version(system: &System) -> String {
    match (system.number(Field::MajorVersion), system.number(Field::MinorVersion)) {
        (0, 0) => String::new(),
        (major, 0) => major.to_string(),
        (major, minor) => format!("{major}.{minor}"),
    }
}

/// Puts a text into an object, if there is one.
fn put(map: &mut Map<String, Value>, key: &str, text: Option<String>) {
    if let Some(text) = text {
        map.insert(key.to_owned(), text.into());
    }
}

/// A text of the guest as JSON can have it.
fn lossy(text: &[u8]) -> Option<String> {
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

/// Who stands for a package: who published it, distributes it, or maintains it.
fn publisher(package: &Package) -> &[u8] {
    let names = [&package.publisher, &package.vendor, &package.maintainer];
    names.into_iter().find(|name| !name.is_empty()).map_or(b"", |name| name.as_slice())
}

/// A home page, if it is a URL that the schemas take.
fn web_page(url: &[u8]) -> Option<&str> {
    let url = std::str::from_utf8(url).ok()?;
    let rest = ["http://", "https://", "ftp://"].iter().find_map(|scheme| url.strip_prefix(scheme))?;
    let plain =
        |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
    // Brackets and percent signs have rules of their own, that such URLs hardly need.
    let plain = |c: char| plain(c) && !matches!(c, '[' | ']' | '%');
    (!rest.is_empty() && rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && rest.chars().all(plain))
        .then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_uuid_of_the_content() {
        let one = uuid(b"a");
        assert_eq!(one, "ca978112-ca1b-8dca-bac2-31b39a23dc4d");
        assert_ne!(one, uuid(b"b"));
    }

    #[test]
    fn a_home_page_is_a_url() {
        for (url, is_one) in [
            ("https://a.example/x?y=1&z#t", true),
            ("http://a.example:80/~b", true),
            ("https://", false),
            ("http:///x", false),
            ("javascript:alert(1)", false),
            ("https://a b", false),
            ("https://é.example", false),
            ("none", false),
        ] {
            assert_eq!(web_page(url.as_bytes()).is_some(), is_one, "{url}");
        }
    }
}

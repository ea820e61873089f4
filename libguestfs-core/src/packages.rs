//! What is installed in a guest: packages as daemon and library exchange them, and as the API's structures have them.
//!
//! The call `internal_list_packages` answers with a file of records, so that no message of the protocol limits it:
//!
//! ```text
//! record   = length of the rest in bytes, kind, fields        XDR
//! package  = 1, format, epoch?, install time?, texts in the order of Package::texts
//! database = 2, format, path                                  one that was found
//! note     = 3, path, what                                    what is broken
//! ```

use std::io::{self, Write};

use bstr::{BString, ByteSlice};
pub use guest_packages::{Database, File, Format, Installed, Note, Package, Tree, installed, limits};

use crate::api::{Application, Application2};
use crate::wire::xdr::{Bytes, Decode, DecodeError, Encode, Reader};

const PACKAGE: u32 = 1;
const DATABASE: u32 = 2;
const NOTE: u32 = 3;

/// librpm's word for what a package does not have.
const NONE: &str = "(none)";
/// How much is sent at once, in bytes.
const PIECE: usize = 64 << 10;
/// Longest record that is taken, in bytes: what the limits of the texts come to, and some numbers.
const RECORD_MAX: usize = 20 * (limits::FIELD + 8);
/// Longest stream that is taken, in bytes: all texts, and per package 17 lengths with padding and some numbers.
const STREAM_MAX: usize = limits::TEXT + limits::PACKAGES * 200;

/// Gives the records of a guest's packages to `send`, a piece at a time.
///
/// # Errors
/// Those of `send`.
pub fn encode<E>(installed: &Installed, mut send: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut out = Vec::new();
    for database in &installed.databases {
        record(&mut out, |body| {
            DATABASE.encode(body);
            Bytes(database.format.name().as_bytes()).encode(body);
            Bytes(&database.path).encode(body);
        });
    }
    for note in &installed.notes {
        record(&mut out, |body| {
            NOTE.encode(body);
            Bytes(&note.path).encode(body);
            Bytes(&note.what).encode(body);
        });
    }
    for package in &installed.packages {
        record(&mut out, |body| encode_package(package, body));
        if out.len() >= PIECE {
            send(&out)?;
            out.clear();
        }
    }
    send(&out)
}

fn record(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    fill(&mut body);
    Bytes(&body).encode(out);
}

fn encode_package(package: &Package, body: &mut Vec<u8>) {
    PACKAGE.encode(body);
    Bytes(package.format.name().as_bytes()).encode(body);
    optional(package.epoch, body);
    optional(package.install_time, body);
    for text in package.texts() {
        Bytes(text).encode(body);
    }
}

fn optional<T: Encode + Default>(value: Option<T>, body: &mut Vec<u8>) {
    value.is_some().encode(body);
    value.unwrap_or_default().encode(body);
}

/// Takes a stream of records as it comes.
#[derive(Debug, Default)]
pub struct Decoder {
    installed: Installed,
    /// The beginning of a record whose end has not come yet.
    partial: Vec<u8>,
    total: usize,
}

impl Decoder {
    /// What came.
    ///
    /// # Errors
    /// If the stream ended within a record.
    pub fn finish(self) -> Result<Installed, DecodeError> {
        if !self.partial.is_empty() {
            return Err(DecodeError::new("the list of packages ends within a record".to_owned()));
        }
        Ok(self.installed)
    }

    /// Takes whole records off `partial`.
    fn take(&mut self) -> Result<(), DecodeError> {
        let mut input = Reader::new(&self.partial);
        loop {
            let mut ahead = input.clone();
            let Ok(length) = ahead.value::<u32>() else { break };
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > RECORD_MAX {
                return Err(DecodeError::new(format!("a record of {length} bytes in the list of packages")));
            }
            if ahead.remaining() < length {
                break;
            }
            let Bytes(body) = input.value()?;
            decode_record(body, &mut self.installed)?;
        }
        let rest = input.remaining();
        self.partial.drain(..self.partial.len().saturating_sub(rest));
        Ok(())
    }
}

impl Write for Decoder {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.total = self.total.saturating_add(data.len());
        if self.total > STREAM_MAX {
            return Err(io::Error::other("the list of packages is longer than any can be"));
        }
        self.partial.extend_from_slice(data);
        self.take().map_err(io::Error::other)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn decode_record(body: &[u8], installed: &mut Installed) -> Result<(), DecodeError> {
    let mut input = Reader::new(body);
    match input.value::<u32>()? {
        PACKAGE => {
            let mut package = Package::new(format(&mut input)?, "");
            package.epoch = optional_value(&mut input)?;
            package.install_time = optional_value(&mut input)?;
            for field in package.texts_mut() {
                *field = text(&mut input)?;
            }
            installed.packages.push(package);
        }
        DATABASE => {
            installed.databases.push(Database { format: format(&mut input)?, path: text(&mut input)? });
        }
        NOTE => installed.notes.push(Note { path: text(&mut input)?, what: text(&mut input)? }),
        other => return Err(DecodeError::unknown_packet(other)),
    }
    input.finish()
}

fn format(input: &mut Reader<'_>) -> Result<Format, DecodeError> {
    let Bytes(name) = input.value()?;
    Format::named(name)
        .ok_or_else(|| DecodeError::new(format!("there is no package format {:?}", name.as_bstr())))
}

fn optional_value<'a, T: Decode<'a>>(input: &mut Reader<'a>) -> Result<Option<T>, DecodeError> {
    let given = input.value::<bool>()?;
    let value = input.value()?;
    Ok(given.then_some(value))
}

fn text(input: &mut Reader<'_>) -> Result<BString, DecodeError> {
    input.value::<Bytes<'_>>().map(|Bytes(bytes)| bytes.into())
}

/// The package as libguestfs shows it, or `None` if libguestfs does not list it: one of dpkg's that is not installed in
/// whole or half.
pub fn application(package: Package) -> Option<Application2> {
    let deb = package.format == Format::Deb;
    let release = match package.release.strip_prefix(b"r") {
        Some(number) if package.format == Format::Apk => number.into(),
        _ => package.release,
    };
    if deb && !package.state.ends_with(b"installed") {
        return None;
    }
    // A public key has no architecture, and not every package a URL. They all have the other texts, maybe empty ones.
    let none = if package.format == Format::Rpm { NONE } else { "" };
    let or_none = |text: BString| if text.is_empty() { none.into() } else { text };
    Some(Application2 {
        app2_name: package.name,
        app2_display_name: package.display_name,
        app2_epoch: package.epoch.and_then(|epoch| i32::try_from(epoch).ok()).unwrap_or(0),
        app2_version: package.version,
        app2_release: release,
        app2_arch: or_none(package.arch),
        app2_install_path: package.install_path,
        app2_publisher: package.publisher,
        app2_url: or_none(package.url),
        // Of rpm and apk, libguestfs does not look at it.
        app2_source_package: if deb { package.source_package } else { BString::default() },
        app2_summary: package.summary,
        app2_description: package.description,
        app2_class: package.class,
        ..Application2::default()
    })
}

/// The package that libguestfs shows so.
pub(crate) fn package(format: Format, mut shown: Application2) -> Package {
    for text in
        [&mut shown.app2_arch, &mut shown.app2_url, &mut shown.app2_summary, &mut shown.app2_description]
    {
        if *text == NONE {
            text.clear();
        }
    }
    Package {
        display_name: shown.app2_display_name,
        // 0 stands for none too.
        epoch: u32::try_from(shown.app2_epoch).ok().filter(|epoch| *epoch > 0),
        version: shown.app2_version,
        release: shown.app2_release,
        arch: shown.app2_arch,
        install_path: shown.app2_install_path,
        publisher: shown.app2_publisher,
        url: shown.app2_url,
        source_package: shown.app2_source_package,
        summary: shown.app2_summary,
        description: shown.app2_description,
        class: shown.app2_class,
        ..Package::new(format, shown.app2_name)
    }
}

/// The application as the older call shows it.
pub(crate) fn without_architecture(shown: Application2) -> Application {
    Application {
        app_name: shown.app2_name,
        app_display_name: shown.app2_display_name,
        app_epoch: shown.app2_epoch,
        app_version: shown.app2_version,
        app_release: shown.app2_release,
        app_install_path: shown.app2_install_path,
        app_trans_path: shown.app2_trans_path,
        app_publisher: shown.app2_publisher,
        app_url: shown.app2_url,
        app_source_package: shown.app2_source_package,
        app_summary: shown.app2_summary,
        app_description: shown.app2_description,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Installed {
        let mut full = Package::new(Format::Rpm, "bash");
        for (n, text) in full.texts_mut().into_iter().enumerate().skip(1) {
            *text = format!("text {n}").into();
        }
        full.epoch = Some(0);
        full.install_time = Some(1 << 40);
        Installed {
            packages: vec![full, Package::new(Format::Deb, b"\xff".as_slice())],
            databases: vec![Database { format: Format::Apk, path: "/lib/apk/db/installed".into() }],
            notes: vec![Note { path: "/x".into(), what: "broken".into() }],
        }
    }

    fn stream() -> Vec<u8> {
        let mut all = Vec::new();
        encode(&some(), |piece| {
            all.extend_from_slice(piece);
            Ok::<(), ()>(())
        })
        .unwrap();
        all
    }

    #[test]
    fn what_is_sent_arrives_in_pieces_of_any_size() {
        let all = stream();
        for size in [1, 7, 100, all.len()] {
            let mut decoder = Decoder::default();
            for piece in all.chunks(size) {
                decoder.write_all(piece).unwrap();
            }
            assert_eq!(decoder.finish().unwrap(), some(), "{size}");
        }
    }

    #[test]
    fn what_is_not_a_list_is_refused() {
        let all = stream();
        let mut cut = Decoder::default();
        cut.write_all(&all[..all.len() - 1]).unwrap();
        assert!(cut.finish().is_err());
        for wrong in [vec![0xff; 4], vec![0, 0, 0, 4, 0, 0, 0, 9], vec![0, 0, 0, 4, 0, 0, 0, 1]] {
            assert!(Decoder::default().write_all(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_application_is_what_libguestfs_lists() {
        let mut package = some().packages.remove(0);
        assert_eq!(application(package.clone()).unwrap().app2_source_package, "", "not of an rpm");
        package.arch.clear();
        assert_eq!(application(package.clone()).unwrap().app2_arch, "(none)");
        package.format = Format::Deb;
        package.state = "half-installed".into();
        let shown = application(package.clone()).unwrap();
        assert_eq!([&shown.app2_source_package, &shown.app2_arch], ["text 10", ""]);
        package.state = "unpacked".into();
        assert_eq!(application(package), None);
    }
}

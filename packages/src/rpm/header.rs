//! A package's header: typed values by tags (rpm's documentation, "RPM V4 Package format", "Header").
//!
//! ```text
//! count of entries, length of data           32 bits each, big-endian as everything here
//! entry: tag, type, offset in data, count    32 bits each
//! data
//! ```
//!
//! A database has it without the magic number that it has in a file. What was added when the package was installed
//! follows the entries of the package, and counts where a tag is there twice.

use bstr::{BString, ByteSlice};

use crate::bytes::{Blob, be32, index, size};
use crate::error::{Result, broken};
use crate::limits::FIELD;
use crate::package::{Format, Package};

/// Length of the two numbers at the start.
const INTRO: u64 = 8;
/// Length of an entry.
const ENTRY: usize = 16;
/// Most entries, as in rpm itself (`HEADER_TAGS_MAX`).
const ENTRIES: u32 = 0xffff;
/// How much of the entries is read at once, in bytes.
const PIECE: usize = 256 * ENTRY;
/// How much of a text is read at once, in bytes.
const TEXT_PIECE: usize = 256;

/// Types of values (`rpmTagType`).
const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
/// Of several translations the first is in English.
const I18NSTRING: u32 = 9;

/// What rpm writes where it has no text; the header of a public key has that.
const NONE: &str = "(none)";

/// Tags (`rpmTag`).
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const SUMMARY: u32 = 1004;
const DESCRIPTION: u32 = 1005;
const INSTALLTIME: u32 = 1008;
const VENDOR: u32 = 1011;
const LICENSE: u32 = 1014;
const PACKAGER: u32 = 1015;
const GROUP: u32 = 1016;
const URL: u32 = 1020;
const ARCH: u32 = 1022;
const SOURCERPM: u32 = 1044;

/// The tags that are read.
const WANTED: [u32; 14] = [
    NAME,
    VERSION,
    RELEASE,
    EPOCH,
    SUMMARY,
    DESCRIPTION,
    INSTALLTIME,
    VENDOR,
    LICENSE,
    PACKAGER,
    GROUP,
    URL,
    ARCH,
    SOURCERPM,
];

/// An entry of a tag that is read.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u32,
    kind: u32,
    /// Where its value is in the blob.
    at: u64,
}

/// The package that a header describes.
pub(crate) fn package(blob: &mut dyn Blob) -> Result<Package> {
    let mut package = Package::new(Format::Rpm, "");
    let (mut entries, end) = entries(blob)?;
    // A blob is read forward.
    entries.sort_by_key(|entry| entry.at);
    for Entry { tag, kind, at } in entries {
        match tag {
            EPOCH => package.epoch = Some(number(blob, kind, at, end)?),
            INSTALLTIME => package.install_time = Some(number(blob, kind, at, end)?.into()),
            _ => {
                let text = text(blob, kind, at, end)?;
                if let Some(field) = field(&mut package, tag) {
                    *field = text;
                }
            }
        }
    }
    if package.source_package == NONE {
        package.source_package.clear();
    }
    if package.name.is_empty() || package.version.is_empty() {
        return broken("a package has no name or no version");
    }
    Ok(package)
}

fn field(package: &mut Package, tag: u32) -> Option<&mut BString> {
    Some(match tag {
        NAME => &mut package.name,
        VERSION => &mut package.version,
        RELEASE => &mut package.release,
        SUMMARY => &mut package.summary,
        DESCRIPTION => &mut package.description,
        VENDOR => &mut package.vendor,
        LICENSE => &mut package.license,
        PACKAGER => &mut package.maintainer,
        GROUP => &mut package.section,
        URL => &mut package.url,
        ARCH => &mut package.arch,
        SOURCERPM => &mut package.source_package,
        _ => return None,
    })
}

/// The entries that are wanted, the last one of each tag; and where the data ends.
fn entries(blob: &mut dyn Blob) -> Result<(Vec<Entry>, u64)> {
    let mut intro = [0; 8];
    blob.read(0, &mut intro)?;
    let (count, data_len) = (be32(&intro, 0)?, be32(&intro, 4)?);
    if count == 0 || count > ENTRIES {
        return broken(format!("a header of {count} entries"));
    }
    let table_len = size(index(count).saturating_mul(ENTRY));
    let data = INTRO.saturating_add(table_len);
    let end = data.saturating_add(data_len.into());
    if end > blob.len() {
        return broken(format!("a header of {end} bytes in {}", blob.len()));
    }
    let mut found: Vec<Entry> = Vec::new();
    let mut piece = [0; PIECE];
    let mut at = INTRO;
    while at < data {
        let len = usize::try_from(data.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
        let piece = piece.get_mut(..len).unwrap_or_default();
        blob.read(at, piece)?;
        for entry in piece.chunks_exact(ENTRY) {
            let tag = be32(entry, 0)?;
            if !WANTED.contains(&tag) {
                continue;
            }
            let (kind, offset) = (be32(entry, 4)?, be32(entry, 8)?);
            if offset >= data_len {
                return broken(format!("the value of tag {tag} lies outside its header"));
            }
            found.retain(|entry| entry.tag != tag);
            found.push(Entry { tag, kind, at: data.saturating_add(offset.into()) });
        }
        at = at.saturating_add(size(len));
    }
    Ok((found, end))
}

fn number(blob: &mut dyn Blob, kind: u32, at: u64, end: u64) -> Result<u32> {
    if kind != INT32 || end.saturating_sub(at) < 4 {
        return broken(format!("a number of type {kind}"));
    }
    let mut number = [0; 4];
    blob.read(at, &mut number)?;
    Ok(u32::from_be_bytes(number))
}

/// The first string of a value.
fn text(blob: &mut dyn Blob, kind: u32, mut at: u64, end: u64) -> Result<BString> {
    if !matches!(kind, STRING | STRING_ARRAY | I18NSTRING) {
        return broken(format!("a text of type {kind}"));
    }
    let mut text = Vec::new();
    let mut piece = [0; TEXT_PIECE];
    loop {
        let len = usize::try_from(end.saturating_sub(at)).unwrap_or(TEXT_PIECE).min(TEXT_PIECE);
        let piece = piece.get_mut(..len).unwrap_or_default();
        if piece.is_empty() {
            return broken("a text without an end");
        }
        blob.read(at, piece)?;
        if let Some(nul) = piece.find_byte(0) {
            text.extend_from_slice(piece.get(..nul).unwrap_or_default());
            return Ok(text.into());
        }
        text.extend_from_slice(piece);
        if text.len() > FIELD {
            return Ok(text.into());
        }
        at = at.saturating_add(size(len));
    }
}

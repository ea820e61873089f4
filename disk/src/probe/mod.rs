//! What a source holds: type, label and UUID of filesystems, volumes and encrypted containers, as `blkid -p` names
//! them.
//!
//! Each kind is one [`Prober`] in a table: the bytes that mark it, and a function that reads the rest. Their order and
//! the rules that join their answers are libblkid's: a member of a RAID or an encrypted container (LVM2's physical
//! volumes count as the former) hides what else may be seen; two different filesystems at once are ambivalent, which is
//! as good as none, unless all of them are of the kinds that live together, as ISO 9660 and UDF do.

mod bios_raid;
mod cluster;
mod ext;
mod fat;
mod hfs;
mod journaled;
mod linux;
mod md;
mod media;
mod ntfs;
mod packed;
mod raid;
mod refused;
mod swap;
mod udf;
mod unix;
mod volumes;
mod zfs;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bstr::{BString, ByteSlice};

use crate::bytes::Fields;
use crate::{Error, ErrorKind, ReadAt, Result};

/// What kind of use a source is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// A filesystem.
    Filesystem,
    /// A part of a larger volume.
    Raid,
    /// An encrypted container.
    Crypto,
    /// Swap space, a journal.
    Other,
}

impl Usage {
    /// Name as `blkid` gives it under `USAGE`.
    pub fn name(self) -> &'static str {
        match self {
            Usage::Filesystem => "filesystem",
            Usage::Raid => "raid",
            Usage::Crypto => "crypto",
            Usage::Other => "other",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `TYPE`: `ext4`, `LVM2_member`…
    pub kind: &'static str,
    /// `USAGE`.
    pub usage: Usage,
    /// `LABEL`, without white space around it.
    pub label: Option<BString>,
    /// `UUID` in the form that is customary for the kind.
    pub uuid: Option<String>,
    /// `UUID_SUB`: which device of a filesystem or RAID on several.
    pub uuid_sub: Option<String>,
    /// `VERSION`.
    pub version: Option<String>,
    /// `BLOCK_SIZE` in bytes: the smallest unit of I/O.
    pub block_size: Option<u32>,
    /// `SEC_TYPE`: an older kind as which it can be mounted too.
    pub sec_type: Option<&'static str>,
}

/// The part of a [`Probe`] that a prober finds out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Details {
    label: Option<BString>,
    uuid: Option<String>,
    uuid_sub: Option<String>,
    version: Option<String>,
    block_size: Option<u32>,
    sec_type: Option<&'static str>,
}

impl Details {
    /// With what is known by the kind.
    fn of(self, prober: &Prober) -> Probe {
        Probe {
            kind: prober.kind,
            usage: prober.usage,
            label: self.label,
            uuid: self.uuid,
            uuid_sub: self.uuid_sub,
            version: self.version,
            block_size: self.block_size,
            sec_type: self.sec_type,
        }
    }
}

/// Bytes that mark a kind.
#[derive(Debug, Clone, Copy)]
struct Magic {
    /// Byte of the source.
    at: u64,
    bytes: &'static [u8],
}

const fn magic(at: u64, bytes: &'static [u8]) -> Magic {
    Magic { at, bytes }
}

/// How one kind is recognised.
#[derive(Debug, Clone, Copy)]
struct Prober {
    kind: &'static str,
    usage: Usage,
    /// May it be found beside another kind without making the answer ambivalent?
    tolerant: bool,
    /// Bytes that a source must have to be looked at.
    min_size: u64,
    /// Marks, of which one is enough; the first that is there is handed to `read`. None at all: `read` decides alone.
    magics: &'static [Magic],
    /// Reads the rest; `None` if it is not of this kind after all.
    read: fn(&mut Reader<'_>, &Magic) -> Result<Option<Details>>,
}

impl Prober {
    const fn new(
        kind: &'static str,
        usage: Usage,
        magics: &'static [Magic],
        read: fn(&mut Reader<'_>, &Magic) -> Result<Option<Details>>,
    ) -> Prober {
        Prober { kind, usage, tolerant: false, min_size: 0, magics, read }
    }

    /// Leaves sources of fewer bytes out.
    const fn at_least(mut self, bytes: u64) -> Prober {
        self.min_size = bytes;
        self
    }

    fn probe(&self, reader: &mut Reader<'_>) -> Result<Option<Details>> {
        const NO_MAGIC: Magic = magic(0, b"");
        if reader.len() < self.min_size {
            return Ok(None);
        }
        if self.magics.is_empty() {
            return (self.read)(reader, &NO_MAGIC);
        }
        for magic in self.magics {
            if reader.has(magic)? {
                return (self.read)(reader, magic);
            }
        }
        Ok(None)
    }
}

/// All probers, in libblkid's order where that shows: what hides others comes first.
const PROBERS: [&[Prober]; 27] = [
    md::PROBERS,
    bios_raid::PROBERS,
    volumes::FIRST,
    raid::PROBERS,
    volumes::OTHERS,
    fat::PROBERS,
    swap::PROBERS,
    ext::PROBERS,
    journaled::PROBERS,
    refused::FILESYSTEMS,
    udf::PROBERS,
    media::PROBERS,
    zfs::PROBERS,
    hfs::PROBERS,
    unix::UFS,
    ntfs::PROBERS,
    packed::CRAMFS,
    unix::MINIX,
    cluster::GFS,
    linux::PROBERS,
    packed::UBIFS,
    unix::BFS,
    cluster::VMFS,
    journaled::NILFS2,
    fat::EXFAT,
    unix::APFS,
    packed::EROFS,
];

/// Sources up to this size (bytes) are floppies to libblkid: no part of a RAID, and the first answer counts.
const TINY: u64 = 1440 * 1024;

/// What `source` holds; `None` if nothing is recognised or the marks of several things are there.
///
/// # Errors
/// `Unsupported` for kinds that are recognised and no more. A failed read is given as it is: what cannot be read may
/// hold anything. A damaged superblock is no superblock.
pub fn probe(source: &dyn ReadAt) -> Result<Option<Probe>> {
    let mut reader = Reader::new(source);
    let tiny = reader.len() <= TINY;
    let mut first: Option<Probe> = None;
    let mut others = false;
    let mut all_tolerant = true;
    for prober in PROBERS.into_iter().flatten() {
        if tiny && prober.usage == Usage::Raid {
            continue;
        }
        let Some(details) = ask(prober, &mut reader)? else { continue };
        others |= first.is_some();
        all_tolerant &= prober.tolerant;
        first.get_or_insert(details.of(prober));
        if tiny || matches!(prober.usage, Usage::Raid | Usage::Crypto) {
            break;
        }
    }
    if first.is_none() {
        first = ask(&raid::LAST, &mut reader)?.map(|details| details.of(&raid::LAST));
    }
    Ok(first.filter(|_| !others || all_tolerant))
}

/// Is there a filesystem of type `kind` on `source`, whatever else may be there?
///
/// # Errors
/// As for [`probe`].
pub(crate) fn is(kind: &str, source: &dyn ReadAt) -> Result<bool> {
    let mut reader = Reader::new(source);
    for prober in PROBERS.into_iter().flatten().filter(|prober| prober.kind == kind) {
        if ask(prober, &mut reader)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What `prober` finds. A damaged superblock is no superblock; a failed read is an error, whatever the prober made of
/// it.
fn ask(prober: &Prober, reader: &mut Reader<'_>) -> Result<Option<Details>> {
    let answer = prober.probe(reader);
    if let Some(failure) = reader.failure.take() {
        return Err(failure);
    }
    match answer {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            Err(Error::unsupported(format!("label and UUID of {}", prober.kind)))
        }
        Err(_) => Ok(None),
        Ok(details) => Ok(details),
    }
}

/// Bytes read at a time and kept.
const PAGE: u64 = 4096;
/// Most pages kept: probers look at few places, most of them shared.
const MAX_PAGES: usize = 256;

/// Reads small structures, and keeps the pages that they lie in.
#[derive(Debug)]
struct Reader<'s> {
    source: &'s dyn ReadAt,
    pages: BTreeMap<u64, Vec<u8>>,
    /// Why the source could not be read, if so.
    failure: Option<Error>,
}

impl<'s> Reader<'s> {
    fn new(source: &'s dyn ReadAt) -> Self {
        Reader { source, pages: BTreeMap::new(), failure: None }
    }

    fn len(&self) -> u64 {
        self.source.len()
    }

    /// The page that starts at byte `start`, short at the end of the source.
    fn page(&mut self, start: u64) -> Result<&[u8]> {
        if self.pages.len() >= MAX_PAGES {
            self.pages.clear();
        }
        match self.pages.entry(start) {
            Entry::Occupied(page) => Ok(page.into_mut()),
            Entry::Vacant(space) => {
                let len = self.source.len().saturating_sub(start).min(PAGE);
                let mut page = vec![0; usize::try_from(len).unwrap_or_default()];
                if let Err(error) = self.source.read_at(start, &mut page) {
                    self.failure = Some(error.unreadable(format!("reading byte {start}")));
                    return Err(Error::new(ErrorKind::Io, "see the reader's failure"));
                }
                Ok(space.insert(page))
            }
        }
    }

    /// The `len` bytes from byte `at` on. What lies past the end is `Corrupt`, so "not of this kind".
    fn bytes(&mut self, at: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        crate::source::check_range(self.len(), at, len)?;
        let mut at = at;
        while bytes.len() < len {
            let within = at.checked_rem(PAGE).unwrap_or(0);
            let page = self.page(at.saturating_sub(within))?;
            let rest = page.get(usize::try_from(within).unwrap_or(usize::MAX)..).unwrap_or_default();
            let take = rest.len().min(len.saturating_sub(bytes.len()));
            bytes.extend_from_slice(rest.slice(0, take)?);
            at = at.saturating_add(u64::try_from(take).unwrap_or(u64::MAX));
        }
        Ok(bytes)
    }

    /// As [`bytes`](Self::bytes), past the pages that are kept, and without reading what is known to be zeros.
    fn large(&mut self, at: u64, len: usize) -> Result<Vec<u8>> {
        crate::source::check_range(self.len(), at, len)?;
        let mut bytes = vec![0; len];
        let end = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        let read = match self.source.next_data(at) {
            Ok(data) if data.as_ref().is_none_or(|data| data.start >= end) => Ok(()),
            Ok(_) => self.source.read_at(at, &mut bytes),
            Err(error) => Err(error),
        };
        match read {
            Ok(()) => Ok(bytes),
            Err(error) => Err(self.failed(error, at)),
        }
    }

    /// Remembers that the source could not be read at byte `at`.
    fn failed(&mut self, error: Error, at: u64) -> Error {
        self.failure = Some(error.unreadable(format!("reading byte {at}")));
        Error::new(ErrorKind::Io, "see the reader's failure")
    }

    fn has(&mut self, magic: &Magic) -> Result<bool> {
        if crate::source::check_range(self.len(), magic.at, magic.bytes.len()).is_err() {
            return Ok(false);
        }
        Ok(self.bytes(magic.at, magic.bytes.len())? == magic.bytes)
    }
}

/// A label as `blkid` shows it: up to the first NUL, without white space around it.
fn label(bytes: &[u8]) -> Option<BString> {
    let text = bytes.split(|&c| c == 0).next().unwrap_or_default();
    let is_space = |c: char| c.is_ascii_whitespace() || c == '\x0b';
    let text = text.trim_with(is_space);
    (!text.is_empty()).then(|| text.into())
}

/// UTF-16 up to the first zero. What is not UTF-16 becomes U+FFFD.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|&pair| unit(pair)).take_while(|&unit| unit != 0);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The UUID at byte `at` of `bytes`; `None` if it is all zeros.
fn uuid(bytes: &[u8], at: usize) -> Result<Option<String>> {
    let raw: [u8; 16] = bytes.array(at)?;
    Ok((raw != [0; 16]).then(|| crate::guid::uuid(&raw)))
}

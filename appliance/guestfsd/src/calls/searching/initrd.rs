//! What is in an initramfs: cpio archives one after the other, each compressed or not, as the kernel unpacks them.
//!
//! Source of the form: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.

use std::io::{self, Read};

use bstr::{BStr, BString};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use super::Bytes;
use super::decompress::{Ahead, MAGIC_LEN, next_stream};
use crate::Guestfsd;
use crate::calls::{MAX_RESULT, account};
use crate::error::{At, refused, strerror};

/// How the header of an entry begins, without and with a checksum.
const MAGIC: [&[u8]; 2] = [b"070701", b"070702"];
/// Length of a header: the magic and thirteen numbers of eight digits.
const HEADER: usize = 110;
const DIGITS: usize = 8;
/// Which of the numbers is what.
const MODE: usize = 1;
const SIZE: usize = 6;
const NAME_SIZE: usize = 11;
/// What the length of everything is a multiple of.
const ALIGNMENT: u64 = 4;
/// Longest name: `PATH_MAX`.
const MAX_NAME: usize = 4096;
/// Name of what ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";
/// Format bits of a mode, and those of a regular file and of a directory.
const FORMAT_BITS: u32 = 0o170_000;
pub(super) const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

/// An entry of an archive.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: BString,
    /// The format bits of its mode.
    pub(super) kind: u32,
    size: u64,
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// What is called for each entry with its content; false ends the reading.
pub(super) type Visit<'v> = dyn FnMut(&Entry, &mut dyn Read) -> io::Result<bool> + 'v;

/// Goes through all archives of an initramfs.
pub(super) fn each_entry<R: Read>(from: &mut Ahead<R>, visit: &mut Visit<'_>) -> io::Result<()> {
    loop {
        from.skip_zeros()?;
        if from.peek(1)?.is_empty() {
            return Ok(());
        }
        let plain = MAGIC.contains(&from.peek(MAGIC_LEN)?);
        if plain {
            if !archive(from, visit)? {
                return Ok(());
            }
            continue;
        }
        let mut stream = Ahead::new(next_stream(from)?);
        loop {
            stream.skip_zeros()?;
            if stream.peek(1)?.is_empty() {
                break;
            }
            if !archive(&mut stream, visit)? {
                return Ok(());
            }
        }
    }
}

/// Goes through one archive; false if nothing more is wanted.
fn archive(from: &mut dyn Read, visit: &mut Visit<'_>) -> io::Result<bool> {
    loop {
        let entry = header(from)?;
        if entry.name == TRAILER {
            return Ok(true);
        }
        let padding = entry.size.next_multiple_of(ALIGNMENT).saturating_sub(entry.size);
        let mut content = from.take(entry.size);
        if !visit(&entry, &mut content)? {
            return Ok(false);
        }
        io::copy(&mut content, &mut io::sink())?;
        if content.limit() > 0 {
            return Err(wrong(CUT_OFF));
        }
        io::copy(&mut from.take(padding), &mut io::sink())?;
    }
}

/// What is said of an archive without an end.
const CUT_OFF: &str = "the archive ends in its midst";

fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<()> {
    from.read_exact(buffer).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => wrong(CUT_OFF),
        _ => e,
    })
}

fn header(from: &mut dyn Read) -> io::Result<Entry> {
    let mut magic = [0; MAGIC_LEN];
    fill(from, &mut magic)?;
    if !MAGIC.contains(&magic.as_slice()) {
        return Err(wrong("this is not a cpio archive"));
    }
    let mut fields = [0; HEADER - MAGIC_LEN];
    fill(from, &mut fields)?;
    let number = |index: usize| {
        let digits = fields.chunks_exact(DIGITS).nth(index).and_then(|digits| str::from_utf8(digits).ok());
        digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| wrong("a damaged header"))
    };
    let length = usize::try_from(number(NAME_SIZE)?).unwrap_or(usize::MAX);
    if !(1..=MAX_NAME).contains(&length) {
        return Err(wrong("a name of a wrong length"));
    }
    let mut name = vec![0; HEADER.saturating_add(length).next_multiple_of(4).saturating_sub(HEADER)];
    fill(from, &mut name)?;
    name.truncate(length.saturating_sub(1));
    Ok(Entry { name: name.into(), kind: number(MODE)? & FORMAT_BITS, size: number(SIZE)?.into() })
}

/// A name without what stands for the top.
pub(super) fn plain_name(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"./").unwrap_or(name)
}

impl Guestfsd {
    pub(crate) fn initrd_list(&mut self, path: &BStr) -> Result<Vec<BString>> {
        let mut names = Vec::new();
        let mut size = 0;
        let mut fits = Ok(());
        self.initrd_entries(path, &mut |entry, _| {
            fits = account(&mut size, entry.name.len());
            names.push(entry.name.clone());
            Ok(fits.is_ok())
        })?;
        fits?;
        Ok(names)
    }

    pub(crate) fn initrd_cat(&mut self, path: &BStr, name: &BStr) -> Result<Vec<u8>> {
        let mut found = None;
        self.initrd_entries(path, &mut |entry, content| {
            if plain_name(&entry.name) != plain_name(name) {
                return Ok(true);
            }
            let mut bytes = Vec::new();
            if entry.kind == REGULAR {
                // One more, to see that it is too long.
                let limit = u64::try_from(MAX_RESULT).unwrap_or(u64::MAX).saturating_add(1);
                content.take(limit).read_to_end(&mut bytes)?;
            }
            // Of a name that comes again, the kernel keeps the last.
            found = Some((entry.kind, bytes));
            Ok(true)
        })?;
        let refuse = |errno| Err(Error::daemon(errno, format!("{path}:{name}: {}", strerror(errno))));
        match found {
            None => refuse(Errno::ENOENT),
            Some((DIRECTORY, _)) => refuse(Errno::EISDIR),
            Some((REGULAR, bytes)) if bytes.len() > MAX_RESULT => {
                Err(refused(format!("{path}:{name}: file is too large for the protocol")))
            }
            Some((REGULAR, bytes)) => Ok(bytes),
            Some(_) => Err(refused(format!("{path}:{name}: not a regular file"))),
        }
    }

    fn initrd_entries(&self, path: &BStr, visit: &mut Visit<'_>) -> Result<()> {
        let content = self.content(path).at(path)?;
        let mut from = Ahead::new(Bytes::new(content, path));
        let read = each_entry(&mut from, visit);
        read.map_err(|e| match (from.into_inner().failure, e.kind()) {
            (Some(failure), _) => failure,
            (None, io::ErrorKind::Unsupported) => {
                Error::needs_appliance(format_args!("{path}: an initramfs compressed with {e}"))
            }
            (None, _) => refused(format!("{path}: {e}")),
        })
    }
}

//! `file_architecture`: which processor a program, module or initramfs is for.

use std::io::{self, Read};

use bstr::{BStr, BString};
use disk::fs::FileType;
use libguestfs_core::inspect::{elf_architecture, pe_architecture};
use libguestfs_core::{Error, Result};

use super::Bytes;
use super::decompress::{Ahead, next_stream};
use super::initrd::{REGULAR, each_entry, plain_name};
use crate::Guestfsd;
use crate::engine::Last;
use crate::error::{At, refused};

/// Bytes of a program that tell which processor it is for: the header of a Windows program lies within the first page.
const HEAD: usize = 4096;
/// How an entry of a cpio archive begins.
const CPIO: [&[u8]; 2] = [b"070701", b"070702"];
/// Programs that an initramfs has, by their last name. Any one of them tells for which processor it is.
const PROGRAMS: [&[u8]; 9] =
    [b"busybox", b"bash", b"dash", b"sh", b"ls", b"rm", b"modprobe", b"insmod", b"nash"];

fn architecture(start: &[u8]) -> Option<&'static str> {
    elf_architecture(start).or_else(|| pe_architecture(start))
}

fn find<R: Read>(from: &mut Ahead<R>) -> io::Result<Option<&'static str>> {
    if let Some(found) = architecture(from.peek(HEAD)?) {
        return Ok(Some(found));
    }
    if !CPIO.iter().any(|magic| from.peek(HEAD).is_ok_and(|start| start.starts_with(magic))) {
        // A compressed module, or an initramfs.
        let mut stream = Ahead::new(next_stream(from)?);
        if let Some(found) = architecture(stream.peek(HEAD)?) {
            return Ok(Some(found));
        }
        if !stream.peek(6)?.starts_with(b"0707") {
            return Ok(None);
        }
        return in_archive(&mut stream);
    }
    in_archive(from)
}

fn in_archive<R: Read>(from: &mut Ahead<R>) -> io::Result<Option<&'static str>> {
    let mut found = None;
    each_entry(from, &mut |entry, content| {
        let last = plain_name(&entry.name).rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if entry.kind == REGULAR && PROGRAMS.contains(&last) {
            let mut start = Vec::new();
            content.take(u64::try_from(HEAD).unwrap_or(0)).read_to_end(&mut start)?;
            found = architecture(&start);
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}

impl Guestfsd {
    pub(crate) fn file_architecture(&mut self, path: &BStr) -> Result<BString> {
        let unknown = || refused(format!("unknown architecture: {path}"));
        let status = self.tree().status(path, Last::Follow).at(format_args!("lstat: {path}"))?;
        if status.metadata.file_type != FileType::Regular {
            return Err(unknown());
        }
        let content = self.content(path).at(path)?;
        let mut from = Ahead::new(Bytes::new(content, path));
        match find(&mut from) {
            Ok(Some(found)) => Ok(found.into()),
            Ok(None) => Err(unknown()),
            Err(e) => Err(match (from.into_inner().failure, e.kind()) {
                (Some(failure), _) => failure,
                (None, io::ErrorKind::Unsupported) => {
                    Error::needs_appliance(format_args!("{path}: compressed with {e}"))
                }
                (None, _) => refused(format!("unknown architecture: {path}: {e}")),
            }),
        }
    }
}

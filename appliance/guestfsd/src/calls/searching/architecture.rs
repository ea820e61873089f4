//! `file_architecture`: which processor a program, module or initramfs is for.

use std::io::{self, Read};

use bstr::{BStr, BString};
use disk::fs::FileType;
use libguestfs_core::inspect::elf_architecture;
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

/// Machines of Windows programs. Source: Microsoft's "PE Format", "Machine Types".
const MACHINES: [(u16, &str); 5] =
    [(0x14c, "i386"), (0x8664, "x86_64"), (0x1c0, "arm"), (0x1c4, "arm"), (0xaa64, "aarch64")];
/// Where a Windows program says where its header lies.
const PE_POINTER: usize = 0x3c;

/// The architecture of a Windows program.
fn windows_architecture(start: &[u8]) -> Option<&'static str> {
    if !start.starts_with(b"MZ") {
        return None;
    }
    let pointer = start.get(PE_POINTER..)?.first_chunk::<4>()?;
    let header = start.get(usize::try_from(u32::from_le_bytes(*pointer)).ok()?..)?;
    let machine = header.strip_prefix(b"PE\0\0")?.first_chunk::<2>()?;
    let machine = u16::from_le_bytes(*machine);
    MACHINES.iter().find(|(known, _)| *known == machine).map(|(_, name)| *name)
}

fn architecture(start: &[u8]) -> Option<&'static str> {
    elf_architecture(start).or_else(|| windows_architecture(start))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_programs_name_their_machine() {
        let program = |machine: u16, pointer: u32| {
            let mut program = vec![0; 0x100];
            program[..2].copy_from_slice(b"MZ");
            program[PE_POINTER..PE_POINTER + 4].copy_from_slice(&pointer.to_le_bytes());
            program[0x80..0x84].copy_from_slice(b"PE\0\0");
            program[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
            program
        };
        assert_eq!(windows_architecture(&program(0x8664, 0x80)), Some("x86_64"));
        assert_eq!(windows_architecture(&program(0x14c, 0x80)), Some("i386"));
        assert_eq!(windows_architecture(&program(0x8664, 0x90)), None);
        assert_eq!(windows_architecture(&program(0x8664, u32::MAX)), None);
        assert_eq!(windows_architecture(&program(1, 0x80)), None);
        assert_eq!(windows_architecture(b"MZ"), None);
    }
}

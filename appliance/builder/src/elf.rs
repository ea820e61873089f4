//! What a program says that it is linked with: the headers that the dynamic loader reads, ELF(5).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use elf::ElfBytes;
use elf::abi;
use elf::endian::AnyEndian;

use crate::error::{Error, Result};

/// The first bytes of every ELF file.
const MAGIC: &[u8] = b"\x7fELF";

/// Programs and libraries of one kind can be linked with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Machine {
    machine: u16,
    is_64_bit: bool,
}

impl Machine {
    /// The directory below `/lib` that Debian has for the machine.
    pub(crate) fn multiarch(self) -> Option<&'static str> {
        match (self.machine, self.is_64_bit) {
            (abi::EM_X86_64, true) => Some("x86_64-linux-gnu"),
            (abi::EM_AARCH64, true) => Some("aarch64-linux-gnu"),
            (abi::EM_RISCV, true) => Some("riscv64-linux-gnu"),
            (abi::EM_S390, true) => Some("s390x-linux-gnu"),
            (abi::EM_PPC64, true) => Some("powerpc64le-linux-gnu"),
            _ => None,
        }
    }
}

/// A dynamically linked program or library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Linked {
    pub(crate) machine: Machine,
    /// The dynamic loader; libraries name none.
    pub(crate) interpreter: Option<PathBuf>,
    /// Libraries, by the names that they are looked for.
    pub(crate) needed: Vec<PathBuf>,
    /// Where to look first, for this file's libraries and all below (DT_RPATH).
    pub(crate) rpath: Vec<PathBuf>,
    /// Where to look first, for this file's libraries only (DT_RUNPATH).
    pub(crate) runpath: Vec<PathBuf>,
}

/// Is this the beginning of an ELF file?
pub(crate) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Is a program dynamically linked with the library of this name? What is no program, such as a script, is not.
pub fn is_linked_with(program: &Path, library: &str) -> bool {
    let linked = std::fs::read(program).ok().and_then(|bytes| parse(&bytes, program).ok());
    linked.is_some_and(|linked| linked.needed.iter().any(|needed| needed == Path::new(library)))
}

/// Reads the headers of the file `path`.
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Linked> {
    read(bytes).map_err(|e| Error::unusable(format!("{}: not a usable ELF file: {e}", path.display())))
}

fn read(bytes: &[u8]) -> Result<Linked, elf::ParseError> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes)?;
    let machine =
        Machine { machine: file.ehdr.e_machine, is_64_bit: file.ehdr.class == elf::file::Class::ELF64 };
    let mut linked =
        Linked { machine, interpreter: None, needed: Vec::new(), rpath: Vec::new(), runpath: Vec::new() };
    let Some(segments) = file.segments() else { return Ok(linked) };
    if let Some(header) = segments.iter().find(|s| s.p_type == abi::PT_INTERP) {
        let name = file.segment_data(&header)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        linked.interpreter = Some(OsStr::from_bytes(name).into());
    }
    let Some(dynamic) = file.dynamic()? else { return Ok(linked) };
    let value = |tag| dynamic.iter().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val());
    let (Some(address), Some(len)) = (value(abi::DT_STRTAB), value(abi::DT_STRSZ)) else { return Ok(linked) };
    // The table is named by its address in memory; the segment that covers it says where that is in the file.
    let strings = segments
        .iter()
        .filter(|s| s.p_type == abi::PT_LOAD)
        .find_map(|s| {
            let within = address.checked_sub(s.p_vaddr).filter(|within| *within < s.p_filesz)?;
            let start = usize::try_from(s.p_offset.checked_add(within)?).ok()?;
            bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)
        })
        .ok_or(elf::ParseError::BadOffset(address))?;
    let string = |offset: u64| -> Result<&[u8], elf::ParseError> {
        usize::try_from(offset)
            .ok()
            .and_then(|start| strings.get(start..)?.split(|byte| *byte == 0).next())
            .ok_or(elf::ParseError::BadOffset(offset))
    };
    for entry in dynamic.iter() {
        match entry.d_tag {
            abi::DT_NEEDED => linked.needed.push(OsStr::from_bytes(string(entry.d_val())?).into()),
            abi::DT_RPATH => linked.rpath = directories(string(entry.d_val())?),
            abi::DT_RUNPATH => linked.runpath = directories(string(entry.d_val())?),
            _ => {}
        }
    }
    if !linked.runpath.is_empty() {
        linked.rpath.clear();
    }
    Ok(linked)
}

fn directories(list: &[u8]) -> Vec<PathBuf> {
    list.split(|byte| *byte == b':').filter(|d| !d.is_empty()).map(|d| OsStr::from_bytes(d).into()).collect()
}

/// Does the file have a section of that name?
pub(crate) fn has_section(bytes: &[u8], name: &str) -> bool {
    ElfBytes::<AnyEndian>::minimal_parse(bytes)
        .is_ok_and(|file| matches!(file.section_header_by_name(name), Ok(Some(_))))
}

/// Where the section headers are, in the header of a 64-bit file: a place of 8 bytes, and at the end their size, their
/// number and the index of the one with their names, of 2 bytes each (elf(5), `Elf64_Ehdr`).
const SECTION_HEADERS_AT: std::ops::Range<usize> = 0x28..0x30;
const SECTION_HEADERS: std::ops::Range<usize> = 0x3a..0x40;

/// The program without what is not loaded to run it: names and places for debuggers, which can be several times the rest.
/// The same bytes if the file is not one that can be cut off after its last segment.
pub(crate) fn without_sections(mut bytes: Vec<u8>) -> Vec<u8> {
    let Ok(file) = ElfBytes::<AnyEndian>::minimal_parse(&bytes) else { return bytes };
    let Some(segments) = file.segments() else { return bytes };
    let end = segments.iter().map(|s| s.p_offset.saturating_add(s.p_filesz)).max().unwrap_or(u64::MAX);
    let Ok(end) = usize::try_from(end) else { return bytes };
    if file.ehdr.class != elf::file::Class::ELF64 || end < SECTION_HEADERS.end || end > bytes.len() {
        return bytes;
    }
    bytes.truncate(end);
    for range in [SECTION_HEADERS_AT, SECTION_HEADERS] {
        bytes.get_mut(range).unwrap_or_default().fill(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_without_its_sections() {
        let whole = std::fs::read("/proc/self/exe").unwrap();
        let cut = without_sections(whole.clone());
        assert!(cut.len() < whole.len(), "{} of {} bytes", cut.len(), whole.len());
        assert_eq!(parse(&cut, Path::new("x")).unwrap(), parse(&whole, Path::new("x")).unwrap());
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        std::fs::write(&program, &cut).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        // This test's own program: lists its tests.
        let out = std::process::Command::new(&program).args(["--list", "sections"]).output().unwrap();
        assert!(out.status.success() && out.stdout.ends_with(b"1 test, 0 benchmarks\n"), "{out:?}");
        assert_eq!(without_sections(b"#!/bin/sh\n".to_vec()), b"#!/bin/sh\n");
    }

    #[test]
    fn this_test_is_linked_with_libc_and_damage_is_refused() {
        let path = std::env::current_exe().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let linked = parse(&bytes, &path).unwrap();
        assert!(linked.needed.contains(&"libc.so.6".into()), "{linked:?}");
        assert!(linked.interpreter.is_some());
        assert!(has_section(&bytes, ".text") && !has_section(&bytes, ".uml.setup.init"));
        for len in [0, 4, 63, 64, 200, 1000] {
            // A program without its tables says nothing wrong: it is refused, or says nothing.
            let cut = parse(&bytes[..len], &path);
            assert!(cut.is_err(), "{len}: {cut:?}");
        }
    }
}

//! `cpio_out`: a directory as a cpio archive, as `find | cpio -o` makes it.
//!
//! Source of the form: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. A header of hexadecimal
//! numbers, the name, the content, each padded to 4 bytes. A file with several names has its content at the last of them.

use std::collections::HashMap;

use bstr::{BStr, BString, ByteSlice};
use disk::fs::FileType;
use libguestfs_core::Result;
use libguestfs_core::api::CpioOutOpts;

use crate::Guestfsd;
use crate::calls::content::Content;
use crate::calls::sink::{Gather, Sink};
use crate::calls::walk::walk;
use crate::calls::{format_bits, link_of};
use crate::engine::{Last, Status};
use crate::error::{At, refused};

/// How an archive of each format begins.
const NEWC: &str = "070701";
const CRC: &str = "070702";
/// Name of what ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";
/// What the length of everything is a multiple of.
const ALIGNMENT: usize = 4;
/// What the length of an archive is a multiple of, as cpio(1) writes it.
const BLOCK: u64 = 512;
/// Most files with several names of which some are still to come.
const MAX_PENDING: usize = 1 << 18;

/// An archive in work.
struct Archive<'a> {
    out: Gather<'a>,
    magic: &'static str,
    length: u64,
}

/// Names of a file that have been met, of so many.
struct Pending {
    names: Vec<BString>,
}

impl Archive<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.out.write(bytes)
    }

    fn pad(&mut self, to: u64) -> Result<()> {
        let short =
            usize::try_from(self.length.next_multiple_of(to).saturating_sub(self.length)).unwrap_or(0);
        self.put(&vec![0; short])
    }

    fn header(&mut self, name: &[u8], status: Option<&Status>, size: u64, sum: u32) -> Result<()> {
        let size = u32::try_from(size)
            .map_err(|_| refused(format!("{}: too large for a cpio archive", name.as_bstr())))?;
        let mut fields = [0u32; 13];
        if let Some(Status { device, metadata }) = status {
            let mode = format_bits(metadata.file_type) | u32::from(metadata.permissions);
            let modified = u32::try_from(metadata.modified.seconds.max(0)).unwrap_or(u32::MAX);
            // Inodes of large filesystems lose their upper half, as everywhere in this form.
            let number = u32::try_from(metadata.number & u64::from(u32::MAX)).unwrap_or(0);
            fields = [
                number,
                mode,
                metadata.uid,
                metadata.gid,
                metadata.links,
                modified,
                size,
                device.major,
                device.minor,
                metadata.device.major,
                metadata.device.minor,
                0,
                sum,
            ];
        } else if let Some(links) = fields.get_mut(4) {
            *links = 1;
        }
        if let Some(length) = fields.get_mut(11) {
            *length = u32::try_from(name.len().saturating_add(1)).unwrap_or(u32::MAX);
        }
        let digits: String = fields.iter().map(|field| format!("{field:08X}")).collect();
        self.put(self.magic.as_bytes())?;
        self.put(digits.as_bytes())?;
        self.put(name)?;
        self.put(b"\0")?;
        self.pad(ALIGNMENT as u64)
    }

    fn file(&mut self, name: &[u8], status: &Status, mut content: Content<'_>, place: &BStr) -> Result<()> {
        let length = content.len();
        let mut sum = 0u32;
        if self.magic == CRC {
            content.pass(place, 0, length, &mut |bytes| {
                sum = bytes.iter().fold(sum, |sum, byte| sum.wrapping_add(u32::from(*byte)));
                Ok(())
            })?;
        }
        self.header(name, Some(status), length, sum)?;
        content.pass(place, 0, length, &mut |bytes| self.put(bytes))?;
        self.pad(ALIGNMENT as u64)
    }
}

impl Guestfsd {
    pub(crate) fn cpio_out(
        &mut self,
        directory: &BStr,
        out: &mut dyn Sink,
        opts: &CpioOutOpts,
    ) -> Result<()> {
        if !directory.starts_with(b"/") {
            return Err(refused("cpio_out: path must start with a / character"));
        }
        self.need_root("cpio_out")?;
        let status = self.tree().status(directory, Last::Follow).at(format_args!("stat: {directory}"))?;
        if status.metadata.file_type != FileType::Directory {
            return Err(refused(format!("{directory}: not a directory")));
        }
        let magic = match opts.format.as_ref().map(|format| format.as_bytes()) {
            None | Some(b"newc") => NEWC,
            Some(b"crc") => CRC,
            Some(other) => {
                return Err(refused(format!("{}: format must be 'newc' or 'crc'", other.as_bstr())));
            }
        };
        let mut archive = Archive { out: Gather::new(out), magic, length: 0 };
        archive.header(b".", Some(&status), 0, 0)?;
        let mut pending: HashMap<(u32, u32, u64), Pending> = HashMap::new();
        let path_of = |name: &BStr| BString::from(format!("{directory}/{name}"));
        walk(self.tree(), directory, &mut |visit| {
            let status = visit.directory.status(visit.name).at(visit.path)?;
            match visit.file_type {
                FileType::Regular => {}
                FileType::Symlink => {
                    let target = visit.directory.read_link(visit.name).at(visit.path)?;
                    let length = u64::try_from(target.len()).unwrap_or(u64::MAX);
                    archive.header(visit.path, Some(&status), length, 0)?;
                    archive.put(&target)?;
                    return archive.pad(ALIGNMENT as u64);
                }
                _ => return archive.header(visit.path, Some(&status), 0, 0),
            }
            if status.metadata.links > 1 {
                let identity = link_of(&status);
                let names = &mut pending.entry(identity).or_insert(Pending { names: Vec::new() }).names;
                if names.len().saturating_add(1)
                    < usize::try_from(status.metadata.links).unwrap_or(usize::MAX)
                {
                    names.push(visit.path.to_owned());
                    if pending.len() > MAX_PENDING {
                        return Err(refused(format!("{directory}: too many files with several names")));
                    }
                    return Ok(());
                }
                for name in std::mem::take(names) {
                    archive.header(&name, Some(&status), 0, 0)?;
                }
                pending.remove(&identity);
            }
            let content = Content::File(visit.directory.open(visit.name).at(visit.path)?);
            archive.file(visit.path, &status, content, visit.path)
        })?;
        // Files of which further names lie outside of the directory.
        for Pending { mut names } in pending.into_values() {
            let Some(last) = names.pop() else { continue };
            let path = path_of(last.as_bstr());
            let status = self.tree().status(path.as_bstr(), Last::Itself).at(&path)?;
            for name in names {
                archive.header(&name, Some(&status), 0, 0)?;
            }
            let content = self.content(path.as_bstr()).at(&path)?;
            archive.file(&last, &status, content, path.as_bstr())?;
        }
        archive.header(TRAILER, None, 0, 0)?;
        archive.pad(BLOCK)?;
        archive.out.flush()
    }
}

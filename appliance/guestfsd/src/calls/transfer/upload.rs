//! Files and devices written with what the caller sends.

use std::os::fd::OwnedFd;

use bstr::BStr;
use libguestfs_core::Result;
use libguestfs_core::wire::{Aligned, PAGE};
use nix::errno::Errno;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::Guestfsd;
use crate::calls::sink::Source;
use crate::calls::writing::{data::write_all_at, write_part};
use crate::error::{At, refused};

/// Bytes that chunks, of 8 KiB by the protocol, are gathered to before they are written.
const GATHER: usize = 1 << 20;

impl Guestfsd {
    pub(crate) fn upload(&mut self, source: &mut dyn Source, name: &BStr) -> Result<()> {
        self.receive("upload", source, name, 0, OFlags::TRUNC)
    }

    pub(crate) fn upload_offset(&mut self, source: &mut dyn Source, name: &BStr, offset: i64) -> Result<()> {
        let offset =
            u64::try_from(offset).map_err(|_| refused(format!("{name}: offset in file is negative")))?;
        self.receive("upload_offset", source, name, offset, OFlags::empty())
    }

    /// What came before a failure stays: the caller may want to know how far it got.
    fn receive(
        &self,
        call: &str,
        source: &mut dyn Source,
        name: &BStr,
        offset: u64,
        flags: OFlags,
    ) -> Result<()> {
        let target = self.open_any(call, name, flags | OFlags::WRONLY | OFlags::CREATE)?;
        let mut gathered = Gathered::new(&target, name, offset);
        let ended = loop {
            match source.next() {
                Ok(Some(bytes)) => gathered.add(bytes)?,
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        gathered.finish()?;
        ended?;
        self.device_written(call, name, &target)
    }

    pub(crate) fn pwrite_device(&mut self, device: &BStr, content: &[u8], offset: i64) -> Result<i32> {
        let offset = u64::try_from(offset).map_err(|_| refused("offset is negative"))?;
        let target = self.open_guest_device("pwrite_device", device, OFlags::WRONLY)?;
        let count = write_part(&target, content, offset).at(format_args!("pwrite: {device}"))?;
        self.device_written("pwrite_device", device, &target)?;
        Ok(count)
    }
}

/// What is written next. A device gets it past the kernel's cache, where it would take the place of pages that are of use, and
/// twice the time: what is at a page and consists of whole ones. The rest goes through the cache, and so does all for a file,
/// whose filesystem places it better once it knows more of it.
struct Gathered<'a> {
    target: &'a OwnedFd,
    name: &'a BStr,
    /// Where in the target it begins.
    at: u64,
    buffer: Aligned,
    length: usize,
    past_cache: bool,
}

impl<'a> Gathered<'a> {
    fn new(target: &'a OwnedFd, name: &'a BStr, at: u64) -> Self {
        let past_cache =
            name.starts_with(b"/dev/") && at.is_multiple_of(PAGE as u64) && set_direct(target, true);
        Gathered { target, name, at, buffer: Aligned::new(GATHER), length: 0, past_cache }
    }

    fn add(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = self.buffer.get_mut(self.length..).unwrap_or_default();
            let (piece, rest) = bytes.split_at(bytes.len().min(room.len()));
            if let Some(place) = room.get_mut(..piece.len()) {
                place.copy_from_slice(piece);
            }
            self.length = self.length.saturating_add(piece.len());
            bytes = rest;
            if self.length == self.buffer.len() {
                self.write(0, self.length)?;
                self.length = 0;
            }
        }
        Ok(())
    }

    /// Writes what is left.
    fn finish(mut self) -> Result<()> {
        let whole = if self.past_cache { self.length / PAGE * PAGE } else { 0 };
        self.write(0, whole)?;
        if self.past_cache {
            set_direct(self.target, false);
        }
        self.write(whole, self.length)
    }

    fn write(&mut self, from: usize, to: usize) -> Result<()> {
        let bytes = self.buffer.get(from..to).unwrap_or_default();
        let mut written = write_all_at(self.target, bytes, self.at);
        // A device with larger units, or a part of it at an odd place.
        if self.past_cache && matches!(&written, Err(e) if e.errno() == Errno::EINVAL) {
            self.past_cache = false;
            set_direct(self.target, false);
            written = write_all_at(self.target, bytes, self.at);
        }
        written.at(format_args!("write: {}", self.name))?;
        self.at = self.at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}

/// Has what is written go past the kernel's cache, or through it; tells whether it does.
fn set_direct(target: &OwnedFd, direct: bool) -> bool {
    let Ok(flags) = fcntl_getfl(target) else { return false };
    let flags = if direct { flags | OFlags::DIRECT } else { flags.difference(OFlags::DIRECT) };
    fcntl_setfl(target, flags).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// A file under the name of a device stands for one: any filesystem below may know `O_DIRECT` or not.
    #[test]
    fn every_byte_gets_to_its_place() {
        let content: Vec<u8> = (0..2 * GATHER + 4097).map(|i| u8::try_from(i % 251).unwrap()).collect();
        for name in ["/dev/sda", "/file"] {
            for offset in [0, 512, 4096, 4099] {
                for length in [0, 1, 4096, GATHER - 1, GATHER, GATHER + 5, content.len()] {
                    let mut file = tempfile::tempfile().unwrap();
                    let target = OwnedFd::from(file.try_clone().unwrap());
                    let mut gathered = Gathered::new(&target, name.into(), offset);
                    let content = content.get(..length).unwrap();
                    for piece in content.chunks(8192 - 1) {
                        gathered.add(piece).unwrap();
                    }
                    gathered.finish().unwrap();
                    let mut found = Vec::new();
                    file.read_to_end(&mut found).unwrap();
                    let before = usize::try_from(offset).unwrap().min(found.len());
                    assert!(found.iter().take(before).all(|byte| *byte == 0));
                    assert!(found.get(before..).unwrap() == content, "{name}: {length} bytes at {offset}");
                }
            }
        }
    }
}

//! Files and devices written with what the caller sends.

use bstr::BStr;
use libguestfs_core::Result;
use rustix::fs::OFlags;

use crate::Guestfsd;
use crate::calls::sink::Source;
use crate::calls::writing::{data::write_all_at, write_part};
use crate::error::{At, refused};

/// Bytes that chunks, of 8 KiB by the protocol, are gathered to before they are written.
const GATHER: usize = 256 * 1024;

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
        let mut at = offset;
        let mut write = |bytes: &mut Vec<u8>| {
            write_all_at(&target, bytes, at).at(format_args!("write: {name}"))?;
            at = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            bytes.clear();
            Ok::<_, libguestfs_core::Error>(())
        };
        let mut held = Vec::with_capacity(GATHER);
        let ended = loop {
            match source.next() {
                Ok(Some(bytes)) => held.extend_from_slice(bytes),
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
            if held.len() >= GATHER {
                write(&mut held)?;
            }
        };
        write(&mut held)?;
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

//! What files and devices hold: whole, in part, compared.

use bstr::{BStr, ByteSlice};
use disk::ReadAt;
use disk::fs::FileData;
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use super::MAX_RESULT;
use super::sink::Sink;
use crate::Guestfsd;
use crate::engine;
use crate::error::{At, Failure, refused};

/// Bytes read at a time. Large enough that the cost of a read does not matter.
pub(super) const BUFFER: usize = 512 * 1024;

/// Bytes to read, whether of a file or of a device.
pub(super) enum Content<'a> {
    File(Box<dyn FileData + 'a>),
    Device(std::sync::Arc<dyn ReadAt>, bstr::BString),
}

impl Content<'_> {
    pub(super) fn len(&self) -> u64 {
        match self {
            Content::File(file) => file.len(),
            Content::Device(source, _) => source.len(),
        }
    }

    /// Reads from `offset` on; fewer bytes than asked for only at the end.
    pub(super) fn read(&mut self, offset: u64, buf: &mut [u8]) -> engine::Result<usize> {
        match self {
            Content::File(file) => file.read_at(offset, buf).map_err(|e| Failure::disk("".into(), e)),
            Content::Device(source, name) => {
                let rest = source.len().saturating_sub(offset);
                let count = usize::try_from(rest).unwrap_or(usize::MAX).min(buf.len());
                let Some(wanted) = buf.get_mut(..count) else { return Ok(0) };
                source.read_at(offset, wanted).map_err(|e| Failure::disk(name.as_bstr(), e))?;
                Ok(count)
            }
        }
    }

    /// Where the next bytes that may not be zero begin and end, at or after `offset`; `None` if only a hole follows.
    pub(super) fn next_data(&mut self, offset: u64) -> engine::Result<Option<std::ops::Range<u64>>> {
        match self {
            Content::File(file) => file.next_data(offset).map_err(|e| Failure::disk("".into(), e)),
            Content::Device(source, name) => {
                source.next_data(offset).map_err(|e| Failure::disk(name.as_bstr(), e))
            }
        }
    }

    /// Calls `each` for the bytes from `start` to `end` in order, holes as zeros.
    pub(super) fn pass(
        &mut self,
        place: &BStr,
        start: u64,
        end: u64,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let size = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX).min(BUFFER);
        let mut buf = vec![0; size];
        let mut zeros = Vec::new();
        let mut at = start;
        while at < end {
            let data = self.next_data(at).at(place)?.filter(|d| d.start < end).unwrap_or(end..end);
            if at < data.start && zeros.is_empty() {
                zeros = vec![0; size];
            }
            while at < data.start {
                let count = usize::try_from(data.start - at).unwrap_or(usize::MAX).min(zeros.len());
                each(zeros.get(..count).unwrap_or_default())?;
                at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            }
            let data_end = data.end.min(end);
            while at < data_end {
                let count = usize::try_from(data_end - at).unwrap_or(usize::MAX).min(buf.len());
                let count = self.read(at, buf.get_mut(..count).unwrap_or_default()).at(place)?;
                if count == 0 {
                    return Err(Error::daemon(Errno::EIO, format!("{place}: unexpected end of file")));
                }
                each(buf.get(..count).unwrap_or_default())?;
                at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            }
        }
        Ok(())
    }
}

impl Guestfsd {
    /// Opens a regular file. Other kinds have no content here: the original would wait for one, or read the
    /// appliance's own device.
    pub(super) fn content(&self, path: &BStr) -> engine::Result<Content<'_>> {
        self.tree().open(path).map(Content::File)
    }

    pub(super) fn device_content(&self, name: &BStr) -> Result<Content<'static>> {
        let device = self.device(name)?;
        let source = self.engine.open_block(device.as_bstr()).at(name)?;
        Ok(Content::Device(source, device))
    }

    fn file_or_device(&self, name: &BStr) -> Result<Content<'_>> {
        if name.starts_with(b"/dev/") {
            return self.device_content(name);
        }
        self.content(name).map_err(|failure| match failure {
            Failure::Os(Errno::EISDIR) => Error::daemon(Errno::EISDIR, format!("{name}: is a directory")),
            Failure::Os(Errno::EINVAL) => Error::daemon(Errno::EINVAL, format!("{name}: not a regular file")),
            other => other.at(name),
        })
    }

    pub(crate) fn download(&mut self, name: &BStr, out: &mut dyn Sink) -> Result<()> {
        let mut content = self.file_or_device(name)?;
        let len = content.len();
        out.set_total(len);
        content.pass(name, 0, len, &mut |bytes| out.write(bytes))
    }

    pub(crate) fn download_offset(
        &mut self,
        name: &BStr,
        out: &mut dyn Sink,
        offset: i64,
        size: i64,
    ) -> Result<()> {
        let offset =
            u64::try_from(offset).map_err(|_| refused(format!("{name}: offset in file is negative")))?;
        let size = u64::try_from(size).map_err(|_| refused(format!("{name}: size is negative")))?;
        let mut content = self.file_or_device(name)?;
        let end = offset.saturating_add(size);
        if end > content.len() {
            // The original finds the end when it gets there, and cancels; this way the caller learns why.
            return Err(refused(format!(
                "{name}: the end of the file is before the end of the range asked for"
            )));
        }
        out.set_total(size);
        content.pass(name, offset, end, &mut |bytes| out.write(bytes))
    }

    pub(crate) fn pread(&mut self, path: &BStr, count: i32, offset: i64) -> Result<Vec<u8>> {
        let (count, offset) = range(path, count, offset)?;
        let mut content = self.content(path).map_err(|failure| match failure.errno() {
            Errno::EISDIR => failure.at(format_args!("pread: {path}")),
            _ => failure.at(format_args!("open: {path}")),
        })?;
        part(&mut content, path, count, offset)
    }

    pub(crate) fn pread_device(&mut self, device: &BStr, count: i32, offset: i64) -> Result<Vec<u8>> {
        let (count, offset) = range(device, count, offset)?;
        part(&mut self.device_content(device)?, device, count, offset)
    }

    pub(crate) fn is_zero(&mut self, path: &BStr) -> Result<bool> {
        let mut content = self.content(path).map_err(|failure| match failure.errno() {
            Errno::EISDIR => failure.at(format_args!("read: {path}")),
            _ => failure.at(format_args!("open: {path}")),
        })?;
        only_zeros(&mut content, path)
    }

    pub(crate) fn is_zero_device(&mut self, device: &BStr) -> Result<bool> {
        only_zeros(&mut self.device_content(device)?, device)
    }

    pub(crate) fn equal(&mut self, file1: &BStr, file2: &BStr) -> Result<bool> {
        let open = |path: &BStr| {
            self.content(path).map_err(|failure| failure.at(format_args!("cmp: /sysroot{path}")))
        };
        let (mut one, mut other) = (open(file1)?, open(file2)?);
        if one.len() != other.len() {
            return Ok(false);
        }
        let mut theirs = vec![0; BUFFER];
        let mut at = 0;
        let mut equal = true;
        let len = one.len();
        one.pass(file1, 0, len, &mut |ours| {
            if equal {
                let theirs = theirs.get_mut(..ours.len()).unwrap_or_default();
                let count = other.read(at, theirs).at(file2)?;
                equal = theirs.get(..count).unwrap_or_default() == ours;
                at = at.saturating_add(u64::try_from(ours.len()).unwrap_or(u64::MAX));
            }
            Ok(())
        })?;
        Ok(equal)
    }
}

fn range(path: &BStr, count: i32, offset: i64) -> Result<(usize, u64)> {
    let count = usize::try_from(count).map_err(|_| refused("count is negative"))?;
    let offset = u64::try_from(offset).map_err(|_| refused("offset is negative"))?;
    if count > MAX_RESULT {
        return Err(refused(format!("{path}: count is too large for the protocol, use smaller reads")));
    }
    Ok((count, offset))
}

fn part(content: &mut Content<'_>, path: &BStr, count: usize, offset: u64) -> Result<Vec<u8>> {
    let rest = usize::try_from(content.len().saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; count.min(rest)];
    let read = content.read(offset, &mut bytes).at(format_args!("pread: {path}"))?;
    bytes.truncate(read);
    Ok(bytes)
}

fn only_zeros(content: &mut Content<'_>, place: &BStr) -> Result<bool> {
    let mut buf = vec![0; BUFFER];
    let mut at = 0;
    while let Some(data) = content.next_data(at).at(format_args!("read: {place}"))? {
        at = data.start;
        while at < data.end {
            let count = usize::try_from(data.end - at).unwrap_or(usize::MAX).min(buf.len());
            let count = content
                .read(at, buf.get_mut(..count).unwrap_or_default())
                .at(format_args!("read: {place}"))?;
            if buf.get(..count).unwrap_or_default().iter().any(|&b| b != 0) {
                return Ok(false);
            }
            if count == 0 {
                return Ok(true);
            }
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
    Ok(true)
}

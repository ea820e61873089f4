//! A hive and its logs, out of what is mounted or from disks, whole in memory.

use std::ops::ControlFlow;

use bstr::{BStr, BString, ByteSlice};
use disk::ErrorKind;
use hivex::{Hive, Options};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use super::about;
use crate::Guestfsd;
use crate::error::{At, Failure};

/// The largest file that is read, in bytes: cells of a hive are found by 31 bits.
const FILE_MAX: u64 = 1 << 31;
/// What the names of logs have after that of the hive, in the order in which they are applied; in any case.
const LOG_SUFFIXES: [&str; 3] = [".LOG", ".LOG1", ".LOG2"];
/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;

impl Guestfsd {
    /// Opens the hive at a path of the guest, with the logs that lie beside it, or on a device, with those on `logs`. What
    /// of the logs was applied becomes the first note.
    pub(super) fn read_hive(&mut self, hive: &BStr, logs: &[BString], options: Options) -> Result<Hive> {
        self.registry.notes.clear();
        let (image, logs) = if hive.starts_with(b"/dev/") {
            let logs = logs.iter().map(|log| self.read_device(log.as_bstr())).collect::<Result<Vec<_>>>()?;
            (self.read_device(hive)?, logs)
        } else {
            let beside = self.logs_beside(hive)?;
            let logs = beside.iter().map(|log| self.read_path(log.as_bstr())).collect::<Result<Vec<_>>>()?;
            (self.read_path(hive)?, logs)
        };
        let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
        let opened = Hive::open_with_logs(image, &logs, options).map_err(|error| about(hive, &error))?;
        if !opened.replay().is_empty() || !opened.replay().refused.is_empty() {
            let replay = opened.replay();
            self.registry.notes.push(format!("the hive was not closed by its system; {replay}").into());
        }
        Ok(opened)
    }

    /// The paths of a hive's logs.
    pub(super) fn logs_beside(&self, hive: &BStr) -> Result<Vec<BString>> {
        let (directory, name) = hive.rsplit_once_str("/").unwrap_or((b"", hive));
        let directory = if directory.is_empty() { BStr::new("/") } else { directory.as_bstr() };
        let mut found: [Option<BString>; LOG_SUFFIXES.len()] = Default::default();
        let read = self.tree().directory(directory).and_then(|open| {
            open.read(&mut |entry| {
                let cut = entry.name.split_at_checked(name.len());
                if let Some((_, end)) = cut.filter(|(start, _)| start.eq_ignore_ascii_case(name)) {
                    let is = |suffix: &&str| end.eq_ignore_ascii_case(suffix.as_bytes());
                    let place = LOG_SUFFIXES.iter().position(is);
                    if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
                        slot.get_or_insert_with(|| entry.name.into());
                    }
                }
                ControlFlow::Continue(())
            })
        });
        read.at(directory)?;
        let path =
            |name: BString| BString::from([directory.trim_end_with(|c| c == '/'), b"/", &name].concat());
        Ok(found.into_iter().flatten().map(path).collect())
    }

    fn read_path(&self, path: &BStr) -> Result<Vec<u8>> {
        let mut file = self.tree().open(path).at(path)?;
        let mut content = room(path, file.len())?;
        let mut filled = 0;
        while let Some(rest) = content.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let piece = rest.len().min(PIECE);
            let rest = rest.get_mut(..piece).unwrap_or_default();
            let offset = u64::try_from(filled).unwrap_or(u64::MAX);
            let count = file.read_at(offset, rest).map_err(|error| {
                let failure = match error.kind() {
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput => {
                        Failure::Os(Errno::EIO)
                    }
                    _ => Failure::Disk { device: BString::default(), error },
                };
                failure.at(path)
            })?;
            if count == 0 {
                break;
            }
            filled = filled.saturating_add(count);
        }
        content.truncate(filled);
        Ok(content)
    }

    fn read_device(&self, device: &BStr) -> Result<Vec<u8>> {
        let device = self.device(device)?;
        let source = self.engine.open_block(device.as_bstr()).at(&device)?;
        let mut content = room(device.as_bstr(), source.len())?;
        let read = source.read_at(0, &mut content);
        read.map_err(|error| Failure::Disk { device: device.clone(), error }).at(&device)?;
        Ok(content)
    }
}

/// Memory for a file of that length.
fn room(place: &BStr, length: u64) -> Result<Vec<u8>> {
    let length = usize::try_from(length).ok().filter(|_| length <= FILE_MAX);
    let length = length.ok_or_else(|| {
        Error::daemon(Errno::EFBIG, format!("{place}: longer than any registry hive or its log can be"))
    })?;
    let mut content = Vec::new();
    content.try_reserve_exact(length).map_err(|_| {
        Error::daemon(Errno::ENOMEM, format!("{place}: {length} bytes are more than there is memory for"))
    })?;
    content.resize(length, 0);
    Ok(content)
}

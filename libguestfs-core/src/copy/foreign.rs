//! Single files from a daemon whose `tar_out` takes directories only: libguestfs's own. They come by `download`, which
//! knows no holes: blocks of zeros become some.

use std::io::{self, Write};

use bstr::BStr;

use super::extract::Extract;
use crate::api::Statns;
use crate::tar::{Entry, Kind, Receive, Time};
use crate::{Error, Guestfs, Result};

/// The bits of `st_mode` that tell the kind, and its values for a regular file and a symbolic link (stat(2)).
const FORMAT: i64 = 0o170_000;
const REGULAR: i64 = 0o100_000;
const SYMLINK: i64 = 0o120_000;

/// Copies `remote`; `None` if it is nothing that this can copy.
pub(super) fn copy(handle: &Guestfs, remote: &BStr, mut extract: Extract<'_>) -> Option<Result<()>> {
    let stat = handle.lstatns(remote).ok()?;
    let kind = match stat.st_mode & FORMAT {
        REGULAR => Kind::Regular,
        SYMLINK => Kind::Symlink,
        _ => return None,
    };
    Some((|| {
        let mut entry = Entry { size: u64::try_from(stat.st_size).unwrap_or(0), ..entry(&stat, kind) };
        if kind == Kind::Symlink {
            entry.link = handle.readlink(remote)?;
        }
        extract.entry(entry).map_err(|e| Error::io(remote.to_string(), e))?;
        let sent = match kind {
            Kind::Regular => handle.download(remote, &mut Content { extract: &mut extract, at: 0 }),
            _ => Ok(()),
        };
        extract.finish(sent.is_ok());
        sent
    })())
}

fn entry(stat: &Statns, kind: Kind) -> Entry {
    let number = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    let time = |seconds, nanoseconds| Time { seconds, nanoseconds: number(nanoseconds) };
    Entry {
        permissions: number(stat.st_mode & 0o7777),
        uid: number(stat.st_uid),
        gid: number(stat.st_gid),
        modified: time(stat.st_mtime_sec, stat.st_mtime_nsec),
        accessed: Some(time(stat.st_atime_sec, stat.st_atime_nsec)),
        ..Entry::new("./file", kind)
    }
}

/// The content of a file, as it comes.
struct Content<'a, 'b> {
    extract: &'a mut Extract<'b>,
    at: u64,
}

impl Write for Content<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.extract.may_have_holes() || bytes.iter().any(|byte| *byte != 0) {
            self.extract.data(self.at, bytes)?;
        }
        self.at = self.at.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Several sources as one archive: what a daemon sends of each, under the source's last name.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bstr::{BStr, BString, ByteSlice};

use super::extract::components;
use super::{CopyOptions, MAX_LINKED, Outcome, Progress, Shared, last_name, receive};
use crate::tar::{self, Entry, Identity, Kind, Receive, Remark, RemarkKind};
use crate::{Error, Guestfs, Result};

/// Writes an archive of sources of one guest.
#[derive(Debug)]
pub struct Archiver<'a, W> {
    handle: &'a Guestfs,
    shared: Shared,
    out: W,
    linked: HashMap<Identity, BString>,
}

impl<'a, W: Write> Archiver<'a, W> {
    /// An archiver that writes to `out`. Owners are always kept.
    pub fn new(handle: &'a Guestfs, out: W, options: CopyOptions) -> Self {
        Archiver { handle, shared: Shared { options, ..Shared::default() }, out, linked: HashMap::new() }
    }

    /// How far it is.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.shared.progress)
    }

    /// Adds a file, or a directory with all that is in it, under its last name; see
    /// [`Copier::copy`](super::Copier::copy).
    ///
    /// # Errors
    /// If there is no such thing, the copy was cancelled, or the archive can't be written.
    pub fn add(&mut self, remote: impl AsRef<[u8]>) -> Result<()> {
        let remote = remote.as_ref().as_bstr();
        let adding = Adding {
            prefix: last_name(remote)?.unwrap_or_else(|| ".".into()),
            remote,
            shared: &self.shared,
            out: &mut self.out,
            linked: &mut self.linked,
            head: Vec::new(),
            left: 0,
            padding: 0,
        };
        let (_, received) = receive(self.handle, remote, &self.shared, adding);
        received
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn finish(mut self) -> Result<Outcome> {
        let written = self.out.write_all(&tar::END).and_then(|()| self.out.flush());
        written.map_err(|e| Error::io("writing the archive", e))?;
        Ok(self.shared.take_outcome())
    }
}

struct Adding<'a, W> {
    /// The name that goes before all paths.
    prefix: BString,
    remote: &'a BStr,
    shared: &'a Shared,
    out: &'a mut W,
    linked: &'a mut HashMap<Identity, BString>,
    head: Vec<u8>,
    /// Bytes of data that are still to be written; none for an entry that is not in the archive.
    left: u64,
    padding: usize,
}

impl<W: Write> Adding<'_, W> {
    /// A path of the daemon's archive, as it is in ours.
    fn path(&self, path: &[u8]) -> Option<BString> {
        let names = components(path)?;
        // The only entry of an archive is the source itself.
        let single = names.len() == 1 && names.first() == Some(&self.prefix) && !self.is_directory();
        let mut whole = self.prefix.clone();
        for name in names.iter().filter(|_| !single) {
            whole.push(b'/');
            whole.extend_from_slice(name);
        }
        Some(whole)
    }

    /// Has the source's own directory come? Until then, an entry is the source itself.
    fn is_directory(&self) -> bool {
        !self.head.is_empty()
    }
}

impl<W: Write> Receive for Adding<'_, W> {
    fn entry(&mut self, mut entry: Entry) -> io::Result<()> {
        self.shared.check()?;
        self.shared.progress.files.fetch_add(1, Ordering::Relaxed);
        (self.left, self.padding) = (0, 0);
        let Some(mut path) = self.path(&entry.path) else {
            self.shared
                .fail(format_args!("{}: the name ‘{}’ in it leads elsewhere", self.remote, entry.path));
            return Ok(());
        };
        if entry.kind == Kind::HardLink {
            let Some(link) = self.path(&entry.link) else {
                self.shared
                    .fail(format_args!("{}: the link ‘{}’ in it leads elsewhere", self.remote, entry.link));
                return Ok(());
            };
            entry.link = link;
        }
        if entry.kind == Kind::Directory {
            path.push(b'/');
        }
        entry.path = path;
        if let Some(identity) = entry.identity.take().filter(|_| entry.kind != Kind::HardLink) {
            if let Some(first) = self.linked.get(&identity) {
                // The content that comes is not written again.
                (entry.kind, entry.link, entry.pieces) = (Kind::HardLink, first.clone(), None);
                entry.xattrs.clear();
                entry.records.clear();
            } else if self.linked.len() < MAX_LINKED {
                self.linked.insert(identity, entry.path.clone());
            }
        }
        self.head.clear();
        if let Err(e) = tar::encode(&entry, &mut self.head) {
            self.shared.fail(format_args!("{}: {e}", entry.path));
            return Ok(());
        }
        self.left = entry.data_len();
        self.padding = tar::padding(self.left);
        self.out.write_all(&self.head)
    }

    fn data(&mut self, _offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.shared.check()?;
        self.shared.progress.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if self.left == 0 {
            return Ok(());
        }
        self.left = self.left.saturating_sub(bytes.len() as u64);
        self.out.write_all(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(tar::END.get(..std::mem::take(&mut self.padding)).unwrap_or_default())
    }

    fn remark(&mut self, remark: Remark) -> io::Result<()> {
        match remark.kind {
            RemarkKind::LeftOut => self.shared.leave_out(format_args!("{}: {}", remark.path, remark.text)),
            RemarkKind::Missing => self.shared.fail(&remark.text),
            RemarkKind::Spoilt => {
                self.shared.fail(format_args!("{} (in the archive are zeros)", remark.text));
            }
        }
        Ok(())
    }
}

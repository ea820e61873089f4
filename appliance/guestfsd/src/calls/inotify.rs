//! Watching files of the guest for changes (inotify(7)).

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use bstr::{BStr, BString};
use libguestfs_core::Result;
use libguestfs_core::api::InotifyEvent;
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init, remove_watch};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{MAX_RESULT, account};
use crate::Guestfsd;
use crate::engine::kernel::descriptor_path;
use crate::error::{At, Failure, refused};

/// Where the kernel is told how many events it may hold back.
const QUEUE_LIMIT: &str = "/proc/sys/fs/inotify/max_queued_events";
/// Bytes that are read of the queue at once. It must hold an event with the longest name (inotify(7)).
const PIECE: usize = 4096;
/// Bytes of an event in a message, without its name: four numbers, of which one has 8 bytes, and a length.
const EVENT: usize = 24;
/// The longest name, with padding.
const NAME_MAX: usize = 260;

impl Guestfsd {
    pub(crate) fn inotify_init(&mut self, maxevents: i32) -> Result<()> {
        self.kernel("inotify_init")?;
        if maxevents < 0 {
            return Err(refused("maxevents < 0"));
        }
        if maxevents > 0 {
            std::fs::write(QUEUE_LIMIT, format!("{maxevents}\n"))
                .map_err(|e| Failure::from_io(&e))
                .at(QUEUE_LIMIT)?;
        }
        let queue = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        self.inotify = Some(queue.map_err(Failure::from).at("inotify_init")?);
        Ok(())
    }

    fn queue(&self, call: &str) -> Result<&OwnedFd> {
        self.kernel(call)?;
        self.inotify.as_ref().ok_or_else(|| {
            refused(format!("do_{call}: you must call 'inotify_init' first to initialize inotify"))
        })
    }

    pub(crate) fn inotify_close(&mut self) -> Result<()> {
        self.queue("inotify_close")?;
        self.inotify = None;
        Ok(())
    }

    pub(crate) fn inotify_add_watch(&mut self, path: &BStr, mask: i32) -> Result<i64> {
        let queue = self.queue("inotify_add_watch")?;
        let file = self.kernel("inotify_add_watch")?.sysroot().open(path, OFlags::PATH, Mode::empty());
        let file = file.at(path)?;
        let mask = WatchFlags::from_bits_retain(mask.cast_unsigned());
        let watch = add_watch(queue, descriptor_path(&file), mask).map_err(Failure::from).at(path)?;
        Ok(watch.into())
    }

    pub(crate) fn inotify_rm_watch(&mut self, wd: i32) -> Result<()> {
        remove_watch(self.queue("inotify_rm_watch")?, wd).map_err(Failure::from).at(wd)
    }

    pub(crate) fn inotify_read(&mut self) -> Result<Vec<InotifyEvent>> {
        let mut events = Vec::new();
        let mut total = 0_usize;
        self.events("inotify_read", |event| {
            total = total.saturating_add(event.in_name.len()).saturating_add(EVENT);
            events.push(event);
            // The rest of a piece that was read can't go back into the queue.
            total.saturating_add(PIECE.saturating_mul(2)).saturating_add(NAME_MAX) < MAX_RESULT
        })?;
        Ok(events)
    }

    pub(crate) fn inotify_files(&mut self) -> Result<Vec<BString>> {
        let mut names = BTreeSet::new();
        self.events("inotify_files", |event| {
            if !event.in_name.is_empty() {
                names.insert(event.in_name);
            }
            true
        })?;
        let mut total = 0;
        names.iter().try_for_each(|name| account(&mut total, name.len()))?;
        Ok(names.into_iter().collect())
    }

    /// Takes events from the queue until it is empty, or `each` wants no more at the end of a piece.
    fn events(&self, call: &str, mut each: impl FnMut(InotifyEvent) -> bool) -> Result<()> {
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let mut reader = Reader::new(self.queue(call)?, &mut piece);
        let mut more = true;
        while more || !reader.is_buffer_empty() {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| BString::from(name.to_bytes()));
                    more = each(InotifyEvent {
                        in_wd: event.wd().into(),
                        in_mask: event.events().bits(),
                        in_cookie: event.cookie(),
                        in_name: name.unwrap_or_default(),
                    });
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(Failure::from(e)).at(call),
            }
        }
        Ok(())
    }
}

//! Threads that write what was received, so that receiving goes on meanwhile.
//!
//! A job is a batch of small files, or a block of a large one. At most [`QUEUE`] jobs wait, each with one buffer of
//! [`BUFFER`] bytes, and buffers are used again: that is all the memory there is.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bstr::{BString, ByteSlice};
use rustix::fs::ftruncate;
use rustix::io::{Errno, pwrite, write};

use super::Shared;
use super::finish::Attributes;
use super::target::Directory;
use crate::{Error, Result};

/// Bytes of a buffer.
pub(super) const BUFFER: usize = 256 << 10;
/// Jobs that wait at most.
const QUEUE: usize = 16;
/// Threads: more than one core's worth of file creation rarely helps, since a daemon and the receiver work beside it.
const THREADS: usize = 2;

/// A small file, whole.
#[derive(Debug)]
pub(super) struct SmallFile {
    pub(super) directory: Arc<Directory>,
    pub(super) name: BString,
    pub(super) attributes: Attributes,
    /// Where its content is in the batch's buffer.
    pub(super) content: std::ops::Range<usize>,
}

/// A file that is written in blocks. The last one to let go of it finishes it.
#[derive(Debug)]
pub(super) struct LargeFile {
    pub(super) directory: Arc<Directory>,
    pub(super) name: BString,
    pub(super) attributes: Attributes,
    fd: OwnedFd,
    temporary: BString,
    /// It is not what it should be: it is removed.
    spoilt: AtomicBool,
}

/// Something to write.
#[derive(Debug)]
pub(super) enum Job {
    Files { buffer: Vec<u8>, files: Vec<SmallFile> },
    Block { file: Arc<LargeFile>, offset: u64, buffer: Vec<u8> },
}

/// Jobs that are not done, and a signal when there are none.
#[derive(Debug, Default)]
struct Pending {
    count: Mutex<usize>,
    none: Condvar,
}

/// The threads.
#[derive(Debug)]
pub(super) struct Workers {
    jobs: Option<SyncSender<Job>>,
    used: Receiver<Vec<u8>>,
    pending: Arc<Pending>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Workers> {
        let (jobs, queue) = sync_channel(QUEUE);
        let (give_back, used) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let pending = Arc::new(Pending::default());
        let mut workers = Workers { jobs: Some(jobs), used, pending, threads: Vec::new() };
        for _ in 0..THREADS {
            let (queue, give_back) = (Arc::clone(&queue), give_back.clone());
            let (shared, pending) = (Arc::clone(shared), Arc::clone(&workers.pending));
            let thread = thread::Builder::new()
                .name("copy".into())
                .spawn(move || work(&queue, &give_back, &shared, &pending))
                .map_err(|e| Error::io("starting a thread", e))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// An empty buffer.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.used.try_recv().unwrap_or_else(|_| Vec::with_capacity(BUFFER))
    }

    /// Has a job done, once there is room for it.
    pub(super) fn send(&self, job: Job) {
        *self.pending.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        // The threads end after this.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }

    /// Waits until all jobs are done.
    pub(super) fn wait(&self) {
        let count = self.pending.count.lock().unwrap_or_else(PoisonError::into_inner);
        let _none = self.pending.none.wait_while(count, |count| *count > 0);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(queue: &Mutex<Receiver<Job>>, give_back: &Sender<Vec<u8>>, shared: &Shared, pending: &Pending) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let mut buffer = match job {
            Job::Files { buffer, files } => {
                for file in files {
                    let content = buffer.get(file.content.clone()).unwrap_or_default();
                    write_small(file, content, shared);
                }
                buffer
            }
            Job::Block { file, offset, buffer } => {
                file.write(offset, &buffer, shared);
                LargeFile::release(file, shared);
                buffer
            }
        };
        buffer.clear();
        // Nobody may want it any more.
        let _ = give_back.send(buffer);
        let mut count = pending.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.saturating_sub(1);
        if *count == 0 {
            pending.none.notify_all();
        }
    }
}

fn write_small(file: SmallFile, content: &[u8], shared: &Shared) {
    let SmallFile { directory, name, attributes, .. } = file;
    if let Err(errno) = try_write_small(&directory, &name, &attributes, content, shared) {
        failed(shared, &attributes, errno);
    }
    Directory::release(directory, shared);
}

fn try_write_small(
    directory: &Directory,
    name: &BString,
    attributes: &Attributes,
    mut content: &[u8],
    shared: &Shared,
) -> Result<(), Errno> {
    let (fd, temporary) = directory.new_file(name.as_bstr(), false, attributes.first_mode(shared))?;
    let made = temporary.as_ref().unwrap_or(name).as_bstr();
    while !content.is_empty() {
        match write(&fd, content) {
            Ok(count) => content = content.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => {
                directory.remove(made);
                return Err(errno);
            }
        }
    }
    attributes.apply(&fd, shared);
    match temporary {
        Some(temporary) => directory.rename(temporary.as_bstr(), name.as_bstr()),
        None => Ok(()),
    }
}

/// Notes why a file is not there.
pub(super) fn failed(shared: &Shared, attributes: &Attributes, errno: Errno) {
    let place = attributes.place.as_bstr();
    if errno == Errno::EXIST {
        shared.fail(format_args!(
            "{place}: something of this name was copied already (names may differ in case only)"
        ));
    } else {
        shared.failed_call(place, errno);
    }
}

impl LargeFile {
    /// Makes the file, under a temporary name and of its full size.
    pub(super) fn new(
        directory: Arc<Directory>,
        name: BString,
        attributes: Attributes,
        size: u64,
        shared: &Shared,
    ) -> Result<LargeFile, (Arc<Directory>, Attributes, Errno)> {
        let made = directory.new_file(name.as_bstr(), true, attributes.first_mode(shared));
        let (fd, temporary) = match made {
            Ok((fd, Some(temporary))) => (fd, temporary),
            Ok((_, None)) => return Err((directory, attributes, Errno::INVAL)),
            Err(errno) => return Err((directory, attributes, errno)),
        };
        if let Err(errno) = ftruncate(&fd, size) {
            directory.remove(temporary.as_bstr());
            return Err((directory, attributes, errno));
        }
        Ok(LargeFile { directory, name, attributes, fd, temporary, spoilt: AtomicBool::new(false) })
    }

    /// Says that the file is to be removed.
    pub(super) fn spoil(&self) {
        self.spoilt.store(true, Ordering::Relaxed);
    }

    fn write(&self, mut offset: u64, mut block: &[u8], shared: &Shared) {
        while !block.is_empty() && !self.spoilt.load(Ordering::Relaxed) {
            match pwrite(&self.fd, block, offset) {
                Ok(count) => {
                    block = block.get(count..).unwrap_or_default();
                    offset = offset.saturating_add(count as u64);
                }
                Err(Errno::INTR) => {}
                Err(errno) => {
                    self.spoil();
                    failed(shared, &self.attributes, errno);
                }
            }
        }
    }

    /// Lets go of a file: the last one to do so gives it its attributes and its name.
    pub(super) fn release(file: Arc<LargeFile>, shared: &Shared) {
        let Some(file) = Arc::into_inner(file) else { return };
        let LargeFile { directory, name, attributes, fd, temporary, spoilt } = file;
        if spoilt.into_inner() {
            directory.remove(temporary.as_bstr());
        } else {
            attributes.apply(&fd, shared);
            if let Err(errno) = directory.rename(temporary.as_bstr(), name.as_bstr()) {
                failed(shared, &attributes, errno);
            }
        }
        Directory::release(directory, shared);
    }
}

//! Entries of an archive become what they say, below one directory of the target.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bstr::{BStr, BString, ByteSlice};
use rustix::fs::{FileType, Mode, makedev, mknodat, symlinkat};
use rustix::io::Errno;

use super::finish::Attributes;
use super::target::{Directory, Target, check_name};
use super::workers::{BUFFER, Job, LargeFile, SmallFile, Workers, failed};
use super::{MAX_LINKED, Shared};
use crate::tar::{Entry, Identity, Kind, Receive, Remark, RemarkKind};

/// Files up to this size are held whole and written in one piece.
const SMALL: u64 = (BUFFER / 2) as u64;
/// Small files in a batch at most.
const BATCH: usize = 64;

/// What receives an archive.
#[derive(Debug)]
pub(super) struct Extract<'a> {
    target: &'a Target,
    shared: &'a Arc<Shared>,
    workers: &'a Workers,
    linked: &'a mut HashMap<Identity, Vec<BString>>,
    /// Path in the guest, for messages.
    remote: &'a BStr,
    /// Name in the target; none for what is in the guest's root directory.
    name: Option<BString>,
    /// Open directories from the top on, each within the one before it.
    stack: Vec<(BString, Arc<Directory>)>,
    /// The directory whose content can't be put anywhere.
    skipped: Option<Vec<BString>>,
    current: Current,
    batch: Batch,
}

/// The entry that is being received.
#[derive(Debug)]
enum Current {
    /// Nothing, or something without content.
    Nothing,
    Small(SmallFile),
    Large {
        file: Arc<LargeFile>,
        offset: u64,
        buffer: Vec<u8>,
    },
}

#[derive(Debug, Default)]
struct Batch {
    buffer: Vec<u8>,
    files: Vec<SmallFile>,
}

/// The names of a path in an archive, or `None` if it leads elsewhere. The top has none.
pub(super) fn components(path: &[u8]) -> Option<Vec<BString>> {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    if path.is_empty() || path == b"." {
        return Some(Vec::new());
    }
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.split_str(b"/").map(|name| check_name(name).then(|| BString::from(name))).collect()
}

impl<'a> Extract<'a> {
    pub(super) fn new(
        target: &'a Target,
        shared: &'a Arc<Shared>,
        workers: &'a Workers,
        linked: &'a mut HashMap<Identity, Vec<BString>>,
        remote: &'a BStr,
        name: Option<BString>,
    ) -> Self {
        Extract {
            target,
            shared,
            workers,
            linked,
            remote,
            name,
            stack: Vec::new(),
            skipped: None,
            current: Current::Nothing,
            batch: Batch::default(),
        }
    }

    /// Ends the extraction. Without an end of the archive, the last entry may not be whole.
    pub(super) fn finish(mut self, complete: bool) {
        if !complete {
            self.spoil();
        }
        self.settle();
        self.flush();
        self.leave(0);
        self.workers.wait();
    }

    /// Can parts of the present file be left out, to become holes?
    pub(super) fn may_have_holes(&self) -> bool {
        !matches!(self.current, Current::Small(_))
    }

    /// Path in the guest of something in the archive.
    fn place(&self, names: &[BString]) -> BString {
        let remote = self.remote.trim_end_with(|c| c == '/');
        // The only entry of an archive is the source itself.
        if names.is_empty() || self.stack.is_empty() {
            return if remote.is_empty() { "/".into() } else { remote.into() };
        }
        let mut place = BString::from(remote);
        for name in names {
            place.push(b'/');
            place.extend_from_slice(name);
        }
        place
    }

    /// What was received is as it should be: it goes to the workers.
    fn settle(&mut self) {
        match std::mem::replace(&mut self.current, Current::Nothing) {
            Current::Nothing => {}
            Current::Small(file) => {
                self.batch.files.push(file);
                if self.batch.files.len() >= BATCH || self.batch.buffer.len() >= BUFFER / 2 {
                    self.flush();
                }
            }
            Current::Large { file, offset, buffer } => {
                if !buffer.is_empty() {
                    self.workers.send(Job::Block { file: Arc::clone(&file), offset, buffer });
                }
                LargeFile::release(file, self.shared);
            }
        }
    }

    /// What was received must not stay.
    fn spoil(&mut self) {
        match std::mem::replace(&mut self.current, Current::Nothing) {
            Current::Nothing => {}
            Current::Small(file) => {
                self.batch.buffer.truncate(file.content.start);
                Directory::release(file.directory, self.shared);
            }
            Current::Large { file, .. } => {
                file.spoil();
                LargeFile::release(file, self.shared);
            }
        }
    }

    fn flush(&mut self) {
        let Batch { buffer, files } = std::mem::take(&mut self.batch);
        if !files.is_empty() {
            self.workers.send(Job::Files { buffer, files });
            self.batch.buffer = self.workers.buffer();
        } else {
            self.batch.buffer = buffer;
        }
    }

    /// Lets go of the directories from number `from` on.
    fn leave(&mut self, from: usize) {
        while self.stack.len() > from {
            if let Some((_, directory)) = self.stack.pop() {
                Directory::release(directory, self.shared);
            }
        }
    }

    /// The directory that a path lies in, with the rest of the stack let go.
    fn enter(&mut self, parents: &[BString]) -> Result<Arc<Directory>, Errno> {
        let common =
            self.stack.iter().skip(1).zip(parents).take_while(|((name, _), parent)| name == *parent).count();
        self.leave(common.saturating_add(1));
        for name in parents.get(common..).unwrap_or_default() {
            let (_, last) = self.stack.last().ok_or(Errno::NOENT)?;
            let next = last.open(name.as_bstr())?;
            self.stack.push((name.clone(), next));
        }
        self.stack.last().map(|(_, directory)| Arc::clone(directory)).ok_or(Errno::NOENT)
    }

    /// The top of the archive is a directory: it becomes the one that the source is put in.
    fn top(&mut self, mut entry: Entry) {
        let place = self.place(&[]);
        let directory = match &self.name {
            None => Ok(Arc::clone(self.target.root())),
            Some(name) => self.target.root().make(name.as_bstr()),
        };
        match directory {
            Ok(directory) => {
                // The user's own directory stays as it is.
                if self.name.is_some() {
                    directory.set_attributes(Attributes::of(&mut entry, place));
                }
                self.stack.push((BString::default(), directory));
            }
            Err(errno) => {
                self.shared.failed_call(place.as_bstr(), errno);
                self.skipped = Some(Vec::new());
            }
        }
    }

    fn begin(&mut self, mut entry: Entry) {
        let Some(names) = components(&entry.path) else {
            let (remote, path) = (self.remote, &entry.path);
            return self.shared.fail(format_args!("{remote}: the name ‘{path}’ in it leads elsewhere"));
        };
        if self.skipped.as_ref().is_some_and(|skipped| names.starts_with(skipped)) {
            return;
        }
        let Some((name, parents)) = names.split_last() else {
            if entry.kind == Kind::Directory && self.stack.is_empty() {
                self.top(entry);
            }
            return;
        };
        let place = self.place(&names);
        // An archive without a top has one entry: the source itself.
        let (directory, name) = match (&self.name, self.stack.is_empty()) {
            (Some(own), true) if parents.is_empty() => (Ok(Arc::clone(self.target.root())), own.clone()),
            _ => (self.enter(parents), name.clone()),
        };
        let directory = match directory {
            Ok(directory) => directory,
            Err(errno) => {
                self.skipped = Some(parents.to_vec());
                return self.shared.failed_call(place.as_bstr(), errno);
            }
        };
        if entry.kind == Kind::Directory {
            let made = directory.make(name.as_bstr());
            let attributes = Attributes::of(&mut entry, place);
            match made {
                Ok(made) => {
                    made.set_attributes(attributes);
                    self.stack.push((name, made));
                }
                Err(errno) => {
                    self.skipped = Some(names);
                    failed(self.shared, &attributes, errno);
                }
            }
            return Directory::release(directory, self.shared);
        }
        if let Some(identity) = entry.identity {
            let mut own = directory.path();
            own.push(name.clone());
            if let Some(first) = self.linked.get(&identity).filter(|_| entry.kind != Kind::HardLink) {
                // The first name came in another archive.
                let first = first.clone();
                let attributes = Attributes::of(&mut entry, place);
                self.link(&directory, &name, &first, &attributes);
                return Directory::release(directory, self.shared);
            }
            if self.linked.len() < MAX_LINKED {
                self.linked.entry(identity).or_insert(own);
            }
        }
        match entry.kind {
            Kind::Regular => return self.file(directory, name, entry, place),
            Kind::HardLink => self.hard_link(&directory, &name, &mut entry, place),
            _ => self.special(&directory, &name, &mut entry, place),
        }
        Directory::release(directory, self.shared);
    }

    fn file(&mut self, directory: Arc<Directory>, name: BString, mut entry: Entry, place: BString) {
        let attributes = Attributes::of(&mut entry, place);
        if entry.pieces.is_none() && entry.size <= SMALL {
            let start = self.batch.buffer.len();
            self.current = Current::Small(SmallFile { directory, name, attributes, content: start..start });
            return;
        }
        match LargeFile::new(directory, name, attributes, entry.size, self.shared) {
            Ok(file) => {
                let buffer = self.workers.buffer();
                self.current = Current::Large { file: Arc::new(file), offset: 0, buffer };
            }
            Err((directory, attributes, errno)) => {
                failed(self.shared, &attributes, errno);
                Directory::release(directory, self.shared);
            }
        }
    }

    fn hard_link(&mut self, directory: &Arc<Directory>, name: &BString, entry: &mut Entry, place: BString) {
        let link = std::mem::take(&mut entry.link);
        let attributes = Attributes::of(entry, place);
        let Some(mut names) = components(&link).filter(|names| !names.is_empty()) else {
            let place = &attributes.place;
            return self
                .shared
                .fail(format_args!("{place}: the file ‘{link}’ that it is another name of lies elsewhere"));
        };
        if let Some(own) = &self.name {
            names.insert(0, own.clone());
        }
        self.link(directory, name, &names, &attributes);
    }

    /// Makes `name` another name of the file at `first`, from the target's root.
    fn link(
        &mut self,
        directory: &Arc<Directory>,
        name: &BString,
        first: &[BString],
        attributes: &Attributes,
    ) {
        // It may still be on its way.
        self.flush();
        self.workers.wait();
        let Some((first_name, parents)) = first.split_last() else { return };
        let linked = self.target.walk(parents).and_then(|parent| {
            let linked = directory.link(name.as_bstr(), &parent, first_name.as_bstr());
            Directory::release(parent, self.shared);
            linked
        });
        match linked {
            Ok(()) => {}
            Err(Errno::NOENT) => {
                let place = &attributes.place;
                let first = bstr::join("/", first);
                self.shared
                    .fail(format_args!("{place}: its first name, {}, was not copied", first.as_bstr()));
            }
            Err(errno) => failed(self.shared, attributes, errno),
        }
    }

    /// A symbolic link, device or named pipe.
    fn special(&mut self, directory: &Arc<Directory>, name: &BString, entry: &mut Entry, place: BString) {
        let fd = directory.fd();
        let mode = Mode::RUSR | Mode::WUSR;
        let kind = match entry.kind {
            Kind::CharDevice => Some(FileType::CharacterDevice),
            Kind::BlockDevice => Some(FileType::BlockDevice),
            Kind::Fifo => Some(FileType::Fifo),
            _ => None,
        };
        let is_device = matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice);
        if is_device && !rustix::process::geteuid().is_root() {
            return self.shared.leave_out(format_args!("{place}: a device node, which only root can make"));
        }
        let device = makedev(entry.device.0, entry.device.1);
        let made = directory.new_entry(name.as_bstr(), |name| match kind {
            Some(kind) => mknodat(fd, name, kind, mode, device),
            None => symlinkat(entry.link.as_bytes(), fd, name),
        });
        let attributes = Attributes::of(entry, place);
        match made {
            Ok(()) => attributes.apply_by_name(directory, name.as_bstr(), kind.is_none(), self.shared),
            Err(errno) => failed(self.shared, &attributes, errno),
        }
    }
}

impl Receive for Extract<'_> {
    fn entry(&mut self, entry: Entry) -> io::Result<()> {
        self.settle();
        self.shared.check()?;
        self.shared.progress.files.fetch_add(1, Ordering::Relaxed);
        self.begin(entry);
        Ok(())
    }

    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.shared.progress.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        match &mut self.current {
            Current::Nothing => {}
            Current::Small(file) => {
                self.batch.buffer.extend_from_slice(bytes);
                file.content.end = self.batch.buffer.len();
            }
            Current::Large { file, offset: start, buffer } => {
                let follows = start.saturating_add(buffer.len() as u64) == offset;
                if !buffer.is_empty() && (!follows || buffer.len().saturating_add(bytes.len()) > BUFFER) {
                    let full = std::mem::replace(buffer, self.workers.buffer());
                    self.workers.send(Job::Block { file: Arc::clone(file), offset: *start, buffer: full });
                    self.shared.check()?;
                }
                if buffer.is_empty() {
                    *start = offset;
                }
                buffer.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        // A remark may follow that says otherwise.
        Ok(())
    }

    fn remark(&mut self, remark: Remark) -> io::Result<()> {
        match remark.kind {
            RemarkKind::Spoilt => {
                self.spoil();
                self.shared.fail(&remark.text);
            }
            RemarkKind::Missing => self.shared.fail(&remark.text),
            RemarkKind::LeftOut => {
                let place = components(&remark.path).map_or(remark.path, |names| self.place(&names));
                self.shared.leave_out(format_args!("{place}: {}", remark.text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_have_no_components() {
        let names = |path: &str| components(path.as_bytes()).map(|names| bstr::join("|", names));
        for (path, expected) in [("./", ""), (".", ""), ("./a", "a"), ("./a/b/", "a|b"), ("a/...", "a|...")] {
            assert_eq!(names(path), Some(expected.into()), "{path}");
        }
        for path in ["/", "/etc", "..", "./..", "./a/../b", "./a//b", ".//a", "a/./b", "./a\0", "a//"] {
            assert_eq!(names(path), None, "{path}");
        }
    }
}

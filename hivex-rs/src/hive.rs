//! A hive: its image in memory, what of it are cells, and what was wrong with it.

use std::fmt;
use std::time::SystemTime;

use crate::bins::CellMap;
use crate::bytes::{Fields, index};
use crate::edit::Editor;
use crate::header::{self, Header};
use crate::log::{self, Replay};
use crate::note::{Note, Notes};
use crate::{Error, ErrorKind, FileTime, Result};

/// Bit of `nk` flags: the root key of its hive.
const ROOT_KEY: u16 = 4;
/// The largest hive: offsets of cells are 31 bits, as the highest one marks volatile cells in memory.
pub(crate) const MAX_BINS: u32 = 0x7FFF_F000;

/// How a hive is opened.
///
/// Of libhivex's flags, `write` is [`Options::write`]. What `verbose` and `debug` print is what a caller makes of
/// [`Hive::notes`] and [`Hive::replay`]. `unsafe` makes libhivex go past some damage; here that is the usual way, and
/// [`Options::strict`] refuses more than libhivex does: hives that are dirty, and data that is longer than its cell.
#[derive(Debug, Default, Clone, Copy)]
pub struct Options {
    /// Refuse what is damaged. Otherwise it is skipped, or read as well as it can be, and noted: see [`Hive::notes`].
    pub strict: bool,
    /// Allow changes.
    pub write: bool,
    /// The time that changed keys get, and the hive when it is committed; the system's clock if there is none.
    pub time: Option<FileTime>,
}

/// A key: where its `nk` cell is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub(crate) u32);

/// A value: where its `vk` cell is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub(crate) u32);

impl Node {
    /// The handle that libhivex has for it: where it is in the file, in bytes.
    pub fn handle(self) -> u64 {
        file_offset(self.0)
    }
}

impl Value {
    /// The handle that libhivex has for it: where it is in the file, in bytes.
    pub fn handle(self) -> u64 {
        file_offset(self.0)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({:#x})", self.handle())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:#x})", self.handle())
    }
}

/// A cell's place in the file.
pub(crate) fn file_offset(offset: u32) -> u64 {
    u64::from(offset).saturating_add(header::LENGTH_32.into())
}

/// A registry hive.
pub struct Hive {
    pub(crate) image: Vec<u8>,
    pub(crate) map: CellMap,
    pub(crate) options: Options,
    pub(crate) editor: Option<Box<Editor>>,
    notes: Notes,
    replay: Replay,
    root: Node,
}

impl fmt::Debug for Hive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hive")
            .field("bytes", &self.image.len())
            .field("root", &self.root)
            .field("replay", &self.replay)
            .finish_non_exhaustive()
    }
}

/// How the words of an error of the kind [`ErrorKind::Unfinished`] begin.
const UNFINISHED: &str = "its system did not finish writing it, and its logs don't complete it";

impl Hive {
    /// Opens a hive of which there are no logs.
    ///
    /// # Errors
    /// `Corrupt` if it is no hive or has no readable root key, and, under [`Options::strict`], if its bins are damaged;
    /// `Unfinished` if it is dirty then; `Unsupported` if it is of another version.
    pub fn open(image: Vec<u8>, options: Options) -> Result<Self> {
        Hive::open_with_logs(image, &[], options)
    }

    /// Opens a hive. If it is dirty, what is missing is taken from `logs`, the whole content of the files that are
    /// called as the hive and end in `.LOG`, `.LOG1` and `.LOG2`; [`Hive::replay`] says what was.
    ///
    /// # Errors
    /// As [`Hive::open`].
    pub fn open_with_logs(mut image: Vec<u8>, logs: &[&[u8]], options: Options) -> Result<Self> {
        let replay = log::replay(&mut image, logs)?;
        let header = Header::read(&image)?;
        if image.len() < header::LENGTH {
            return Err(Error::corrupt(format!("{} bytes are no registry hive", image.len())));
        }
        if header.major != 1 || header.minor < 2 {
            let (major, minor) = (header.major, header.minor);
            return Err(Error::unsupported(format!("a registry hive of version {major}.{minor}")));
        }
        if options.strict && header.is_dirty() {
            let why = match replay.refused.as_slice() {
                [] if logs.is_empty() => "there are none".to_owned(),
                [] => "there is nothing in them that it needs".to_owned(),
                _ => replay.to_string(),
            };
            return Err(Error::new(ErrorKind::Unfinished, format!("{UNFINISHED}: {why}")));
        }
        let mut hive = Hive {
            image,
            map: CellMap::default(),
            options,
            editor: None,
            notes: Notes::default(),
            replay,
            root: Node(header.root),
        };
        hive.check_header(&header)?;
        let declared = header.bins.min(MAX_BINS);
        hive.map = CellMap::scan(hive.bins(), declared, |at, what| hive.damaged(at, what))?;
        hive.find_root()?;
        Ok(hive)
    }

    fn check_header(&self, header: &Header) -> Result<()> {
        let mut wrong = Vec::new();
        if !header.sum_is_right {
            wrong.push("the sum of the base block is wrong".to_owned());
        }
        if header.sequence_1 != header.sequence_2 {
            let (first, second) = (header.sequence_1, header.sequence_2);
            wrong.push(format!("writing it was not completed (sequence numbers {first} and {second})"));
        }
        if header.kind != 0 {
            wrong.push(format!("not a hive but a file of kind {}", header.kind));
        }
        wrong.into_iter().try_for_each(|what| self.damaged_file(0, what))
    }

    /// The root key is where the base block says, or else the first cell that says it is one.
    fn find_root(&mut self) -> Result<()> {
        let error = match self.key(self.root) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        self.damaged(self.root.0, format!("the root key cannot be read: {error}"))?;
        let is_root = |offset: &u32| {
            self.key(Node(*offset)).is_ok_and(|key| key.flags & ROOT_KEY != 0 && key.is_root_like())
        };
        // Every eighth byte: a cell begins nowhere else.
        let found = (0..self.map.end).step_by(8).find(|offset| {
            let at = index(*offset).saturating_add(4);
            self.bins().get(at..).is_some_and(|rest| rest.starts_with(b"nk")) && is_root(offset)
        });
        self.root = Node(found.ok_or(error)?);
        Ok(())
    }

    /// Everything after the base block.
    pub(crate) fn bins(&self) -> &[u8] {
        self.image.get(header::LENGTH..).unwrap_or_default()
    }

    pub(crate) fn bins_mut(&mut self) -> &mut [u8] {
        self.image.get_mut(header::LENGTH..).unwrap_or_default()
    }

    /// The content of the cell at `offset`, which is longer than what was stored by up to 7 bytes.
    pub(crate) fn content(&self, offset: u32) -> Result<&[u8]> {
        let cell = self.map.cell(self.bins(), offset)?;
        if !cell.used {
            self.damaged(offset, "a free cell that something refers to")?;
        }
        self.bins().slice(index(cell.start), index(cell.len))
    }

    /// Notes what is wrong with the cell at `offset`, or is an error if the hive is read strictly.
    pub(crate) fn damaged(&self, offset: u32, what: impl Into<std::borrow::Cow<'static, str>>) -> Result<()> {
        self.damaged_file(file_offset(offset), what)
    }

    fn damaged_file(&self, offset: u64, what: impl Into<std::borrow::Cow<'static, str>>) -> Result<()> {
        let note = Note { offset, what: what.into() };
        if self.options.strict {
            return Err(Error::corrupt(note.to_string()));
        }
        self.notes.add(note);
        Ok(())
    }

    /// The result, or nothing and a note about the cell at `offset`.
    pub(crate) fn or_note<T>(&self, offset: u32, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(error) => self.damaged(offset, error.to_string()).map(|()| None),
        }
    }

    /// What was wrong so far, in the order of the file; 1000 notes at most.
    pub fn notes(&self) -> Vec<Note> {
        self.notes.list()
    }

    /// What was taken from the logs.
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// The base block.
    ///
    /// # Errors
    /// None for a hive that could be opened.
    pub fn header(&self) -> Result<Header> {
        Header::read(&self.image)
    }

    /// When the hive was last written.
    ///
    /// # Errors
    /// As [`Hive::header`].
    pub fn last_modified(&self) -> Result<FileTime> {
        Ok(self.header()?.written)
    }

    /// The file's content as it is now: logs applied, changes made. [`Hive::commit`] first.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// As [`Hive::image`].
    pub fn into_image(self) -> Vec<u8> {
        self.image
    }

    /// The root key.
    pub fn root(&self) -> Node {
        self.root
    }

    /// The key of a handle.
    ///
    /// # Errors
    /// `InvalidInput` if there is no key there.
    pub fn node(&self, handle: u64) -> Result<Node> {
        let node = Node(offset_of(handle)?);
        self.key(node).map_err(|_| not_there(handle, "key"))?;
        Ok(node)
    }

    /// The value of a handle.
    ///
    /// # Errors
    /// `InvalidInput` if there is no value there.
    pub fn value(&self, handle: u64) -> Result<Value> {
        let value = Value(offset_of(handle)?);
        self.record(value).map_err(|_| not_there(handle, "value"))?;
        Ok(value)
    }

    /// The time for changes.
    pub(crate) fn now(&self) -> FileTime {
        self.options.time.unwrap_or_else(|| FileTime::from_system(SystemTime::now()))
    }
}

fn offset_of(handle: u64) -> Result<u32> {
    let offset = handle.checked_sub(header::LENGTH_32.into()).and_then(|offset| u32::try_from(offset).ok());
    offset.ok_or_else(|| not_there(handle, "cell"))
}

fn not_there(handle: u64, what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("there is no {what} at {handle:#x}"))
}

//! Blocks to entries, as they come: bytes are pushed in, and what they mean is told to a [`Receive`].
//!
//! ```text
//! Header ── x, g, L, K ──> Extended ──> Header        remembers records for the next entry
//!    └─ sparse 1.0 ──> Map ─┐
//!    └──────────────────────┴─> Content ──> Padding ──> Header
//!    └─ a block of zeros ──> Ended                     what follows is dropped
//! ```

use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;

use bstr::{BString, ByteSlice};
use tar::{EntryType, Header};

use super::{
    BLOCK, Entry, IDENTITY, Identity, Kind, MAX_EXTENDED, MAX_PIECES, REMARK, Remark, RemarkKind, Time,
    padding, pax,
};

/// How the keyword of an extended attribute begins.
pub(super) const XATTR: &[u8] = b"SCHILY.xattr.";
/// Longest number in a sparse map: digits of 2^64.
const MAX_DIGITS: usize = 20;

/// What a parser tells. An error ends the parsing.
pub trait Receive {
    /// An entry begins.
    ///
    /// # Errors
    /// The receiver's, as everywhere here.
    fn entry(&mut self, entry: Entry) -> io::Result<()>;

    /// Data of the entry, which lies at byte `offset` of the file. Pieces come in ascending order; holes do not come.
    ///
    /// # Errors
    /// See [`entry`](Self::entry).
    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// All data of the entry has come; a remark may still say that it is spoilt.
    ///
    /// # Errors
    /// See [`entry`](Self::entry).
    fn end(&mut self) -> io::Result<()>;

    /// A remark of the daemon.
    ///
    /// # Errors
    /// See [`entry`](Self::entry).
    fn remark(&mut self, remark: Remark) -> io::Result<()>;
}

/// The parser: an archive is written to it.
#[derive(Debug)]
pub struct Parser<R> {
    receiver: R,
    state: State,
    /// What of a header block or extended header has come.
    held: Vec<u8>,
    /// What extended headers said of the entry to come.
    next: Overrides,
    any: bool,
    wrong: Option<String>,
}

#[derive(Debug)]
enum State {
    Header,
    Extended {
        kind: Extended,
        length: usize,
    },
    /// The map of a sparse file: the entry that it belongs to, and how many bytes are left of the map and data.
    Map {
        entry: Box<Entry>,
        left: u64,
        map: Map,
    },
    /// Content: what is left of the present piece, the pieces after it, and the padding after them.
    Content {
        piece: Range<u64>,
        further: std::vec::IntoIter<Range<u64>>,
        padding: usize,
    },
    Padding(usize),
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Extended {
    Pax,
    Global,
    LongName,
    LongLink,
}

/// A map that is being read.
#[derive(Debug, Default)]
struct Map {
    digits: Vec<u8>,
    count: Option<u64>,
    start: Option<u64>,
    pieces: Vec<Range<u64>>,
    /// Bytes read so far.
    length: usize,
}

#[derive(Debug, Default)]
struct Overrides {
    path: Option<BString>,
    link: Option<BString>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    user: Option<BString>,
    group: Option<BString>,
    modified: Option<Time>,
    accessed: Option<Time>,
    xattrs: Vec<(BString, Vec<u8>)>,
    records: Vec<(BString, Vec<u8>)>,
    identity: Option<Identity>,
    sparse_major: Option<u64>,
    sparse_name: Option<BString>,
    sparse_size: Option<u64>,
    /// Something is there that changes what the content means, in a way that is not known.
    strange: Option<BString>,
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive is not understood: {}", what.into()))
}

impl<R: Receive> Parser<R> {
    /// A parser that tells `receiver`.
    pub fn new(receiver: R) -> Self {
        Parser {
            receiver,
            state: State::Header,
            held: Vec::new(),
            next: Overrides::default(),
            any: false,
            wrong: None,
        }
    }

    /// The receiver.
    pub fn receiver(&mut self) -> &mut R {
        &mut self.receiver
    }

    /// Has anything come at all?
    pub fn any(&self) -> bool {
        self.any
    }

    /// Is the archive complete?
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// What was not understood, if so; an error of the receiver is not that.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    /// The receiver, after the archive.
    pub fn into_receiver(self) -> R {
        self.receiver
    }

    /// Takes some of `bytes` and says how many.
    fn step(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Ended => Ok(bytes.len()),
            State::Padding(left) => {
                let count = bytes.len().min(*left);
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.state = State::Header;
                }
                Ok(count)
            }
            State::Header => {
                let count = hold(&mut self.held, bytes, BLOCK);
                if self.held.len() == BLOCK {
                    let block = std::mem::take(&mut self.held);
                    self.header(&block)?;
                    self.held = block;
                    self.held.clear();
                }
                Ok(count)
            }
            State::Extended { kind, length } => {
                let (kind, length) = (*kind, *length);
                let padded = length.next_multiple_of(BLOCK);
                let count = hold(&mut self.held, bytes, padded);
                if self.held.len() == padded {
                    let mut content = std::mem::take(&mut self.held);
                    content.truncate(length);
                    self.state = State::Header;
                    self.extended(kind, &content)?;
                }
                Ok(count)
            }
            State::Map { entry, left, map } => {
                let count = map.take(bytes, *left)?;
                *left = left.saturating_sub(count as u64);
                if map.is_whole() {
                    // The rest of the map's last block.
                    let rest = padding(map.length as u64);
                    if rest == 0 {
                        let mut pieces = std::mem::take(&mut map.pieces);
                        let (mut entry, left) = (entry.clone(), *left);
                        check_pieces(&pieces, entry.size, left)?;
                        pieces.retain(|piece| !piece.is_empty());
                        entry.pieces = Some(pieces);
                        self.begin(*entry)?;
                    }
                }
                Ok(count)
            }
            State::Content { piece, further, padding } => {
                let left = usize::try_from(piece.end.saturating_sub(piece.start)).unwrap_or(usize::MAX);
                let (data, _) = bytes.split_at(bytes.len().min(left));
                self.receiver.data(piece.start, data)?;
                piece.start = piece.start.saturating_add(data.len() as u64);
                while piece.is_empty() {
                    match further.next() {
                        Some(next) => *piece = next,
                        None => {
                            self.state = State::Padding(*padding);
                            if matches!(self.state, State::Padding(0)) {
                                self.state = State::Header;
                            }
                            self.receiver.end()?;
                            break;
                        }
                    }
                }
                Ok(data.len())
            }
        }
    }

    fn header(&mut self, block: &[u8]) -> io::Result<()> {
        if block.iter().all(|byte| *byte == 0) {
            self.state = State::Ended;
            return Ok(());
        }
        let header = Header::from_byte_slice(block);
        // The sum is of all bytes, those of its own field taken as spaces.
        let sum = block.iter().enumerate().fold(0u32, |sum, (at, byte)| {
            sum.wrapping_add(if (148..156).contains(&at) { 32 } else { (*byte).into() })
        });
        if header.cksum().ok() != Some(sum) {
            return Err(wrong("a header's checksum is wrong"));
        }
        let size = header.entry_size().map_err(|e| wrong(e.to_string()))?;
        let extended = match header.entry_type() {
            EntryType::XHeader => Some(Extended::Pax),
            EntryType::XGlobalHeader => Some(Extended::Global),
            EntryType::GNULongName => Some(Extended::LongName),
            EntryType::GNULongLink => Some(Extended::LongLink),
            _ => None,
        };
        if let Some(kind) = extended {
            // The largest record is within the limit; its keyword and digits come on top.
            match usize::try_from(size) {
                Ok(length) if length <= MAX_EXTENDED => self.state = State::Extended { kind, length },
                _ => return Err(wrong(format!("an extended header of {size} bytes"))),
            }
            if size == 0 {
                self.state = State::Header;
            }
            return Ok(());
        }
        let said = std::mem::take(&mut self.next);
        if let Some(strange) = said.strange {
            return Err(wrong(format!("the record {strange}")));
        }
        let entry = entry(header, &said)?;
        let stored = said.size.unwrap_or(size);
        if let Some(major) = said.sparse_major {
            if major != 1 || entry.kind != Kind::Regular {
                return Err(wrong("a sparse file of another form than 1.0"));
            }
            let mut entry = Entry {
                size: said.sparse_size.ok_or_else(|| wrong("a sparse file without a size"))?,
                ..entry
            };
            if let Some(name) = said.sparse_name {
                entry.path = name;
            }
            self.state = State::Map { entry: Box::new(entry), left: stored, map: Map::default() };
            return Ok(());
        }
        let entry = Entry { size: if entry.kind == Kind::Regular { stored } else { 0 }, ..entry };
        if entry.kind != Kind::Regular && stored > 0 {
            return Err(wrong("content of something that is no regular file"));
        }
        self.begin(entry)
    }

    /// Tells of an entry, and waits for its content.
    fn begin(&mut self, entry: Entry) -> io::Result<()> {
        if entry.path.contains(&0) || entry.link.contains(&0) {
            return Err(wrong("a name with a NUL byte"));
        }
        let length = entry.data_len();
        let padding = padding(length);
        let mut further = match &entry.pieces {
            Some(pieces) => pieces.clone(),
            None => std::iter::once(0..length).collect(),
        }
        .into_iter();
        self.receiver.entry(entry)?;
        match further.find(|piece| !piece.is_empty()) {
            Some(piece) => self.state = State::Content { piece, further, padding },
            None => {
                self.state = State::Header;
                self.receiver.end()?;
            }
        }
        Ok(())
    }

    fn extended(&mut self, kind: Extended, content: &[u8]) -> io::Result<()> {
        let text = || BString::from(content.strip_suffix(b"\0").unwrap_or(content));
        match kind {
            Extended::LongName => self.next.path = Some(text()),
            Extended::LongLink => self.next.link = Some(text()),
            Extended::Pax => {
                let mut records = content;
                while !records.is_empty() {
                    let (keyword, value) = pax::take(&mut records).ok_or_else(|| wrong("a pax record"))?;
                    self.next
                        .set(keyword, value)
                        .ok_or_else(|| wrong(format!("the record {}", keyword.as_bstr())))?;
                }
            }
            Extended::Global => {
                let mut records = content;
                while !records.is_empty() {
                    let (keyword, value) = pax::take(&mut records).ok_or_else(|| wrong("a pax record"))?;
                    if keyword != b"comment" {
                        return Err(wrong(format!("the global record {}", keyword.as_bstr())));
                    }
                    if let Some(remark) = remark(value) {
                        self.receiver.remark(remark)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl<R: Receive> Write for Parser<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.any = true;
            let step = self.step(rest);
            if let Err(e) = &step
                && e.kind() == io::ErrorKind::InvalidData
            {
                self.wrong = Some(e.to_string());
            }
            let count = step?;
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fills `held` up to `length` and says how many bytes that took.
fn hold(held: &mut Vec<u8>, bytes: &[u8], length: usize) -> usize {
    let count = length.saturating_sub(held.len()).min(bytes.len());
    held.extend_from_slice(bytes.get(..count).unwrap_or_default());
    count
}

fn remark(comment: &[u8]) -> Option<Remark> {
    let rest = comment.strip_prefix(REMARK)?;
    let (kind, rest) = rest.split_once_str(b":")?;
    let (path, text) = rest.split_once_str(b"\0")?;
    let (kind, _) = RemarkKind::NAMES.into_iter().find(|(_, name)| *name == kind)?;
    Some(Remark { kind, path: path.into(), text: text.into() })
}

impl Overrides {
    /// Notes a record; `None` if its value makes no sense.
    fn set(&mut self, keyword: &[u8], value: &[u8]) -> Option<()> {
        let id = |value| Some(Some(u32::try_from(pax::number(value)?).ok()?));
        match keyword {
            b"path" => self.path = Some(value.into()),
            b"linkpath" => self.link = Some(value.into()),
            b"size" => self.size = Some(pax::number(value)?),
            b"uid" => self.uid = id(value)?,
            b"gid" => self.gid = id(value)?,
            b"uname" => self.user = Some(value.into()),
            b"gname" => self.group = Some(value.into()),
            b"mtime" => self.modified = Some(pax::parse_time(value)?),
            b"atime" => self.accessed = Some(pax::parse_time(value)?),
            b"GNU.sparse.major" => self.sparse_major = Some(pax::number(value)?),
            b"GNU.sparse.minor" if value == b"0" => {}
            b"GNU.sparse.name" => self.sparse_name = Some(value.into()),
            b"GNU.sparse.realsize" => self.sparse_size = Some(pax::number(value)?),
            b"comment" => {
                if let Some(text) = value.strip_prefix(IDENTITY) {
                    let (device, inode) = text.split_once_str(b":")?;
                    self.identity =
                        Some(Identity { device: pax::number(device)?, inode: pax::number(inode)? });
                }
            }
            // Nothing that a copy has.
            b"ctime" => {}
            keyword if keyword.starts_with(XATTR) => {
                let name = pax::unescape(keyword.get(XATTR.len()..).unwrap_or_default());
                self.xattrs.push((name.into(), value.to_vec()));
            }
            keyword if keyword.starts_with(b"SCHILY.acl.") || keyword.starts_with(b"RHT.security.") => {
                self.records.push((keyword.into(), value.to_vec()));
            }
            keyword if keyword.starts_with(b"GNU.sparse.") => self.strange = Some(keyword.into()),
            _ => {}
        }
        Some(())
    }
}

fn entry(header: &Header, said: &Overrides) -> io::Result<Entry> {
    let bad = |e: io::Error| wrong(e.to_string());
    let number = |n: u64| u32::try_from(n).map_err(|_| wrong(format!("the number {n}")));
    let kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => Kind::Regular,
        EntryType::Link => Kind::HardLink,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Directory => Kind::Directory,
        EntryType::Char => Kind::CharDevice,
        EntryType::Block => Kind::BlockDevice,
        EntryType::Fifo => Kind::Fifo,
        other => return Err(wrong(format!("an entry of type {:?}", char::from(other.as_byte())))),
    };
    let device = match kind {
        Kind::CharDevice | Kind::BlockDevice => (
            header.device_major().map_err(bad)?.unwrap_or(0),
            header.device_minor().map_err(bad)?.unwrap_or(0),
        ),
        _ => (0, 0),
    };
    let seconds = match said.modified {
        Some(_) => 0,
        None => i64::try_from(header.mtime().map_err(bad)?).map_err(|_| wrong("a time"))?,
    };
    let owner = |said: Option<u32>, field: io::Result<u64>| match said {
        Some(id) => Ok(id),
        None => number(field.map_err(bad)?),
    };
    Ok(Entry {
        path: said.path.clone().unwrap_or_else(|| header.path_bytes().into_owned().into()),
        kind,
        link: match &said.link {
            Some(link) => link.clone(),
            None => header.link_name_bytes().map(Cow::into_owned).unwrap_or_default().into(),
        },
        permissions: header.mode().map_err(bad)? & 0o7777,
        uid: owner(said.uid, header.uid())?,
        gid: owner(said.gid, header.gid())?,
        user: said.user.clone().unwrap_or_else(|| header.username_bytes().unwrap_or_default().into()),
        group: said.group.clone().unwrap_or_else(|| header.groupname_bytes().unwrap_or_default().into()),
        modified: said.modified.unwrap_or(Time { seconds, nanoseconds: 0 }),
        accessed: said.accessed,
        device,
        size: 0,
        pieces: None,
        xattrs: said.xattrs.clone(),
        records: said.records.clone(),
        identity: said.identity,
    })
}

impl Map {
    fn is_whole(&self) -> bool {
        self.count.is_some_and(|count| self.pieces.len() as u64 >= count)
    }

    /// Takes some of `bytes`, of which at most `left` may belong to the map: up to its last number, then the rest of
    /// the block.
    fn take(&mut self, bytes: &[u8], left: u64) -> io::Result<usize> {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        if most == 0 {
            return Err(wrong("a sparse file's map has no end"));
        }
        if self.is_whole() {
            let count = padding(self.length as u64).min(bytes.len()).min(most);
            self.length = self.length.saturating_add(count);
            return Ok(count);
        }
        let mut taken = 0;
        for byte in bytes.iter().take(most) {
            taken += 1;
            self.length = self.length.saturating_add(1);
            if *byte != b'\n' {
                if self.digits.len() >= MAX_DIGITS {
                    return Err(wrong("a number of a sparse file's map"));
                }
                self.digits.push(*byte);
                continue;
            }
            let number = pax::number(&self.digits).ok_or_else(|| wrong("a number of a sparse file's map"))?;
            self.digits.clear();
            match (self.count, self.start.take()) {
                // One more for the empty piece at the end.
                (None, _) if number > MAX_PIECES as u64 + 1 => {
                    return Err(wrong(format!("a sparse file of {number} pieces")));
                }
                (None, _) => self.count = Some(number),
                (Some(_), None) => self.start = Some(number),
                (Some(_), Some(start)) => {
                    let end = start.checked_add(number).ok_or_else(|| wrong("a sparse file's map"))?;
                    self.pieces.push(start..end);
                }
            }
            if self.is_whole() {
                break;
            }
        }
        Ok(taken)
    }
}

/// Refuses a map whose pieces overlap, lie outside the file or are not what follows.
fn check_pieces(pieces: &[Range<u64>], size: u64, stored: u64) -> io::Result<()> {
    let mut end = 0;
    let mut sum = 0u64;
    for piece in pieces {
        if piece.start < end || piece.end > size {
            return Err(wrong("the pieces of a sparse file overlap or lie outside it"));
        }
        end = piece.end;
        sum = sum.saturating_add(piece.end.saturating_sub(piece.start));
    }
    if sum == stored { Ok(()) } else { Err(wrong("a sparse file's map does not fit its data")) }
}

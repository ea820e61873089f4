//! Rock Ridge: what POSIX has and ISO 9660 has not, in entries behind the names of directory records.
//!
//! Sources: IEEE P1281 (System Use Sharing Protocol 1.12), IEEE P1282 (Rock Ridge Interchange Protocol 1.12). Which entries count, and where Linux is more
//! forgiving than the protocol, is as in Linux.

use std::ops::ControlFlow;

use bstr::BString;

use super::Iso9660;
use super::record::{Record, time};
use super::zisofs::Compressed;
use crate::bytes::Fields;
use crate::fs::{DeviceNumber, Timestamp};
use crate::{Context, Error, ErrorKind, Result};

/// Bytes of an entry before what is its own.
const HEADER: usize = 4;
/// Most continuations of one record that are followed.
const MAX_CONTINUATIONS: u32 = 31;
/// Bytes that CD-ROM XA has before the entries.
const XA: usize = 14;
/// Longest name in bytes. A part that would make it longer is left out.
const MAX_NAME: usize = 253;
/// Bits of an entry `RR`: which others there are.
const RR_PX: u8 = 0x01;
const RR_SL: u8 = 0x04;
const RR_NM: u8 = 0x08;
const RR_CL: u8 = 0x10;
const RR_TF: u8 = 0x80;
/// In an entry `NM` and in a symbolic link: it goes on; this is "."; this is ".."; this is "/".
const CONTINUES: u8 = 0x01;
const CURRENT: u8 = 0x02;
const PARENT: u8 = 0x04;
const ROOT: u8 = 0x08;
/// Bits of an entry `TF`: which times there are, and that they have 17 bytes each.
const TF_CREATED: u8 = 0x01;
const TF_MODIFIED: u8 = 0x02;
const TF_ACCESSED: u8 = 0x04;
const TF_CHANGED: u8 = 0x08;
const TF_LONG: u8 = 0x80;

/// Whether there is Rock Ridge on a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is not looked for.
    No,
    /// Nothing says so, but entries are read where they are found.
    Maybe,
    /// The root directory says so.
    Yes,
}

/// How entries are found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protocol {
    pub(super) presence: Presence,
    /// Bytes to be passed over in each record, if the root directory said so.
    pub(super) skip: Option<usize>,
}

/// What is known of the name of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// Rock Ridge has none: that of ISO 9660 counts.
    None,
    Some(Vec<u8>),
    /// The record is that of a directory which shows elsewhere.
    Hidden,
}

/// What entries say of a file.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// Does an entry say that this is Rock Ridge?
    pub(super) says_so: bool,
    pub(super) skip: Option<usize>,
    pub(super) posix: Option<Posix>,
    pub(super) device: DeviceNumber,
    pub(super) created: Option<Timestamp>,
    pub(super) modified: Option<Timestamp>,
    pub(super) accessed: Option<Timestamp>,
    pub(super) changed: Option<Timestamp>,
    pub(super) link: Option<Link>,
    /// Block of the directory that stands here.
    pub(super) relocated: Option<u32>,
    /// How the file is compressed, if it is.
    pub(super) compressed: Option<Compressed>,
}

/// An entry `PX`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posix {
    pub(super) mode: u32,
    pub(super) links: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Target of a symbolic link, and its length as Linux reckons it.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) target: BString,
    pub(super) len: u64,
    /// Is a part of it cut off? Linux shows the length up to there then, and not where it leads.
    pub(super) damaged: bool,
}

impl Link {
    /// Adds an entry `SL`.
    fn add(&mut self, entry: &[u8]) -> Result<()> {
        let goes_on = entry.u8(HEADER)? & CONTINUES != 0;
        let mut rest = entry.get(HEADER + 1..).unwrap_or_default();
        while rest.len() > 1 {
            let (flags, len) = (rest.u8(0)?, usize::from(rest.u8(1)?));
            let Some(text) = rest.get(2..).and_then(|rest| rest.get(..len)) else {
                self.damaged = true;
                break;
            };
            let (part, counted): (&[u8], usize) = match flags & !CONTINUES {
                0 => (text, len),
                CURRENT => (b".", 1),
                PARENT => (b"..", 2),
                ROOT => (b"/", 1),
                _ => {
                    return Err(Error::unsupported(format!(
                        "a part of a symbolic link with flags {flags:#x}"
                    )));
                }
            };
            self.target.extend_from_slice(part);
            self.len = self.len.saturating_add(u64::try_from(counted).unwrap_or(u64::MAX));
            rest = rest.get(len.saturating_add(2)..).unwrap_or_default();
            let whole = flags & CONTINUES == 0;
            let is_root = flags & !CONTINUES == ROOT;
            if rest.len() < 2 {
                // The next part is in the next entry.
                if goes_on && whole {
                    self.len = self.len.saturating_add(1);
                    if !is_root {
                        self.target.push(b'/');
                    }
                }
            } else if whole && !is_root {
                self.len = self.len.saturating_add(1);
                self.target.push(b'/');
            }
        }
        Ok(())
    }
}

impl Iso9660 {
    /// Calls `each` for the entries of `record`, their headers included. `false` if they end in something else, as in
    /// zeros.
    fn rock_entries(
        &self,
        record: &Record,
        skip: usize,
        each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<bool> {
        let mut area = record.system_use().get(skip..).unwrap_or_default().to_vec();
        for _ in 0..=MAX_CONTINUATIONS {
            let mut next = None;
            let mut rest = &area[..];
            while rest.len() > 2 {
                let len = usize::from(rest.u8(2)?);
                if len < 3 {
                    return Ok(false);
                }
                let kind = rest.array::<2>(0)?;
                let Some(entry) = rest.get(..len) else {
                    // Linux shows the file without this entry; or not at all, if too little of it is there.
                    return if is_known(kind) {
                        Err(Error::corrupt("an entry of Rock Ridge is cut off"))
                    } else {
                        Ok(false)
                    };
                };
                if &kind == b"CE" {
                    next = Some([4, 12, 20].map(|at| entry.le32(at)));
                } else if each(entry)?.is_break() {
                    return Ok(true);
                }
                rest = rest.get(len..).unwrap_or_default();
            }
            let Some([block, offset, len]) = next else { return Ok(true) };
            let (block, offset, len) = (block?, offset?, len?);
            if block == 0 {
                return Ok(true);
            }
            if offset.checked_add(len).is_none_or(|end| end > self.volume.block_size) {
                return Err(Error::corrupt(format!(
                    "a continuation of {len} bytes at byte {offset} of a block"
                )));
            }
            let at = self.block_at(block).saturating_add(offset.into());
            area.clear();
            area.resize(crate::bytes::index(len), 0);
            self.source.read_at(at, &mut area).context(|| "reading entries of Rock Ridge".to_owned())?;
        }
        Err(Error::corrupt("a record with too many continuations"))
    }

    /// The name that Rock Ridge has for `record`.
    pub(super) fn rock_name(&self, record: &Record) -> Result<Name> {
        if self.rock.presence == Presence::No {
            return Ok(Name::None);
        }
        let mut name = Vec::new();
        let (mut hidden, mut full) = (false, false);
        let orderly = self.rock_entries(record, self.rock.skip.unwrap_or(0), &mut |entry| {
            match entry.array::<2>(0)? {
                [b'R', b'R'] if entry.u8(HEADER)? & RR_NM == 0 => {
                    name.clear();
                    return Ok(ControlFlow::Break(()));
                }
                [b'R', b'E'] => {
                    hidden = true;
                    return Ok(ControlFlow::Break(()));
                }
                [b'N', b'M'] if entry.len() > HEADER => {
                    let part = entry.get(HEADER + 1..).unwrap_or_default();
                    if entry.u8(HEADER)? & !CONTINUES != 0 || full {
                        // "." and "..", which the name of ISO 9660 says, too; and what no one knows.
                    } else if name.len().saturating_add(part.len()) > MAX_NAME {
                        full = true;
                    } else {
                        name.extend(part.iter().copied().take_while(|c| *c != 0));
                    }
                }
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        });
        let orderly = match orderly.context(|| format!("in the directory record at byte {}", record.at)) {
            Err(error) if self.is_no_rock(&error) => false,
            orderly => orderly?,
        };
        // Linux takes no name from entries that end in something else.
        Ok(match (hidden, name.is_empty() || !orderly) {
            (true, _) => Name::Hidden,
            (false, true) => Name::None,
            (false, false) => Name::Some(name),
        })
    }

    /// What Rock Ridge says of `record`.
    pub(super) fn rock_attributes(&self, record: &Record) -> Result<Attributes> {
        if self.rock.presence == Presence::No {
            return Ok(Attributes::default());
        }
        let read = |skip| match self.read_attributes(record, skip) {
            Err(error) if self.is_no_rock(&error) => Ok(Attributes::default()),
            read => read.context(|| format!("in the directory record at byte {}", record.at)),
        };
        let attributes = read(self.rock.skip.unwrap_or(0))?;
        let may_be_behind = self.rock.presence == Presence::Maybe && self.rock.skip.is_none();
        if may_be_behind && !attributes.says_so && attributes.skip.is_none() && attributes.posix.is_none() {
            return read(XA);
        }
        Ok(attributes)
    }

    /// Is `error` but a sign that what stands behind a name is not Rock Ridge?
    fn is_no_rock(&self, error: &Error) -> bool {
        self.rock.presence == Presence::Maybe && error.kind() == ErrorKind::Corrupt
    }

    fn read_attributes(&self, record: &Record, skip: usize) -> Result<Attributes> {
        let mut all = Attributes::default();
        self.rock_entries(record, skip, &mut |entry| {
            match entry.array::<2>(0)? {
                [b'R', b'R'] if entry.u8(HEADER)? & (RR_PX | RR_TF | RR_SL | RR_CL) == 0 => {
                    return Ok(ControlFlow::Break(()));
                }
                [b'S', b'P'] => {
                    if entry.slice(HEADER, 2)? != [0xBE, 0xEF] {
                        return Ok(ControlFlow::Break(()));
                    }
                    all.skip = Some(entry.u8(HEADER + 2)?.into());
                }
                [b'E', b'R'] => all.says_so = true,
                [b'P', b'X'] => {
                    let [mode, links, uid, gid] = [4, 12, 20, 28].map(|at| entry.le32(at));
                    all.posix = Some(Posix { mode: mode?, links: links?, uid: uid?, gid: gid? });
                }
                [b'P', b'N'] => {
                    let (major, minor) = (entry.le32(4)?, entry.le32(12)?);
                    // Some writers put all of a number into its lower half.
                    all.device = if major == 0 && minor > 0xFF {
                        DeviceNumber::of_linux(minor >> 8, minor & 0xFF)
                    } else {
                        DeviceNumber::of_linux(major, minor)
                    };
                }
                [b'T', b'F'] => times(entry, &mut all)?,
                [b'S', b'L'] => {
                    let link = all.link.get_or_insert_default();
                    link.add(entry)?;
                    if link.damaged {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                [b'C', b'L'] => all.relocated = Some(entry.le32(4)?),
                // Linux does not look at other ways to compress.
                [b'Z', b'F'] if entry.slice(HEADER, 2)? == b"pz" => {
                    let (header, bits, size) = (entry.u8(6)?, entry.u8(7)?, entry.le32(8)?);
                    all.compressed = Compressed::read(header, bits, size).or(all.compressed);
                }
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }
}

/// Kinds of entries that Linux looks into.
fn is_known(kind: [u8; 2]) -> bool {
    [b"SP", b"CE", b"ER", b"RR", b"PX", b"PN", b"SL", b"NM", b"CL", b"PL", b"TF", b"ZF"].contains(&&kind)
}

/// Reads an entry `TF`. As in Linux, the time of creation stands for that of the last change, if that is not there.
fn times(entry: &[u8], all: &mut Attributes) -> Result<()> {
    let flags = entry.u8(HEADER)?;
    if flags & TF_LONG != 0 {
        return Err(Error::unsupported("times of 17 bytes"));
    }
    let mut at = HEADER + 1;
    let mut next = |bit: u8| -> Result<Option<Timestamp>> {
        if flags & bit == 0 {
            return Ok(None);
        }
        let found = time(entry.slice(at, 7)?)?;
        at = at.saturating_add(7);
        Ok(Some(found))
    };
    all.created = next(TF_CREATED)?.or(all.created);
    all.modified = next(TF_MODIFIED)?.or(all.modified);
    all.accessed = next(TF_ACCESSED)?.or(all.accessed);
    all.changed = next(TF_CHANGED)?.or(all.changed);
    Ok(())
}

//! From a tree to an archive.
//!
//! Names of a directory go in the order of their inodes, which is about the order in which things lie on a disk. What
//! can't be read is left out or filled with zeros, a remark says so, and the walk goes on. A directory that comes up
//! twice is entered once only: a damaged filesystem can have a directory within itself.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use bstr::{BStr, BString, ByteSlice, ByteVec};
use disk::fs::{FileData, FileType, Timestamp};
use libguestfs_core::api::TarOutOpts;
use libguestfs_core::tar::{self, BLOCK, Entry, Identity, Kind, Remark, RemarkKind, Time};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use super::super::content::BUFFER;
use super::super::sink::{Gather, Sink};
use super::super::stat::device_number;
use super::content::pieces;
use super::excludes::Excludes;
use super::owners::Owners;
use crate::calls::acl;
use crate::engine::{DirId, Directory, Last, Status, Tree};
use crate::error::{At, Failure};

/// Deepest directory, as in the other calls that walk.
const MAX_DEPTH: usize = 4096;
/// Most files with several names whose first path is remembered, at about 150 bytes each. Those that come when so many
/// are waiting for their other names are sent with each name.
const MAX_LINKED: usize = 1 << 16;

/// Writes the archive of `start`.
///
/// # Errors
/// If `start` can't be read at all; the stream's; and, after the end of the archive, if something in it could not be
/// read.
pub(super) fn pack(tree: &dyn Tree, start: &BStr, out: &mut dyn Sink, opts: &TarOutOpts) -> Result<()> {
    let status = tree.status(start, Last::Itself).at(start)?;
    let numeric = opts.numericowner.unwrap_or(false);
    let mut packer = Packer {
        out: Gather::new(out),
        start,
        single: false,
        excludes: Excludes::new(opts.excludes.as_deref().unwrap_or_default()),
        owners: if numeric { Owners::default() } else { Owners::of(tree) },
        wanted: Wanted {
            xattrs: opts.xattrs.unwrap_or(false),
            selinux: opts.selinux.unwrap_or(false),
            acls: opts.acls.unwrap_or(false),
        },
        linked: HashMap::new(),
        buffer: vec![0; BUFFER],
        head: Vec::with_capacity(4 * BLOCK),
        failures: 0,
        first: None,
    };
    // A link to a directory stands for the directory only if the path says so.
    let trimmed = start.trim_end_with(|c| c == '/');
    if status.metadata.file_type == FileType::Directory || trimmed.len() < start.len() {
        let directory = tree.directory(start).at(start)?;
        packer.tree(directory)?;
    } else {
        let (parent, name) = trimmed.rsplit_once_str(b"/").unwrap_or((b"", trimmed));
        let parent = tree.directory([parent, b"/"].concat().as_bstr()).at(start)?;
        let path = [b"./", name].concat();
        packer.single = true;
        packer.entry(parent.as_ref(), name.as_bstr(), path.into())?;
    }
    packer.finish()
}

/// Attributes that go with the entries.
struct Wanted {
    xattrs: bool,
    selinux: bool,
    acls: bool,
}

impl Wanted {
    fn any(&self) -> bool {
        self.xattrs || self.selinux || self.acls
    }
}

/// A file with several names, after its first.
struct Linked {
    path: BString,
    /// Names that have not been met.
    left: u32,
}

/// A directory that is being packed.
struct Level<'t> {
    directory: Box<dyn Directory<'t> + 't>,
    /// Names still to pack, last first.
    names: Vec<BString>,
    /// Its path in the archive, with a slash at its end.
    path: BString,
}

struct Packer<'a> {
    out: Gather<'a>,
    start: &'a BStr,
    /// Is `start` the only entry?
    single: bool,
    excludes: Excludes<'a>,
    owners: Owners,
    wanted: Wanted,
    linked: HashMap<Identity, Linked>,
    buffer: Vec<u8>,
    head: Vec<u8>,
    failures: u64,
    first: Option<BString>,
}

impl Packer<'_> {
    /// The directory and all that is below it.
    fn tree<'t>(&mut self, top: Box<dyn Directory<'t> + 't>) -> Result<()> {
        let mut seen: HashSet<DirId> = HashSet::from([top.id()]);
        let mut levels = Vec::new();
        let root = BString::from("./");
        self.entry(top.as_ref(), ".".into(), root.clone())?;
        levels.extend(self.level(top, root)?);
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.pop() else {
                levels.pop();
                continue;
            };
            let mut path = level.path.clone();
            path.push_str(&name);
            if self.excludes.fit(&path) {
                continue;
            }
            let name = name.as_bstr();
            if self.entry(level.directory.as_ref(), name, path.clone())? != Some(FileType::Directory) {
                continue;
            }
            path.push(b'/');
            let directory = match level.directory.directory(name) {
                Ok(directory) => directory,
                Err(failure) => {
                    self.missing(&path, failure)?;
                    continue;
                }
            };
            if !seen.insert(directory.id()) {
                let why = "this directory is in the tree more than once";
                self.missing(&path, Failure::Text(Errno::EUCLEAN, why.into()))?;
            } else if levels.len() >= MAX_DEPTH {
                self.missing(&path, Failure::Text(Errno::ENAMETOOLONG, "directories are too deep".into()))?;
            } else {
                levels.extend(self.level(directory, path)?);
            }
        }
        Ok(())
    }

    /// The names of a directory; `None` if they can't be read.
    fn level<'t>(
        &mut self,
        directory: Box<dyn Directory<'t> + 't>,
        path: BString,
    ) -> Result<Option<Level<'t>>> {
        let mut names: Vec<(u64, BString)> = Vec::new();
        let read = directory.read(&mut |entry| {
            names.push((entry.number, entry.name.into()));
            ControlFlow::Continue(())
        });
        if let Err(failure) = read {
            self.missing(&path, failure)?;
            return Ok(None);
        }
        names.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        Ok(Some(Level { directory, names: names.into_iter().map(|(_, name)| name).collect(), path }))
    }

    /// Packs `name`, under `path`. Returns its kind, if it is in the archive.
    fn entry(
        &mut self,
        directory: &dyn Directory<'_>,
        name: &BStr,
        path: BString,
    ) -> Result<Option<FileType>> {
        let status = match directory.status(name) {
            Ok(status) => status,
            Err(failure) => return self.missing(&path, failure).map(|()| None),
        };
        let file_type = status.metadata.file_type;
        let Some(kind) = kind(file_type) else {
            let why = "a socket, which an archive can't hold";
            return self.remark(&Remark { kind: RemarkKind::LeftOut, path, text: why.into() }).map(|()| None);
        };
        let (mut entry, content) =
            match self.prepared(directory, name, Entry::new(path.clone(), kind), &status) {
                Ok(prepared) => prepared,
                Err(failure) => return self.missing(&path, failure).map(|()| None),
            };
        match self.first_name(&status, &entry) {
            Some(first) => {
                let owner = (entry.uid, entry.gid, entry.permissions);
                entry = Entry {
                    link: first,
                    modified: entry.modified,
                    identity: entry.identity,
                    ..Entry::new(path, Kind::HardLink)
                };
                (entry.uid, entry.gid, entry.permissions) = owner;
                self.put(&entry, None)?;
            }
            None => self.put(&entry, content)?,
        }
        Ok(Some(file_type))
    }

    /// All that an archive says of `name`, with its content if it has any.
    fn prepared<'t>(
        &self,
        directory: &dyn Directory<'t>,
        name: &BStr,
        mut entry: Entry,
        status: &Status,
    ) -> std::result::Result<(Entry, Option<Box<dyn FileData + 't>>), Failure> {
        let metadata = &status.metadata;
        let mut content = None;
        entry.permissions = metadata.permissions.into();
        (entry.uid, entry.gid) = (metadata.uid, metadata.gid);
        (entry.user, entry.group) = (self.owners.user(metadata.uid), self.owners.group(metadata.gid));
        entry.modified = time(metadata.modified);
        entry.accessed = Some(time(metadata.accessed));
        match entry.kind {
            Kind::Directory if !entry.path.ends_with(b"/") => entry.path.push(b'/'),
            Kind::Symlink => entry.link = directory.read_link(name)?,
            Kind::CharDevice | Kind::BlockDevice => {
                entry.device = (metadata.device.major, metadata.device.minor);
            }
            Kind::Regular => {
                let mut file = directory.open(name)?;
                entry.size = file.len();
                entry.pieces = pieces(file.as_mut())?;
                content = Some(file);
            }
            _ => {}
        }
        if entry.kind != Kind::Directory && metadata.links > 1 {
            entry.identity = Some(identity(status));
        }
        if self.wanted.any() {
            self.attributes(directory.xattrs(name)?, &mut entry)?;
        }
        Ok((entry, content))
    }

    fn attributes(&self, found: Vec<disk::fs::Xattr>, entry: &mut Entry) -> std::result::Result<(), Failure> {
        for xattr in found {
            let name = xattr.name.as_bytes();
            if self.wanted.acls && (name == acl::ACCESS || name == acl::DEFAULT) {
                let text = acl::short(&xattr.value)
                    .ok_or_else(|| Failure::Text(Errno::EUCLEAN, "its ACL makes no sense".into()))?;
                let keyword = if name == acl::ACCESS { "SCHILY.acl.access" } else { "SCHILY.acl.default" };
                entry.records.push((keyword.into(), text.into_bytes()));
            }
            if self.wanted.selinux && name == b"security.selinux" {
                let label = xattr.value.strip_suffix(b"\0").unwrap_or(&xattr.value);
                entry.records.push(("RHT.security.selinux".into(), label.to_vec()));
            }
            if self.wanted.xattrs {
                entry.xattrs.push((xattr.name, xattr.value.into()));
            }
        }
        Ok(())
    }

    /// The path under which the inode is in the archive already, if it is. Notes this one otherwise.
    fn first_name(&mut self, status: &Status, entry: &Entry) -> Option<BString> {
        let identity = entry.identity?;
        if let Some(linked) = self.linked.get_mut(&identity) {
            linked.left = linked.left.saturating_sub(1);
            if linked.left > 0 {
                return Some(linked.path.clone());
            }
            return self.linked.remove(&identity).map(|linked| linked.path);
        }
        if self.linked.len() < MAX_LINKED {
            let left = status.metadata.links.saturating_sub(1);
            self.linked.insert(identity, Linked { path: entry.path.clone(), left });
        }
        None
    }

    /// Sends an entry with its content.
    fn put(&mut self, entry: &Entry, content: Option<Box<dyn FileData + '_>>) -> Result<()> {
        self.head.clear();
        if let Err(e) = tar::encode(entry, &mut self.head) {
            if let Some(identity) = entry.identity {
                self.linked.remove(&identity);
            }
            return self.missing(&entry.path, Failure::Text(Errno::E2BIG, e.to_string()));
        }
        self.out.write(&self.head)?;
        let Some(mut file) = content else { return Ok(()) };
        let mut spoilt = None;
        let whole = 0..entry.size;
        for piece in entry.pieces.as_deref().unwrap_or(std::slice::from_ref(&whole)) {
            let mut at = piece.start;
            while at < piece.end {
                let count = usize::try_from(piece.end.saturating_sub(at))
                    .unwrap_or(usize::MAX)
                    .min(self.buffer.len());
                let part = self.buffer.get_mut(..count).unwrap_or_default();
                if spoilt.is_none() {
                    spoilt = read(file.as_mut(), at, part).err();
                }
                if spoilt.is_some() {
                    part.fill(0);
                }
                self.out.write(part)?;
                at = at.saturating_add(count as u64);
            }
        }
        self.out.write(tar::END.get(..tar::padding(entry.data_len())).unwrap_or_default())?;
        match spoilt {
            None => Ok(()),
            Some(failure) => self.failed(RemarkKind::Spoilt, &entry.path, failure),
        }
    }

    fn missing(&mut self, path: &BString, failure: Failure) -> Result<()> {
        self.failed(RemarkKind::Missing, path, failure)
    }

    /// Says that something could not be read.
    fn failed(&mut self, kind: RemarkKind, path: &BString, failure: Failure) -> Result<()> {
        let start = self.start.trim_end_with(|c| c == '/').as_bstr();
        let place = match path.strip_prefix(b"./").unwrap_or(path).trim_end_with(|c| c == '/').as_bstr() {
            below if !self.single && !below.is_empty() => format!("{start}/{below}"),
            _ if start.is_empty() => "/".to_owned(),
            _ => start.to_string(),
        };
        let text = BString::from(failure.at(place).message());
        self.failures = self.failures.saturating_add(1);
        if self.first.is_none() {
            self.first = Some(text.clone());
        }
        self.remark(&Remark { kind, path: path.clone(), text })
    }

    fn remark(&mut self, remark: &Remark) -> Result<()> {
        self.head.clear();
        tar::encode_remark(remark, &mut self.head);
        self.out.write(&self.head)
    }

    fn finish(mut self) -> Result<()> {
        self.out.write(&tar::END)?;
        self.out.flush()?;
        match self.first {
            None => Ok(()),
            Some(first) if self.failures == 1 => Err(Error::daemon(Errno::EIO, first.to_string())),
            Some(first) => {
                let more = self.failures.saturating_sub(1);
                Err(Error::daemon(Errno::EIO, format!("{first} (and {more} more could not be read)")))
            }
        }
    }
}

/// What an archive calls a kind of file, if it can hold it.
fn kind(file_type: FileType) -> Option<Kind> {
    Some(match file_type {
        FileType::Regular => Kind::Regular,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::CharDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => return None,
    })
}

fn read(file: &mut dyn FileData, at: u64, part: &mut [u8]) -> std::result::Result<(), Failure> {
    let count = file.read_at(at, part).map_err(|e| Failure::disk("".into(), e))?;
    if count == part.len() { Ok(()) } else { Err(Failure::Text(Errno::EIO, "unexpected end of file".into())) }
}

fn identity(status: &Status) -> Identity {
    // Inodes of different subvolumes may have the same number.
    let device = device_number(status.device).cast_unsigned() ^ status.metadata.subvolume.rotate_left(32);
    Identity { device, inode: status.metadata.number }
}

fn time(time: Timestamp) -> Time {
    Time { seconds: time.seconds, nanoseconds: time.nanoseconds }
}

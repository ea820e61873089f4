//! What inspection needs to know of a guest: two small traits that an engine implements, and path lookup over them.
//!
//! ```text
//! Guest   the disks: which filesystems, partitions and volumes there are, which device bears a UUID
//!   └─ Tree   one filesystem: what lies at a path, without following symbolic links
//!        └─ Files   paths with links followed, files read: never outside the tree, never without bound
//! ```

use std::collections::VecDeque;
use std::{fmt, iter};

use bstr::{BStr, BString, ByteSlice};

/// Links followed on the way to one file before it counts as absent (Linux: `MAXSYMLINKS`, path_resolution(7)).
const LINKS_MAX: u32 = 40;
/// Longest path in bytes, with every link replaced by its target (Linux: `PATH_MAX`).
const PATH_MAX: usize = 4096;

/// The disks of a guest.
///
/// `Err` from any method ends the inspection: the engine itself fails. What is wrong with one disk or filesystem is no such
/// error, but a [`Trouble`]. Device names are the canonical ones of the API: `/dev/sda1`,
/// `/dev/VG/LV`, `/dev/md0`.
pub trait Guest {
    /// What an engine fails with.
    type Error;
    /// One filesystem, readable.
    type Tree: Tree<Error = Self::Error>;

    /// What is on the disks.
    ///
    /// # Errors
    /// If the disks cannot be read.
    fn disks(&mut self) -> Result<Disks, Self::Error>;

    /// Makes a filesystem of [`Disks::filesystems`] readable. Swap is never asked for.
    ///
    /// # Errors
    /// If the disks cannot be read.
    fn open(&mut self, filesystem: &Filesystem) -> Result<Opened<Self::Tree>, Self::Error>;

    /// The device that bears `value`, as findfs(8) finds it.
    ///
    /// # Errors
    /// If the disks cannot be read.
    fn find(&mut self, tag: Tag, value: &BStr) -> Result<Option<BString>, Self::Error>;

    /// The path of subvolume `id` from the top of the btrfs on `device`; empty for the top itself.
    ///
    /// # Errors
    /// If the disks cannot be read.
    fn subvolume(&mut self, device: &BStr, id: u64) -> Result<Option<BString>, Self::Error>;
}

/// What [`Guest::open`] came to.
#[derive(Debug)]
pub enum Opened<T> {
    /// The filesystem can be read.
    Tree(T),
    /// It is no filesystem.
    Nothing,
    /// It cannot be read.
    Unread(Trouble),
}

/// Why a filesystem, or a part of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It is damaged, or the disk below it cannot be read; with what was met.
    Damaged(String),
    /// It may be right, but this engine does not fully understand it, and another one may; with what was met.
    Unsupported(String),
}

impl Trouble {
    /// The first of two, unless another engine may only help with the second.
    #[must_use]
    pub fn or_first(self, earlier: Option<Trouble>) -> Trouble {
        match (earlier, self) {
            (Some(Trouble::Damaged(_)), later @ Trouble::Unsupported(_)) => later,
            (Some(earlier), _) => earlier,
            (None, later) => later,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Damaged(what) | Trouble::Unsupported(what) => f.write_str(what),
        }
    }
}

/// A kind of name by which fstab refers to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `UUID=`: of the filesystem or swap space.
    Uuid,
    /// `LABEL=`: of the filesystem or swap space.
    Label,
    /// `PARTUUID=`: of the partition.
    PartUuid,
    /// `PARTLABEL=`: name of the partition.
    PartLabel,
}

/// A mountable of `list_filesystems` with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Device, or `btrfsvol:DEVICE/SUBVOLUME`.
    pub mountable: BString,
    /// Type as `blkid` names it; `unknown` if it cannot tell.
    pub kind: BString,
}

/// A logical volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogicalVolume {
    /// `/dev/VG/LV`.
    pub device: BString,
    /// Name of the volume group.
    pub group: BString,
    /// Name of the volume in its group.
    pub name: BString,
    /// UUID of the group, with or without dashes.
    pub group_uuid: BString,
    /// UUID of the volume, with or without dashes.
    pub uuid: BString,
    /// The device of the volume that it is a snapshot of.
    pub origin: Option<BString>,
}

/// An MD array that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// Its device.
    pub device: BString,
    /// Its UUID, with or without punctuation.
    pub uuid: BString,
    /// The name in its superblocks, `HOST:NAME` or `NAME`; empty if it has none.
    pub name: BString,
}

/// An encrypted device that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocked {
    /// The opened device: `/dev/mapper/NAME`.
    pub device: BString,
    /// UUID of the encrypted device, with or without dashes.
    pub uuid: BString,
    /// The encrypted device.
    pub encrypted: BString,
}

/// A partition of a GPT with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GptPartition {
    /// The partition.
    pub device: BString,
    /// The disk that it is on.
    pub disk: BString,
    /// Its type GUID, in capitals.
    pub kind: BString,
    /// Its own GUID, as it stands on the disk.
    pub guid: [u8; 16],
}

/// A partition of an MBR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MbrPartition {
    /// The partition.
    pub device: BString,
    /// The signature of its disk.
    pub signature: u32,
    /// Where it begins on the disk, in bytes.
    pub start: u64,
}

/// A volume of Microsoft's dynamic disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicVolume {
    /// The volume.
    pub device: BString,
    /// Its GUID as Windows may remember it; a volume comes up once for each order of bytes.
    pub guid: [u8; 16],
}

/// What is on the disks of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disks {
    /// Whole disks in the order in which they were added.
    pub devices: Vec<BString>,
    /// Partitions, disk by disk.
    pub partitions: Vec<BString>,
    /// Logical volumes that can be read.
    pub logical_volumes: Vec<LogicalVolume>,
    /// MD arrays that run.
    pub arrays: Vec<Array>,
    /// Encrypted devices that are open.
    pub unlocked: Vec<Unlocked>,
    /// The partitions of GPTs, in the order of their numbers.
    pub gpt: Vec<GptPartition>,
    /// The partitions of MBRs, logical ones among them, in the order of their numbers.
    pub mbr: Vec<MbrPartition>,
    /// The volumes of dynamic disks that can be read.
    pub dynamic: Vec<DynamicVolume>,
    /// What `list_filesystems` returns, in its order.
    pub filesystems: Vec<Filesystem>,
    /// What is damaged below filesystems, such as the metadata of volumes: a sentence each.
    pub damage: Vec<String>,
}

impl Disks {
    /// Is the filesystem on a snapshot of a volume?
    pub(super) fn is_snapshot(&self, filesystem: &Filesystem) -> bool {
        self.origins(filesystem.mountable.as_bstr()).next().is_some()
    }

    /// The volumes that a device is a snapshot of, nearest first: there are snapshots of snapshots.
    pub(super) fn origins(&self, device: &BStr) -> impl Iterator<Item = &BString> {
        let origin = |device: &BStr| {
            let mut volumes = self.logical_volumes.iter();
            volumes.find(|volume| volume.device == device)?.origin.as_ref()
        };
        // Damaged metadata could go in a circle.
        iter::successors(origin(device), move |of| origin(of.as_bstr())).take(self.logical_volumes.len())
    }

    /// The disk that a partition is on; nothing for a volume, which may be on any.
    pub(super) fn disk_of(&self, device: &BStr) -> Option<&BString> {
        let named_after = |disk: &&BString| {
            let number =
                device.strip_prefix(disk.as_slice()).map(|rest| rest.strip_prefix(b"p").unwrap_or(rest));
            number.is_some_and(|number| number.iter().all(u8::is_ascii_digit))
        };
        self.devices.iter().find(named_after)
    }
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A regular file of so many bytes.
    File(u64),
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Something that is never opened: a device, a FIFO, a socket.
    Special,
}

/// A filesystem, read-only.
///
/// Paths are absolute, without `.`, `..`, empty elements or a final slash (but for `/` itself), and no element of them
/// but the last is a symbolic link: whoever asks has looked. An implementation follows no link at all.
///
/// A place that cannot be read answers as if nothing were there, and [`trouble`](Self::trouble) tells. `Err` ends the
/// inspection.
pub trait Tree {
    /// What a read fails with.
    type Error;

    /// What lies at `path`, as `lstat` sees it; `None` if nothing does.
    ///
    /// # Errors
    /// As said above; the same goes for all methods.
    fn entry(&mut self, path: &BStr) -> Result<Option<Entry>, Self::Error>;

    /// The target of the symbolic link at `path`.
    ///
    /// # Errors
    /// As said above.
    fn read_link(&mut self, path: &BStr) -> Result<Option<BString>, Self::Error>;

    /// The first `max` bytes of the regular file at `path`, or all of it if it is shorter.
    ///
    /// # Errors
    /// As said above.
    fn read(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The name in directory `path` that equals `name` but for the case of ASCII letters.
    ///
    /// # Errors
    /// As said above.
    fn find_nocase(&mut self, path: &BStr, name: &BStr) -> Result<Option<BString>, Self::Error>;

    /// The names in directory `path` but `.` and `..`, sorted; of more than `max`, any `max`.
    ///
    /// # Errors
    /// As said above.
    fn names(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<BString>>, Self::Error>;

    /// What kept a place from being read since the filesystem was opened, as [`Trouble::or_first`] chooses; `None` if all
    /// that was asked for was readable, or if this tree ends the inspection otherwise.
    fn trouble(&mut self) -> Option<Trouble> {
        None
    }
}

/// Paths in a [`Tree`], with symbolic links followed inside the tree only.
#[derive(Debug)]
pub(super) struct Files<T> {
    tree: T,
    /// The directory in which all paths begin, and which no link or `..` leaves.
    top: BString,
    /// The first file that was longer than what is read of its kind.
    too_long: Option<BString>,
}

impl<T: Tree> Files<T> {
    pub(super) fn new(tree: T) -> Self {
        Files { tree, top: "/".into(), too_long: None }
    }

    /// The first file that was not read because it was too long.
    pub(super) fn too_long(&self) -> Option<&BString> {
        self.too_long.as_ref()
    }

    /// Lets paths begin in the directory `path` of the tree, as chroot(2) does. It has no link on its way.
    pub(super) fn enter(&mut self, path: BString) {
        self.top = path;
    }

    /// The names in the directory that `path` leads to, sorted; any `max` of more.
    pub(super) fn names(&mut self, path: &[u8], max: usize) -> Result<Vec<BString>, T::Error> {
        match self.find(path, true)? {
            Some((path, Entry::Directory)) => Ok(self.tree.names(path.as_bstr(), max)?.unwrap_or_default()),
            _ => Ok(Vec::new()),
        }
    }

    /// The path of the directory that `path` leads to, in the tree and without links.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<Option<BString>, T::Error> {
        Ok(match self.find(path, true)? {
            Some((path, Entry::Directory)) => Some(path),
            _ => None,
        })
    }

    /// Is `path` a regular file itself?
    pub(super) fn is_file(&mut self, path: &str) -> Result<bool, T::Error> {
        Ok(matches!(self.find(path.as_bytes(), false)?, Some((_, Entry::File(_)))))
    }

    /// Does `path` lead to a regular file?
    pub(super) fn leads_to_file(&mut self, path: &str) -> Result<bool, T::Error> {
        Ok(matches!(self.find(path.as_bytes(), true)?, Some((_, Entry::File(_)))))
    }

    /// Is `path` a directory itself?
    pub(super) fn is_directory(&mut self, path: &str) -> Result<bool, T::Error> {
        Ok(matches!(self.find(path.as_bytes(), false)?, Some((_, Entry::Directory))))
    }

    /// The target of `path` if that is a symbolic link.
    pub(super) fn link(&mut self, path: &str) -> Result<Option<BString>, T::Error> {
        match self.find(path.as_bytes(), false)? {
            Some((path, Entry::Symlink)) => self.tree.read_link(path.as_bstr()),
            _ => Ok(None),
        }
    }

    /// The path that `path` is but for case, and what is there. Links are not followed.
    pub(super) fn find_any_case(&mut self, path: &[u8]) -> Result<Option<(BString, Entry)>, T::Error> {
        find_any_case(&mut self.tree, self.top.as_bstr(), path.as_bstr())
    }

    /// The tree itself, for what reads it by paths without links.
    pub(super) fn tree(&mut self) -> &mut T {
        &mut self.tree
    }

    /// What `path` is, if each of its elements is looked up without regard to case. Links are not followed.
    pub(super) fn entry_nocase(&mut self, path: &str) -> Result<Option<Entry>, T::Error> {
        Ok(self.find_any_case(path.as_bytes())?.map(|(_, entry)| entry))
    }

    /// All of the regular file that `path` leads to. `None` if there is no such file, or it has more than `max` bytes.
    pub(super) fn read(&mut self, path: impl AsRef<[u8]>, max: usize) -> Result<Option<Vec<u8>>, T::Error> {
        match self.find(path.as_ref(), true)? {
            Some((path, Entry::File(size))) if usize::try_from(size).is_ok_and(|size| size <= max) => {
                self.tree.read(path.as_bstr(), max)
            }
            Some((path, Entry::File(_))) => {
                self.too_long.get_or_insert(path);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// The first `max` bytes of the regular file that `path` leads to.
    pub(super) fn read_start(
        &mut self,
        path: impl AsRef<[u8]>,
        max: usize,
    ) -> Result<Option<Vec<u8>>, T::Error> {
        match self.find(path.as_ref(), true)? {
            Some((path, Entry::File(_))) => self.tree.read(path.as_bstr(), max),
            _ => Ok(None),
        }
    }

    /// Walks `path` from the root; links in the middle are followed, one at the end if `follow` says so.
    fn find(&mut self, path: &[u8], follow: bool) -> Result<Option<(BString, Entry)>, T::Error> {
        let mut done = self.top.clone();
        let mut entry = Entry::Directory;
        let mut todo: VecDeque<BString> = elements(path).map(BString::from).collect();
        let mut links = 0;
        while let Some(element) = todo.pop_front() {
            if entry != Entry::Directory {
                return Ok(None);
            }
            if element == ".." {
                pop(&mut done, self.top.len());
                continue;
            }
            let parent = done.len();
            push(&mut done, &element);
            if done.len() > PATH_MAX {
                return Ok(None);
            }
            match self.tree.entry(done.as_bstr())? {
                None => return Ok(None),
                Some(Entry::Symlink) if follow || !todo.is_empty() => {
                    links += 1;
                    let Some(target) = self.tree.read_link(done.as_bstr())? else { return Ok(None) };
                    if links > LINKS_MAX || target.len() > PATH_MAX {
                        return Ok(None);
                    }
                    done.truncate(if target.starts_with(b"/") { self.top.len() } else { parent });
                    for element in elements(&target).rev() {
                        todo.push_front(element.into());
                    }
                }
                Some(found) => entry = found,
            }
        }
        Ok(Some((done, entry)))
    }
}

/// The path below the directory `top` that equals `path` but for the case of ASCII letters, as the filesystem spells it, and
/// what is there. A name in the very case counts before others, and no link is followed.
///
/// # Errors
/// As [`Tree`] says.
pub fn find_any_case<T: Tree>(
    tree: &mut T,
    top: &BStr,
    path: &BStr,
) -> Result<Option<(BString, Entry)>, T::Error> {
    let (mut found, mut entry) = (top.to_owned(), Entry::Directory);
    for element in elements(path) {
        if entry != Entry::Directory || element == b".." {
            return Ok(None);
        }
        let directory = found.clone();
        push(&mut found, element);
        let mut is = tree.entry(found.as_bstr())?;
        if is.is_none()
            && let Some(name) = tree.find_nocase(directory.as_bstr(), element.as_bstr())?
        {
            found = directory;
            push(&mut found, &name);
            is = tree.entry(found.as_bstr())?;
        }
        match is {
            Some(is) => entry = is,
            None => return Ok(None),
        }
    }
    Ok(Some((found, entry)))
}

/// The elements of a path but empty ones and `.`.
fn elements(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&b| b == b'/').filter(|element| !matches!(*element, b"" | b"."))
}

/// Adds an element to a path.
fn push(path: &mut BString, element: &[u8]) {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(element);
}

/// Takes the last element off a path, down to the `top` bytes that stay: the parent of `/` is `/`.
fn pop(path: &mut BString, top: usize) {
    let slash = path.rfind_byte(b'/').unwrap_or(0);
    path.truncate(slash.max(top));
}

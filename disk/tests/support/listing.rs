//! Listings of whole filesystems, one line an inode name, in the same format from an image as this crate reads it and
//! from a directory as the kernel shows it: equal filesystems give equal listings.
//!
//! The first line has the numbers of `statvfs`. The others are sorted by path, with fields separated by tabs: path,
//! type, permissions, inode, links, owner, group, device, size, blocks, block size, times (access, content, inode,
//! creation), SHA-256 (of very large files: of the ranges with data) or link target or order of names, ranges with data, extended attributes in their order. Bytes that are not
//! printable ASCII are written as `\xNN`.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::ops::{ControlFlow, Range};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use disk::fs::{FileType, Filesystem, InodeId, Timestamp};
use disk::{ErrorKind, ReadAt};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::unistd::{Whence, lseek};
use sha2::{Digest, Sha256};

/// How much of a file is read at a time, in bytes.
const PIECE: usize = 1 << 20;
/// Of files larger than this, in bytes, only the ranges with data are read.
const WHOLE: u64 = 256 << 20;

/// An image file.
#[derive(Debug)]
pub(crate) struct Image {
    file: File,
    len: u64,
}

impl Image {
    /// Opens the image at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Arc<Self>> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Arc::new(Image { file, len }))
    }
}

impl ReadAt for Image {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> disk::Result<()> {
        self.file.read_exact_at(buf, offset).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => disk::Error::new(ErrorKind::Corrupt, "past the end of the image"),
            _ => disk::Error::io("reading the image", e),
        })
    }
}

/// One line of a listing, before it is written.
struct Line {
    path: Vec<u8>,
    fields: String,
}

fn print(lines: Vec<Line>, first: String) -> String {
    let mut lines = lines;
    lines.sort_by(|a, b| a.path.cmp(&b.path));
    lines.iter().fold(first, |mut text, line| {
        let _ = writeln!(text, "{}\t{}", escape(&line.path), line.fields);
        text
    })
}

fn escape(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        if b.is_ascii_graphic() && *b != b'\\' {
            text.push(char::from(*b));
        } else {
            let _ = write!(text, "\\x{b:02x}");
        }
        text
    })
}

fn time(t: Timestamp) -> String {
    format!("{}.{:09}", t.seconds, t.nanoseconds)
}

/// Names in the order in which they are listed: the first ones, and a hash of all.
fn order_of<'a>(names: impl Iterator<Item = &'a [u8]>) -> String {
    const FIRST: usize = 12;
    let mut hash = Sha256::new();
    let mut first = String::new();
    for (nr, name) in names.enumerate() {
        hash.update(name);
        hash.update([0]);
        if nr < FIRST {
            let _ = write!(first, "{} ", escape(name));
        }
    }
    format!("{first}{:x}", hash.finalize())
}

fn letter(file_type: FileType) -> char {
    match file_type {
        FileType::Regular => 'f',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::BlockDevice => 'b',
        FileType::CharDevice => 'c',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
    }
}

/// Lists `fs`. Every name is also looked up by itself, and so is one that does not exist.
pub(crate) fn of_filesystem(fs: &dyn Filesystem) -> disk::Result<String> {
    let first = match fs.stat_fs() {
        Ok(stats) => format!(
            "statvfs {} {} {} {} {} {} {} {:#x} {}\n",
            stats.block_size,
            stats.fragment_size,
            stats.blocks,
            stats.blocks_free,
            stats.blocks_available,
            stats.files,
            stats.files_free,
            stats.id,
            stats.name_max
        ),
        // Not known, where all else may be.
        Err(e) if e.kind() == ErrorKind::Unsupported => "statvfs refused\n".to_owned(),
        Err(e) => return Err(e),
    };
    let mut lines = Vec::new();
    let mut todo = vec![(Vec::from(b"/"), fs.root())];
    while let Some((path, inode)) = todo.pop() {
        let at = |e: disk::Error| e.context(escape(&path));
        let metadata = fs.metadata(inode).map_err(at)?;
        let mut order = String::new();
        if metadata.file_type == FileType::Directory {
            let mut names = Vec::<(Vec<u8>, InodeId)>::new();
            fs.read_dir(inode, &mut |entry| {
                names.push((entry.name.to_vec(), entry.inode));
                ControlFlow::Continue(())
            })
            .map_err(at)?;
            order = order_of(names.iter().map(|(name, _)| &name[..]));
            for (name, inode_of_name) in names {
                let found = fs.lookup(inode, &name).map_err(at)?;
                let mut missing = name.clone();
                missing.truncate(250);
                missing.extend(b"\x01?");
                if found != Some(inode_of_name) || fs.lookup(inode, &missing).map_err(at)?.is_some() {
                    let what = format!("lookup of {} gives {found:?}", escape(&name));
                    return Err(at(disk::Error::corrupt(what)));
                }
                let mut below = path.clone();
                if below != b"/" {
                    below.push(b'/');
                }
                below.extend(name);
                todo.push((below, inode_of_name));
            }
        }
        let (content, ranges) = match metadata.file_type {
            FileType::Regular => content(fs, inode).map_err(at)?,
            FileType::Symlink => (escape(&fs.read_link(inode).map_err(at)?), String::new()),
            _ => (order, String::new()),
        };
        let xattrs = fs.xattrs(inode).map_err(at)?.iter().fold(String::new(), |mut text, xattr| {
            let _ = write!(text, "{}={},", escape(&xattr.name), escape(&xattr.value));
            text
        });
        let m = metadata;
        let fields = format!(
            "{}\t{:04o}\t{}\t{}\t{}\t{}\t{}:{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{content}\t{ranges}\t{xattrs}",
            letter(m.file_type),
            m.permissions,
            m.number,
            m.links,
            m.uid,
            m.gid,
            m.device.major,
            m.device.minor,
            m.size,
            m.blocks,
            m.block_size,
            time(m.accessed),
            time(m.modified),
            time(m.changed),
            m.created.map(time).unwrap_or_default(),
        );
        lines.push(Line { path, fields });
    }
    Ok(print(lines, first))
}

/// SHA-256 of a file of `fs`, and its ranges with data.
fn content(fs: &dyn Filesystem, inode: InodeId) -> disk::Result<(String, String)> {
    let mut file = fs.open(inode)?;
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(range) = file.next_data(at)? {
        at = range.end;
        ranges.push(range);
    }
    let mut hash = Sha256::new();
    let mut buf = vec![0; PIECE];
    for range in to_read(&ranges, file.len()) {
        let mut at = range.start;
        while at < range.end {
            let wanted = buf.len().min((range.end - at) as usize);
            let count = file.read_at(at, &mut buf[..wanted])?;
            if count == 0 {
                return Err(disk::Error::corrupt("a file ends early"));
            }
            hash.update(&buf[..count]);
            at += count as u64;
        }
    }
    if file.read_at(file.len(), &mut buf)? != 0 {
        return Err(disk::Error::corrupt("a file goes on after its end"));
    }
    Ok((format!("{:x}", hash.finalize()), print_ranges(&ranges)))
}

/// What to read of a file of `len` bytes.
fn to_read(ranges: &[Range<u64>], len: u64) -> Vec<Range<u64>> {
    if len <= WHOLE { std::iter::once(0..len).collect() } else { ranges.to_vec() }
}

fn print_ranges(ranges: &[Range<u64>]) -> String {
    ranges.iter().map(|range| format!("{}-{} ", range.start, range.end)).collect()
}

/// Lists the filesystem mounted at `root` as the kernel shows it.
pub(crate) fn of_mount(root: &Path) -> io::Result<String> {
    let s = nix::sys::statvfs::statvfs(root)?;
    let first = format!(
        "statvfs {} {} {} {} {} {} {} {:#x} {}\n",
        s.block_size(),
        s.fragment_size(),
        s.blocks(),
        s.blocks_free(),
        s.blocks_available(),
        s.files(),
        s.files_free(),
        s.filesystem_id(),
        s.name_max()
    );
    let mut lines = Vec::new();
    let mut todo = vec![(Vec::from(b"/"), root.to_owned())];
    while let Some((path, place)) = todo.pop() {
        let m = fs::symlink_metadata(&place)?;
        let kind = m.file_type();
        let mut order = String::new();
        if kind.is_dir() {
            let entries = fs::read_dir(&place)?.collect::<io::Result<Vec<_>>>()?;
            let names: Vec<_> = entries.iter().map(fs::DirEntry::file_name).collect();
            order = order_of(names.iter().map(|name| name.as_bytes()));
            for entry in entries {
                let mut below = path.clone();
                if below != b"/" {
                    below.push(b'/');
                }
                below.extend(entry.file_name().as_bytes());
                todo.push((below, entry.path()));
            }
        }
        let (content, ranges) = if kind.is_file() {
            content_of_mount(&place, m.size())?
        } else if kind.is_symlink() {
            (escape(fs::read_link(&place)?.as_os_str().as_bytes()), String::new())
        } else {
            (order, String::new())
        };
        let mut xattrs = String::new();
        let names = match xattr_names(&place) {
            // The filesystem has none at all.
            Err(error) if error.raw_os_error() == Some(nix::libc::EOPNOTSUPP) => Vec::new(),
            names => names?,
        };
        for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            let value = xattr::get(&place, OsStr::from_bytes(name))?.unwrap_or_default();
            let _ = write!(xattrs, "{}={},", escape(name), escape(&value));
        }
        let file_type = match kind {
            k if k.is_file() => FileType::Regular,
            k if k.is_dir() => FileType::Directory,
            k if k.is_symlink() => FileType::Symlink,
            k if k.is_block_device() => FileType::BlockDevice,
            k if k.is_char_device() => FileType::CharDevice,
            k if k.is_fifo() => FileType::Fifo,
            _ => FileType::Socket,
        };
        let created = match m.created() {
            Ok(at) => match at.duration_since(std::time::UNIX_EPOCH) {
                Ok(after) => format!("{}.{:09}", after.as_secs(), after.subsec_nanos()),
                Err(_) => "before 1970".to_owned(),
            },
            Err(_) => String::new(),
        };
        let fields = format!(
            "{}\t{:04o}\t{}\t{}\t{}\t{}\t{}:{}\t{}\t{}\t{}\t{}.{:09}\t{}.{:09}\t{}.{:09}\t{created}\t{content}\t{ranges}\t{xattrs}",
            letter(file_type),
            m.mode() & 0o7777,
            m.ino(),
            m.nlink(),
            m.uid(),
            m.gid(),
            nix::sys::stat::major(m.rdev()),
            nix::sys::stat::minor(m.rdev()),
            m.size(),
            m.blocks(),
            m.blksize(),
            m.atime(),
            m.atime_nsec(),
            m.mtime(),
            m.mtime_nsec(),
            m.ctime(),
            m.ctime_nsec(),
        );
        lines.push(Line { path, fields });
    }
    Ok(print(lines, first))
}

/// The names of extended attributes, a NUL after each, in the order for a buffer that has just the right size: XFS
/// lists them in another where there is room to spare.
fn xattr_names(place: &Path) -> io::Result<Vec<u8>> {
    let mut names = vec![0; rustix::fs::llistxattr_query(place)?];
    if !names.is_empty() {
        let len = rustix::fs::llistxattr(place, names.as_mut_slice())?;
        names.truncate(len);
    }
    Ok(names)
}

fn content_of_mount(place: &Path, size: u64) -> io::Result<(String, String)> {
    let file = File::open(place)?;
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match lseek(&file, at as i64, Whence::SeekData) {
            Ok(start) => start,
            Err(nix::errno::Errno::ENXIO) => break,
            Err(e) => return Err(e.into()),
        };
        let end = lseek(&file, start, Whence::SeekHole)?;
        at = end as u64;
        ranges.push(start as u64..at);
    }
    let mut hash = Sha256::new();
    let mut buf = vec![0; PIECE];
    for range in to_read(&ranges, size) {
        let mut at = range.start;
        while at < range.end {
            let wanted = buf.len().min((range.end - at) as usize);
            let count = file.read_at(&mut buf[..wanted], at)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            hash.update(&buf[..count]);
            at += count as u64;
        }
    }
    // Where space is reserved and not written, what is in the page cache counts as data: the file may have another name.
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok((format!("{:x}", hash.finalize()), print_ranges(&ranges)))
}

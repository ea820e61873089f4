//! `cargo xtask read-tree`: walks a tree and reads all of it, once through the daemon's engine and once through a kernel's
//! mount, with the same steps: names, status, and the content of every file in pieces of [`PIECE`] bytes. Both print the
//! same line if they read the same, so that `cargo xtask bench` compares equal work.

use std::fs::{self, File};
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use bstr::{BStr, BString};
use clap::Args;
use disk::ReadAt;
use disk::cache::Cached;
use disk::fs::FileType;
use disk::image::{self, NoRelated};
use guestfsd::engine::native::{Drive, Native};
use guestfsd::engine::{Directory, Engine, MountRequest, Mountable};

/// How much is read at a time.
const PIECE: usize = 1 << 20;
/// Size of the cache under the drive, as the daemon has it.
const CACHE: usize = 8 << 20;

/// What to read.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Names and status only, no content
    #[arg(long)]
    names: bool,
    /// An image with a filesystem and no partitions, or a directory
    place: PathBuf,
}

/// What was read; equal for equal trees.
#[derive(Debug, Default)]
struct Seen {
    names: u64,
    bytes: u64,
    /// Sum of the CRC-32C of every file, which does not depend on the order.
    sum: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut seen = Seen::default();
    if options.place.is_dir() {
        read_mounted(&options.place, options.names, &mut seen)?;
    } else {
        read_image(&options.place, options.names, &mut seen)?;
    }
    println!("{} names, {} bytes, sum {:x}", seen.names, seen.bytes, seen.sum);
    Ok(())
}

impl Seen {
    /// Reads a file with `read`, which gives how much it has put into the buffer, 0 at the end.
    fn file(
        &mut self,
        piece: &mut [u8],
        mut read: impl FnMut(u64, &mut [u8]) -> Result<usize>,
    ) -> Result<()> {
        let (mut offset, mut sum) = (0, 0);
        loop {
            let count = read(offset, piece)?;
            if count == 0 {
                break;
            }
            sum = crc32c::crc32c_append(sum, &piece[..count]);
            offset += count as u64;
        }
        self.bytes += offset;
        self.sum = self.sum.wrapping_add(sum.into());
        Ok(())
    }
}

fn read_mounted(root: &Path, names_only: bool, seen: &mut Seen) -> Result<()> {
    let mut piece = vec![0; PIECE];
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            let metadata = path.symlink_metadata()?;
            seen.names += 1;
            if metadata.is_dir() {
                todo.push(path);
            } else if metadata.is_file() && !names_only {
                let mut file = File::open(&path)?;
                seen.file(&mut piece, |_, buf| Ok(file.read(buf)?))?;
            }
        }
    }
    Ok(())
}

/// An image file.
#[derive(Debug)]
struct Image {
    file: File,
    len: u64,
}

impl ReadAt for Image {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> disk::Result<()> {
        self.file.read_exact_at(buf, offset).map_err(|e| disk::Error::io("reading the image", e))
    }
}

/// The daemon's failures as this program's.
fn failure(failure: guestfsd::Failure) -> anyhow::Error {
    anyhow!("{failure:?}")
}

fn read_image(path: &Path, names_only: bool, seen: &mut Seen) -> Result<()> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let len = file.metadata()?.len();
    let disk = image::open(Arc::new(Image { file, len }), None, &mut NoRelated)?;
    let source: Arc<dyn ReadAt> = Arc::new(Cached::new(disk, CACHE));
    let mut engine = Native::new(vec![Drive { source, read_only: true, label: None }]);
    let mountable = Mountable::Device("/dev/sda".into());
    let (options, kind, at) = (BStr::new("ro"), BStr::new(""), BStr::new("/"));
    engine.mount(MountRequest { options, kind, mountable: &mountable, at }).map_err(failure)?;
    let mut piece = vec![0; PIECE];
    let mut todo = vec![engine.tree().directory(at).map_err(failure)?];
    while let Some(dir) = todo.pop() {
        for name in names(&*dir)? {
            let name = name.as_ref();
            seen.names += 1;
            match dir.status(name).map_err(failure)?.metadata.file_type {
                FileType::Directory => todo.push(dir.directory(name).map_err(failure)?),
                FileType::Regular if !names_only => {
                    let mut file = dir.open(name).map_err(failure)?;
                    seen.file(&mut piece, |offset, buf| Ok(file.read_at(offset, buf)?))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn names(dir: &dyn Directory<'_>) -> Result<Vec<BString>> {
    let mut names = Vec::new();
    let each = &mut |entry: disk::fs::DirEntry<'_>| {
        names.push(BString::from(entry.name));
        ControlFlow::Continue(())
    };
    dir.read(each).map_err(failure)?;
    Ok(names)
}

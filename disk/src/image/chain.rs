//! Opens an image and everything that it is based on, top down.
//!
//! Safety of a chain: how deep it may be is bounded ([`MAX_CHAIN`]); a file that comes up twice is refused; and a
//! backing file whose format its overlay does not state is believed only as far as it names no further file. The last
//! rule is libvirt's: the backing file may be a raw disk in which a guest wrote a qcow2 header that names a file of
//! the host. Without a stated format the guest would choose what is read.

use std::collections::HashSet;
use std::sync::Arc;

use bstr::{BStr, BString};

use super::qcow2::{Caches, Header, Qcow2};
use super::related::{FileId, OpenRelated};
use super::{Format, Info, Raw, detect, info};
use crate::{Context, Error, ErrorKind, ReadAt, Result};

/// Most images in a chain, the top one included (libvirt's limit).
pub const MAX_CHAIN: usize = 200;

/// How to open an image.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Format; detected if not given. Give it where it is known: a guest can make its raw disk look like anything.
    pub format: Option<Format>,
    /// Read the state of the disk that this internal snapshot (ID or name) keeps.
    pub snapshot: Option<BString>,
}

/// An open image.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The virtual disk.
    pub disk: Arc<dyn ReadAt>,
    /// What the image says about itself. With a snapshot, the disk's size may be another than in here.
    pub info: Info,
    /// Which files the disk is made of: the top one, its data file if any, its backing file, and so on.
    pub files: Vec<FileId>,
}

/// Opens the virtual disk in `file`, whose format is detected unless given. Files that it names come from `related`.
///
/// # Errors
/// `Unsupported` for formats and features that cannot be read here, `Corrupt` for damage (loops and chains deeper than
/// [`MAX_CHAIN`] included), and whatever `related` says.
pub fn open(
    file: Arc<dyn ReadAt>,
    format: Option<Format>,
    related: &mut dyn OpenRelated,
) -> Result<Arc<dyn ReadAt>> {
    Ok(open_with(file, &Options { format, snapshot: None }, related)?.disk)
}

/// As [`open`], with options, and says what was opened.
///
/// # Errors
/// As [`open`]; `NotFound` if there is no such snapshot.
pub fn open_with(file: Arc<dyn ReadAt>, options: &Options, related: &mut dyn OpenRelated) -> Result<Opened> {
    let info = info(&file, options.format)?;
    let format = info.format;
    let mut chain =
        Chain { related, caches: Arc::new(Caches::new()), seen: HashSet::new(), files: Vec::new() };
    chain.enter(FileId(0))?;
    let disk = match (format, &options.snapshot) {
        (Format::Qcow2, snapshot) => chain.qcow2(file, FileId(0), snapshot.as_ref().map(BStr::new), true)?,
        (_, None) => Arc::new(Raw::new(file)),
        (_, Some(_)) => {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("images of format {format} have no snapshots"),
            ));
        }
    };
    Ok(Opened { disk, info, files: chain.files })
}

struct Chain<'a> {
    related: &'a mut dyn OpenRelated,
    caches: Arc<Caches>,
    seen: HashSet<FileId>,
    files: Vec<FileId>,
}

impl Chain<'_> {
    /// Notes that `id` is part of the chain.
    fn enter(&mut self, id: FileId) -> Result<()> {
        if !self.seen.insert(id) {
            return Err(Error::corrupt("the image is based on itself: its chain of backing files is a loop"));
        }
        self.files.push(id);
        Ok(())
    }

    /// Opens the qcow2 image in `file`, and what it names if `may_name` (see the head of this file).
    fn qcow2(
        &mut self,
        file: Arc<dyn ReadAt>,
        id: FileId,
        snapshot: Option<&BStr>,
        may_name: bool,
    ) -> Result<Arc<dyn ReadAt>> {
        let header = Header::read(&file)?;
        if !may_name && (header.backing_file.is_some() || header.data_file.is_some()) {
            return Err(Error::unsupported(
                "its overlay does not state that it is qcow2, so the file that it names in turn is not opened: \
                 state the format with `qemu-img rebase -u -F qcow2`, if you trust it",
            ));
        }
        let data = match &header.data_file {
            None => Arc::clone(&file),
            Some(name) => {
                let (data_id, data) =
                    self.related.open_related(id, name).context(|| format!("external data file {name:?}"))?;
                self.enter(data_id)?;
                data
            }
        };
        let backing = match &header.backing_file {
            None => None,
            Some(name) => Some(
                self.backing(id, name, header.backing_format.as_ref())
                    .context(|| format!("backing file {name:?}"))?,
            ),
        };
        Ok(Arc::new(Qcow2::new(file, data, backing, &header, snapshot, Arc::clone(&self.caches))?))
    }

    /// Opens the backing file `name` of the image `from`.
    fn backing(&mut self, from: FileId, name: &BString, format: Option<&BString>) -> Result<Arc<dyn ReadAt>> {
        if self.files.len() >= MAX_CHAIN {
            return Err(Error::corrupt(format!("the chain of backing files is longer than {MAX_CHAIN}")));
        }
        let (id, file) = self.related.open_related(from, name)?;
        self.enter(id)?;
        let (format, stated) = match format {
            None => (detect(&file)?, false),
            Some(name) => match Format::from_name(name) {
                Some(format) => (format, true),
                None => return Err(Error::unsupported(format!("its format, {name:?}, is not known here"))),
            },
        };
        format.check_readable()?;
        match format {
            Format::Qcow2 => self.qcow2(file, id, None, stated),
            _ => Ok(Arc::new(Raw::new(file))),
        }
    }
}

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
use super::{Format, Info, Raw, readable};
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
    let mut chain =
        Chain { related, caches: Arc::new(Caches::new()), seen: HashSet::new(), files: Vec::new() };
    chain.enter(FileId(0))?;
    let (disk, info): (Arc<dyn ReadAt>, Info) = match (readable(&file, options.format)?, &options.snapshot) {
        (Format::Qcow2, snapshot) => {
            let header = Header::read(&file)?;
            let info = Info::qcow2(&header);
            (chain.qcow2(file, FileId(0), &header, snapshot.as_ref().map(BStr::new))?, info)
        }
        (_, None) => {
            let info = Info::raw(&file);
            (Arc::new(Raw::new(file)), info)
        }
        (format, Some(_)) => {
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

    /// Opens the qcow2 image in `file`, and what its `header` names.
    fn qcow2(
        &mut self,
        file: Arc<dyn ReadAt>,
        id: FileId,
        header: &Header,
        snapshot: Option<&BStr>,
    ) -> Result<Arc<dyn ReadAt>> {
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
        Ok(Arc::new(Qcow2::new(file, data, backing, header, snapshot, Arc::clone(&self.caches))?))
    }

    /// Opens the backing file `name` of the image `from`.
    fn backing(&mut self, from: FileId, name: &BString, format: Option<&BString>) -> Result<Arc<dyn ReadAt>> {
        if self.files.len() >= MAX_CHAIN {
            return Err(Error::corrupt(format!("the chain of backing files is longer than {MAX_CHAIN}")));
        }
        let (id, file) = self.related.open_related(from, name)?;
        self.enter(id)?;
        let format_given = match format {
            None => None,
            Some(name) => match Format::from_name(name) {
                Some(format) => Some(format),
                None => return Err(Error::unsupported(format!("its format, {name:?}, is not known here"))),
            },
        };
        if readable(&file, format_given)? == Format::Raw {
            return Ok(Arc::new(Raw::new(file)));
        }
        let header = Header::read(&file)?;
        if format_given.is_none() && (header.backing_file.is_some() || header.data_file.is_some()) {
            return Err(Error::unsupported(
                "its overlay does not state that it is qcow2, so the file that it names in turn is not opened: \
                 state the format with `qemu-img rebase -u -F qcow2`, if you trust it",
            ));
        }
        self.qcow2(file, id, &header, None)
    }
}

//! Disk image formats: what a virtual disk's bytes are, given the bytes of the image file(s) that hold it.
//!
//! ```text
//! open ── chain ── raw     the file's bytes, rounded up to whole sectors
//!           │    └ qcow2   header → L1 → L2 → data, compressed or backing cluster
//!           └ related      asks the embedder for the other files that an image names
//! ```
//!
//! Images name other files, and a guest may have written the name: nothing here opens a file. The embedder hands in
//! the top file, and an [`OpenRelated`] that opens the others under its policy.

mod chain;
mod format;
mod qcow2;
mod raw;
mod related;

pub use chain::{MAX_CHAIN, Opened, Options, open, open_with};
pub use format::{Format, PROBE_LEN, detect, detect_bytes};
pub use qcow2::{Compression as Qcow2Compression, Header as Qcow2Header, Info as Qcow2Info, Snapshot};
pub use raw::Raw;
pub use related::{FileId, NoRelated, OpenRelated, local_name};

use bstr::BString;

use crate::{ReadAt, Result};

/// What an image file says about itself, as `qemu-img info` shows it. No other file is needed to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Format, given or detected.
    pub format: Format,
    /// Size of the virtual disk in bytes: a multiple of 512.
    pub virtual_size: u64,
    /// Name of the backing file as written in the image.
    pub backing_file: Option<BString>,
    /// What only qcow2 images have.
    pub qcow2: Option<Qcow2Info>,
}

impl Info {
    fn raw(file: &dyn ReadAt) -> Self {
        Info { format: Format::Raw, virtual_size: raw::size(file.len()), backing_file: None, qcow2: None }
    }

    fn qcow2(header: &Qcow2Header) -> Self {
        Info {
            format: Format::Qcow2,
            virtual_size: header.virtual_size,
            backing_file: header.backing_file.clone(),
            qcow2: Some(Qcow2Info::new(header)),
        }
    }
}

/// Describes the image in `file`, whose format is detected unless given. (For the format alone, of whatever kind, see
/// [`detect`].)
///
/// # Errors
/// `Unsupported` for formats that are not read here (see [`Format::check_readable`]), `Corrupt` for damaged headers.
pub fn info(file: &dyn ReadAt, format: Option<Format>) -> Result<Info> {
    match readable(file, format)? {
        Format::Qcow2 => Ok(Info::qcow2(&Qcow2Header::read(file)?)),
        _ => Ok(Info::raw(file)),
    }
}

/// The internal snapshots of the image in `file`, in the order of its table.
///
/// # Errors
/// As [`info`]; `Corrupt` for a damaged table, which does not hinder reading the disk itself.
pub fn snapshots(file: &dyn ReadAt, format: Option<Format>) -> Result<Vec<Snapshot>> {
    match readable(file, format)? {
        Format::Qcow2 => qcow2::snapshots(file, &Qcow2Header::read(file)?),
        _ => Ok(Vec::new()),
    }
}

/// The format of the image in `file`, detected unless given, if it can be read here.
fn readable(file: &dyn ReadAt, format: Option<Format>) -> Result<Format> {
    let format = match format {
        Some(format) => format,
        None => detect(file)?,
    };
    format.check_readable().map(|()| format)
}

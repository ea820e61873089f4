//! Drives as block nodes of qemu and of its storage daemon, after a look at the chain of images.
//!
//! ```text
//! drive ── chain: the image, and the files that its header names, each through the path policy
//!   └────── nodes, lowest first:  file ── format ── file ── format ── (overlay, if read-only)
//! ```
//!
//! qemu is given every node of a chain with its driver, so it finds out nothing by itself: no format is guessed, no name in a
//! header is followed, no protocol but local files exists. What a header says is found out by `qemu-img info` on one file
//! at a time, which opens nothing else, under limits of memory and time.
//!
//! Images of read-only drives are opened without locks, since a running guest may use them; those of others with qemu's
//! locks.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice};
use serde_json::{Value, json};

use super::policy::ImageFiles;
use super::qemu_img::{self, Info};
use super::supervisor::Program;
use super::{embedded, overlay};
use crate::handle::{Drive, DriveSource, NULL_DISK_SIZE, Settings, open_image};
use crate::{Error, Result};

/// Formats whose drivers open nothing but the files that they are given here.
const FORMATS: &[&str] =
    &["raw", "qcow2", "qcow", "qed", "vdi", "vhdx", "vpc", "vmdk", "parallels", "bochs", "cloop", "dmg"];
/// What is added to a file whose end lies within a sector.
const SECTOR: u64 = 512;

/// A drive's chain of images, top first.
#[derive(Debug)]
pub(super) struct Chain {
    layers: Vec<Layer>,
    /// The size that a guest sees in bytes.
    size: u64,
    access: Access,
    /// Logical and physical sector size in bytes.
    pub(super) sector_size: u32,
}

/// What a guest may do to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Write to it.
    Write,
    /// Write to an overlay of it, which nobody sees afterwards.
    Overlay,
    /// Only read.
    Read,
}

#[derive(Debug)]
struct Layer {
    path: PathBuf,
    format: String,
    /// qcow2's file with the data, where it is apart.
    data: Option<PathBuf>,
}

/// The chain of a drive. `qemu_img` is where that program is.
pub(super) fn chain(drive: &Drive, settings: &Settings, qemu_img: &Path) -> Result<Chain> {
    let opts = &drive.opts;
    let sector_size = opts.blocksize.unwrap_or(512);
    let path = match &drive.source {
        DriveSource::Null => {
            return Ok(Chain {
                layers: Vec::new(),
                size: NULL_DISK_SIZE,
                access: Access::Overlay,
                sector_size,
            });
        }
        DriveSource::File(path) => path,
    };
    if settings.backend_setting("snapshot").is_some() {
        return Err(Error::launch(
            "only the embedded backend reads internal snapshots (backend setting snapshot=)",
        ));
    }
    let file = open_image(path)?;
    embedded::check_readable(path, &file)?;
    let sector_size = match opts.blocksize {
        None => embedded::device_sector_size(path, &file)?,
        Some(_) => sector_size,
    };
    let (layers, size) = layers(path, opts.format.as_deref(), &file, settings, qemu_img)?;
    let access = if opts.readonly.unwrap_or(false) { Access::Overlay } else { Access::Write };
    Ok(Chain { layers, size, access, sector_size })
}

/// The disk with the root of a fixed appliance, a raw file that never changes though its guest writes to it.
pub(super) fn root_disk(path: &Path) -> Result<Chain> {
    raw_disk(path, Access::Overlay)
}

/// The disk with the appliance's programs, a raw file that is only read.
pub(super) fn programs_disk(path: &Path) -> Result<Chain> {
    raw_disk(path, Access::Read)
}

fn raw_disk(path: &Path, access: Access) -> Result<Chain> {
    let size = size_of(&open_image(path)?, path)?;
    let path = std::path::absolute(path).map_err(|e| Error::io(path.display().to_string(), e))?;
    Ok(Chain {
        layers: vec![Layer { path, format: "raw".into(), data: None }],
        size,
        access,
        sector_size: 512,
    })
}

fn layers(
    path: &Path,
    format: Option<&str>,
    file: &File,
    settings: &Settings,
    qemu_img: &Path,
) -> Result<(Vec<Layer>, u64)> {
    let absolute = std::path::absolute(path).map_err(|e| Error::io(path.display().to_string(), e))?;
    if format == Some("raw") {
        // The one format without a header: there is nothing to find out.
        let size = size_of(file, path)?;
        return Ok((vec![Layer { path: absolute, format: "raw".into(), data: None }], size));
    }
    let mut files = ImageFiles::new(&absolute, settings.backend_values("backing_dir"))?;
    let mut layers = Vec::new();
    let mut size = None;
    let mut next = Some((0, absolute, format.map(str::to_owned)));
    while let Some((number, path, stated)) = next.take() {
        qemu_img::check_extents(&path, number, &mut files)?;
        let Info { format, virtual_size, backing, backing_format, data_file, encrypted } =
            qemu_img::info(qemu_img, &path, stated.as_deref())?;
        let refuse = |why: &str| Err(Error::launch(format!("{}: {why}", path.display())));
        if !FORMATS.contains(&format.as_str()) {
            return refuse(&format!("images of the format ‘{format}’ are not supported"));
        }
        if encrypted {
            return refuse("the image is encrypted, which is not supported");
        }
        // A raw file can be given any header by the guest that writes to it. Once a layer's format is guessed, it may
        // be the last one only, as in the disk crate.
        if number != 0 && stated.is_none() && backing.is_some() {
            return refuse("its overlay does not state its format, so it can't have a backing file itself");
        }
        let mut related = |name: &BString| {
            let (number, _) = files.open(number, name.as_bstr())?;
            let path = files.path(number).ok_or_else(|| Error::launch("an image file is not known"))?;
            Ok::<_, Error>((number, path.to_owned()))
        };
        let data = data_file.as_ref().map(&mut related).transpose()?.map(|(_, path)| path);
        if let Some(name) = &backing {
            let (number, path) = related(name)?;
            next = Some((number, path, backing_format));
        }
        size.get_or_insert(virtual_size);
        if layers.iter().any(|layer: &Layer| layer.path == path) {
            return refuse("the chain of backing files comes back to this file");
        }
        layers.push(Layer { path, format, data });
    }
    Ok((layers, size.unwrap_or(0)))
}

fn size_of(file: &File, path: &Path) -> Result<u64> {
    let end = nix::unistd::lseek(file, 0, nix::unistd::Whence::SeekEnd)
        .map_err(|e| Error::io(path.display().to_string(), e.into()))?;
    Ok(u64::try_from(end).unwrap_or(0).next_multiple_of(SECTOR))
}

impl Chain {
    /// Can a guest write to the disk?
    pub(super) fn is_writable(&self) -> bool {
        self.access != Access::Read
    }

    /// The nodes, lowest first, as `-blockdev` takes them, for `program`. The last one is named `name`.
    pub(super) fn nodes(&self, name: &str, tmpdir: &Path, program: &mut Program) -> Result<Vec<Value>> {
        let mut nodes = Vec::new();
        let mut below: Option<String> = None;
        for (depth, layer) in self.layers.iter().enumerate().rev() {
            let read_only = self.access != Access::Write || depth > 0;
            let is_top = depth == 0 && self.access != Access::Overlay;
            let own = if is_top { name.to_owned() } else { format!("{name}-{depth}") };
            nodes.push(file_node(&format!("{own}-file"), &layer.path, read_only)?);
            let mut node = json!({
                "driver": layer.format, "node-name": own, "file": format!("{own}-file"), "read-only": read_only,
            });
            let mut set = |key: &str, value: Value| {
                if let Some(map) = node.as_object_mut() {
                    map.insert(key.into(), value);
                }
            };
            if let Some(data) = &layer.data {
                nodes.push(file_node(&format!("{own}-data"), data, read_only)?);
                set("data-file", json!(format!("{own}-data")));
            }
            // What has no backing file here has none, whatever its header says.
            if let Some(below) = below.take() {
                set("backing", json!(below));
            } else if matches!(layer.format.as_str(), "qcow2" | "qed" | "qcow" | "vmdk") {
                set("backing", Value::Null);
            }
            nodes.push(node);
            below = Some(own);
        }
        if self.access == Access::Overlay {
            let file = overlay::create(tmpdir, self.size)?;
            nodes.push(json!({
                "driver": "file", "node-name": format!("{name}-file"), "locking": "off",
                "filename": program.descriptor_path(OwnedFd::from(file)),
                // It is gone with its last user: no flush can matter.
                "cache": {"no-flush": true},
            }));
            nodes.push(json!({
                "driver": "qcow2", "node-name": name, "file": format!("{name}-file"), "cache": {"no-flush": true},
                "backing": below.map_or(Value::Null, Value::String),
            }));
        }
        Ok(nodes)
    }
}

fn file_node(name: &str, path: &Path, read_only: bool) -> Result<Value> {
    let kind = path.metadata().map_err(|e| Error::io(path.display().to_string(), e))?.file_type();
    let driver = if kind.is_block_device() { "host_device" } else { "file" };
    let filename = path.to_str().ok_or_else(|| {
        Error::usage(format!("{}: qemu takes only file names that are valid UTF-8", path.display()))
    })?;
    let locking = if read_only { "off" } else { "auto" };
    Ok(json!({
        "driver": driver, "node-name": name, "filename": filename, "read-only": read_only, "locking": locking,
    }))
}

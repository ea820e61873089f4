//! Kinds of content, as file(1) names them by rules of its own.

use bstr::{BStr, BString, ByteSlice};
use disk::fs::FileType;
use libguestfs_core::{Error, Result};

use super::tool::Tool;
use crate::Guestfsd;
use crate::engine::Last;
use crate::engine::kernel::Kernel;
use crate::error::{At, refused};

impl Guestfsd {
    /// Things that are not regular files have names of the original's; the content of a file or device needs the program.
    pub(crate) fn file(&mut self, path: &BStr) -> Result<BString> {
        if path.starts_with(b"/dev/") {
            let device = self.device(path)?;
            let Some(kernel) = self.engine.kernel() else {
                return Err(Error::needs_appliance(format_args!("{path}: kind of a device's content")));
            };
            return described(file_tool(kernel).args(["-s", "-L"]).device(device.as_ref())?, path);
        }
        let status = self.tree().status(path, Last::Itself).at(format_args!("lstat: {path}"))?;
        let kind = match status.metadata.file_type {
            FileType::Directory => "directory",
            FileType::CharDevice => "character device",
            FileType::BlockDevice => "block device",
            FileType::Fifo => "FIFO",
            FileType::Symlink => "symbolic link",
            FileType::Socket => "socket",
            FileType::Regular => {
                let Some(kernel) = self.engine.kernel() else {
                    return Err(Error::needs_appliance(format_args!("{path}: kind of a file's content")));
                };
                return described(file_tool(kernel).arg("-L").path(path, path)?, path);
            }
        };
        Ok(kind.into())
    }

    /// The content of a compressed file.
    pub(crate) fn zfile(&mut self, meth: &BStr, path: &BStr) -> Result<BString> {
        let kernel = self.kernel("zfile")?;
        if !matches!(meth.as_bytes(), b"gzip" | b"compress" | b"bzip2") {
            return Err(refused(format!("unknown method: {meth}")));
        }
        // -Z: what is in it, without a word about how it is compressed.
        described(Tool::new(kernel, "file").args(["-Z", "-b"]).path(path, path)?, path)
    }
}

/// The program, told to look into compressed files and not to print names.
fn file_tool(kernel: &Kernel) -> Tool<'_> {
    Tool::new(kernel, "file").args(["-z", "-b"])
}

fn described(tool: Tool<'_>, path: &BStr) -> Result<BString> {
    Ok(tool.run_at(path)?.trim_ascii_end().into())
}

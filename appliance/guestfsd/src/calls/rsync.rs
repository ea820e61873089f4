//! Copying by rsync(1), within the guest and over the network.
//!
//! rsync gets its paths below open directories, with links on the way to them resolved. It does not follow links within
//! what it copies.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::{GlobExpandOpts, RsyncInOpts, RsyncOpts, RsyncOutOpts};

use super::tool::Tool;
use crate::Guestfsd;
use crate::engine::Last;
use crate::error::refused;

impl Guestfsd {
    fn rsync_tool(&self, call: &str, archive: Option<bool>, delete: Option<bool>) -> Result<Tool<'_>> {
        let tool = Tool::new(self.kernel(call)?, "rsync").arg_if(archive == Some(true), "--archive");
        Ok(tool.arg_if(delete == Some(true), "--delete").arg("--"))
    }

    /// Adds a path of the guest. One that ends in a slash means what is in a directory, and to rsync that is another
    /// thing than the directory.
    fn rsync_path<'k>(&self, tool: Tool<'k>, path: &BStr) -> Result<Tool<'k>> {
        let slash = path.ends_with(b"/");
        let exists = self.tree().status(path, Last::Follow).is_ok();
        let (tool, mut name) = match exists && (slash || self.is_directory(path)) {
            true if slash || self.is_link(path) => tool.hold_path(path, path)?,
            _ if path.trim_with(|c| c == '/').is_empty() => tool.hold_path(path, path)?,
            _ => tool.hold_name(path, path)?,
        };
        if slash {
            name.push(b'/');
        }
        Ok(tool.arg(name))
    }

    fn is_directory(&self, path: &BStr) -> bool {
        let status = self.tree().status(path, Last::Follow);
        status.is_ok_and(|status| status.metadata.file_type == disk::fs::FileType::Directory)
    }

    fn is_link(&self, path: &BStr) -> bool {
        let status = self.tree().status(path, Last::Itself);
        status.is_ok_and(|status| status.metadata.file_type == disk::fs::FileType::Symlink)
    }

    pub(crate) fn rsync(&mut self, src: &BStr, dest: &BStr, opts: &RsyncOpts) -> Result<()> {
        let tool = self.rsync_tool("rsync", opts.archive, opts.deletedest)?;
        let tool = self.rsync_path(self.rsync_path(tool, src)?, dest)?;
        tool.run_at(format_args!("{src}: {dest}"))?;
        Ok(())
    }

    pub(crate) fn rsync_in(&mut self, remote: &BStr, dest: &BStr, opts: &RsyncInOpts) -> Result<()> {
        let tool = self.rsync_tool("rsync_in", opts.archive, opts.deletedest)?.arg(remote);
        self.rsync_path(tool, dest)?.run_at(format_args!("{remote}: {dest}"))?;
        Ok(())
    }

    pub(crate) fn rsync_out(&mut self, src: &BStr, remote: &BStr, opts: &RsyncOutOpts) -> Result<()> {
        self.kernel("rsync_out")?;
        let names: Vec<BString> = self.glob_expand(src, &GlobExpandOpts::default())?;
        if names.is_empty() {
            return Err(refused(format!("{src}: there is no such file")));
        }
        let mut tool = self.rsync_tool("rsync_out", opts.archive, opts.deletedest)?;
        for name in &names {
            tool = self.rsync_path(tool, name.as_bstr())?;
        }
        tool.arg(remote).run_at(format_args!("{src}: {remote}"))?;
        Ok(())
    }
}

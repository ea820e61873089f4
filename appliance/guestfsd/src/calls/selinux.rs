//! SELinux: the daemon's own context, and labels of the guest's files.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::{SelinuxRelabelOpts, SetfilesOpts};
use rustix::fs::{Mode, OFlags};

use super::tool::Tool;
use crate::Guestfsd;
use crate::engine::kernel::descriptor_path;
use crate::error::{At, Failure, refused};

/// Where a process reads and sets its context (proc(5)).
const CONTEXT: &str = "/proc/self/attr/current";
/// The answer where the kernel has no SELinux.
const NO_CONTEXT: &str = "unconfined";

impl Guestfsd {
    pub(crate) fn getcon(&mut self) -> Result<BString> {
        self.kernel("getcon")?;
        let context = std::fs::read(CONTEXT).unwrap_or_default();
        let context = context.trim_with(|c| c == '\0' || c.is_ascii_whitespace());
        Ok(if context.is_empty() { NO_CONTEXT.into() } else { context.into() })
    }

    pub(crate) fn setcon(&mut self, context: &BStr) -> Result<()> {
        self.kernel("setcon")?;
        std::fs::write(CONTEXT, context.as_bytes()).map_err(|e| Failure::from_io(&e)).at("setcon")
    }

    pub(crate) fn selinux_relabel(
        &mut self,
        specfile: &BStr,
        path: &BStr,
        opts: &SelinuxRelabelOpts,
    ) -> Result<()> {
        let opts = SetfilesOpts { force: opts.force, excludes: None };
        self.label("selinux_relabel", specfile, &[path.to_owned()], &opts)
    }

    pub(crate) fn setfiles(&mut self, specfile: &BStr, paths: &[BString], opts: &SetfilesOpts) -> Result<()> {
        self.label("setfiles", specfile, paths, opts)
    }

    /// setfiles(8) takes the names of files as they are below the root that it is told of, and links are followed on the
    /// way to them: each path is resolved first. Nobody else changes the guest meanwhile.
    fn label(&self, call: &str, specfile: &BStr, paths: &[BString], opts: &SetfilesOpts) -> Result<()> {
        let kernel = self.kernel(call)?;
        self.need_root(call)?;
        let root = kernel.sysroot().path().as_os_str().as_encoded_bytes();
        let below = |path: &BStr| [root, path.as_bytes()].concat();
        // -m: only what is mounted in the guest, not what the appliance has below.
        let mut tool = Tool::new(kernel, "setfiles").arg_if(opts.force == Some(true), "-F").arg("-m");
        for exclude in opts.excludes.iter().flatten() {
            if !exclude.starts_with(b"/") {
                return Err(refused(format!("{exclude}: path to exclude must start with a / character")));
            }
            tool = tool.arg("-e").arg(below(exclude.as_bstr()));
        }
        tool = tool.arg("-r").arg(root).path(specfile, specfile)?;
        for path in paths {
            let file = kernel.sysroot().open(path.as_bstr(), OFlags::PATH, Mode::empty()).at(path)?;
            let resolved = std::fs::read_link(descriptor_path(&file));
            let resolved = resolved.map_err(|e| Failure::from_io(&e)).at(path)?;
            tool = tool.arg(resolved.as_os_str().as_encoded_bytes());
        }
        tool.run()?;
        Ok(())
    }
}

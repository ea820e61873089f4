//! Capabilities of files, by getcap(8) and setcap(8).

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;

use super::tool::Tool;
use crate::Guestfsd;
use crate::error::At;

impl Guestfsd {
    /// Opens the directory of what `path` leads to for a program, and gives its name: the programs do not follow a link.
    fn resolved<'k>(&self, tool: Tool<'k>, path: &BStr) -> Result<(Tool<'k>, BString)> {
        let resolved = self.tree().canonical(path).at(path)?;
        // The root can be named, and is no link.
        if resolved == "/" {
            return tool.hold_path(path, path);
        }
        tool.hold_name(resolved.as_bstr(), path)
    }

    pub(crate) fn cap_get_file(&mut self, path: &BStr) -> Result<BString> {
        let tool = Tool::new(self.kernel("cap_get_file")?, "getcap");
        let (tool, name) = self.resolved(tool, path)?;
        let printed = tool.arg(&name).run_at(path)?;
        Ok(capabilities(&printed, &name))
    }

    pub(crate) fn cap_set_file(&mut self, path: &BStr, cap: &BStr) -> Result<()> {
        let tool = Tool::new(self.kernel("cap_set_file")?, "setcap").arg("-q").arg(cap);
        let (tool, name) = self.resolved(tool, path)?;
        tool.arg(name).run_at(path)?;
        Ok(())
    }
}

/// What getcap prints: `NAME cap_net_raw=ep`, or nothing.
fn capabilities(printed: &[u8], name: &BString) -> BString {
    printed.strip_prefix(name.as_slice()).unwrap_or_default().trim_ascii().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libcap 2.66 prints it.
    #[test]
    fn capabilities_follow_the_name() {
        let name = BString::from("/proc/self/fd/5/a cap_x=p");
        let printed = b"/proc/self/fd/5/a cap_x=p cap_chown=ip cap_net_raw+p\n";
        assert_eq!(capabilities(printed, &name), "cap_chown=ip cap_net_raw+p");
        assert_eq!(capabilities(b"", &name), "");
    }
}

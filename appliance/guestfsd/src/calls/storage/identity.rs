//! Labels and UUIDs of filesystems and of swap space.

use bstr::{BStr, ByteSlice};
use libguestfs_core::Result;

use super::tables::random_uuid;
use super::tool::{Subject, Tool};
use super::{EXT_LABEL_MAX, SWAP_LABEL_MAX, XFS_LABEL_MAX, check_label, is_ext, not_supported};
use crate::Guestfsd;
use crate::error::refused;

/// Longest label of btrfs in bytes (`BTRFS_LABEL_SIZE` without the NUL).
const BTRFS_LABEL_MAX: usize = 255;
/// What xfs_admin takes for no label.
const XFS_NO_LABEL: &[u8] = b"--";

impl Guestfsd {
    /// Runs a program that writes into a superblock.
    fn identify(&self, call: &str, tool: Tool, device: &Subject) -> Result<()> {
        let done = tool.on(device).run("");
        self.changed(call)?;
        done.map(drop)
    }

    pub(crate) fn set_label(&mut self, mountable: &BStr, label: &BStr) -> Result<()> {
        const CALL: &str = "set_label";
        let mountable = self.mountable(mountable)?;
        let device = self.subject(CALL, mountable.device())?;
        let kind = self.vfs_type(mountable.device())?;
        let tool = match kind.as_slice() {
            b"btrfs" => {
                check_label(label, "btrfs", BTRFS_LABEL_MAX)?;
                let tool = Tool::new("btrfs").args(["filesystem", "label"]).on(&device).arg(label);
                let done = tool.run("");
                self.changed(CALL)?;
                return done.map(drop);
            }
            b"vfat" | b"msdos" | b"fat" => return self.after(CALL, "dosfslabel", &device, label),
            b"ntfs" => return self.after(CALL, "ntfslabel", &device, label),
            kind if is_ext(kind) => return self.set_ext_label(CALL, &device, label),
            b"xfs" => {
                check_label(label, "xfs", XFS_LABEL_MAX)?;
                // The program's sign for no label.
                if label == "---" {
                    return Err(refused("xfs: invalid new label"));
                }
                let label = if label.is_empty() { XFS_NO_LABEL } else { label.as_bytes() };
                Tool::new("xfs_admin").arg("-L").arg(label)
            }
            b"swap" => {
                check_label(label, "Linux swap", SWAP_LABEL_MAX)?;
                Tool::new("swaplabel").arg("-L").arg(label)
            }
            _ => {
                return Err(not_supported(format!(
                    "don't know how to set the label for '{kind}' filesystems"
                )));
            }
        };
        self.identify(CALL, tool, &device)
    }

    /// For programs that take the label after the device.
    fn after(&self, call: &str, program: &str, device: &Subject, label: &BStr) -> Result<()> {
        let done = Tool::new(program).on(device).arg(label).run("");
        self.changed(call)?;
        done.map(drop)
    }

    fn set_ext_label(&self, call: &str, device: &Subject, label: &BStr) -> Result<()> {
        check_label(label, "ext2/3/4", EXT_LABEL_MAX)?;
        self.after(call, "e2label", device, label)
    }

    pub(crate) fn set_e2label(&mut self, device: &BStr, label: &BStr) -> Result<()> {
        self.set_label(device, label)
    }

    pub(crate) fn set_e2uuid(&mut self, device: &BStr, uuid: &BStr) -> Result<()> {
        let device = self.subject("set_e2uuid", device)?;
        self.identify("set_e2uuid", Tool::new("tune2fs").arg("-U").arg(uuid), &device)
    }

    pub(crate) fn set_uuid(&mut self, device: &BStr, uuid: &BStr) -> Result<()> {
        const CALL: &str = "set_uuid";
        let node = self.subject(CALL, device)?;
        let kind = self.vfs_type(device)?;
        // Words that a program takes for a UUID are no UUIDs.
        let (program, words, name): (_, &[&str], _) = match kind.as_slice() {
            kind if is_ext(kind) => ("tune2fs", &["clear", "random", "time"], "e2"),
            b"xfs" => ("xfs_admin", &["nil", "generate", "rewrite", "restore"], "xfs"),
            b"swap" => ("swaplabel", &["clear", "random", "time"], "swap"),
            b"btrfs" => ("btrfstune", &[], "btrfs"),
            _ => {
                return Err(not_supported(format!(
                    "don't know how to set the UUID for '{kind}' filesystems"
                )));
            }
        };
        if words.iter().any(|word| uuid == word) {
            return Err(refused(format!("{name}: invalid new UUID")));
        }
        let tool = Tool::new(program).flag(Some(name == "btrfs"), "-f").arg("-U").arg(uuid);
        self.identify(CALL, tool, &node)
    }

    pub(crate) fn set_uuid_random(&mut self, device: &BStr) -> Result<()> {
        const CALL: &str = "set_uuid_random";
        let node = self.subject(CALL, device)?;
        let kind = self.vfs_type(device)?;
        let tool = match kind.as_slice() {
            kind if is_ext(kind) => Tool::new("tune2fs").args(["-U", "random"]),
            b"xfs" => Tool::new("xfs_admin").args(["-U", "generate"]),
            b"swap" => Tool::new("swaplabel").arg("-U").arg(random_uuid()?),
            b"btrfs" => Tool::new("btrfstune").args(["-f", "-u"]),
            _ => {
                return Err(not_supported(format!(
                    "don't know how to set the random UUID for '{kind}' filesystems"
                )));
            }
        };
        self.identify(CALL, tool, &node)
    }
}

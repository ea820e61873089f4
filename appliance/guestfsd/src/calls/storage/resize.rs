//! Growing and shrinking filesystems.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::{NtfsresizeOpts, XfsGrowfsOpts};
use rustix::fs::FileType;

use super::tool::{Subject, Tool};
use super::{is_ext, not_supported};
use crate::Guestfsd;
use crate::error::{At, refused};

/// Unit in which resize2fs is told a size.
const KIB: i64 = 1024;

impl Guestfsd {
    /// resize2fs wants a filesystem that was just checked, unless it is mounted.
    fn checked_for_resize(&self, device: &Subject) -> Result<()> {
        let mounted = self.engine.mount_points().into_iter().any(|mount| mount.mountable == device.name);
        if !mounted {
            Tool::new("e2fsck").arg("-fy").on(device).folded().run("")?;
        }
        Ok(())
    }

    fn resize_ext(&self, call: &str, device: &BStr, before: &[&str], size: Option<String>) -> Result<()> {
        let device = self.subject(call, device)?;
        let done = self.checked_for_resize(&device).and_then(|()| {
            let tool = Tool::new("resize2fs").args(before).on(&device);
            tool.args(size).run("")
        });
        self.changed(call)?;
        done.map(drop)
    }

    pub(crate) fn resize2fs(&mut self, device: &BStr) -> Result<()> {
        self.resize_ext("resize2fs", device, &[], None)
    }

    #[expect(non_snake_case, reason = "the call's name")]
    pub(crate) fn resize2fs_M(&mut self, device: &BStr) -> Result<()> {
        self.resize_ext("resize2fs_M", device, &["-M"], None)
    }

    pub(crate) fn resize2fs_size(&mut self, device: &BStr, size: i64) -> Result<()> {
        if size % KIB != 0 {
            return Err(refused(format!("{size}: size must be a round number of kilobytes")));
        }
        if size <= 0 {
            return Err(refused(format!("{size}: size must be > 0")));
        }
        self.resize_ext("resize2fs_size", device, &[], Some(format!("{}K", size / KIB)))
    }

    pub(crate) fn xfs_growfs(&mut self, path: &BStr, opts: &XfsGrowfsOpts) -> Result<()> {
        let directory = self.file_subject("xfs_growfs", path, FileType::Directory)?;
        let tool = Tool::new("xfs_growfs")
            .flag(opts.datasec, "-d")
            .flag(opts.logsec, "-l")
            .flag(opts.rtsec, "-r")
            .number("-D", "", "datasize", opts.datasize)?
            .number("-L", "", "logsize", opts.logsize)?
            .number("-R", "", "rtsize", opts.rtsize)?
            .number("-e", "", "rtextsize", opts.rtextsize)?
            .number("-m", "", "maxpct", opts.maxpct)?;
        let done = tool.on(&directory).run(path);
        self.changed("xfs_growfs")?;
        done.map(drop)
    }

    /// The program asks before it writes, unless it is forced; the call is the answer.
    pub(crate) fn ntfsresize(&mut self, device: &BStr, opts: &NtfsresizeOpts) -> Result<()> {
        if opts.size.is_some_and(|size| size <= 0) {
            return Err(refused("size is zero or negative"));
        }
        let device = self.subject("ntfsresize", device)?;
        let tool = Tool::new("ntfsresize")
            .arg("-P")
            .option("--size", opts.size.map(|size| size.to_string()))
            .flag(opts.force, "--force")
            .on(&device)
            .input("y\n")
            .folded();
        let done = tool.run(&device.name);
        self.changed("ntfsresize")?;
        done.map(drop)
    }

    pub(crate) fn ntfsresize_size(&mut self, device: &BStr, size: i64) -> Result<()> {
        self.ntfsresize(device, &NtfsresizeOpts { size: Some(size), force: None })
    }

    pub(crate) fn f2fs_expand(&mut self, device: &BStr) -> Result<()> {
        let device = self.subject("f2fs_expand", device)?;
        let done = Tool::new("resize.f2fs").on(&device).folded().run("");
        self.changed("f2fs_expand")?;
        done.map(drop)
    }

    pub(crate) fn vfs_minimum_size(&mut self, mountable: &BStr) -> Result<i64> {
        const CALL: &str = "vfs_minimum_size";
        let mountable = self.mountable(mountable)?;
        let device = self.subject(CALL, mountable.device())?;
        let kind = self.vfs_type(mountable.device())?;
        match kind.as_slice() {
            kind if is_ext(kind) => smallest_ext(&device),
            b"ntfs" => smallest_ntfs(&device),
            b"btrfs" => {
                let directory = self.where_mounted(CALL, &device)?;
                let tool = Tool::new("btrfs").args(["inspect-internal", "min-dev-size"]).on(&directory);
                number_after(&tool.run(&device.name)?, "").ok_or_else(|| not_found(&device.name))
            }
            // XFS can't shrink: what it has is what it needs.
            b"xfs" => {
                let directory = self.where_mounted(CALL, &device)?;
                let stats = self.tree().stat_fs(directory.name.as_bstr()).at(&directory.name)?.stats;
                // The log is not counted there.
                let info = self.xfs_info(device.name.as_bstr())?;
                let blocks = info.xfs_datablocks.max(stats.blocks);
                Ok(super::super::wire(blocks.saturating_mul(u64::from(info.xfs_blocksize))))
            }
            _ => Err(not_supported(format!("don't know how to get minimum size of '{kind}' filesystems"))),
        }
    }

    /// Where the filesystem of a device is mounted.
    fn where_mounted(&self, call: &str, device: &Subject) -> Result<Subject> {
        let mounts = self.engine.mount_points();
        let mount = mounts.into_iter().find(|mount| mount.mountable == device.name);
        let mount = mount.ok_or_else(|| refused(format!("{} must be mounted", device.name)))?;
        self.file_subject(call, mount.path.as_bstr(), FileType::Directory)
    }
}

fn not_found(name: &BString) -> libguestfs_core::Error {
    refused(format!("{name}: minimum size not found in what the program prints"))
}

/// The number that follows a text.
fn number_after(printed: &[u8], text: &str) -> Option<i64> {
    let (_, after) = printed.split_once_str(text)?;
    let digits = after.trim_ascii_start();
    let end = digits.find_not_byteset(b"0123456789").unwrap_or(digits.len());
    digits.get(..end)?.to_str().ok()?.parse().ok()
}

fn smallest_ext(device: &Subject) -> Result<i64> {
    let printed = Tool::new("resize2fs").args(["-P", "-f"]).on(device).run("")?;
    let blocks = number_after(&printed, "minimum size of the filesystem: ");
    let printed = Tool::new("tune2fs").arg("-l").on(device).run("")?;
    let size = number_after(&printed, "\nBlock size:");
    blocks
        .zip(size)
        .and_then(|(blocks, size)| blocks.checked_mul(size))
        .ok_or_else(|| not_found(&device.name))
}

fn smallest_ntfs(device: &Subject) -> Result<i64> {
    let tool = Tool::new("ntfsresize").args(["--info", "-ff"]).on(device).folded();
    let ended = tool.end(&device.name)?;
    let printed =
        if ended.status.success() { BString::from(ended.stdout.clone()) } else { ended.stderr.clone() };
    let found = if ended.status.success() {
        number_after(&printed, "You might resize at ")
    } else if printed.contains_str("ERROR: Volume is full") {
        // It can't shrink at all.
        number_after(&printed, "Current volume size: ")
    } else {
        return Err(refused(ended.complaint("ntfsresize")));
    };
    found.ok_or_else(|| not_found(&device.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_in_what_programs_print() {
        for (printed, text, expected) in [
            (
                "resize2fs 1.47\nEstimated minimum size of the filesystem: 16262\n",
                "filesystem: ",
                Some(16262),
            ),
            ("You might resize at 2564096 bytes or 3 MB\n", "resize at ", Some(2_564_096)),
            ("Block count: 1\nBlock size:               4096\n", "\nBlock size:", Some(4096)),
            ("119537664 bytes (114.00MiB)\n", "", Some(119_537_664)),
            ("nothing", "size", None),
            ("size: x", "size: ", None),
        ] {
            assert_eq!(number_after(printed.as_bytes(), text), expected);
        }
    }
}

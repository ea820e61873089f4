//! Btrfs: subvolumes, quota groups, devices and repairs, by the programs of btrfs-progs.
//!
//! The programs get files of the guest as open descriptors: see [`Tool`].

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::{
    BtrfsFilesystemDefragmentOpts, BtrfsFilesystemResizeOpts, BtrfsFsckOpts, BtrfsImageOpts,
    BtrfsScrubFullOpts, BtrfsSubvolumeCreateOpts, BtrfsSubvolumeSnapshotOpts,
};
use rustix::fs::{Mode, OFlags};

use super::aside::Aside;
use super::tool::Tool;
use crate::Guestfsd;
use crate::error::{At, refused};

/// Where scrub keeps how far it is (btrfs-scrub(8)); without the directory there is nothing to resume.
const SCRUB_STATE: &str = "/var/lib/btrfs";
/// Permissions of the file that `btrfs_image` makes.
const IMAGE_MODE: u32 = 0o644;

impl Guestfsd {
    /// btrfs(8) with a command of two words.
    pub(super) fn btrfs(&self, call: &str, command: [&str; 2]) -> Result<Tool<'_>> {
        Ok(Tool::new(self.kernel(call)?, "btrfs").args(command))
    }

    /// Runs a command on a file or directory of the guest.
    pub(super) fn btrfs_at(&self, tool: Tool<'_>, path: &BStr) -> Result<Vec<u8>> {
        tool.path(path, path)?.run_at(path)
    }

    pub(crate) fn btrfs_subvolume_create(
        &mut self,
        dest: &BStr,
        opts: &BtrfsSubvolumeCreateOpts,
    ) -> Result<()> {
        let mut tool = self.btrfs("btrfs_subvolume_create", ["subvolume", "create"])?;
        if let Some(group) = &opts.qgroupid {
            tool = tool.arg("-i").arg(group);
        }
        tool.name(dest, dest)?.run_at(dest)?;
        Ok(())
    }

    pub(crate) fn btrfs_subvolume_delete(&mut self, subvolume: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_subvolume_delete", ["subvolume", "delete"])?;
        tool.name(subvolume, subvolume)?.run_at(subvolume)?;
        Ok(())
    }

    pub(crate) fn btrfs_subvolume_snapshot(
        &mut self,
        source: &BStr,
        dest: &BStr,
        opts: &BtrfsSubvolumeSnapshotOpts,
    ) -> Result<()> {
        let tool = self.btrfs("btrfs_subvolume_snapshot", ["subvolume", "snapshot"])?;
        let mut tool = tool.arg_if(opts.ro == Some(true), "-r");
        if let Some(group) = &opts.qgroupid {
            tool = tool.arg("-i").arg(group);
        }
        let place = BString::from(format!("{source}: {dest}"));
        tool.path(source, place.as_bstr())?.name(dest, place.as_bstr())?.run_at(&place)?;
        Ok(())
    }

    pub(crate) fn btrfs_subvolume_set_default(&mut self, id: i64, fs: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_subvolume_set_default", ["subvolume", "set-default"])?;
        self.btrfs_at(tool.arg(id.to_string()), fs)?;
        Ok(())
    }

    pub(crate) fn btrfs_quota_enable(&mut self, fs: &BStr, enable: bool) -> Result<()> {
        let tool = self.btrfs("btrfs_quota_enable", ["quota", if enable { "enable" } else { "disable" }])?;
        self.btrfs_on(tool, fs)
    }

    pub(crate) fn btrfs_quota_rescan(&mut self, fs: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_quota_rescan", ["quota", "rescan"])?.arg("-w");
        self.btrfs_on(tool, fs)
    }

    /// Runs a command on a filesystem that a path or a mountable names.
    fn btrfs_on(&self, tool: Tool<'_>, fs: &BStr) -> Result<()> {
        if fs.starts_with(b"/") && !fs.starts_with(b"/dev/") {
            self.btrfs_at(tool, fs)?;
            return Ok(());
        }
        let kernel = self.kernel("btrfs")?;
        let mounted = Aside::btrfs(kernel, &self.mountable(fs)?)?;
        tool.arg(mounted.path().as_os_str().as_encoded_bytes()).run_at(fs)?;
        Ok(())
    }

    pub(crate) fn btrfs_qgroup_create(&mut self, qgroupid: &BStr, subvolume: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_qgroup_create", ["qgroup", "create"])?.arg(qgroupid);
        self.btrfs_at(tool, subvolume)?;
        Ok(())
    }

    pub(crate) fn btrfs_qgroup_destroy(&mut self, qgroupid: &BStr, subvolume: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_qgroup_destroy", ["qgroup", "destroy"])?.arg(qgroupid);
        self.btrfs_at(tool, subvolume)?;
        Ok(())
    }

    pub(crate) fn btrfs_qgroup_limit(&mut self, subvolume: &BStr, size: i64) -> Result<()> {
        let tool = self.btrfs("btrfs_qgroup_limit", ["qgroup", "limit"])?.arg("--").arg(size.to_string());
        self.btrfs_at(tool, subvolume)?;
        Ok(())
    }

    pub(crate) fn btrfs_qgroup_assign(&mut self, src: &BStr, dst: &BStr, path: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_qgroup_assign", ["qgroup", "assign"])?.args([src, dst]);
        self.btrfs_at(tool, path)?;
        Ok(())
    }

    pub(crate) fn btrfs_qgroup_remove(&mut self, src: &BStr, dst: &BStr, path: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_qgroup_remove", ["qgroup", "remove"])?.args([src, dst]);
        self.btrfs_at(tool, path)?;
        Ok(())
    }

    pub(crate) fn btrfs_device_add(&mut self, devices: &[BString], fs: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_device_add", ["device", "add"])?.arg("--force");
        self.btrfs_devices(tool, devices, fs)
    }

    pub(crate) fn btrfs_device_delete(&mut self, devices: &[BString], fs: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_device_delete", ["device", "delete"])?;
        self.btrfs_devices(tool, devices, fs)
    }

    fn btrfs_devices(&self, tool: Tool<'_>, devices: &[BString], fs: &BStr) -> Result<()> {
        if devices.is_empty() {
            return Ok(());
        }
        self.after_change(self.btrfs_at(tool.devices(&self.canonical_devices(devices)?)?, fs))
    }

    pub(crate) fn btrfs_replace(&mut self, srcdev: &BStr, targetdev: &BStr, mntpoint: &BStr) -> Result<()> {
        // -B: in the foreground. -f: whatever the target holds.
        let tool = self.btrfs("btrfs_replace", ["replace", "start"])?.args(["-B", "-f"]);
        let (source, target) = (self.device(srcdev)?, self.device(targetdev)?);
        let tool = tool.device(source.as_bstr())?.device(target.as_bstr())?;
        self.after_change(self.btrfs_at(tool, mntpoint))
    }

    pub(crate) fn btrfs_filesystem_resize(
        &mut self,
        mountpoint: &BStr,
        opts: &BtrfsFilesystemResizeOpts,
    ) -> Result<()> {
        let tool = self.btrfs("btrfs_filesystem_resize", ["filesystem", "resize"])?;
        let size = match opts.size {
            Some(size) if size <= 0 => return Err(refused("size is zero or negative")),
            Some(size) => size.to_string(),
            None => "max".into(),
        };
        self.btrfs_at(tool.arg(size), mountpoint)?;
        Ok(())
    }

    pub(crate) fn btrfs_filesystem_sync(&mut self, fs: &BStr) -> Result<()> {
        self.btrfs_at(self.btrfs("btrfs_filesystem_sync", ["filesystem", "sync"])?, fs)?;
        Ok(())
    }

    pub(crate) fn btrfs_filesystem_defragment(
        &mut self,
        path: &BStr,
        opts: &BtrfsFilesystemDefragmentOpts,
    ) -> Result<()> {
        let tool = self.btrfs("btrfs_filesystem_defragment", ["filesystem", "defragment"])?.arg("-r");
        let mut tool = tool.arg_if(opts.flush == Some(true), "-f");
        if let Some(method) = &opts.compress {
            if !matches!(method.as_bytes(), b"zlib" | b"lzo") {
                return Err(refused(format!("unknown compress method: {method}")));
            }
            tool = tool.arg([b"-c", method.as_bytes()].concat());
        }
        self.btrfs_at(tool, path)?;
        Ok(())
    }

    pub(crate) fn btrfs_filesystem_balance(&mut self, fs: &BStr) -> Result<()> {
        // Without --full-balance it waits ten seconds for somebody to stop it.
        let tool = self.btrfs("btrfs_filesystem_balance", ["balance", "start"])?.arg("--full-balance");
        self.btrfs_at(tool, fs)?;
        Ok(())
    }

    pub(crate) fn btrfs_balance_pause(&mut self, path: &BStr) -> Result<()> {
        self.btrfs_at(self.btrfs("btrfs_balance_pause", ["balance", "pause"])?, path)?;
        Ok(())
    }

    pub(crate) fn btrfs_balance_cancel(&mut self, path: &BStr) -> Result<()> {
        self.btrfs_at(self.btrfs("btrfs_balance_cancel", ["balance", "cancel"])?, path)?;
        Ok(())
    }

    pub(crate) fn btrfs_balance_resume(&mut self, path: &BStr) -> Result<()> {
        self.btrfs_at(self.btrfs("btrfs_balance_resume", ["balance", "resume"])?, path)?;
        Ok(())
    }

    fn scrub(&self, call: &str, command: &str) -> Result<Tool<'_>> {
        let tool = self.btrfs(call, ["scrub", command])?;
        std::fs::create_dir_all(SCRUB_STATE).map_err(|e| refused(format!("{SCRUB_STATE}: {e}")))?;
        Ok(tool)
    }

    pub(crate) fn btrfs_scrub_start(&mut self, path: &BStr) -> Result<()> {
        self.btrfs_at(self.scrub("btrfs_scrub_start", "start")?, path)?;
        Ok(())
    }

    pub(crate) fn btrfs_scrub_cancel(&mut self, path: &BStr) -> Result<()> {
        self.btrfs_at(self.scrub("btrfs_scrub_cancel", "cancel")?, path)?;
        Ok(())
    }

    pub(crate) fn btrfs_scrub_resume(&mut self, path: &BStr) -> Result<()> {
        self.btrfs_at(self.scrub("btrfs_scrub_resume", "resume")?, path)?;
        Ok(())
    }

    pub(crate) fn btrfs_scrub_full(&mut self, path: &BStr, opts: &BtrfsScrubFullOpts) -> Result<()> {
        let tool = self.scrub("btrfs_scrub_full", "start")?.arg("-B");
        self.btrfs_at(tool.arg_if(opts.readonly == Some(true), "-r"), path)?;
        Ok(())
    }

    pub(crate) fn btrfs_fsck(&mut self, device: &BStr, opts: &BtrfsFsckOpts) -> Result<()> {
        let mut tool = Tool::new(self.kernel("btrfs_fsck")?, "btrfs").arg("check");
        if let Some(superblock) = opts.superblock {
            if superblock < 0 {
                return Err(refused("super block offset must be >= 0"));
            }
            tool = tool.arg("--super").arg(superblock.to_string());
        }
        self.btrfs_device(tool.arg_if(opts.repair == Some(true), "--repair"), device)
    }

    /// Runs a program on a filesystem that is not mounted.
    fn btrfs_device(&self, tool: Tool<'_>, device: &BStr) -> Result<()> {
        let device = self.device(device)?;
        self.after_change(tool.device(device.as_bstr())?.run_at(&device))
    }

    fn btrfstune(&self, call: &str) -> Result<Tool<'_>> {
        Ok(Tool::new(self.kernel(call)?, "btrfstune"))
    }

    pub(crate) fn btrfs_set_seeding(&mut self, device: &BStr, seeding: bool) -> Result<()> {
        self.btrfstune_seeding(device, seeding)
    }

    pub(crate) fn btrfstune_seeding(&mut self, device: &BStr, seeding: bool) -> Result<()> {
        // -f: taking the mark away asks for a confirmation.
        let tool = self.btrfstune("btrfstune_seeding")?.arg_if(!seeding, "-f");
        self.btrfs_device(tool.args(["-S", if seeding { "1" } else { "0" }]), device)
    }

    pub(crate) fn btrfstune_enable_extended_inode_refs(&mut self, device: &BStr) -> Result<()> {
        self.btrfs_device(self.btrfstune("btrfstune_enable_extended_inode_refs")?.arg("-r"), device)
    }

    pub(crate) fn btrfstune_enable_skinny_metadata_extent_refs(&mut self, device: &BStr) -> Result<()> {
        self.btrfs_device(self.btrfstune("btrfstune_enable_skinny_metadata_extent_refs")?.arg("-x"), device)
    }

    pub(crate) fn btrfs_image(
        &mut self,
        source: &[BString],
        image: &BStr,
        opts: &BtrfsImageOpts,
    ) -> Result<()> {
        let kernel = self.kernel("btrfs_image")?;
        if source.is_empty() {
            return Err(refused("list of devices is empty"));
        }
        let mut tool = Tool::new(kernel, "btrfs-image");
        if let Some(level) = opts.compresslevel {
            tool = tool.arg("-c").arg(level.to_string());
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC;
        let file = kernel.sysroot().open(image, flags, Mode::from_raw_mode(IMAGE_MODE)).at(image)?;
        tool.devices(&self.canonical_devices(source)?)?.lend(file, image)?.run()?;
        Ok(())
    }

    pub(crate) fn btrfs_rescue_chunk_recover(&mut self, device: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_rescue_chunk_recover", ["rescue", "chunk-recover"])?.arg("-y");
        self.btrfs_device(tool, device)
    }

    pub(crate) fn btrfs_rescue_super_recover(&mut self, device: &BStr) -> Result<()> {
        let tool = self.btrfs("btrfs_rescue_super_recover", ["rescue", "super-recover"])?.arg("-y");
        self.btrfs_device(tool, device)
    }
}

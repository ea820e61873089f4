//! XFS: how a filesystem was made.

use bstr::{BStr, BString, ByteSlice};
use disk::fs::xfs;
use libguestfs_core::Result;
use libguestfs_core::api::Xfsinfo;

use crate::Guestfsd;
use crate::error::{At, Failure, refused};

/// Where the log of a filesystem is that is read here.
const LOG_NAME: &str = "internal log";
/// The realtime device of one.
const REALTIME_NAME: &str = "none";

impl Guestfsd {
    /// What xfs_info(8) shows, with the device as the place.
    pub(crate) fn xfs_info(&mut self, pathordevice: &BStr) -> Result<Xfsinfo> {
        let device = if pathordevice.starts_with(b"/dev/") {
            self.device(pathordevice)?
        } else {
            self.mounted_at(pathordevice)?
        };
        let source = self.engine.open_block(device.as_bstr()).at(&device)?;
        let g = match xfs::Xfs::is_on(&source) {
            Ok(true) => xfs::geometry(&source),
            Ok(false) => return Err(refused(format!("{device} is not a valid XFS filesystem"))),
            Err(e) => Err(e),
        };
        let g = g.map_err(|e| Failure::disk(device.as_bstr(), e)).at(&device)?;
        Ok(Xfsinfo {
            xfs_mntpoint: device,
            xfs_inodesize: g.inode_size,
            xfs_agcount: g.ag_count,
            xfs_agsize: g.ag_size,
            xfs_sectsize: g.sector_size,
            xfs_attr: g.attr,
            xfs_blocksize: g.block_size,
            xfs_datablocks: g.data_blocks,
            xfs_imaxpct: g.inode_max_percent,
            xfs_sunit: g.stripe_unit,
            xfs_swidth: g.stripe_width,
            xfs_dirversion: g.dir_version,
            xfs_dirblocksize: g.dir_block_size,
            xfs_cimode: g.ascii_ci.into(),
            xfs_logname: LOG_NAME.into(),
            xfs_logblocksize: g.block_size,
            xfs_logblocks: g.log_blocks,
            xfs_logversion: g.log_version,
            xfs_logsectsize: g.log_sector_size,
            xfs_logsunit: g.log_stripe_unit,
            xfs_lazycount: g.lazy_count.into(),
            xfs_rtname: REALTIME_NAME.into(),
            xfs_rtextsize: g.rt_extent_size,
            xfs_rtblocks: g.rt_blocks,
            xfs_rtextents: g.rt_extents,
        })
    }

    /// The device that is mounted at a path.
    fn mounted_at(&self, path: &BStr) -> Result<BString> {
        let canonical = self.tree().canonical(path).at(path)?;
        let mounts = self.engine.mount_points();
        let mount = mounts.into_iter().rev().find(|mount| mount.path == canonical);
        mount
            .map(|mount| mount.mountable)
            .ok_or_else(|| refused(format!("{path} is not a mounted XFS filesystem")))
    }
}

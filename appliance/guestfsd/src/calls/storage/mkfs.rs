//! Filesystems of any type that the appliance has a program for; swap and ext with all its options are elsewhere.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::{MkfsBtrfsOpts, MkfsOpts};

use super::tool::{Subject, Tool};
use super::{EXT_LABEL_MAX, XFS_LABEL_MAX, check_label, is_ext, not_negative, not_supported};
use crate::Guestfsd;
use crate::error::refused;

/// Most sectors in a cluster of FAT (Microsoft's specification allows no byte above 128).
const FAT_CLUSTER_MAX: i32 = 128;
/// Profiles of data and metadata that mkfs.btrfs knows.
const BTRFS_PROFILES: [&str; 9] =
    ["single", "dup", "raid0", "raid1", "raid10", "raid5", "raid6", "raid1c3", "raid1c4"];

impl Guestfsd {
    pub(crate) fn mkfs(&mut self, fstype: &BStr, device: &BStr, opts: &MkfsOpts) -> Result<()> {
        let kind = fstype.as_bytes();
        let node = self.subject("mkfs", device)?;
        let program = if is_ext(kind) { "mke2fs".to_owned() } else { program_for(fstype)? };
        let tool = if is_ext(kind) { Tool::new(&program).arg("-t").arg(kind) } else { Tool::new(&program) };
        let tool = unasked(tool, kind, &program)?;
        let tool = self.block_size(tool, fstype, device, opts.blocksize)?;
        let tool = tool.option("-O", opts.features.as_deref());
        let tool = match opts.inode {
            None => tool,
            Some(_) if !is_ext(kind) => {
                return Err(refused("inode size (-I) can only be set on ext2/3/4 filesystems"));
            }
            Some(size) if size <= 0 => return Err(refused("inode size must be larger than zero")),
            Some(size) => tool.arg("-I").arg(size.to_string()),
        };
        let tool = match opts.sectorsize {
            None => tool,
            Some(_) if kind != b"ufs" => {
                return Err(refused("sector size (-S) can only be set on ufs filesystems"));
            }
            Some(size) if size <= 0 => return Err(refused("sector size must be larger than zero")),
            Some(size) => tool.arg("-S").arg(size.to_string()),
        };
        let tool = match &opts.label {
            None => tool,
            Some(label) => tool.arg(label_option(kind, label.as_bstr())?).arg(label),
        };
        self.make("mkfs", tool.on(&node), &node, &format!("{fstype}: {}", node.name))
    }

    /// Runs a program that makes a filesystem on a device.
    pub(super) fn make(&self, call: &str, tool: Tool, device: &Subject, place: &str) -> Result<()> {
        Self::wipe_before_mkfs(device);
        let done = tool.run(place);
        self.changed(call)?;
        done.map(drop)
    }

    fn block_size(&mut self, tool: Tool, fstype: &BStr, device: &BStr, size: Option<i32>) -> Result<Tool> {
        let Some(size) = size else { return Ok(tool) };
        if size <= 0 || size.count_ones() != 1 {
            return Err(refused("block size must be > 0 and a power of 2"));
        }
        Ok(match fstype.as_bytes() {
            // What is asked for is a size of clusters.
            b"vfat" | b"msdos" | b"fat" => {
                let sector = self.blockdev_getss(device)?;
                let sectors = size.checked_div(sector).unwrap_or(0);
                if !(1..=FAT_CLUSTER_MAX).contains(&sectors) {
                    return Err(refused(format!(
                        "unsupported cluster size for {fstype} filesystem (requested cluster size = {size}, \
                         sector size = {sector}, trying sectors per cluster = {sectors})"
                    )));
                }
                tool.arg("-s").arg(sectors.to_string())
            }
            b"ntfs" => tool.arg("-c").arg(size.to_string()),
            b"btrfs" => {
                return Err(refused("blocksize cannot be set on btrfs filesystems, use 'mkfs-btrfs'"));
            }
            b"xfs" => tool.arg("-b").arg(format!("size={size}")),
            _ => tool.arg("-b").arg(size.to_string()),
        })
    }

    pub(crate) fn mkfs_b(&mut self, fstype: &BStr, blocksize: i32, device: &BStr) -> Result<()> {
        self.mkfs(fstype, device, &MkfsOpts { blocksize: Some(blocksize), ..MkfsOpts::default() })
    }

    pub(crate) fn mkfs_btrfs(&mut self, devices: &[BString], opts: &MkfsBtrfsOpts) -> Result<()> {
        let nodes: Vec<Subject> =
            devices.iter().map(|d| self.subject("mkfs_btrfs", d.as_bstr())).collect::<Result<_>>()?;
        let Some(first) = nodes.first() else {
            return Err(refused("list of devices must be non-empty"));
        };
        if opts.bytecount.is_some_and(|count| count <= 0) {
            return Err(refused("bytecount must be > 0"));
        }
        let mut tool = Tool::new("mkfs.btrfs")
            .arg("-f")
            .number("--alloc-start", "", "allocstart", opts.allocstart)?
            .number("--byte-count", "", "bytecount", opts.bytecount)?
            .option("--data", profile("datatype", opts.datatype.as_ref())?)
            // The size of leaves and of nodes are one; the option for the first is gone since btrfs-progs 4.0.
            .option(
                "--nodesize",
                power_of_two("leafsize", opts.leafsize.filter(|_| opts.nodesize.is_none()))?,
            )
            .option("--label", opts.label.as_ref())
            .option("--metadata", profile("metadata", opts.metadata.as_ref())?)
            .option("--nodesize", power_of_two("nodesize", opts.nodesize)?)
            .option("--sectorsize", power_of_two("sectorsize", opts.sectorsize)?);
        for node in &nodes {
            Self::wipe_before_mkfs(node);
            tool = tool.on(node);
        }
        let place = first.name.to_string();
        let done = tool.run(place);
        self.changed("mkfs_btrfs")?;
        done.map(drop)
    }
}

/// The program that makes filesystems of a type. The caller's text must not lead it to another directory.
fn program_for(fstype: &BStr) -> Result<String> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+".contains(byte);
    if fstype.is_empty() || !fstype.iter().all(plain) {
        return Err(refused(format!("{fstype}: not the name of a filesystem type")));
    }
    Ok(format!("mkfs.{fstype}"))
}

/// What each program needs so that it neither asks nor does what is of no use on a disk image.
fn unasked(tool: Tool, kind: &[u8], program: &str) -> Result<Tool> {
    Ok(match kind {
        b"ext2" | b"ext3" | b"ext4" => tool.arg("-F"),
        // Without it, every block is zeroed and looked at.
        b"ntfs" => tool.arg("-Q"),
        b"reiserfs" | b"jfs" | b"xfs" | b"btrfs" | b"f2fs" => tool.arg("-f"),
        // One node.
        b"gfs" | b"gfs2" => tool.args(["-p", "lock_nolock", "-j", "1", "-O"]),
        // On a whole disk, and without a partition table in it, which newer versions write.
        b"fat" | b"vfat" | b"msdos" => {
            let help = Tool::new(program).arg("--help").folded().end(program)?;
            let known = help.stdout.contains_str("--mbr") || help.stderr.contains_str("--mbr");
            tool.arg("-I").flag(Some(known), "--mbr=n")
        }
        _ => tool,
    })
}

/// The option by which the program for a type takes a label.
fn label_option(kind: &[u8], label: &BStr) -> Result<&'static str> {
    Ok(match kind {
        b"ext2" | b"ext3" | b"ext4" => {
            check_label(label, "ext2/3/4", EXT_LABEL_MAX)?;
            "-L"
        }
        b"xfs" => {
            check_label(label, "xfs", XFS_LABEL_MAX)?;
            "-L"
        }
        b"ntfs" | b"btrfs" => "-L",
        b"fat" | b"vfat" | b"msdos" => "-n",
        b"f2fs" => "-l",
        _ => {
            let kind = BStr::new(kind);
            return Err(not_supported(format!("don't know how to set the label for '{kind}' filesystems")));
        }
    })
}

fn profile(name: &str, value: Option<&BString>) -> Result<Option<BString>> {
    if value.is_some_and(|value| !BTRFS_PROFILES.iter().any(|known| value == known)) {
        return Err(refused(format!("{name} not one of the allowed values")));
    }
    Ok(value.cloned())
}

fn power_of_two(name: &str, value: Option<i32>) -> Result<Option<String>> {
    match value {
        Some(size) if size <= 0 || size.count_ones() != 1 => {
            Err(refused(format!("{name} must be > 0 and a power of two")))
        }
        _ => Ok(value.map(|size| size.to_string())),
    }
}

/// Blocks as an argument.
pub(super) fn block_size_argument(size: i32) -> Result<String> {
    Ok(not_negative("blocksize", size)?.to_string())
}

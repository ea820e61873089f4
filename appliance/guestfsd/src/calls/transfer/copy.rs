//! From files and devices of the guest to others.

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;

use bstr::BStr;
use libguestfs_core::Result;
use libguestfs_core::api::{
    CopyDeviceToDeviceOpts, CopyDeviceToFileOpts, CopyFileToDeviceOpts, CopyFileToFileOpts,
};
use rustix::fs::{OFlags, SeekFrom, fstat, ftruncate, seek};

use crate::Guestfsd;
use crate::calls::sink::Told;
use crate::calls::writing::data::{copy_range, write_all_at};
use crate::error::{At, Failure, refused};

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;
/// Zeros in a row that a sparse copy leaves out: a block of most filesystems.
const SPARSE: usize = 4096;

/// What the four calls have in common.
struct Plan {
    source_offset: u64,
    target_offset: u64,
    /// To the end of the source, if not given.
    size: Option<u64>,
    sparse: bool,
    append: bool,
}

impl Plan {
    fn new(
        source_offset: Option<i64>,
        target_offset: Option<i64>,
        size: Option<i64>,
        sparse: Option<bool>,
        append: Option<bool>,
    ) -> Result<Plan> {
        let number =
            |value: i64, name| u64::try_from(value).map_err(|_| refused(format!("{name} is negative")));
        Ok(Plan {
            source_offset: number(source_offset.unwrap_or(0), "srcoffset")?,
            target_offset: number(target_offset.unwrap_or(0), "destoffset")?,
            size: size.map(|size| number(size, "size")).transpose()?,
            sparse: sparse.unwrap_or(false),
            append: append.unwrap_or(false),
        })
    }

    /// How a target is opened: emptied, unless what is in it stays.
    fn flags(&self) -> OFlags {
        let flags = OFlags::WRONLY | OFlags::CREATE;
        if self.append { flags } else { flags | OFlags::TRUNC }
    }
}

/// Defines a call by its name, its options and its name in messages.
macro_rules! copies {
    ($($call:ident($opts:ty);)*) => {
        impl Guestfsd {
            $(pub(crate) fn $call(
                &mut self,
                source: &BStr,
                target: &BStr,
                told: &mut dyn Told,
                opts: &$opts,
            ) -> Result<()> {
                let plan = Plan::new(opts.srcoffset, opts.destoffset, opts.size, opts.sparse, opts.append)?;
                self.copy_content(stringify!($call), source, target, plan, told)
            })*
        }
    };
}

copies! {
    copy_device_to_device(CopyDeviceToDeviceOpts);
    copy_device_to_file(CopyDeviceToFileOpts);
    copy_file_to_device(CopyFileToDeviceOpts);
    copy_file_to_file(CopyFileToFileOpts);
}

impl Guestfsd {
    fn copy_content(
        &self,
        call: &str,
        source: &BStr,
        target: &BStr,
        plan: Plan,
        told: &mut dyn Told,
    ) -> Result<()> {
        let from = self.open_any(call, source, OFlags::RDONLY)?;
        let to = self.open_any(call, target, plan.flags())?;
        let copied = transfer(&from, source, &to, target, &plan, told)?;
        if plan.size.is_some_and(|size| copied < size) {
            return Err(refused(format!("{source}: input too short")));
        }
        self.device_written(call, target, &to)
    }

    /// What is in the target stays behind what is copied.
    pub(crate) fn copy_size(
        &mut self,
        source: &BStr,
        target: &BStr,
        size: i64,
        told: &mut dyn Told,
    ) -> Result<()> {
        let size = u64::try_from(size).map_err(|_| refused(format!("{source}: size is negative")))?;
        let from = self.open_any("copy_size", source, OFlags::RDONLY)?;
        let to = self.open_any("copy_size", target, OFlags::WRONLY | OFlags::CREATE)?;
        let copied = by_hand(&from, source, 0, &to, target, 0, size, false, told)?;
        if copied < size {
            return Err(refused(format!("{source}: input file too short")));
        }
        self.device_written("copy_size", target, &to)
    }

    pub(crate) fn dd(&mut self, source: &BStr, target: &BStr) -> Result<()> {
        let plan = Plan::new(None, None, None, None, None)?;
        self.copy_content("dd", source, target, plan, &mut ())
    }
}

/// Length of an open file or device.
fn length(fd: &OwnedFd, name: &BStr) -> Result<u64> {
    seek(fd, SeekFrom::End(0)).map_err(Failure::from).at(name)
}

/// Copies, and says how many bytes there were.
fn transfer(
    from: &OwnedFd,
    source: &BStr,
    to: &OwnedFd,
    target: &BStr,
    plan: &Plan,
    told: &mut dyn Told,
) -> Result<u64> {
    let to_device = target.starts_with(b"/dev/");
    let rest = length(from, source)?.saturating_sub(plan.source_offset);
    let total = plan.size.unwrap_or(rest);
    let offset = if plan.append && !to_device { length(to, target)? } else { plan.target_offset };
    // Where nothing was, holes stay holes, and the kernel copies by itself.
    if to_device || plan.sparse || source.starts_with(b"/dev/") {
        let copied = by_hand(from, source, plan.source_offset, to, target, offset, total, plan.sparse, told)?;
        if !to_device {
            extend(to, target, offset.saturating_add(copied))?;
        }
        return Ok(copied);
    }
    let mut broken = Ok(());
    let copied = copy_range(from, plan.source_offset, to, offset, total, &mut |done| {
        broken = told.tell(done, total);
        if broken.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .at(format_args!("{target}: write"))?;
    broken?;
    extend(to, target, offset.saturating_add(copied))?;
    Ok(copied)
}

/// Makes a file at least so long: it may end in a hole.
fn extend(to: &OwnedFd, target: &BStr, end: u64) -> Result<()> {
    let size = fstat(to).map_err(Failure::from).at(target)?.st_size.cast_unsigned();
    if size < end {
        ftruncate(to, end).map_err(Failure::from).at(format_args!("ftruncate: {target}"))?;
    }
    Ok(())
}

/// Copies with a buffer: every byte, or with `sparse` all but blocks of zeros.
#[expect(
    clippy::too_many_arguments,
    reason = "two places with names and offsets, and how to go from one to the other"
)]
fn by_hand(
    from: &OwnedFd,
    source: &BStr,
    source_offset: u64,
    to: &OwnedFd,
    target: &BStr,
    target_offset: u64,
    size: u64,
    sparse: bool,
    told: &mut dyn Told,
) -> Result<u64> {
    let mut buffer = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(BUFFER)];
    let mut done = 0u64;
    while done < size {
        let want = usize::try_from(size.saturating_sub(done)).unwrap_or(usize::MAX).min(buffer.len());
        let piece = buffer.get_mut(..want).unwrap_or_default();
        let count = match rustix::io::pread(from, piece, source_offset.saturating_add(done)) {
            Ok(0) => break,
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(Failure::from(errno).at(format_args!("read: {source}"))),
        };
        let piece = buffer.get(..count).unwrap_or_default();
        let mut at = target_offset.saturating_add(done);
        let step = if sparse { SPARSE } else { BUFFER };
        for block in piece.chunks(step) {
            if !sparse || block.iter().any(|byte| *byte != 0) {
                write_all_at(to, block, at).at(format_args!("{target}: write"))?;
            }
            at = at.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX));
        }
        done = done.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        told.tell(done, size)?;
    }
    Ok(done)
}

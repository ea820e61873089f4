//! The machine that the daemon runs on: its kernel, its memory, and files of its own tree.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::time::Duration;

use bstr::{BStr, BString, ByteSlice, ByteVec};
use libguestfs_core::Result;
use libguestfs_core::api::Utsname;
use libguestfs_core::server::FileIn;
use nix::errno::Errno;

use crate::Guestfsd;
use crate::engine::kernel::Kernel;
use crate::error::{At, Failure, refused};
use crate::program::Program;

/// Types of filesystems that the kernel has, one a line after what kind they are.
const FILESYSTEMS: &str = "/proc/filesystems";
/// Messages of the kernel, one a read.
const MESSAGES: &str = "/dev/kmsg";
/// Longest message (`CONSOLE_EXT_LOG_MAX` of the kernel, which is 8 KiB).
const MESSAGE_MAX: usize = 8 << 10;
/// Most bytes of messages that are kept: the newest. The kernel's own buffer is smaller unless it is told otherwise.
const MESSAGES_MAX: usize = 2 << 20;
/// Where the kernel is told to drop what it caches.
const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";
/// Permission bits of a mode.
const PERMISSIONS: u32 = 0o7777;

impl Guestfsd {
    pub(crate) fn filesystem_available(&mut self, filesystem: &BStr) -> Result<bool> {
        let kernel = self.kernel("filesystem_available")?;
        let name = filesystem.to_str().ok().filter(|name| is_name(name));
        let name = name.ok_or_else(|| refused("filesystem name contains non-alphanumeric characters"))?;
        Ok(has_filesystem(kernel, name))
    }

    pub(crate) fn utsname(&mut self) -> Result<Utsname> {
        self.kernel("utsname")?;
        let found = rustix::system::uname();
        Ok(Utsname {
            uts_sysname: found.sysname().to_bytes().into(),
            uts_release: found.release().to_bytes().into(),
            uts_version: found.version().to_bytes().into(),
            uts_machine: found.machine().to_bytes().into(),
        })
    }

    /// As dmesg(1) shows them.
    pub(crate) fn dmesg(&mut self) -> Result<BString> {
        self.kernel("dmesg")?;
        let broken = |e: std::io::Error| refused(format!("{MESSAGES}: {e}"));
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let mut file = File::options().read(true).custom_flags(nonblocking).open(MESSAGES).map_err(broken)?;
        let mut text = Vec::new();
        let mut record = vec![0; MESSAGE_MAX];
        loop {
            match file.read(&mut record) {
                Ok(0) => break,
                Ok(n) => message(record.get(..n).unwrap_or_default(), &mut text),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                // EPIPE: messages were overwritten before they were read.
                Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::BrokenPipe) => {}
                Err(e) => return Err(broken(e)),
            }
            let excess = text.len().saturating_sub(MESSAGES_MAX);
            if excess > MESSAGES_MAX {
                text.drain(..excess);
            }
        }
        Ok(super::command::c_string(text))
    }

    pub(crate) fn modprobe(&mut self, modulename: &BStr) -> Result<()> {
        self.kernel("modprobe")?;
        let ended = Program::new("modprobe").arg("--").arg(modulename).end("modprobe")?;
        if ended.status.success() { Ok(()) } else { Err(refused(ended.complaint("modprobe"))) }
    }

    pub(crate) fn drop_caches(&mut self, whattodrop: i32) -> Result<()> {
        self.kernel("drop_caches")?.sync();
        if whattodrop == 0 {
            return Ok(());
        }
        std::fs::write(DROP_CACHES, format!("{whattodrop}\n"))
            .map_err(|e| Failure::from_io(&e))
            .at(DROP_CACHES)
    }

    pub(crate) fn sleep(&mut self, secs: i32) -> Result<()> {
        self.kernel("sleep")?;
        let secs = u64::try_from(secs).map_err(|_| refused("the time to sleep is negative"))?;
        std::thread::sleep(Duration::from_secs(secs));
        Ok(())
    }

    pub(crate) fn echo_daemon(&mut self, words: &[BString]) -> Result<BString> {
        Ok(bstr::join(" ", words).into())
    }

    pub(crate) fn list_9p(&mut self) -> Result<Vec<BString>> {
        Err(libguestfs_core::Error::daemon(Errno::ENOTSUP, "9p support was removed in libguestfs 1.48"))
    }

    pub(crate) fn debug_upload(
        &mut self,
        filename: &mut FileIn<'_>,
        tmpname: &BStr,
        mode: i32,
    ) -> Result<()> {
        self.internal_upload(filename, tmpname, mode)
    }

    /// Into the appliance's own tree, which holds nothing of the guest.
    pub(crate) fn internal_upload(
        &mut self,
        filename: &mut FileIn<'_>,
        tmpname: &BStr,
        mode: i32,
    ) -> Result<()> {
        self.kernel("internal_upload")?;
        let path = tmpname.to_path().map_err(|e| refused(format!("{tmpname}: {e}")))?;
        let permissions = mode.cast_unsigned() & PERMISSIONS;
        let broken = |e: std::io::Error| Failure::from_io(&e).at(tmpname);
        let mut options = File::options();
        let mut file =
            options.write(true).create(true).truncate(true).mode(permissions).open(path).map_err(broken)?;
        while let Some(chunk) = filename.next_chunk()? {
            file.write_all(chunk).map_err(broken)?;
        }
        file.set_permissions(PermissionsExt::from_mode(permissions)).map_err(broken)
    }

    /// A test of what a handle does when the daemon is gone.
    pub(crate) fn internal_exit(&mut self) -> Result<()> {
        end_now()
    }

    /// A test of what a handle does when the daemon goes in the midst of an upload.
    pub(crate) fn internal_rhbz914931(&mut self, filename: &mut FileIn<'_>, count: i32) -> Result<()> {
        let mut left = usize::try_from(count).map_err(|_| refused("count is negative"))?;
        while let Some(chunk) = filename.next_chunk()? {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
        end_now()
    }
}

/// Ends the daemon. The first process of an appliance takes its machine along.
#[expect(clippy::exit, reason = "it is what the caller asks for")]
fn end_now() -> Result<()> {
    std::process::exit(0)
}

/// Can the kernel mount filesystems of this type, with the module for it if there is one?
pub(super) fn has_filesystem(_kernel: &Kernel, name: &str) -> bool {
    let known = || std::fs::read(FILESYSTEMS).is_ok_and(|text| is_listed(&text, name));
    if known() {
        return true;
    }
    // There need not be a module of that name.
    let loaded = Program::new("modprobe").args(["-q", "--"]).arg(format!("fs-{name}")).end("modprobe");
    loaded.is_ok() && known()
}

fn is_listed(filesystems: &[u8], name: &str) -> bool {
    filesystems.lines().any(|line| line.rsplit(u8::is_ascii_whitespace).next() == Some(name.as_bytes()))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A record of /dev/kmsg (`6,339,5140900,-;text`, with lines after it that begin with a space) as `[    5.140900] text`.
fn message(record: &[u8], text: &mut Vec<u8>) {
    let line = record.lines().next().unwrap_or_default();
    let Some((head, said)) = line.split_once_str(";") else { return };
    let time = head.split_str(",").nth(2).and_then(|time| time.to_str().ok()?.parse::<u64>().ok());
    let Some(time) = time else { return };
    text.push_str(format!("[{:5}.{:06}] ", time / 1_000_000, time % 1_000_000));
    text.push_str(unescaped(said));
    text.push(b'\n');
}

/// Without the escapes `\xNN` by which the kernel keeps a record in one line.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once_str("\\x") {
        out.extend_from_slice(before);
        let digits = after.get(..2).and_then(|digits| digits.to_str().ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.extend_from_slice(b"\\x");
                rest = after;
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filesystems_are_found_by_their_whole_names() {
        let text = b"nodev\tsysfs\nnodev\ttmpfs\n\text3\n\text4\n";
        for (name, expected) in [("ext4", true), ("sysfs", true), ("ext", false), ("nodev", false)] {
            assert_eq!(is_listed(text, name), expected, "{name}");
        }
        assert!(is_name("ext4") && is_name("ntfs_3") && !is_name("") && !is_name("a/b") && !is_name("-a"));
    }

    #[test]
    fn kernel_messages_have_the_form_of_dmesg() {
        let mut text = Vec::new();
        message(b"6,339,5140900,-;NET: Registered\\x0a PF\\xzz\n SUBSYSTEM=net\n", &mut text);
        message(b"4,1,0,-;first\n", &mut text);
        message(b"nonsense\n", &mut text);
        assert_eq!(text.as_bstr(), "[    5.140900] NET: Registered\n PF\\xzz\n[    0.000000] first\n");
    }
}

//! The daemon as the first process of an appliance.
//!
//! ```text
//! /proc /sys /dev … -> command line -> modules -> disks -> arrays, volumes -> channel -> serve
//!   -> unmount, sync, restart (the virtual machine ends with that; User-Mode Linux halts)
//! ```
//!
//! The root is the initramfs, which `appliance/builder` lays out. Nothing may end this process before the end: the kernel
//! would panic. Standard error is the console, whose lines the handle passes on as the appliance's log.

mod channel;
mod cmdline;
mod disks;
mod volumes;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::wire::Channel;
use libguestfs_core::{Error, Result, server};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, reboot};

use crate::engine::Engine;
use crate::engine::kernel::Kernel;
use crate::error::At;
use crate::modules::{Modules, fields};
use crate::{Guestfsd, log};
use cmdline::CommandLine;

/// Argument by which a program becomes the daemon where it is not the first process (a container, a test).
const ARGUMENT: &str = "--appliance";
/// Where the guest's filesystems are mounted.
const SYSROOT: &str = "/sysroot";
/// The modules to load first, one a line.
const MODULES: &str = "/etc/guestfs/modules";
/// Filesystems of the kernel: type, place.
const MOUNTS: [(&str, &str); 5] =
    [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run"), ("tmpfs", "/tmp")];

/// Was this program started as the first process of an appliance?
pub(crate) fn is_wanted() -> bool {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let first = std::process::id() == 1 && Path::new(&name).file_name().is_some_and(|name| name == "init");
    first || arguments.next() == Some(OsString::from(ARGUMENT))
}

/// Serves, and then ends the machine.
pub(crate) fn run() -> ExitCode {
    // A panic is a defect, but what was written to the disks must reach them.
    let served = catch_unwind(AssertUnwindSafe(serve));
    match served {
        Ok(Ok(())) => {}
        Ok(Err(e)) => log::log_error(&e),
        Err(_) => log::line(format_args!("guestfsd: the daemon panicked")),
    }
    end()
}

fn serve() -> Result<()> {
    prepare()?;
    let line = std::fs::read("/proc/cmdline").map_err(|e| Error::io("/proc/cmdline", e))?;
    let line = cmdline::parse(line.as_bstr());
    log::set_verbose(line.verbose);
    step("the system is mounted");
    load_modules();
    step("modules are loaded");
    let found = disks::find(&line, !has_programs());
    step("disks are there");
    if let Some(disk) = &found.programs {
        mount_programs(disk)?;
        step("programs are there");
    }
    let kernel = Kernel::new(SYSROOT, found.guest);
    link_labels(&kernel);
    volumes::activate(&kernel);
    step("volumes are there");
    bring_up_network(&line);
    let stream = channel::open(line.channel.as_deref())?;
    step("the channel is open");
    let mut daemon = Guestfsd::new(Box::new(kernel));
    let mut channel = Channel::new(stream.into());
    if let Some((memory, line)) = &line.window {
        channel::open_windows(&mut channel, memory, line.as_bstr())?;
    }
    server::announce(&mut channel)?;
    let served = server::serve(&mut channel, &mut daemon);
    step("the handle is gone");
    // A filesystem that stays busy is read-only after the restart's sync all the same.
    if let Err(e) = daemon.engine.umount_all().at("umount_all") {
        log::log_error(&e);
    }
    served
}

/// Makes the system as programs expect it.
fn prepare() -> Result<()> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    for (kind, place) in MOUNTS {
        let failed = |e: io::Error| Error::io(format!("mounting {place}"), e);
        std::fs::create_dir_all(place).map_err(failed)?;
        let flags = MountFlags::NOSUID | MountFlags::RELATIME;
        match mount(kind, place, kind, flags, None) {
            // The kernel may have mounted its devtmpfs itself.
            Ok(()) | Err(rustix::io::Errno::BUSY) => {}
            Err(e) => return Err(failed(e.into())),
        }
    }
    std::fs::create_dir_all(SYSROOT).map_err(|e| Error::io(SYSROOT, e))?;
    // Programs make locks there.
    std::fs::create_dir_all("/run/lock").map_err(|e| Error::io("/run/lock", e))?;
    console();
    // There is no such program, and to find that out takes a kernel in user mode a process of its host for each device.
    match std::fs::write("/proc/sys/kernel/hotplug", "\n") {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("/proc/sys/kernel/hotplug", e));
        }
        _ => {}
    }
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        match symlink(target, link) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(Error::io(link, e)),
            _ => {}
        }
    }
    Ok(())
}

/// Standard input is empty, the others are the console. Without a console there is no log.
fn console() {
    let open = |path: &str| OpenOptions::new().read(true).write(true).open(path);
    if let Ok(null) = File::open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(null);
    }
    if let Ok(console) = open("/dev/console").or_else(|_| open("/dev/null")) {
        let _ = rustix::stdio::dup2_stdout(&console);
        let _ = rustix::stdio::dup2_stderr(&console);
    }
}

fn step(what: &str) {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    log::debug(format_args!("guestfsd: {} s: {what}", uptime.split(' ').next().unwrap_or_default()));
}

/// Loads what the disks and the channel need. A module for hardware that is not there may fail.
fn load_modules() {
    let list = match std::fs::read(MODULES) {
        Ok(list) => list,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return,
        Err(e) => return log::line(format_args!("guestfsd: {MODULES}: {e}")),
    };
    let modules = match Modules::of_running_kernel() {
        Ok(modules) => modules,
        Err(e) => return log::line(format_args!("guestfsd: {e}")),
    };
    for line in list.lines() {
        let mut fields = fields(line);
        let Some(module) = fields.next().filter(|module| !module.starts_with(b"#")) else { continue };
        if fields.next().is_some_and(|condition| !is_there(condition)) {
            continue;
        }
        scan_in_order();
        if let Err(e) = modules.load(module) {
            log::line(format_args!("guestfsd: {e}"));
        }
    }
}

/// Does the initramfs hold the programs? Otherwise they are on a disk.
fn has_programs() -> bool {
    let holds_any = |path: &str| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    holds_any("/usr/sbin") || holds_any("/usr/bin")
}

/// Mounts the disk that the builder makes of programs, their libraries and all modules.
fn mount_programs(disk: &BString) -> Result<()> {
    const PLACE: &str = "/usr";
    const KIND: &str = "squashfs";
    let failed = |e: io::Error| Error::io("mounting the appliance's programs", e);
    crate::modules::for_filesystem(KIND.as_bytes()).map_err(failed)?;
    let node = Path::new("/dev").join(disk.to_path().map_err(|e| failed(io::Error::other(e)))?);
    let flags = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID;
    mount(&node, PLACE, KIND, flags, None).map_err(|e| failed(e.into()))
}

/// Is there such a device? `virtio:N` is one whose type has that number; what is not understood may be there.
fn is_there(condition: &[u8]) -> bool {
    const DEVICES: &str = "/sys/bus/virtio/devices";
    let kind = condition.strip_prefix(b"virtio:").and_then(|kind| kind.to_str().ok()?.parse::<u32>().ok());
    let (Some(kind), Ok(devices)) = (kind, std::fs::read_dir(DEVICES)) else { return true };
    devices.flatten().any(|device| {
        let text = std::fs::read_to_string(device.path().join("device")).unwrap_or_default();
        let text = text.trim();
        u32::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16) == Ok(kind)
    })
}

/// Has SCSI look for its disks while the driver is loaded, not later and in any order.
fn scan_in_order() {
    const SCAN: &str = "/sys/module/scsi_mod/parameters/scan";
    if Path::new(SCAN).exists()
        && let Err(e) = std::fs::write(SCAN, "sync")
    {
        log::debug(format_args!("guestfsd: {SCAN}: {e}"));
    }
}

/// `/dev/disk/guestfs/LABEL`, for programs; calls know labels without.
fn link_labels(kernel: &Kernel) {
    const DIRECTORY: &str = "/dev/disk/guestfs";
    let link = |label: &BStr, device: &BStr| -> io::Result<()> {
        std::fs::create_dir_all(DIRECTORY)?;
        let node = kernel.node(device).map_err(|failure| io::Error::from(failure.errno()))?;
        let name = label.to_path().map_err(io::Error::other)?;
        // A label is one name: the handle checks that, and here nothing else may come of it.
        if name.components().count() != 1 || name.file_name().is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        symlink(node, Path::new(DIRECTORY).join(name))
    };
    for (label, device) in kernel.disk_labels().unwrap_or_default() {
        if let Err(e) = link(label.as_bstr(), device.as_bstr()) {
            log::line(format_args!("guestfsd: label {label}: {e}"));
        }
    }
}

/// Loopback always; the rest if the handle was asked for a network (qemu's user network: 169.254.0.0/16).
fn bring_up_network(line: &CommandLine) {
    if !line.network {
        return;
    }
    for arguments in [
        &["link", "set", "lo", "up"][..],
        &["addr", "add", "169.254.2.15/16", "dev", "eth0"],
        &["link", "set", "eth0", "up"],
        &["route", "add", "default", "via", "169.254.2.2"],
    ] {
        if let Err(e) = crate::program::Program::new("ip").args(arguments).run("network") {
            log::line(format_args!("guestfsd: {e}"));
        }
    }
}

/// Takes the ends of processes that nobody waits for any more: they are children of the first process.
pub(crate) fn reap() {
    if std::process::id() != 1 {
        return;
    }
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
}

/// Ends the machine. qemu is started with `-no-reboot`, where a restart ends it, whether it has ACPI or not.
fn end() -> ExitCode {
    if std::process::id() != 1 {
        return ExitCode::SUCCESS;
    }
    rustix::fs::sync();
    let command = if channel::is_user_mode() { RebootCommand::PowerOff } else { RebootCommand::Restart };
    if let Err(e) = reboot(command) {
        log::line(format_args!("guestfsd: ending the machine: {e}"));
    }
    ExitCode::FAILURE
}

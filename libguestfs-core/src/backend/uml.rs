//! The backend `uml`: the appliance in User-Mode Linux, a kernel that is a process, at native speed where KVM is missing.
//!
//! ```text
//! handle <─ socket pair ── ssl0 = /dev/ttyS0 ── guestfsd
//!        <─ file in memory ─ /dev/mmapper ─────>
//!                          linux.uml ── virtio_uml ── vhost-user socket ── qemu-storage-daemon ── images
//! ```
//!
//! No file has a name while this runs: the kernel's memory is a file in memory, the sockets are removed before anything
//! starts and reached through descriptors, and the directory where the kernel would note its process ID and make a
//! control socket is one in which nothing can be made.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use guestfs_appliance::KernelKind;
use nix::libc;
use nix::sys::socket::SockType;

use super::supervisor::{Program, Supervised};
use super::{Backend, Running, appliance};
use crate::backend::embedded::pair;
use crate::handle::{Drive, Settings};
use crate::wire::{Channel, Way, Window};
use crate::{Error, Result};

/// Names of the kernel's program.
const KERNELS: &[&str] = &["linux.uml", "linux"];
const STORAGE_DAEMON: &str = "qemu-storage-daemon";
/// Most disks: the kernel has 64 interrupts, two for each disk and some of its own.
pub(super) const DISKS_MAX: usize = 20;
/// Memory in MiB unless set. It is a sparse file, which takes what the guest uses.
const MEMSIZE: u32 = 1280;
/// What the kernel needs not do, or find out. For each device, and there are 512 for terminals of the old kind, it tries to
/// start /sbin/hotplug, for which it makes a process of the host: 0.5 s. How long a loop takes (some microseconds) it
/// would find out in 0.05 s; a number that is too large makes it wait longer.
const FASTER: [&str; 2] = ["pty.legacy_count=0", "lpj=10000000"];
/// virtio's number of block devices.
const VIRTIO_ID_BLOCK: u32 = 2;

/// Starts User-Mode Linux.
#[derive(Debug)]
pub(super) struct Uml;

/// Is all there that this backend needs?
pub(super) fn is_installed(settings: &Settings) -> bool {
    cfg!(target_arch = "x86_64")
        && appliance::program(KERNELS, settings).is_some()
        && appliance::program(&[STORAGE_DAEMON], settings).is_some()
}

impl Backend for Uml {
    fn start(&self, drives: &[Drive], settings: &Settings, _: &dyn Fn(&str)) -> Result<Running> {
        if drives.len() > DISKS_MAX {
            return Err(Error::launch(format!(
                "User-Mode Linux takes {DISKS_MAX} disks at most; use the backend ‘direct’ for {}",
                drives.len()
            )));
        }
        let storage = appliance::program(&[STORAGE_DAEMON], settings).ok_or_else(|| {
            Error::launch(format!("{STORAGE_DAEMON} is not installed (Debian's package qemu-system-common)"))
        })?;
        let chains = appliance::chains(drives, settings)?;
        let appliance = appliance::appliance(KernelKind::Uml, settings)?;
        let kernel = settings.hv.as_ref().unwrap_or(&appliance.kernel);

        let mut disks = Program::new(STORAGE_DAEMON, storage);
        disks.variable("TMPDIR", appliance::tmpdir(settings));
        let mut linux = Program::new("User-Mode Linux", kernel);
        linux.expendable();
        // The kernel has its memory after its heap. What randomization puts between counts as memory of it that is reserved:
        // up to a gigabyte, with its tables 16 MB.
        linux.fix_heap();
        let memory = settings.memsize.unwrap_or(MEMSIZE);
        linux.args([format!("mem={memory}M")]);
        linux.arg(format!("initrd={}", appliance.initrd.display()));
        // It looks for a directory for itself, and must be told one that exists. In this one nothing can be made.
        linux.args(["uml_dir=/proc/self/", "umid=guestfs"]);
        // Its first console is the log; there are no others.
        linux.args(["con=null", "con0=null,fd:1", "ssl=null", "noreboot"]);
        let (stream, guests) = pair(SockType::Stream)?;
        super::roomy(&stream, &guests);
        let fd = linux.descriptor(guests);
        linux.arg(format!("ssl0=fd:{fd}"));
        // What is sent goes through memory: the line takes one byte at a time, and gives little more.
        let window = super::window_memory()?;
        let (acks, guests) = pair(SockType::Stream)?;
        let fd = linux.descriptor(guests);
        linux.arg(format!("ssl1=fd:{fd}"));
        let place = linux.descriptor_path(super::copy(&window)?.into());
        linux.arg(format!("iomem=mmapper,{place}"));
        let own = appliance::own_disks(&appliance)?;
        for (index, chain) in chains.iter().chain(&own).enumerate() {
            let name = format!("hd{index}");
            for node in chain.nodes(&name, &settings.tmpdir, &mut disks)? {
                disks.arg("--blockdev").arg(node.to_string());
            }
            let (listener, place) = nameless_socket(settings)?;
            let listener = disks.descriptor(listener);
            disks.arg("--export").arg(format!(
                "type=vhost-user-blk,id={name},node-name={name},addr.type=fd,addr.str={listener},writable={},\
                 logical-block-size={}",
                if chain.is_writable() { "on" } else { "off" },
                chain.sector_size
            ));
            let place = linux.descriptor_path(place);
            linux.arg(format!("virtio_uml.device={place}:{VIRTIO_ID_BLOCK}"));
        }
        linux.args(FASTER);
        linux.args([
            "panic=1",
            "printk.time=1",
            "selinux=0",
            "guestfs_channel=/dev/ttyS0",
            "guestfs_window=/dev/mmapper,/dev/ttyS1",
        ]);
        linux.args(appliance::words(drives, settings));
        // Its memory and a shim for its processes (see there) need these; everything else in the environment is the host's.
        linux.variable("TMPDIR", appliance::tmpdir(settings)).variable("HOME", "/proc/self");
        let shim = linux.descriptor_path(shim()?);
        linux.variable("LD_PRELOAD", shim);
        let command = format!("{}\n{}", disks.describe(), linux.describe());
        // Without disks there is nothing to serve.
        let programs = if chains.len() + own.len() == 0 { vec![linux] } else { vec![disks, linux] };
        let mut channel = Channel::new(stream);
        let acks = File::from(acks);
        channel.send_through(Window::new(super::copy(&window)?, Way::ToDaemon, super::copy(&acks)?));
        channel.receive_through(Window::new(window, Way::FromDaemon, acks));
        Ok(Running { channel, command, process: Box::new(Supervised::start(programs, Some(appliance))?) })
    }
}

/// The library with which it runs on processors of today, in a file in memory.
fn shim() -> Result<OwnedFd> {
    let file = super::in_memory(c"guestfs-uml-shim")?;
    guestfs_uml_shim::write(&file).map_err(|e| Error::io("making a file in memory", e))?;
    Ok(file.into())
}

/// A listening socket that no name leads to any more, and a descriptor through which it can be reached.
fn nameless_socket(settings: &Settings) -> Result<(OwnedFd, OwnedFd)> {
    let directory = settings.sockdir.as_deref().filter(|d| d.is_dir()).unwrap_or(&settings.tmpdir);
    let path = free_name(directory);
    let io = |e| Error::io(path.display().to_string(), e);
    let listener = UnixListener::bind(&path).map_err(io)?;
    let place = File::options().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(&path);
    std::fs::remove_file(&path).map_err(io)?;
    Ok((listener.into(), place.map_err(io)?.into()))
}

fn free_name(directory: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    directory.join(format!("guestfs-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

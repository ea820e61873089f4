//! The backend `direct`: the appliance in a virtual machine, by qemu.
//!
//! Disks are virtio disks in the order of the drives; a disk with the appliance's root, if there is one, comes last. The
//! channel is a virtio serial port with the original's name, so either daemon finds it.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use guestfs_appliance::KernelKind;
use nix::sys::socket::SockType;
use serde_json::json;

use super::supervisor::{Program, Supervised};
use super::{Backend, Running, appliance, kvm};
use crate::backend::embedded::pair;
use crate::handle::{Drive, Settings, open_image};
use crate::wire::{Channel, Way, Window};
use crate::{Error, Result};

/// What a processor of the host needs.
struct Machine {
    programs: &'static [&'static str],
    machine: &'static str,
    console: &'static str,
    /// The processor that is emulated.
    emulated: &'static str,
    /// Words for the kernel, from libguestfs (lib/appliance-kcmdline.c): what is slow to find out and known here.
    kernel: &'static [&'static str],
}

#[cfg(target_arch = "aarch64")]
const MACHINE: Machine = Machine {
    programs: &["qemu-system-aarch64", "qemu-kvm"],
    machine: "virt,gic-version=max",
    console: "ttyAMA0",
    emulated: "max",
    kernel: &["ignore_loglevel", "efi-rtc=noprobe"],
};
#[cfg(not(target_arch = "aarch64"))]
const MACHINE: Machine = Machine {
    programs: &["qemu-system-x86_64", "qemu-kvm"],
    // Without the disk controller and the sensors that it has on board.
    machine: "q35,sata=off,smbus=off",
    console: "ttyS0",
    // Without the flags by which a processor says that it copies best byte by byte (`rep movsb`): kernel and C library take it at
    // its word, and qemu emulates that as a loop. With words of eight bytes, memory is copied six times as fast.
    emulated: "max,-erms,-fsrm",
    kernel: &["edd=off", "no_timer_check", "tsc=reliable", "8250.nr_uarts=1"],
};
/// What the kernel of our own appliance need not do. Each was measured under emulation, where a launch took 2.7 s and 300 MiB
/// before, and takes 2.1 s and 225 MiB now: no detours against attacks on a processor that is emulated or in which the guest
/// is alone (0.1 s), memory not filled with zeros when it is taken and data of the kernel not protected in the end (0.4 s), no
/// security modules (0.1 s), no huge pages, which are filled as a whole (0.1 s), no files for who debugs the kernel (10 MiB).
const FASTER: &[&str] = &[
    "mitigations=off",
    "init_on_alloc=0",
    "rodata=off",
    "lsm=none",
    "audit=0",
    "transparent_hugepage=never",
    "debugfs=off",
    "initcall_blacklist=tracer_init_tracefs",
];
/// The timer of an emulated APIC takes 0.1 s to be measured; one processor does without it.
const ONE_EMULATED: &str = "nolapic_timer";
/// Memory for translated code in MiB. A launch fills 57, most of them with code that runs once; this costs 0.1 s.
const TRANSLATED: u32 = 24;
/// Directory where Red Hat has its qemu-kvm.
const LIBEXEC: &str = "/usr/libexec/qemu-kvm";
/// Memory in MiB (LIBGUESTFS_MEMSIZE), as in libguestfs. What a guest never uses costs nothing.
const MEMSIZE: u32 = 1280;
/// Most disks that are PCI devices of their own: q35 has 31 slots, some of them taken. More are on one SCSI bus.
const PCI_DISKS_MAX: usize = 24;
/// What qemu denies itself by seccomp, as libvirt has it: it needs none of these once it runs.
const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";
/// The name of the channel's port, which is the original's.
const PORT: &str = "org.libguestfs.channel.0";
/// The name of the port on which free slots of a window are told.
const WINDOW_PORT: &str = "org.libguestfs.window.0";
/// Where an ext2 superblock has its magic number and UUID (linux/fs/ext4/ext4.h).
const EXT_MAGIC_AT: u64 = 0x438;
const EXT_UUID_AT: u64 = 0x468;

/// Starts a virtual machine.
#[derive(Debug)]
pub(super) struct Direct;

/// The hypervisor's program: the one that the user named, or the one that is installed.
pub(super) fn hypervisor(settings: &Settings) -> Result<PathBuf> {
    if let Some(hv) = &settings.hv {
        return Ok(hv.clone());
    }
    appliance::program(MACHINE.programs, settings)
        .or_else(|| Some(PathBuf::from(LIBEXEC)).filter(|path| path.exists()))
        .ok_or_else(|| {
            Error::launch(format!(
                "{} is not installed (Debian's package qemu-system-x86, Fedora's qemu-kvm); LIBGUESTFS_HV names another one",
                MACHINE.programs.first().unwrap_or(&"qemu")
            ))
        })
}

impl Backend for Direct {
    fn start(&self, drives: &[Drive], settings: &Settings, _: &dyn Fn(&str)) -> Result<Running> {
        let qemu = hypervisor(settings)?;
        let chains = appliance::chains(drives, settings)?;
        let appliance = appliance::appliance(KernelKind::Host, settings)?;
        let mut program = Program::new("qemu", &qemu);
        program
            .variable("PATH", settings.search_path.clone())
            .variable("TMPDIR", appliance::tmpdir(settings))
            // Wrappers are scripts, some of which look at these.
            .variable("LC_ALL", "C")
            .variable("HOME", "/");
        let kvm = accelerate(&mut program, &qemu, settings)?;
        // A qemu that was built with its own sandbox is linked with this; of a wrapper nobody knows.
        if guestfs_appliance::is_linked_with(&qemu, "libseccomp.so.2") {
            program.args(["-sandbox", SANDBOX]);
        }
        program.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        program.args(["-m", &settings.memsize.unwrap_or(MEMSIZE).to_string()]);
        let smp = settings.smp.filter(|&smp| smp > 1);
        if let Some(smp) = smp {
            program.args(["-smp", &smp.to_string()]);
        }
        // Time goes on as the host's, even when this waits for the processor.
        program.args(["-rtc", "driftfix=slew"]);
        if cfg!(target_arch = "x86_64") && kvm {
            program.args(["-global", "kvm-pit.lost_tick_policy=discard"]);
        }
        program.arg("-kernel").arg(appliance.kernel.as_os_str());
        program.arg("-initrd").arg(appliance.initrd.as_os_str());
        program.args(["-serial", "stdio"]);
        program.args(["-object", "rng-random,filename=/dev/urandom,id=rng0"]);
        program.args(["-device", "virtio-rng-pci,rng=rng0"]);
        if settings.network {
            // The addresses of libguestfs's own network (guestfs(3), NETWORK).
            program.args(["-netdev", "user,id=usernet,net=169.254.0.0/16"]);
            program.args(["-device", "virtio-net-pci,netdev=usernet"]);
        }
        if settings.backend_flag("gdb") {
            program.arg("-s");
        }
        let (stream, guests) = pair(SockType::Stream)?;
        super::roomy(&stream, &guests);
        let fd = program.descriptor(guests);
        // The number of ports is what the kernel makes queues for; the first one is a console's.
        program.args(["-device", "virtio-serial-pci,max_ports=3"]);
        program.args(["-chardev", &format!("socket,id=channel0,fd={fd}")]);
        program.args(["-device", &format!("virtserialport,chardev=channel0,name={PORT}")]);

        // The original's daemon finds its disks by their places on a SCSI bus.
        let scsi = chains.len() > PCI_DISKS_MAX || appliance.root.is_some();
        if scsi {
            program.args(["-device", "virtio-scsi-pci,id=scsi"]);
        }
        let own = appliance::own_disks(&appliance)?;
        for (index, chain) in chains.iter().chain(&own).enumerate() {
            let name = format!("hd{index}");
            for node in chain.nodes(&name, &settings.tmpdir, &mut program)? {
                program.arg("-blockdev").arg(node.to_string());
            }
            let device =
                if scsi { format!("scsi-hd,bus=scsi.0,scsi-id={index},") } else { "virtio-blk-pci,".into() };
            let sector = match chain.sector_size {
                512 => String::new(),
                size => format!(",logical_block_size={size},physical_block_size={size}"),
            };
            // A full disk is the guest's error; by default qemu would stop the guest and wait for somebody to make room.
            program.arg("-device").arg(format!("{device}drive={name},werror=report,rerror=report{sector}"));
        }

        let mut channel = Channel::new(stream);
        let mut words: Vec<String> = vec!["panic=1".into(), format!("console={}", MACHINE.console)];
        words.extend(MACHINE.kernel.iter().map(ToString::to_string));
        words.extend(
            ["printk.time=1", "cgroup_disable=memory", "usbcore.nousb", "cryptomgr.notests"]
                .map(String::from),
        );
        if let Some(root) = &appliance.root {
            words.extend(["udevtimeout=6000", "udev.event-timeout=6000"].map(String::from));
            words.push(format!("root={}", root_of(root)?));
        } else {
            words.extend(FASTER.iter().map(ToString::to_string));
            if !kvm && smp.is_none() {
                words.push(ONE_EMULATED.into());
            }
            // The original's daemon knows no windows, and its appliance always has a root.
            if !scsi {
                let place = format!("/dev/vd{}", appliance::disk_letters(chains.len() + own.len()));
                words.push(format!("guestfs_window={place},{WINDOW_PORT}"));
                add_window(&mut program, &mut channel)?;
            }
        }
        words.push("selinux=0".into());
        words.extend(appliance::words(drives, settings));
        program.arg("-append").arg(words.join(" "));
        Ok(Running {
            channel,
            command: program.describe(),
            process: Box::new(Supervised::start(vec![program], Some(appliance))?),
        })
    }
}

/// Adds a disk and a port for what is sent to the daemon: the channel's own port takes 4 KiB at a time. The other way it takes
/// 32 KiB, and is no slower than a disk would be.
fn add_window(program: &mut Program, channel: &mut Channel) -> Result<()> {
    let memory = super::window_memory()?;
    let node = json!({
        "driver": "file", "node-name": "window", "locking": "off",
        "filename": program.descriptor_path(super::copy(&memory)?.into()),
    });
    program.arg("-blockdev").arg(node.to_string());
    program.args(["-device", "virtio-blk-pci,drive=window"]);
    let (acks, guests) = pair(SockType::Stream)?;
    let fd = program.descriptor(guests);
    program.args(["-chardev", &format!("socket,id=window0,fd={fd}")]);
    program.args(["-device", &format!("virtserialport,chardev=window0,name={WINDOW_PORT}")]);
    channel.send_through(Window::new(memory, Way::ToDaemon, acks.into()).with_quick_line());
    Ok(())
}

/// Chooses KVM or emulation; returns whether it is KVM.
fn accelerate(program: &mut Program, qemu: &Path, settings: &Settings) -> Result<bool> {
    let (force_kvm, force_tcg) = (settings.backend_flag("force_kvm"), settings.backend_flag("force_tcg"));
    if force_kvm && force_tcg {
        return Err(Error::usage("the backend settings force_kvm and force_tcg can't both be given"));
    }
    let kvm = force_kvm || (!force_tcg && kvm::works(qemu, settings));
    program.args(["-machine", MACHINE.machine]);
    if kvm {
        program.args(["-cpu", "max", "-accel", "kvm"]);
    } else {
        program.args(["-cpu", MACHINE.emulated, "-accel", &format!("tcg,tb-size={TRANSLATED}")]);
        // Huge pages would be there as a whole for a part that is used.
        program.avoid_huge_pages();
    }
    Ok(kvm)
}

/// How the kernel finds the root disk, as the original writes it: by the UUID of its ext filesystem.
fn root_of(path: &Path) -> Result<String> {
    let io = |e| Error::io(path.display().to_string(), e);
    let file = open_image(path)?;
    let (mut magic, mut uuid) = ([0; 2], [0; 16]);
    file.read_exact_at(&mut magic, EXT_MAGIC_AT).map_err(io)?;
    file.read_exact_at(&mut uuid, EXT_UUID_AT).map_err(io)?;
    if magic != [0x53, 0xef] {
        return Err(Error::launch(format!(
            "{}: the appliance's root has no ext filesystem, or is damaged",
            path.display()
        )));
    }
    let hex: String = uuid.iter().map(|b| format!("{b:02x}")).collect();
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let parts: Vec<&str> = parts.iter().filter_map(|&(from, to)| hex.get(from..to)).collect();
    Ok(format!("UUID={}", parts.join("-")))
}

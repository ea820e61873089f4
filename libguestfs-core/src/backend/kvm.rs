//! Does KVM work here? That `/dev/kvm` exists is not enough: there are hosts where it refuses a processor's registers, and
//! hosts where its guests hang in the firmware.
//!
//! So a guest is started that does nothing but answer, as the first thing after the firmware. The verdict is kept, for
//! this boot of this kernel and this qemu.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::supervisor::{Program, Supervised};
use crate::handle::Settings;
use crate::{Error, Result};

const DEVICE: &str = "/dev/kvm";
/// How long the guest may take. Where KVM works it has answered in a quarter of a second, and emulated in half a second.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The kept verdict's file, and its words.
const FILE: &str = "kvm";
const WORKS: &str = "works";
const FAILS: &str = "fails";

/// Port of qemu's device isa-debug-exit, and what the guest writes there. qemu then ends with the status `2 x + 1`.
const PORT: u8 = 0xf4;
const ANSWER: u8 = 0x10;
const STATUS: i32 = 33;

/// Does a guest of this hypervisor run with KVM?
pub(super) fn works(qemu: &Path, settings: &Settings) -> bool {
    if OpenOptions::new().read(true).write(true).open(DEVICE).is_err() {
        return false;
    }
    // The answer of a wrapper may depend on anything.
    let Ok(about) = circumstances(qemu) else { return false };
    let kept = file(settings);
    if let Some(kept) = &kept
        && let Ok(text) = std::fs::read_to_string(kept)
        && let Some((verdict, of)) = text.split_once('\n')
        && of == about
    {
        return verdict == WORKS;
    }
    // What can't be started does not work.
    let works = ask(qemu, settings).unwrap_or(false);
    if let Some(kept) = kept {
        let verdict = if works { WORKS } else { FAILS };
        // It is asked again if it can't be kept.
        let _ = keep(&kept, &format!("{verdict}\n{about}"));
    }
    works
}

fn file(settings: &Settings) -> Option<PathBuf> {
    guestfs_appliance::directory(&settings.cachedir).ok().map(|directory| directory.join(FILE))
}

/// All that the answer depends on.
fn circumstances(qemu: &Path) -> Result<String> {
    let text = |path: &str| {
        std::fs::read_to_string(path).map(|t| t.trim().to_owned()).map_err(|e| Error::io(path, e))
    };
    let program = qemu.metadata().map_err(|e| Error::io(qemu.display().to_string(), e))?;
    Ok(format!(
        "{}\n{}\n{} {} {} {}\n",
        text("/proc/sys/kernel/random/boot_id")?,
        text("/proc/sys/kernel/osrelease")?,
        qemu.display(),
        program.ino(),
        program.size(),
        program.mtime()
    ))
}

fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension(std::process::id().to_string());
    let written = File::create(&new).and_then(|mut file| file.write_all(text.as_bytes()));
    written.and_then(|()| std::fs::rename(&new, path)).inspect_err(|_| {
        let _ = std::fs::remove_file(&new);
    })
}

/// Starts the guest and waits for its answer.
fn ask(qemu: &Path, settings: &Settings) -> Result<bool> {
    let mut program = Program::new("qemu", qemu);
    program.variable("PATH", settings.search_path.clone()).variable("LC_ALL", "C").variable("HOME", "/");
    program.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-m", "64"]);
    program.args(["-machine", "q35,accel=kvm", "-cpu", "max"]);
    program.args(["-device", &format!("isa-debug-exit,iobase={PORT},iosize=1")]);
    let kernel = program.descriptor_path(kernel()?);
    program.args(["-kernel", &kernel]);
    Ok(Supervised::start(vec![program], None)?.exit_status(PATIENCE) == Some(STATUS))
}

/// A kernel image in the form of Linux's oldest boot protocol (Documentation/x86/boot.rst): a boot sector, of which only the
/// number of sectors of setup code and the magic number count, and the code, which runs in real mode.
fn kernel() -> Result<OwnedFd> {
    // mov al, ANSWER; out PORT, al; cli; hlt
    const CODE: [u8; 6] = [0xb0, ANSWER, 0xe6, PORT, 0xfa, 0xf4];
    let mut image = vec![0u8; 0x1f1];
    image.push(1);
    image.resize(0x1fe, 0);
    image.extend_from_slice(&[0x55, 0xaa]);
    image.extend_from_slice(&CODE);
    // The sector of setup code, and a kernel that is never entered.
    image.resize(4096, 0);
    let io = |e: std::io::Error| Error::io("making a file in memory", e);
    let fd = memfd_create(c"guestfs-kvm-probe", MFdFlags::MFD_CLOEXEC).map_err(|e| io(e.into()))?;
    let mut file = File::from(fd);
    file.write_all(&image).map_err(io)?;
    Ok(file.into())
}

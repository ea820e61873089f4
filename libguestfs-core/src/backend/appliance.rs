//! What the backends that boot an appliance share: where its files are, its kernel's command line, which of them to take.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use guestfs_appliance::{Appliance, Found, KernelKind, Request};

use super::images::{self, Chain};
use super::{Backend, Running, direct, kvm, uml};
use crate::handle::{Drive, Settings};
use crate::{Error, Result};

/// The kernel's terminal type, unless the environment has a plausible one (lib/appliance-kcmdline.c).
const TERM: &str = "linux";
/// Longest name of a terminal type that is passed on.
const TERM_MAX: usize = 16;

/// The appliance that works best here: a virtual machine where KVM works, else User-Mode Linux, else a virtual machine
/// whose processor is emulated.
#[derive(Debug)]
pub(super) struct Best;

impl Backend for Best {
    fn start(&self, drives: &[Drive], settings: &Settings, warn: &dyn Fn(&str)) -> Result<Running> {
        choose(drives, settings)?.start(drives, settings, warn)
    }
}

fn choose(drives: &[Drive], settings: &Settings) -> Result<Box<dyn Backend>> {
    let direct = || -> Box<dyn Backend> { Box::new(direct::Direct) };
    // Who names a hypervisor, or an appliance for one, means that one.
    if settings.hv.is_some() || found(settings).is_some() {
        return Ok(direct());
    }
    let qemu = direct::hypervisor(settings);
    if let Ok(qemu) = &qemu
        && !settings.backend_flag("force_tcg")
        && (settings.backend_flag("force_kvm") || kvm::works(qemu, settings))
    {
        return Ok(direct());
    }
    if drives.len() <= uml::DISKS_MAX && uml::is_installed(settings) {
        return Ok(Box::new(uml::Uml));
    }
    match qemu {
        Ok(_) => Ok(direct()),
        Err(_) => Err(Error::launch(
            "there is nothing to run an appliance with: install qemu-system-x86 and a Linux kernel, or user-mode-linux \
             and qemu-system-common (Debian's names of the packages)",
        )),
    }
}

/// An appliance that somebody made before, if LIBGUESTFS_PATH leads to one.
fn found(settings: &Settings) -> Option<Found> {
    settings.path.as_deref().and_then(guestfs_appliance::find)
}

/// The appliance with a kernel of this kind.
pub(super) fn appliance(kind: KernelKind, settings: &Settings) -> Result<Appliance> {
    if kind == KernelKind::Host
        && let Some(Found::Fixed(appliance)) = found(settings)
    {
        return Ok(appliance);
    }
    let daemon = std::fs::read_link("/proc/self/exe").map_err(|e| Error::io("/proc/self/exe", e))?;
    let mut request = Request::new(kind, &settings.cachedir, daemon, &settings.search_path);
    request.has_disk = true;
    request.kernel.clone_from(&settings.kernel);
    request.modules.clone_from(&settings.modules);
    guestfs_appliance::build(&request).map_err(|e| {
        let hint = e.hint().map_or(String::new(), |hint| format!(" ({hint})"));
        let cause = std::error::Error::source(&e).map_or(String::new(), |cause| format!(": {cause}"));
        Error::launch(format!("the appliance can't be made: {e}{cause}{hint}"))
    })
}

/// A program of the host that has one of these names.
pub(super) fn program(names: &[&str], settings: &Settings) -> Option<PathBuf> {
    let is_program =
        |path: &Path| path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    let directories: Vec<PathBuf> =
        std::env::split_paths(&settings.search_path).filter(|directory| directory.is_absolute()).collect();
    names
        .iter()
        .flat_map(|name| directories.iter().map(move |directory| directory.join(name)))
        .find(|path| is_program(path))
}

/// The chains of all drives.
pub(super) fn chains(drives: &[Drive], settings: &Settings) -> Result<Vec<Chain>> {
    let qemu_img = program(&["qemu-img"], settings);
    let of = |drive: &Drive| {
        let qemu_img = qemu_img.as_deref().unwrap_or(Path::new("/usr/bin/qemu-img"));
        images::chain(drive, settings, qemu_img)
    };
    drives.iter().map(of).collect()
}

/// The disks of the appliance itself, which come after those of the guest.
pub(super) fn own_disks(appliance: &Appliance) -> Result<Vec<Chain>> {
    let programs = appliance.programs.as_deref().map(images::programs_disk);
    let root = appliance.root.as_deref().map(images::root_disk);
    programs.into_iter().chain(root).collect()
}

/// The words for guestfsd, which come last on a kernel's command line.
pub(super) fn words(drives: &[Drive], settings: &Settings) -> Vec<String> {
    let mut words = vec![format!("guestfs_disks={}", drives.len())];
    words.push(if settings.verbose { "guestfs_verbose=1" } else { "quiet" }.into());
    if settings.network {
        words.push("guestfs_network=1".into());
    }
    for (index, drive) in drives.iter().enumerate() {
        if let Some(label) = &drive.opts.label {
            words.push(format!("guestfs_label=sd{}:{label}", disk_letters(index)));
        }
    }
    let is_plausible = |term: &&str| {
        (1..=TERM_MAX).contains(&term.len())
            && term.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    words.push(format!("TERM={}", settings.term.as_deref().filter(is_plausible).unwrap_or(TERM)));
    words.extend(settings.append.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned));
    words
}

/// The letters in Linux's name of a disk: `a` to `z`, `aa`…
pub(super) fn disk_letters(mut index: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'a' + u8::try_from(index % 26).unwrap_or(0)));
        match (index / 26).checked_sub(1) {
            Some(rest) => index = rest,
            None => break,
        }
    }
    letters.iter().rev().collect()
}

/// The directory for temporary files, which a kernel's memory may be as large as.
pub(super) fn tmpdir(settings: &Settings) -> OsString {
    settings.tmpdir.clone().into_os_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_named_as_linux_names_them() {
        for (index, name) in [(0, "a"), (25, "z"), (26, "aa"), (27, "ab"), (254, "iu")] {
            assert_eq!(disk_letters(index), name);
        }
    }

    #[test]
    fn words_for_the_daemon_come_before_those_of_the_user() {
        let mut settings = Settings { append: Some("a=1  b".into()), ..Settings::default() };
        let mut drive = Drive::new(Path::new("/dev/null"), &crate::AddDriveOpts::default()).unwrap();
        drive.opts.label = Some("boot".into());
        let text = |settings: &Settings| words(std::slice::from_ref(&drive), settings).join(" ");
        assert_eq!(text(&settings), "guestfs_disks=1 quiet guestfs_label=sda:boot TERM=linux a=1 b");
        settings.verbose = true;
        settings.network = true;
        settings.term = Some("xterm-256color; reboot".into());
        assert_eq!(
            text(&settings),
            "guestfs_disks=1 guestfs_verbose=1 guestfs_network=1 guestfs_label=sda:boot TERM=linux a=1 b"
        );
    }
}

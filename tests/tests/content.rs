//! The content of files: what the tools print is what the kernel reads, whoever runs them, and no image changes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use guestfs_tests::{Mount, data, ended, must, public_directory, run, tool};

/// Where the root volume of debian-mini is in its disk: the third partition begins at 34 MiB, and LVM's data 1 MiB into it.
const ROOT: (u64, u64) = (35 << 20, 96 << 20);
/// The user and group `nobody`.
const NOBODY: &str = "65534";

/// The regular files below `directory` that are worth printing whole, without following links.
fn files(directory: &Path, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files(&entry.path(), found)?;
        } else if kind.is_file() && entry.metadata()?.len() < 10 << 20 {
            found.insert(entry.path());
        }
    }
    Ok(())
}

#[test]
fn every_file_of_the_root_filesystem_is_what_the_kernel_reads() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let raw = scratch.path().join("guest.raw");
    let image = data("debian-mini.qcow2");
    must(
        "qemu-img",
        ["convert".as_ref(), "-O".as_ref(), "raw".as_ref(), image.as_os_str(), raw.as_os_str()],
    )?;
    let mount = Mount::new(&raw, ROOT.0, ROOT.1)?;
    let mut paths = BTreeSet::new();
    files(mount.path(), &mut paths)?;
    ensure!(paths.len() > 300, "only {} files", paths.len());
    for (format, image) in [("qcow2", &image), ("raw", &raw)] {
        let mut command = Command::new(tool("virt-cat")?);
        command.arg(format!("--format={format}")).arg("-a").arg(image);
        let mut expected = Vec::new();
        for path in &paths {
            command.arg(Path::new("/").join(path.strip_prefix(mount.path())?));
            expected.extend(fs::read(path)?);
        }
        let out = ended(&mut command)?;
        assert_eq!((out.status, out.stderr.as_str()), (Some(0), ""));
        ensure!(out.stdout == expected, "{format}: the files together differ from what the kernel reads");
    }
    Ok(())
}

#[test]
fn a_listing_names_what_the_kernel_lists() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let raw = scratch.path().join("guest.raw");
    let image = data("debian-mini.qcow2");
    must(
        "qemu-img",
        ["convert".as_ref(), "-O".as_ref(), "raw".as_ref(), image.as_os_str(), raw.as_os_str()],
    )?;
    let mount = Mount::new(&raw, ROOT.0, ROOT.1)?;
    for directory in ["etc", "srv/samples", "usr/share/doc"] {
        let out =
            run("virt-ls", ["-a".as_ref(), image.as_os_str(), Path::new("/").join(directory).as_os_str()])?;
        assert_eq!((out.status, out.stderr.as_str()), (Some(0), ""));
        let mut names: Vec<Vec<u8>> = fs::read_dir(mount.path().join(directory))?
            .map(|entry| Ok(entry?.file_name().as_bytes().to_vec()))
            .collect::<Result<_>>()?;
        names.sort();
        let expected: Vec<u8> = names.iter().flat_map(|name| [&name[..], b"\n"].concat()).collect();
        assert_eq!(String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&expected), "{directory}");
    }
    Ok(())
}

#[test]
fn an_ordinary_user_can_read_a_guest_and_nothing_changes_in_it() -> Result<()> {
    let directory = public_directory()?;
    let (image, program) = (directory.path().join("guest.qcow2"), directory.path().join("virt-cat"));
    fs::copy(data("debian-mini.qcow2"), &image)?;
    fs::copy(tool("virt-cat")?, &program)?;
    let before = fs::read(&image)?;
    let modified = fs::metadata(&image)?.modified()?;
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .arg(&program)
        .arg("-a")
        .arg(&image);
    let out = ended(command.args(["/etc/hostname", "/home/user/notes.txt"]))?;
    assert_eq!((out.status, out.stderr.as_str()), (Some(0), ""));
    assert_eq!(String::from_utf8_lossy(&out.stdout), "debian-mini\non the home volume\n");
    ensure!(
        fs::read(&image)? == before && fs::metadata(&image)?.modified()? == modified,
        "the image changed"
    );
    Ok(())
}

#[test]
fn no_tool_changes_an_image() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    for name in ["debian-mini", "bare-ext4", "dos-partitions", "split-usr", "two-roots", "not-a-guest"] {
        let image = scratch.path().join(format!("{name}.qcow2"));
        fs::copy(data(&format!("{name}.qcow2")), &image)?;
        let before = (fs::read(&image)?, fs::metadata(&image)?.modified()?);
        run("virt-cat", ["-a".as_ref(), image.as_os_str(), "/etc/fstab".as_ref()])?;
        run("virt-ls", ["-a".as_ref(), image.as_os_str(), "-lR".as_ref(), "/".as_ref()])?;
        let after = (fs::read(&image)?, fs::metadata(&image)?.modified()?);
        ensure!(before == after, "{name} changed");
    }
    Ok(())
}

#[test]
fn an_image_that_another_program_holds_open_for_writing_can_be_read() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (image, socket) = (scratch.path().join("guest.qcow2"), scratch.path().join("socket"));
    fs::copy(data("debian-mini.qcow2"), &image)?;
    // qemu-nbd takes the locks that a running qemu takes.
    let mut server = Command::new("qemu-nbd")
        .args(["--persistent", "--format=qcow2", "--socket"])
        .args([&socket, &image])
        .stdin(Stdio::null())
        .spawn()
        .context("cannot run qemu-nbd: is qemu-utils installed?")?;
    let start = Instant::now();
    while !socket.exists() && start.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(20));
    }
    let locked = ended(Command::new("qemu-img").args(["info".as_ref(), image.as_os_str()]))?;
    let out = run("virt-cat", ["-a".as_ref(), image.as_os_str(), "/etc/hostname".as_ref()]);
    server.kill()?;
    server.wait()?;
    ensure!(locked.stderr.contains("lock"), "qemu-nbd holds no lock: {}", locked.stderr);
    let out = out?;
    assert_eq!((out.status, &out.stdout[..], out.stderr.as_str()), (Some(0), &b"debian-mini\n"[..], ""));
    Ok(())
}

#[test]
fn guests_of_unusual_layout_are_found_with_all_their_mounts() -> Result<()> {
    for (guest, path, expected) in [
        ("bare-ext4", "/etc/hostname", "bare\n"),
        ("dos-partitions", "/home/where", "the second logical partition\n"),
        ("split-usr", "/etc/hostname", "split\n"),
        ("chain/top", "/etc/layer", "top.qcow2\n"),
        ("chain/layers/middle", "/etc/layer", "layers/middle.qcow2\n"),
        ("chain/layers/base", "/etc/layer", "layers/base.qcow2\n"),
    ] {
        let out =
            run("virt-cat", ["-a".as_ref(), data(&format!("{guest}.qcow2")).as_os_str(), path.as_ref()])?;
        let printed = String::from_utf8_lossy(&out.stdout);
        assert_eq!((out.status, &*printed, out.stderr.as_str()), (Some(0), expected, ""), "{guest}");
    }
    Ok(())
}

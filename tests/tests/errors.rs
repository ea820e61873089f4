//! Bad use, one line each: a plain message that says what is wrong with what, and the exit status.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use guestfs_tests::{data, ended, public_directory, run, tool};

/// Runs a tool on `image` and checks that it fails with `status`, prints nothing, and says all of `words` about it, in
/// one line and at most one of advice.
fn fails(tool: &str, image: &Path, args: &[&str], status: i32, words: &[&str]) -> Result<()> {
    let args = ["-a".as_ref(), image.as_os_str()].into_iter().chain(args.iter().map(AsRef::as_ref));
    let out = run(tool, args)?;
    let said = &out.stderr;
    assert_eq!((out.status, out.stdout.as_slice()), (Some(status), &b""[..]), "{said}");
    ensure!(said.starts_with(&format!("{tool}: ")), "no name of the tool: {said}");
    for word in words {
        ensure!(said.contains(word), "‘{word}’ is not in: {said}");
    }
    let lines: Vec<_> = said.lines().collect();
    let plain = lines.len() == 1 || lines.len() == 2 && lines[1].starts_with("hint: ");
    ensure!(plain && !said.contains("panicked"), "not plain: {said}");
    Ok(())
}

#[test]
fn what_is_not_a_guest_is_said_plainly() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let path = |name: &str| scratch.path().join(name);
    fs::create_dir(path("directory"))?;
    fs::write(path("empty"), "")?;
    fs::write(path("text"), "This is a text file, and a short one.\n".repeat(100))?;
    fs::write(path("tiny"), "x")?;
    let mut cut = fs::read(data("debian-mini.qcow2"))?;
    cut.truncate(100_000);
    fs::write(path("cut.qcow2"), cut)?;
    for tool in ["virt-cat", "virt-ls"] {
        fails(tool, &path("missing"), &["/etc"], 1, &["missing", "No such file or directory"])?;
        fails(tool, &path("directory"), &["/etc"], 1, &["directory"])?;
        fails(tool, &path("empty"), &["/etc"], 1, &[])?;
        fails(tool, &path("text"), &["/etc"], 1, &["no operating system was found"])?;
        fails(tool, &path("tiny"), &["/etc"], 1, &[])?;
        fails(tool, &path("cut.qcow2"), &["/etc"], 1, &[])?;
        fails(
            tool,
            &data("not-a-guest.qcow2"),
            &["/etc"],
            1,
            &["no operating system was found", "/dev/sda (ext4)"],
        )?;
    }
    Ok(())
}

#[test]
fn what_a_cut_image_lacks_is_said_with_device_and_image() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    for (name, device) in [("debian-mini.qcow2", "/dev/debian-vg/"), ("golden/guest.qcow2", "/dev/sda")] {
        let image = scratch.path().join("cut.qcow2");
        let bytes = fs::read(data(name))?;
        fs::write(&image, &bytes[..bytes.len() * 4 / 10])?;
        let words = [device, "cut.qcow2: the qcow2 image cannot be read at byte", "past the end of the file"];
        fails("virt-cat", &image, &["/etc/hostname"], 1, &words)?;
        fails("virt-ls", &image, &["/"], 1, &words)?;
    }
    Ok(())
}

#[test]
fn of_several_systems_one_has_to_be_chosen() -> Result<()> {
    let image = data("two-roots.qcow2");
    let words = ["several operating systems", "/dev/sda1", "/dev/sda2", "-m"];
    fails("virt-cat", &image, &["/etc/hostname"], 1, &words)?;
    for (root, expected) in [("/dev/sda1", "first\n"), ("/dev/sda2", "second\n")] {
        let out = run(
            "virt-cat",
            ["-m".as_ref(), root.as_ref(), "-a".as_ref(), image.as_os_str(), "/etc/hostname".as_ref()],
        )?;
        assert_eq!(
            (out.status, String::from_utf8_lossy(&out.stdout).as_ref(), out.stderr.as_str()),
            (Some(0), expected, "")
        );
    }
    Ok(())
}

#[test]
fn a_path_that_is_not_there_is_named_with_the_filesystem_it_was_looked_for_on() -> Result<()> {
    let image = data("debian-mini.qcow2");
    let root = "/dev/debian-vg/root";
    fails("virt-cat", &image, &["/etc/no-such"], 1, &["/etc/no-such", "No such file or directory", root])?;
    fails("virt-cat", &image, &["/var/no-such"], 1, &["/var/no-such", "/dev/debian-vg/var"])?;
    fails("virt-cat", &image, &["/etc"], 1, &["/etc", "directory"])?;
    fails("virt-cat", &image, &["/srv/samples/loop"], 1, &["Too many levels of symbolic links"])?;
    fails("virt-cat", &image, &["/srv/samples/dangling"], 1, &["No such file or directory"])?;
    fails("virt-ls", &image, &["/no-such"], 1, &["/no-such", "No such file or directory"])?;
    fails("virt-ls", &image, &["/etc/hostname"], 1, &["/etc/hostname", "Not a directory"])?;
    Ok(())
}

#[test]
fn options_that_make_no_sense_are_status_2() -> Result<()> {
    let image = data("debian-mini.qcow2");
    fails("virt-cat", &image, &["--no-such-option", "/etc/hostname"], 2, &["--no-such-option"])?;
    for tool in ["virt-cat", "virt-ls"] {
        let out = run(tool, ["/etc/hostname"])?;
        ensure!(
            matches!(out.status, Some(1 | 2)) && !out.stderr.is_empty(),
            "{tool} without a disk: {out:?}"
        );
    }
    Ok(())
}

#[test]
fn an_image_that_may_not_be_read_is_said_to_be_so() -> Result<()> {
    let directory = public_directory()?;
    let (image, program) = (directory.path().join("secret.qcow2"), directory.path().join("virt-cat"));
    fs::copy(data("bare-ext4.qcow2"), &image)?;
    fs::set_permissions(&image, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    fs::copy(tool("virt-cat")?, &program)?;
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program)
        .arg("-a")
        .arg(&image);
    let out = ended(command.arg("/etc/hostname"))?;
    assert_eq!(out.status, Some(1));
    ensure!(
        out.stderr.contains("secret.qcow2") && out.stderr.contains("Permission denied"),
        "{}",
        out.stderr
    );
    Ok(())
}

#[test]
fn a_file_that_fails_does_not_keep_the_others_from_being_printed() -> Result<()> {
    let image = data("debian-mini.qcow2");
    let files = ["/etc/no-such", "/etc/hostname"].map(AsRef::as_ref);
    let out = run("virt-cat", ["-a".as_ref(), image.as_os_str()].into_iter().chain(files))?;
    assert_eq!((out.status, out.stdout.as_slice()), (Some(1), &b"debian-mini\n"[..]));
    Ok(())
}

//! virt-copy-out: what it makes is what the kernel's mount has, whoever runs it and however it ends.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use guestfs_tests::{Ended, Mount, clean, data, ended, must, public_directory, run, tool};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Whence, lseek};

/// Where the root volume of debian-mini is in its disk: the third partition begins at 34 MiB, and LVM's data 1 MiB into it.
const ROOT: (u64, u64) = (35 << 20, 96 << 20);
/// The user and group `nobody`.
const NOBODY: u32 = 65534;
/// Directories of the root volume on which nothing else is mounted.
const SOURCES: [&str; 3] = ["/etc", "/srv", "/usr"];

fn guest(scratch: &Path) -> Result<(PathBuf, Mount)> {
    let (image, raw) = (data("debian-mini.qcow2"), scratch.join("guest.raw"));
    must("qemu-img", ["convert".as_ref(), "-Oraw".as_ref(), image.as_os_str(), raw.as_os_str()])?;
    let mount = Mount::new(&raw, ROOT.0, ROOT.1)?;
    Ok((raw, mount))
}

fn copy(image: &Path, args: &[&str], target: &Path) -> Result<Ended> {
    let image = ["-a".as_ref(), image.as_os_str()];
    let args = args.iter().map(AsRef::as_ref);
    run("virt-copy-out", image.into_iter().chain(args).chain([target.as_os_str()]))
}

fn succeeds(out: &Ended) {
    assert_eq!((out.status, out.stderr.as_str()), (Some(0), ""));
}

/// What is below a directory, without following links.
fn below(directory: &Path) -> Result<BTreeMap<PathBuf, Metadata>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let metadata = entry.path().symlink_metadata()?;
            if metadata.is_dir() {
                left.push(entry.path());
            }
            found.insert(entry.path().strip_prefix(directory)?.to_owned(), metadata);
        }
    }
    Ok(found)
}

/// Do two files of equal size hold the same? Holes of the second are not read in it, and must be holes or zeros in the first.
fn same_content(one: &Path, other: &Path) -> Result<bool> {
    let (one, other) = (File::open(one)?, File::open(other)?);
    let size = other.metadata()?.len();
    let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut at = 0;
    while at < size {
        let next = |file: &File| match lseek(file, at.try_into()?, Whence::SeekData) {
            Ok(data) => Ok::<u64, anyhow::Error>(data.try_into()?),
            Err(Errno::ENXIO) => Ok(size),
            Err(e) => Err(e.into()),
        };
        at = next(&one)?.min(next(&other)?);
        let count = usize::try_from(size - at)?.min(ours.len());
        one.read_exact_at(&mut ours[..count], at)?;
        other.read_exact_at(&mut theirs[..count], at)?;
        if ours[..count] != theirs[..count] {
            return Ok(false);
        }
        at += u64::try_from(count)?;
    }
    Ok(one.metadata()?.len() == size)
}

/// Compares two trees in all that a copy keeps; of another user's copy, without owners, devices and what follows from them.
fn assert_same(copy: &Path, original: &Path, owners: bool) -> Result<()> {
    let (copies, originals) = (below(copy)?, below(original)?);
    let device = |m: &Metadata| m.file_type().is_block_device() || m.file_type().is_char_device();
    let mut inodes = BTreeMap::new();
    for (path, expected) in &originals {
        if expected.file_type().is_socket() || (!owners && device(expected)) {
            ensure!(!copies.contains_key(path), "{} is there", path.display());
            continue;
        }
        let found = copies.get(path).with_context(|| format!("{} is missing", path.display()))?;
        let mask = if owners || expected.is_symlink() { !0 } else { !0o6000 };
        assert_eq!(found.mode(), expected.mode() & mask, "mode of {}", path.display());
        assert_eq!(
            (found.mtime(), found.mtime_nsec()),
            (expected.mtime(), expected.mtime_nsec()),
            "{}",
            path.display()
        );
        if owners {
            assert_eq!((found.uid(), found.gid()), (expected.uid(), expected.gid()), "{}", path.display());
        }
        let (one, other) = (copy.join(path), original.join(path));
        if device(expected) {
            assert_eq!(found.rdev(), expected.rdev(), "{}", path.display());
        } else if expected.is_symlink() {
            assert_eq!(fs::read_link(&one)?, fs::read_link(&other)?);
        } else if expected.is_file() {
            ensure!(found.len() == expected.len(), "size of {}", path.display());
            ensure!(same_content(&one, &other)?, "content of {}", path.display());
            if expected.blocks() * 512 < expected.len() / 2 {
                ensure!(
                    found.blocks() * 512 < expected.len() / 2,
                    "the holes of {} are gone",
                    path.display()
                );
            }
        }
        // Names of one file are names of one file.
        let first = inodes.entry(expected.ino()).or_insert((found.ino(), path));
        ensure!(
            expected.is_dir() || first.0 == found.ino(),
            "{} and {} are apart",
            path.display(),
            first.1.display()
        );
    }
    ensure!(copies.len() <= originals.len(), "there is more than in the guest");
    Ok(())
}

#[test]
fn a_copy_by_root_is_what_the_kernel_shows() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (raw, mount) = guest(scratch.path())?;
    let target = scratch.path().join("target");
    fs::create_dir(&target)?;
    succeeds(&copy(&raw, &[&["--xattrs", "--verify"], &SOURCES[..]].concat(), &target)?);
    for source in SOURCES {
        let name = source.trim_start_matches('/');
        assert_same(&target.join(name), &mount.path().join(name), true)?;
        let attributes = |directory: &Path| -> Result<String> {
            let listed = must("getfattr", ["-Rhd", "-m-", "--absolute-names", &directory.to_string_lossy()])?;
            Ok(String::from_utf8_lossy(&listed).replace(&*directory.to_string_lossy(), ""))
        };
        let sorted = |text: String| {
            let mut parts: Vec<_> = text.split("\n\n").map(str::to_owned).collect();
            parts.sort();
            parts
        };
        let (ours, kernels) = (attributes(&target.join(name))?, attributes(&mount.path().join(name))?);
        assert_eq!(sorted(ours), sorted(kernels));
    }
    // A second copy over the first one changes nothing; what else is there stays.
    fs::write(target.join("etc/own"), "own")?;
    succeeds(&copy(&raw, &["/etc"], &target)?);
    assert_eq!(fs::read(target.join("etc/own"))?, b"own");
    fs::remove_file(target.join("etc/own"))?;
    assert_same(&target.join("etc"), &mount.path().join("etc"), true)
}

#[test]
fn an_archive_unpacks_to_the_same() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (raw, mount) = guest(scratch.path())?;
    let archive = copy(&raw, &["/etc", "/srv/samples", "/etc/hostname"], Path::new("-"))?;
    succeeds(&Ended { stdout: Vec::new(), status: archive.status, stderr: archive.stderr.clone() });
    let (file, target) = (scratch.path().join("a.tar"), scratch.path().join("target"));
    fs::write(&file, archive.stdout)?;
    fs::create_dir(&target)?;
    must(
        "tar",
        [
            "-xpf".as_ref(),
            file.as_os_str(),
            "-C".as_ref(),
            target.as_os_str(),
            "--warning=no-timestamp".as_ref(),
        ],
    )?;
    assert_same(&target.join("etc"), &mount.path().join("etc"), true)?;
    assert_same(&target.join("samples"), &mount.path().join("srv/samples"), true)?;
    assert_eq!(fs::read(target.join("hostname"))?, b"debian-mini\n");
    Ok(())
}

#[test]
fn an_ordinary_user_gets_all_but_owners_and_devices() -> Result<()> {
    let scratch = public_directory()?;
    let (raw, mount) = guest(scratch.path())?;
    let (target, program) = (scratch.path().join("target"), scratch.path().join("virt-copy-out"));
    fs::create_dir(&target)?;
    fs::copy(tool("virt-copy-out")?, &program)?;
    std::os::unix::fs::chown(&target, Some(NOBODY), Some(NOBODY))?;
    let nobody = NOBODY.to_string();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"])
        .arg(&program)
        .arg("-a")
        .arg(&raw);
    let out = ended(command.args(SOURCES).arg(&target))?;
    assert_eq!(out.status, Some(0), "{}", out.stderr);
    let left_out =
        |line: &str| line.starts_with("virt-copy-out: warning: left out /srv/") && line.contains("only root");
    ensure!(
        out.stderr.lines().all(|line| left_out(line) || line.ends_with("an archive can't hold")),
        "{}",
        out.stderr
    );
    for source in SOURCES {
        let name = source.trim_start_matches('/');
        assert_same(&target.join(name), &mount.path().join(name), false)?;
    }
    Ok(())
}

#[test]
fn wildcards_and_excludes_choose() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let names = |args: &[&str]| -> Result<Vec<String>> {
        let target = tempfile::tempdir_in(scratch.path())?;
        succeeds(&copy(&data("golden/guest.qcow2"), args, target.path())?);
        Ok(below(target.path())?.into_keys().map(|path| path.to_string_lossy().into_owned()).collect())
    };
    assert_eq!(names(&["/etc/h*", "/srv/data/[bc]*"])?, ["bytes", "crlf", "hostname", "hosts"]);
    // A name that is there means itself.
    assert_eq!(names(&["/srv/names/[[]x]", "/srv/names/?"])?.len(), 2);
    assert_eq!(names(&["--exclude", "[0-9]", "/srv/deep"])?, ["deep"]);
    assert_eq!(names(&["--exclude=bytes", "--exclude=*-*", "/srv/data"])?, ["data", "data/crlf"]);
    assert_eq!(names(&["/srv/links/absolute"])?, ["absolute"]);
    assert_eq!(names(&["/srv/links/dir/../data"])?.first().map(String::as_str), Some("data"));
    Ok(())
}

#[test]
fn what_fails_is_said_and_the_rest_is_copied() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let image = data("golden/guest.qcow2");
    let target = scratch.path().join("target");
    fs::create_dir(&target)?;
    fs::create_dir_all(target.join("data/bytes"))?;
    std::os::unix::fs::symlink(scratch.path(), target.join("deep"))?;
    let out = copy(&image, &["/nothing", "/srv/data", "etc", "/srv/deep", "/x*", "/etc/hostname"], &target)?;
    assert_eq!(out.status, Some(1));
    let said: Vec<&str> = out.stderr.lines().filter(|line| !line.starts_with("hint")).collect();
    for (line, words) in said.iter().zip([
        "etc: the path does not begin with a slash",
        "/x*: nothing fits the wildcard",
        "/nothing: No such file or directory",
        "/srv/data/bytes: Is a directory",
        "/srv/deep: Not a directory",
    ]) {
        ensure!(line.ends_with(words), "‘{words}’ is not in: {}", out.stderr);
    }
    assert_eq!((said.len(), fs::read(target.join("hostname"))?.as_slice()), (5, &b"golden\n"[..]));
    assert_eq!(fs::read(target.join("data/crlf"))?, b"one\r\ntwo\r\n");
    // Nothing went through the link.
    assert_eq!(fs::read_dir(scratch.path())?.count(), 1);
    Ok(())
}

#[test]
fn a_copy_that_is_not_as_the_guest_is_told_by_verify() -> Result<()> {
    // With a file of the same name from another directory, the second one is what is there.
    let scratch = tempfile::tempdir()?;
    let image = data("golden/guest.qcow2");
    let out = copy(&image, &["--verify", "/srv/data/bytes", "/srv/data/crlf"], scratch.path())?;
    succeeds(&out);
    let out = copy(&image, &["--verify", "/etc/hostname", "/srv/../etc/hostname"], scratch.path())?;
    succeeds(&out);
    let out = copy(
        &image,
        &["--verify", "/usr/bin/su", "/bin/sh", "/srv/attrs/acl", "/usr/bin/wall"],
        scratch.path(),
    )?;
    succeeds(&out);
    // The second source, a symbolic link of the same name, takes the place of the first.
    let image = data("debian-mini.qcow2");
    let out = copy(&image, &["--verify", "/usr/lib/os-release", "/etc/os-release"], scratch.path())?;
    assert_eq!(out.status, Some(1));
    ensure!(out.stderr.contains("/usr/lib/os-release: the copy differs: its kind"), "{}", out.stderr);
    Ok(())
}

#[test]
fn a_report_in_json_says_what_became_of_each_source() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let image = data("debian-mini.qcow2");
    let out = copy(&image, &["--json", "/etc/h*", "/nothing", "/srv/none*"], scratch.path())?;
    assert_eq!(out.status, Some(1));
    let report: serde_json::Value = serde_json::from_slice(&out.stdout)?;
    let sources = report["sources"].as_array().context("no sources")?;
    let paths: Vec<_> = sources.iter().map(|source| source["path"].as_str().unwrap_or_default()).collect();
    let failed = ["/nothing", "/srv/none*"];
    for source in sources {
        let path = source["path"].as_str().unwrap_or_default();
        let copied = scratch.path().join(path.trim_start_matches("/etc/")).symlink_metadata().is_ok();
        assert_eq!((source["error"].is_null(), copied), (!failed.contains(&path), !failed.contains(&path)));
    }
    ensure!(paths.contains(&"/etc/hostname") && failed.iter().all(|path| paths.contains(path)), "{paths:?}");
    let bytes: u64 = below(scratch.path())?.values().filter(|entry| entry.is_file()).map(Metadata::len).sum();
    assert_eq!(report["bytes"], bytes);
    assert_eq!((&report["schema"], &report["version"]), (&"virt-copy-out".into(), &1.into()));
    assert_eq!((&report["failures"], &report["interrupted"]), (&serde_json::json!([]), &false.into()));
    Ok(())
}

#[test]
fn an_archive_leaves_no_room_for_reports() -> Result<()> {
    for option in ["--verify", "--json"] {
        let image = data("debian-mini.qcow2");
        let out = copy(&image, &[option, "/etc"], Path::new("-"))?;
        ensure!(out.status == Some(2) && out.stderr.contains(option), "{option}: {}", out.stderr);
    }
    Ok(())
}

#[test]
fn an_interrupted_copy_has_whole_files_only() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (raw, mount) = guest(scratch.path())?;
    for (n, delay) in [0u64, 10, 30, 60, 100].into_iter().enumerate() {
        let target = scratch.path().join(format!("target{n}"));
        fs::create_dir(&target)?;
        let mut command = Command::new(tool("virt-copy-out")?);
        command.arg("-a").arg(&raw).args(["/etc", "/srv", "/usr"]).arg(&target);
        let mut child = clean(&mut command).stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // Not before it has begun to copy.
        while fs::read_dir(&target)?.next().is_none() && child.try_wait()?.is_none() {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(delay));
        let signal = [Signal::SIGINT, Signal::SIGTERM][n % 2];
        kill(Pid::from_raw(child.id().try_into()?), signal)?;
        let status = child.wait()?;
        ensure!(status.success() || status.signal() == Some(signal as i32), "ended with {status}");
        for (path, metadata) in below(&target)? {
            ensure!(!path.to_string_lossy().contains("virt-copy-out"), "{} is left", path.display());
            let original = mount.path().join(&path);
            if metadata.is_file() {
                ensure!(same_content(&target.join(&path), &original)?, "{} is not whole", path.display());
                assert_eq!(metadata.mtime(), original.symlink_metadata()?.mtime(), "{}", path.display());
            }
        }
    }
    Ok(())
}

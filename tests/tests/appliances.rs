//! An appliance in User-Mode Linux and in a virtual machine: the same session gives the same answers, what was written is
//! sound after the handle is closed, what was added read-only is unchanged, and nothing is left behind. (Has a main
//! function of its own, because the program is started again as supervisor and daemon.)

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use guestfs_tests::{data, must};
use libguestfs_core::client::Upload;
use libguestfs_core::{AddDriveOpts, Guestfs, Settings};

/// Bytes of the file that is sent there and back.
const FILE: usize = 20 << 20;

/// A handle whose temporary files are below `tmpdir`.
fn handle(backend: &str, tmpdir: &Path) -> Guestfs {
    let settings = Settings { backend: backend.into(), tmpdir: tmpdir.to_owned(), ..Settings::default() };
    let handle = Guestfs::with_settings(Settings { backend_settings: vec!["force_tcg".into()], ..settings });
    handle.settings().verbose = std::env::var_os("LIBGUESTFS_DEBUG").is_some();
    handle
}

fn file<'a>(content: &'a mut &[u8]) -> Upload<'a> {
    let size = u64::try_from(content.len()).ok();
    Upload { content, size }
}

fn ext4(path: &Path) -> Result<()> {
    std::fs::File::create(path)?.set_len(256 << 20)?;
    must("mkfs.ext4", ["-q", "-F", "-L", "written", &path.to_string_lossy()]).map(drop)
}

/// The date within is the host's, and time goes on as fast.
fn time_is_the_hosts(g: &Guestfs) -> Result<()> {
    // A real-time clock has whole seconds, and ticks may be lost while a kernel boots.
    const TOLERANCE: f64 = 1.5;
    let host = || Ok::<_, anyhow::Error>(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64());
    let mut seen = Vec::new();
    for _ in 0..2 {
        let before = host()?;
        g.upload(file(&mut b"now".as_slice()), "/dir/now")?;
        let status = g.statns("/dir/now")?;
        let within = status.st_mtime_sec as f64 + status.st_mtime_nsec as f64 / 1e9;
        ensure!(
            (before - TOLERANCE..host()? + TOLERANCE).contains(&within),
            "it is {within} within, {before} outside"
        );
        seen.push((before, within, host()?));
        std::thread::sleep(Duration::from_secs(1));
    }
    if let [(before, first, after), (before_second, second, after_second)] = seen[..] {
        // What a tick is shown as, and no more.
        let (least, most) = (before_second - after - 0.02, after_second - before + 0.02);
        ensure!(
            (least..most).contains(&(second - first)),
            "{first} to {second} in {least} to {most} seconds"
        );
    }
    Ok(())
}

/// A disk that is written to, one of another format that is read-only, and an empty one: what is seen of them.
fn session(backend: &str) -> Result<Vec<String>> {
    let dir = tempfile::tempdir()?;
    let tmpdir = tempfile::tempdir()?;
    let (written, guest) = (dir.path().join("written.raw"), dir.path().join("guest.qcow2"));
    ext4(&written)?;
    std::fs::copy(data("debian-mini.qcow2"), &guest)?;
    let before = std::fs::read(&guest)?;
    let mut said = Vec::new();

    let g = handle(backend, tmpdir.path());
    let raw = AddDriveOpts { format: Some("raw".into()), ..AddDriveOpts::default() };
    g.add_drive(&written, &raw)?;
    g.add_drive(
        &guest,
        &AddDriveOpts { readonly: Some(true), label: Some("guest".into()), ..AddDriveOpts::default() },
    )?;
    g.add_drive("/dev/null", &AddDriveOpts::default())?;
    g.launch().with_context(|| format!("launching {backend}"))?;
    said.push(format!("{:?}", g.list_devices()?));
    said.push(format!("{:?}", g.list_disk_labels()?));
    for device in ["/dev/sda", "/dev/sdb", "/dev/sdc"] {
        said.push(format!("{} bytes", g.blockdev_getsize64(device)?));
    }
    g.mount("/dev/sda", "/")?;
    let content: Vec<u8> = (0..FILE).map(|i| (i * i % 251) as u8).collect();
    g.upload(file(&mut content.as_slice()), "/file")?;
    let mut back = Vec::new();
    g.download("/file", &mut back)?;
    ensure!(back == content, "{backend}: the file came back changed");
    said.push(g.checksum("sha256", "/file")?.to_string());
    g.mkdir("/dir")?;
    said.push(format!("{:?}", g.ls("/")?));
    time_is_the_hosts(&g).with_context(|| backend.to_owned())?;
    g.umount_all()?;
    // The read-only disk takes writes, and forgets them.
    for (device, kind) in g.list_filesystems()?.0 {
        said.push(format!("{device} {kind}"));
    }
    g.mount("/dev/sdb2", "/")?;
    g.mkdir("/written-to-the-overlay")?;
    said.push(format!("{:?}", g.ls("/")?));
    g.umount_all()?;
    // A device is written in whole pages past the cache and the rest through it, from any byte on.
    for offset in [8192, 4096 + 512, 3] {
        g.upload_offset(file(&mut content.as_slice()), "/dev/sdb", offset)?;
        let mut back = Vec::new();
        g.download_offset("/dev/sdb", &mut back, offset, i64::try_from(content.len())?)?;
        ensure!(back == content, "{backend}: what was written to a device at {offset} came back changed");
    }
    said.push(format!("{:?}", g.mount("/dev/sdc", "/").map_err(|_| "nothing to mount")));
    g.shutdown()?;
    drop(g);

    must("e2fsck", ["-f", "-n", &written.to_string_lossy()])?;
    ensure!(std::fs::read(&guest)? == before, "{backend}: a read-only image was changed");
    let left: Vec<_> = std::fs::read_dir(tmpdir.path())?.collect();
    ensure!(left.is_empty(), "{backend}: left behind: {left:?}");
    Ok(said)
}

/// A hypervisor that ends at once is an error that quotes its last words; it can be a script.
fn a_hypervisor_that_ends_is_quoted() -> Result<()> {
    let tmpdir = tempfile::tempdir()?;
    let wrapper = tmpdir.path().join("wrapper");
    std::fs::write(&wrapper, "#!/bin/sh\necho no such machine as \"$2\" >&2\nexit 3\n")?;
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755))?;
    let g = handle("direct", tmpdir.path());
    g.settings().hv = Some(wrapper);
    g.add_drive("/dev/null", &AddDriveOpts::default())?;
    let Err(error) = g.launch() else { anyhow::bail!("a script was an appliance") };
    let said = format!("{:#}", anyhow::Error::from(error));
    ensure!(said.contains("qemu ended with status 3") && said.contains("no such machine as q35"), "{said}");
    Ok(())
}

/// What keeps an appliance from being started is said without starting anything.
fn hostile_images_are_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| -> PathBuf { dir.path().join(name) };
    let create = |name: &str, args: &[&str]| {
        let file = path(name).to_string_lossy().into_owned();
        must("qemu-img", [&["create", "-q", "-f", "qcow2"], args, &[file.as_str(), "1M"]].concat())
    };
    let cases: &[(&str, &str, &str)] = &[
        ("outside", "/etc/passwd", "outside the directory"),
        ("network", "nbd://127.0.0.1:1/x", "not supported"),
        ("json", r#"json:{"driver":"file","filename":"/etc/passwd"}"#, "not supported"),
    ];
    for (name, backing, why) in cases {
        create(name, &["-u", "-F", "raw", "-b", backing])?;
        let g = handle("uml", dir.path());
        g.add_drive(path(name), &AddDriveOpts::default())?;
        let Err(error) = g.launch() else { anyhow::bail!("{name}: it was opened") };
        let said = format!("{:#}", anyhow::Error::from(error));
        ensure!(said.contains(why), "{name}: {said}");
    }
    std::fs::write(
        path("extents.vmdk"),
        "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\
         RW 4 FLAT \"/etc/passwd\" 0\n",
    )?;
    let g = handle("direct", dir.path());
    g.add_drive(path("extents.vmdk"), &AddDriveOpts::default())?;
    let Err(error) = g.launch() else { anyhow::bail!("an extent outside was opened") };
    let said = format!("{:#}", anyhow::Error::from(error));
    ensure!(said.contains("outside the directory"), "{said}");
    Ok(())
}

fn main() -> Result<ExitCode> {
    if let Some(status) = guestfsd::run_if_daemon() {
        return Ok(status);
    }
    hostile_images_are_refused()?;
    let uml = session("uml")?;
    let direct = session("direct")?;
    ensure!(uml == direct, "the answers differ:\n{uml:#?}\n{direct:#?}");
    a_hypervisor_that_ends_is_quoted()?;
    Ok(ExitCode::SUCCESS)
}

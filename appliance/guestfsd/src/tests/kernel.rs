//! The kernel engine over loop devices, and over plain directories. Needs root.
//!
//! A test has a mount namespace of its own (of its thread), so that nothing stays mounted.

use std::ops::{Deref, DerefMut};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use bstr::BString;
use libguestfs_core::api::UmountOpts;
use nix::errno::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use super::{Workshop, b, refusal, run};
use crate::Guestfsd;
use crate::engine::kernel::{Disk, Kernel};

/// A daemon over this system's kernel.
pub(super) struct Machine {
    daemon: Guestfsd,
    loops: Vec<String>,
}

impl Machine {
    /// With images as disks.
    pub(super) fn new(images: &[&str]) -> Self {
        enter_namespace();
        mount("test", "/mnt", "tmpfs", MountFlags::empty(), None).unwrap();
        let attach = |image: &&str| {
            let output = Command::new("losetup").args(["-f", "--show", image]).output().unwrap();
            assert!(output.status.success(), "losetup {image}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
        };
        let loops: Vec<String> = images.iter().map(attach).collect();
        for node in &loops {
            // A loop device keeps the partitions that parted told it of when it had another image.
            let _ = Command::new("partx").args(["--delete", node]).output();
        }
        let disk =
            |node: &String| Disk { kernel: Kernel::disk_by_path(Path::new(node)).unwrap(), label: None };
        let kernel = Kernel::new("/mnt", loops.iter().map(disk).collect());
        Machine { daemon: Guestfsd::new(Box::new(kernel)), loops }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.daemon.umount_all();
        for node in &self.loops {
            let _ = Command::new("losetup").args(["-d", node]).status();
        }
    }
}

impl Deref for Machine {
    type Target = Guestfsd;
    fn deref(&self) -> &Guestfsd {
        &self.daemon
    }
}

impl DerefMut for Machine {
    fn deref_mut(&mut self) -> &mut Guestfsd {
        &mut self.daemon
    }
}

fn enter_namespace() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
}

/// A daemon whose guest is a plain directory.
pub(super) fn over_directory(root: &Path) -> Guestfsd {
    Guestfsd::new(Box::new(Kernel::over_directory(root.canonicalize().unwrap(), Vec::new())))
}

fn mount_points(d: &mut Guestfsd) -> Vec<(String, String)> {
    d.mountpoints().unwrap().0.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

fn at(device: &str, path: &str) -> (String, String) {
    (device.into(), path.into())
}

fn umount(d: &mut Guestfsd, what: &str) -> libguestfs_core::Result<()> {
    d.umount(b(what), &UmountOpts::default())
}

#[test]
fn filesystems_are_mounted_and_unmounted() {
    let workshop = Workshop::new();
    let first = workshop.empty("first.img", 16);
    let second = workshop.empty("second.img", 16);
    run("mke2fs", &["-q", "-t", "ext4", "-L", "first", "-d", "/etc/apt", &first]);
    run("mke2fs", &["-q", "-t", "ext2", &second]);
    let mut d = Machine::new(&[&first, &second]);
    assert_eq!(d.list_devices().unwrap(), ["/dev/sda", "/dev/sdb"]);
    let filesystems = d.list_filesystems().unwrap().0;
    let of_kind = |device: &str, kind: &str| (BString::from(device), BString::from(kind));
    assert_eq!(filesystems, [of_kind("/dev/sda", "ext4"), of_kind("/dev/sdb", "ext2")]);
    assert_eq!(d.findfs_label(b("first")).unwrap(), "/dev/sda");
    assert_eq!(refusal(d.mount(b("/dev/sda"), b("/x"))), "mount: /x: mount point is not a directory");
    d.mount(b("/dev/sda"), b("/")).unwrap();
    assert!(
        d.is_file(b("/sources.list"), &Default::default()).unwrap() || d.exists(b("/lost+found")).unwrap()
    );
    d.mount_ro(b("/dev/disk/by-label/first"), b("/lost+found")).unwrap_err();
    d.mount_options(b("noatime,user_xattr"), b("/dev/vdb"), b("/lost+found")).unwrap();
    assert_eq!(mount_points(&mut d), [at("/dev/sda", "/"), at("/dev/sdb", "/lost+found")]);
    assert_eq!(refusal(umount(&mut d, "/")), "/: umount: /sysroot/: target is busy.");
    assert_eq!(
        refusal(umount(&mut d, "/nosuch")),
        "/nosuch: umount: /sysroot/nosuch: no mount point specified."
    );
    umount(&mut d, "/dev/sdb").unwrap();
    assert_eq!(refusal(umount(&mut d, "/dev/sdb")), "/dev/sdb: umount: /dev/sdb: not mounted.");
    assert_eq!(
        refusal(umount(&mut d, "/lost+found")),
        "/lost+found: umount: /sysroot/lost+found: not mounted."
    );
    assert_eq!(d.statvfs(b("/")).unwrap().flag, 4096);
    assert_eq!(d.lstatns(b("/")).unwrap().st_dev, 0x800);
    d.umount_all().unwrap();
    assert!(mount_points(&mut d).is_empty());
    d.mkmountpoint(b("/a")).unwrap();
    assert_eq!(refusal(d.mkmountpoint(b("/a"))), "/a: File exists");
    assert_eq!(refusal(d.mkmountpoint(b("/"))), "/: File exists");
    d.mount_ro(b("/dev/sda"), b("/a")).unwrap();
    assert_eq!(d.statvfs(b("/a")).unwrap().flag, 4097);
    assert_eq!(refusal(d.rmmountpoint(b("/a"))), "/a: Device or resource busy");
    d.umount_all().unwrap();
    d.rmmountpoint(b("/a")).unwrap();
}

/// Whatever a guest holds, nothing waits and nothing outside is reached.
#[test]
fn special_files_are_looked_at_and_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    run("mkfifo", &[root.join("fifo").to_str().unwrap()]);
    run("mknod", &[root.join("null").to_str().unwrap(), "c", "1", "3"]);
    run("mknod", &[root.join("disk").to_str().unwrap(), "b", "7", "0"]);
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    for (link, target) in
        [("to-fifo", "fifo"), ("out", "/etc/passwd"), ("magic", "/proc/self/root/etc/passwd")]
    {
        symlink(target, root.join(link)).unwrap();
    }
    let mut d = over_directory(root);
    for name in ["/fifo", "/null", "/disk", "/socket", "/to-fifo"] {
        let error = d.pread(b(name), 10, 0).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{name}: {error}");
        let mut sink = Vec::new();
        assert!(d.download(b(name), &mut sink).is_err(), "{name}");
        assert!(d.getxattrs(b(name)).unwrap().is_empty(), "{name}");
    }
    for name in ["/out", "/magic"] {
        assert_eq!(d.pread(b(name), 10, 0).unwrap_err().errno(), Some(Errno::ENOENT), "{name}");
    }
    assert!(d.is_fifo(b("/fifo"), &Default::default()).unwrap());
    assert!(d.is_chardev(b("/null"), &Default::default()).unwrap());
    assert!(d.is_blockdev(b("/disk"), &Default::default()).unwrap());
    assert!(d.is_socket(b("/socket"), &Default::default()).unwrap());
    assert_eq!(d.lstatns(b("/disk")).unwrap().st_rdev, 0x700);
    assert_eq!(d.realpath(b("/to-fifo")).unwrap(), "/fifo");
    assert_eq!(d.readlink(b("/out")).unwrap(), "/etc/passwd");
    assert_eq!(refusal(d.readlink(b("/fifo"))), "readlink: /fifo: Invalid argument");
}

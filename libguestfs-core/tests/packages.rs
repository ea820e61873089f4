//! The lists of applications with a daemon that does not have our own call, as libguestfs's: its files are downloaded, and
//! rpm's database is left to its own call.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::api::{
    Application2, Hivex, Host, IsDirOpts, IsFileOpts, Machine, Own, Partitioning, Reading, Searching,
    Storage, Transfer, Volumes, Writing,
};
use libguestfs_core::server::{self, FileOut};
use libguestfs_core::wire::Channel;
use libguestfs_core::{Error, ErrorKind, Guestfs, Result, Settings};

const STATUS: &str = "Package: b\nStatus: install ok installed\nVersion: 2:1-3\nArchitecture: all\n\n\
    Package: a\nStatus: install ok unpacked\nVersion: 1\n\nPackage: a\n";

/// A daemon of libguestfs over one file, whose root says that it has this package format.
struct Other(&'static str);

impl Host for Other {}

impl Writing for Other {}
impl Partitioning for Other {}
impl Storage for Other {}
impl Volumes for Other {}
impl Hivex for Other {}
impl Machine for Other {}
impl Searching for Other {}
impl Transfer for Other {}

impl Own for Other {
    fn internal_list_packages(&mut self, _: &BStr, _: &BStr, _: &mut FileOut<'_>) -> Result<()> {
        // What daemon/proto.c answers to a number that it does not know.
        let text = "dispatch_incoming_message: unknown procedure number 1000001, set LIBGUESTFS_PATH to point to the \
            matching libguestfs appliance directory";
        Err(Error::new(ErrorKind::Daemon, None, text))
    }
}

impl Reading for Other {
    fn internal_autosync(&mut self) -> Result<()> {
        Ok(())
    }
    fn inspect_get_type(&mut self, _: &BStr) -> Result<BString> {
        Ok("linux".into())
    }
    fn inspect_get_package_format(&mut self, _: &BStr) -> Result<BString> {
        Ok(self.0.into())
    }
    fn is_file(&mut self, path: &BStr, _: &IsFileOpts) -> Result<bool> {
        Ok(path == "/var/lib/dpkg/status")
    }
    fn is_dir(&mut self, _: &BStr, _: &IsDirOpts) -> Result<bool> {
        Ok(false)
    }
    fn filesize(&mut self, path: &BStr) -> Result<i64> {
        assert_eq!(path, "/var/lib/dpkg/status");
        Ok(i64::try_from(STATUS.len()).unwrap())
    }
    fn download(&mut self, path: &BStr, file: &mut FileOut<'_>) -> Result<()> {
        assert_eq!(path, "/var/lib/dpkg/status");
        file.write_all(STATUS.as_bytes())
    }
    fn internal_list_rpm_applications(&mut self) -> Result<Vec<Application2>> {
        let key = Application2 {
            app2_name: "gpg-pubkey".into(),
            app2_version: "8783d481".into(),
            app2_arch: "(none)".into(),
            ..Application2::default()
        };
        Ok(vec![key])
    }
}

fn handle(scratch: &Path, format: &'static str) -> Guestfs {
    let socket = scratch.join(format);
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut channel = Channel::new(stream.into());
        server::announce(&mut channel).unwrap();
        let _ = server::serve(&mut channel, &mut Other(format));
    });
    let backend = format!("unix:{}", socket.display());
    let handle = Guestfs::with_settings(Settings { backend, ..Settings::default() });
    handle.launch().unwrap();
    handle
}

#[test]
fn packages_are_listed_with_the_calls_that_every_daemon_has() {
    let scratch = tempfile::tempdir().unwrap();
    let root = "/dev/sda1";

    let debian = handle(scratch.path(), "deb");
    let listed = debian.inspect_list_applications2(root).unwrap();
    let shown: Vec<_> =
        listed.iter().map(|a| (a.app2_name.as_bstr(), a.app2_epoch, a.app2_release.as_bstr())).collect();
    assert_eq!(shown, [("b".into(), 2, "3".into())]);
    assert_eq!(debian.inspect_list_applications(root).unwrap()[0].app_version, "1");
    let installed = debian.installed_packages(root).unwrap();
    let names: Vec<_> = installed.packages.iter().map(|p| format!("{} {}", p.name, p.state)).collect();
    assert_eq!(names, ["a unpacked", "b installed"]);
    assert_eq!(installed.notes.len(), 1);

    let fedora = handle(scratch.path(), "rpm");
    assert_eq!(fedora.inspect_list_applications2(root).unwrap()[0].app2_arch, "(none)");
    let installed = fedora.installed_packages(root).unwrap();
    let key = installed.packages.iter().find(|p| p.name == "gpg-pubkey").unwrap();
    assert_eq!([&key.version, &key.arch], ["8783d481", ""]);

    let gentoo = handle(scratch.path(), "ebuild");
    assert_eq!(gentoo.inspect_list_applications2(root).unwrap(), []);
}

//! rpm's databases, made by the real rpm of packages that are built here, and read in each form.
//!
//! Debian's rpm writes SQLite and reads Berkeley DB, so that is made by `db5.3_load` of the headers that rpm exports, in
//! both byte orders. The form ndb is made here: no rpm of Debian knows it. What rpm itself lists is the measure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/directory.rs"]
mod directory;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use bstr::{BString, ByteSlice};
use directory::Directory;
use guest_packages::{Format, Installed, installed};
use tempfile::TempDir;

/// As many packages as a small server has.
const PACKAGES: usize = 500;
/// Versions of a package that is installed several times, as kernels are, in the order of their installation.
const KERNELS: [&str; 4] = ["6.2", "6.10", "5.14", "6.1"];
/// Packages that are removed again.
const REMOVED: [&str; 3] = ["p007", "p250", "p499"];
/// Fields in the order in which they are compared; none of the values has these bytes.
const QUERY: &str = "%{NAME}\x1f%{EPOCH}\x1f%{VERSION}\x1f%{RELEASE}\x1f%{ARCH}\x1f%{PACKAGER}\x1f%{VENDOR}\x1f%{URL}\x1f\
    %{SOURCERPM}\x1f%{SUMMARY}\x1f%{DESCRIPTION}\x1f%{GROUP}\x1f%{LICENSE}\x1f%{INSTALLTIME}\x1e";

/// A guest with rpm's own database, what rpm says of it, and its headers.
struct Guest {
    _scratch: TempDir,
    root: PathBuf,
    listed: Vec<Vec<BString>>,
    headers: Vec<Vec<u8>>,
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn spec() -> String {
    let mut spec =
        "Name: base\nVersion: 1.0\nRelease: 1\nSummary: The base\nLicense: MIT\nVendor: A Project\n\
        Packager: A B <a@example.org>\n%description\nBase.\n%files\n"
            .to_owned();
    for n in 0..PACKAGES {
        let epoch = if n.is_multiple_of(10) { format!("Epoch: {}\n", n % 7) } else { String::new() };
        let arch = if n % 3 == 0 { "BuildArch: noarch\n" } else { "" };
        let url = if n % 4 > 0 { format!("URL: https://example.org/{n}?a=b&c\n") } else { String::new() };
        // Some are longer than a page of a database.
        let lines = if n % 50 == 7 { 400 } else { n % 8 };
        let description =
            format!("Description {n} of a package, in a line with ünïcode.\n").repeat(lines + 1);
        write!(
            spec,
            "%package -n p{n:03}\n{epoch}Version: {}.{n}\nRelease: {}.fc40\n{arch}{url}License: GPL-{n}\n\
             Summary: Package number {n}\n%description -n p{n:03}\n{description}%files -n p{n:03}\n",
            n % 9,
            n % 5
        )
        .unwrap();
    }
    spec
}

/// A package with translations, and one that is there for each processor.
const KERNEL: &str = "Name: kernel\nVersion: %{version_here}\nRelease: 1\nSummary: The kernel\nSummary(de): Der Kern\n\
    License: GPL-2.0-only WITH Linux-syscall-note\nGroup: System/Kernel\n%description\nIn English.\n%description -l de\n\
    Auf Deutsch.\n%files\n%package -n libkernel\nSummary: A library\n%description -n libkernel\n%files -n libkernel\n";

fn guest() -> &'static Guest {
    static GUEST: OnceLock<Guest> = OnceLock::new();
    GUEST.get_or_init(|| {
        let scratch = TempDir::new().unwrap();
        let path = |name: &str| scratch.path().join(name);
        fs::write(path("base.spec"), spec()).unwrap();
        let top = format!("_topdir {}", path("top").display());
        run(Command::new("rpmbuild").args(["-bb", "--quiet", "--define", &top]).arg(path("base.spec")));
        let database = path("root/var/lib/rpm");
        fs::create_dir_all(&database).unwrap();
        let rpm = |program: &str| {
            let mut command = Command::new(program);
            command.arg("--dbpath").arg(&database);
            command
        };
        let files = ["noarch", "x86_64"].into_iter().flat_map(|arch| {
            let built = fs::read_dir(path("top/RPMS").join(arch));
            built.unwrap_or_else(|e| panic!("no packages of {arch}: {e}")).map(|entry| entry.unwrap().path())
        });
        let install = ["-i", "--justdb", "--nodeps", "--force", "--ignorearch"];
        run(rpm("rpm").args(install).args(files));
        fs::write(path("kernel.spec"), KERNEL).unwrap();
        for version in KERNELS {
            // The library is there for two processors.
            for target in ["i686", "x86_64"] {
                let version = format!("version_here {version}");
                run(Command::new("rpmbuild")
                    .args(["-bb", "--quiet", "--define", &top, "--define", &version, "--target", target])
                    .arg(path("kernel.spec")));
            }
            let built = [("kernel", "x86_64"), ("libkernel", "x86_64"), ("libkernel", "i686")]
                .map(|(name, arch)| path(&format!("top/RPMS/{arch}/{name}-{version}-1.{arch}.rpm")));
            run(rpm("rpm").args(install).args(built));
        }
        run(rpm("rpm").args(["-e", "--justdb", "--nodeps"]).args(REMOVED));
        let headers = exported(&run(rpm("rpmdb").arg("--exportdb")));
        let count = PACKAGES + 1 + 3 * KERNELS.len() - REMOVED.len();
        let root = path("root");
        let listed = listed(&root, &[]);
        assert_eq!((listed.len(), headers.len()), (count, count));
        Guest { _scratch: scratch, root, listed, headers }
    })
}

/// What rpm lists of the database below `root`, sorted by the names: what is of one name stays in rpm's order.
fn listed(root: &Path, options: &[&str]) -> Vec<Vec<BString>> {
    let mut rpm = Command::new("rpm");
    rpm.env("LC_ALL", "C").args(options).arg("--dbpath").arg(root.join("var/lib/rpm"));
    let output = run(rpm.args(["-qa", "--qf", QUERY]));
    let record = |record: &[u8]| record.split_str("\x1f").map(BString::from).collect::<Vec<_>>();
    let mut records: Vec<_> = output.split_str("\x1e").filter(|r| !r.is_empty()).map(record).collect();
    records.sort_by(|a, b| a[0].cmp(&b[0]));
    records
}

/// The headers of an export, without the magic number before each.
fn exported(mut export: &[u8]) -> Vec<Vec<u8>> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    let mut headers = Vec::new();
    while !export.is_empty() {
        assert!(export.starts_with(b"\x8e\xad\xe8\x01"));
        let len = 8 + number(&export[8..]) * 16 + number(&export[12..]);
        headers.push(export[8..8 + len].to_vec());
        export = &export[8 + len..];
    }
    headers
}

/// The same of what is read here; `(none)` is rpm's word for what is not there.
fn fields(found: &Installed) -> Vec<Vec<BString>> {
    let none = |text: &BString| if text.is_empty() { "(none)".into() } else { text.clone() };
    let number = |n: Option<u64>| n.map_or("(none)".into(), |n| BString::from(n.to_string()));
    found
        .packages
        .iter()
        .map(|p| {
            let texts =
                [&p.version, &p.release, &p.arch, &p.maintainer, &p.vendor, &p.url, &p.source_package];
            let mut fields = vec![p.name.clone(), number(p.epoch.map(u64::from))];
            fields.extend(texts.into_iter().map(none));
            // Every package has these two, and they may be empty.
            fields.extend([p.summary.clone(), p.description.clone()]);
            fields.extend([&p.section, &p.license].map(none));
            fields.push(number(p.install_time));
            fields
        })
        .collect()
}

#[track_caller]
fn check(root: &Path, path: &str, listed: &[Vec<BString>]) {
    let found = installed(&Directory(root.to_owned()), &Format::ALL);
    assert_eq!(found.notes, []);
    assert_eq!(found.databases.iter().map(|d| d.path.to_string()).collect::<Vec<_>>(), [path]);
    for (ours, theirs) in fields(&found).iter().zip(listed) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(found.packages.len(), listed.len());
}

fn berkeley(root: &Path, big_endian: bool) {
    let order = if big_endian { 4321 } else { 1234 };
    let number = |n: usize| {
        let n = u32::try_from(n).unwrap();
        hex(&if big_endian { n.to_be_bytes() } else { n.to_le_bytes() })
    };
    let mut dump =
        format!("VERSION=3\nformat=bytevalue\ntype=hash\ndb_lorder={order}\ndb_pagesize=4096\nHEADER=END\n");
    let headers = &guest().headers;
    write!(dump, " {}\n {}\n", number(0), number(headers.len())).unwrap();
    for (n, header) in headers.iter().enumerate() {
        write!(dump, " {}\n {}\n", number(n + 1), hex(header)).unwrap();
    }
    dump.push_str("DATA=END\n");
    let directory = root.join("var/lib/rpm");
    fs::create_dir_all(&directory).unwrap();
    feed(Command::new("db5.3_load").arg(directory.join("Packages")), &dump);
}

/// Runs a program on this input.
fn feed(command: &mut Command, input: &str) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The headers as rpm's ndb has them; every other slot is free, as after a package was removed.
fn ndb(headers: &[Vec<u8>]) -> Vec<u8> {
    let word = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let pages = (headers.len() * 2 + 2).div_ceil(256);
    let mut slots =
        [&b"RpmP"[..], &word(0), &word(1), &word(pages), &word(headers.len() + 1), &[0; 12]].concat();
    let mut blobs = Vec::new();
    for (n, header) in headers.iter().enumerate() {
        let blob = [&b"BlbS"[..], &word(n + 1), &word(1), &word(header.len()), header].concat();
        let padded = (blob.len() + 12).next_multiple_of(16);
        let mut blob = blob;
        blob.resize(padded - 12, 0);
        // The checksum is not read.
        blob.extend([&word(0)[..], &word(header.len()), b"BlbE"].concat());
        slots.extend(
            [&b"Slot"[..], &word(n + 1), &word(pages * 256 + blobs.len() / 16), &word(padded / 16)].concat(),
        );
        slots.extend([&b"Slot"[..], &word(0), &word(0), &word(0)].concat());
        blobs.extend(blob);
    }
    while slots.len() < pages * 4096 {
        slots.extend([&b"Slot"[..], &word(0), &word(0), &word(0)].concat());
    }
    [slots, blobs].concat()
}

#[test]
fn sqlite_is_read_as_rpm_reads_it() {
    check(&guest().root, "/var/lib/rpm/rpmdb.sqlite", &guest().listed);
}

#[test]
fn a_log_that_was_not_written_back_is_read_as_rpm_reads_it() {
    let root = TempDir::new().unwrap();
    let to = root.path().join("var/lib/rpm");
    fs::create_dir_all(&to).unwrap();
    // While a connection is open, what others write stays in the log.
    let script = "PRAGMA journal_mode=WAL;\nBEGIN;\nSELECT count(*) FROM Packages;\n\
        .shell rpm --dbpath $FROM -e --justdb --nodeps p001 p002\n\
        .shell cp $FROM/rpmdb.sqlite $FROM/rpmdb.sqlite-wal $TO\nCOMMIT;\n";
    let from = root.path().join("from");
    run(Command::new("cp").arg("-r").arg(guest().root.join("var/lib/rpm")).arg(&from));
    let mut shell = Command::new("sqlite3");
    shell.arg("-bail").arg(from.join("rpmdb.sqlite")).env("FROM", &from).env("TO", &to);
    feed(&mut shell, script);
    assert!(fs::metadata(to.join("rpmdb.sqlite-wal")).unwrap().len() > 4096);
    let expected: Vec<_> =
        guest().listed.iter().filter(|p| p[0] != "p001" && p[0] != "p002").cloned().collect();
    assert_eq!(expected.len() + 2, guest().listed.len());
    check(root.path(), "/var/lib/rpm/rpmdb.sqlite", &expected);
    assert_eq!(listed(root.path(), &[]), expected);
}

#[test]
fn berkeley_db_is_read_in_both_byte_orders() {
    for big_endian in [false, true] {
        let root = TempDir::new().unwrap();
        berkeley(root.path(), big_endian);
        let listed = listed(root.path(), &["--define", "_db_backend bdb_ro"]);
        assert_eq!(listed.len(), guest().listed.len());
        check(root.path(), "/var/lib/rpm/Packages", &listed);
    }
}

#[test]
fn ndb_is_read() {
    let root = TempDir::new().unwrap();
    let directory = root.path().join("usr/lib/sysimage/rpm");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("Packages.db"), ndb(&guest().headers)).unwrap();
    check(root.path(), "/usr/lib/sysimage/rpm/Packages.db", &guest().listed);
}

//! Calls that change files, over a plain directory: what they did is looked at with the standard library. Texts of errors
//! are those of Debian's daemon 1.48.6, where it does not print those of a program.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use libguestfs_core::api::{CopyAttributesOpts, MktempOpts, SetE2attrsOpts};
use tempfile::TempDir;

use super::{b, over_directory, refusal};
use crate::Guestfsd;

/// The umask is the process's: while a test changes it, no other one may make files.
static UMASK: RwLock<()> = RwLock::new(());

/// A directory with a guest in it, and things beside it that the guest must not reach.
struct Bench {
    scratch: TempDir,
    _umask: RwLockReadGuard<'static, ()>,
}

impl Bench {
    fn new() -> Self {
        let bench = Bench {
            scratch: TempDir::new().unwrap(),
            _umask: UMASK.read().unwrap_or_else(PoisonError::into_inner),
        };
        bench.fill();
        bench
    }

    fn fill(&self) {
        fs::create_dir_all(self.path("dir/sub")).unwrap();
        fs::write(self.path("hello"), "hello\n").unwrap();
        fs::write(self.path("dir/f"), "x").unwrap();
        for (name, target) in [
            ("lnk", "hello"),
            ("dang", "nosuch"),
            ("loop", "loop"),
            ("dlnk", "dir"),
            ("out", "../outside"),
            ("outabs", "/outside"),
            ("outdir", "../outdir"),
        ] {
            symlink(target, self.path(name)).unwrap();
        }
        nix::unistd::mkfifo(&self.path("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
        fs::write(self.scratch.path().join("outside"), "host").unwrap();
        fs::create_dir(self.scratch.path().join("outdir")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join("guest").join(name)
    }

    fn daemon(&self) -> Guestfsd {
        over_directory(&self.path(""))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::symlink_metadata(self.path(name)).unwrap().permissions().mode()
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Bench {
    /// Whatever a test did, nothing outside of the guest may have changed.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(fs::read(self.scratch.path().join("outside")).unwrap(), b"host");
            assert_eq!(fs::read_dir(self.scratch.path().join("outdir")).unwrap().count(), 0);
            assert_eq!(fs::read_dir(self.scratch.path()).unwrap().count(), 3);
        }
    }
}

type Step = (&'static str, fn(&mut Guestfsd) -> libguestfs_core::Result<()>, &'static str);

/// Makes calls one after the other, each of which fails with a text, or succeeds if that is empty.
fn steps(daemon: &mut Guestfsd, steps: &[Step]) {
    for (name, step, expected) in steps {
        let said = step(daemon).map_or_else(|e| e.message().to_owned(), |()| String::new());
        assert_eq!(said, *expected, "{name}");
    }
}

/// A step under its own source as its name.
macro_rules! steps {
    ($daemon:expr, $($call:ident($($argument:expr),*) => $expected:expr;)*) => {
        steps($daemon, &[$((
            concat!(stringify!($call), "(", $(stringify!($argument), " ",)* ")"),
            |d| d.$call($($argument),*).map(|_| ()),
            $expected,
        )),*])
    };
}

#[test]
fn directories_are_made_and_removed() {
    let bench = Bench::new();
    let mut d = bench.daemon();
    steps! { &mut d,
        mkdir(b("/dir")) => "/dir: File exists";
        mkdir(b("/nosuch/x")) => "/nosuch/x: No such file or directory";
        mkdir(b("/")) => "/: File exists";
        mkdir(b("/hello/x")) => "/hello/x: Not a directory";
        mkdir(b("/trail/")) => "";
        mkdir(b("/a\nb")) => "";
        mkdir(b("/a\0b")) => "/a\0b: Invalid argument";
        mkdir(b("/outdir/x")) => "/outdir/x: Too many levels of symbolic links";
        mkdir_p(b("/a/b/../c//d/.")) => "";
        mkdir_p(b("/a/b")) => "";
        mkdir_p(b("/")) => "";
        mkdir_p(b("/dlnk/n")) => "";
        mkdir_p(b("/hello")) => "/hello: a path element was not a directory";
        mkdir_p(b("/hello/x")) => "/hello/x: Not a directory";
        mkdir_p(b("/dang/x")) => "/dang/x: a path element was not a directory";
        mkdir_mode(b("/mm"), 0o1777) => "";
        mkdir_mode(b("/mm2"), -1) => "/mm2: mode is negative";
        rmdir(b("/dir")) => "/dir: Directory not empty";
        rmdir(b("/nosuch")) => "/nosuch: No such file or directory";
        rmdir(b("/hello")) => "/hello: Not a directory";
        rmdir(b("/")) => "/: Device or resource busy";
        rmdir(b("/dir/.")) => "/dir/.: Invalid argument";
        rmdir(b("/trail/")) => "";
    }
    assert!(bench.path("a/c/d").is_dir() && bench.path("a/b").is_dir() && bench.path("dir/n").is_dir());
    assert_eq!(bench.mode("mm"), 0o041_755);
    assert!(!bench.path("trail").exists());
}

#[test]
fn files_are_removed() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("deep/a/b/c")).unwrap();
    fs::write(bench.path("deep/a/b/file"), "").unwrap();
    symlink("../../../outdir", bench.path("deep/a/out")).unwrap();
    symlink("/hello", bench.path("deep/hello")).unwrap();
    let mut d = bench.daemon();
    steps! { &mut d,
        rm(b("/dir")) => "/dir: Is a directory";
        rm(b("/nosuch")) => "/nosuch: No such file or directory";
        rm(b("/")) => "/: Is a directory";
        rm(b("/hello/")) => "/hello/: Not a directory";
        rm(b("/lnk")) => "";
        rm_f(b("/nosuch")) => "";
        rm_f(b("/nosuch/x")) => "";
        rm_f(b("/dir")) => "/dir: Is a directory";
        rm_f(b("/hello/x")) => "/hello/x: Not a directory";
        rm_rf(b("/nosuch")) => "";
        rm_rf(b("/hello/x")) => "";
        rm_rf(b("//")) => "cannot remove root directory";
        rm_rf(b("/dir/.")) => "/dir/.: refusing to remove '.' or '..' directory";
        rm_rf(b("/deep")) => "";
        rm_rf(b("/outdir")) => "";
    }
    assert!(!bench.path("deep").exists() && bench.path("hello").exists() && bench.path("dir").exists());
}

#[test]
fn trees_deeper_than_any_path_are_removed() {
    let bench = Bench::new();
    let mut d = bench.daemon();
    // 3000 directories of 4 bytes each: more than PATH_MAX, and more than there are descriptors.
    let name = "/deep".to_owned() + &"/aaa".repeat(900);
    d.mkdir_p(b(&name)).unwrap();
    for _ in 0..3 {
        d.mkdir_p(b(&("/other".to_owned() + &"/aaa".repeat(900)))).unwrap();
        d.rename(b("/deep"), b(&("/other".to_owned() + &"/aaa".repeat(900) + "/deep"))).unwrap();
        d.rename(b("/other"), b("/deep")).unwrap();
    }
    assert!(bench.path("deep").exists());
    d.rm_rf(b("/deep")).unwrap();
    assert!(!bench.path("deep").exists());
}

#[test]
fn names_are_changed_and_linked() {
    let bench = Bench::new();
    let mut d = bench.daemon();
    steps! { &mut d,
        rename(b("/nosuch"), b("/x")) => "rename: /nosuch: /x: No such file or directory";
        rename(b("/hello"), b("/dir")) => "rename: /hello: /dir: Is a directory";
        rename(b("/dir"), b("/hello")) => "rename: /dir: /hello: Not a directory";
        rename(b("/hello"), b("/nosuch/x")) => "rename: /hello: /nosuch/x: No such file or directory";
        rename(b("/"), b("/x")) => "rename: /: /x: Device or resource busy";
        rename(b("/hello"), b("/hi")) => "";
        rename(b("/hi"), b("/hello")) => "";
        ln(b("/hello"), b("/hello")) => "link: /hello: /hello: File exists";
        ln(b("/dir"), b("/x")) => "link: /dir: /x: Operation not permitted";
        ln(b("/nosuch"), b("/x")) => "link: /nosuch: /x: No such file or directory";
        ln(b("/lnk"), b("/lnkhard")) => "";
        ln(b("/out"), b("/outhard")) => "";
        ln(b("/hello"), b("/hellohard")) => "";
        ln_s(b("x"), b("/hello")) => "symlink: x: /hello: File exists";
        ln_s(b("x"), b("/nosuch/x")) => "symlink: x: /nosuch/x: No such file or directory";
        ln_s(b(""), b("/x")) => "symlink: : /x: No such file or directory";
        ln_s(b("a\0b"), b("/x")) => "symlink: a\0b: /x: Invalid argument";
        ln_s(b("any thing"), b("/soft")) => "";
        ln_sf(b("else"), b("/soft")) => "";
        ln_sf(b("in"), b("/dlnk")) => "";
        ln_sf(b("in"), b("/dir")) => "";
        ln_f(b("/hello"), b("/soft")) => "";
    }
    assert!(bench.path("lnkhard").is_symlink() && bench.path("outhard").is_symlink());
    let (one, other) =
        (bench.path("hello").metadata().unwrap(), bench.path("soft").symlink_metadata().unwrap());
    assert_eq!((one.ino(), one.nlink()), (other.ino(), 3));
    assert_eq!(fs::read_link(bench.path("dir/in")).unwrap().to_str(), Some("in"));
    assert_eq!(fs::read_link(bench.path("dlnk")).unwrap().to_str(), Some("dir"));
}

#[test]
fn nodes_are_made() {
    let bench = Bench::new();
    let mut d = bench.daemon();
    steps! { &mut d,
        mknod(0o644, 1, 2, b("/plain")) => "";
        mknod(0o020_666, 1, 3, b("/null")) => "";
        mknod(-1, 1, 2, b("/x")) => "/x: mode is negative";
        mknod(0o644, -1, 2, b("/x")) => "/x: Invalid argument";
        mknod(0o170_644, 1, 2, b("/x")) => "/x: Invalid argument";
        mknod_b(0o600, 7, 300, b("/block")) => "";
        mknod_b(0o020_644, 1, 2, b("/x")) => "20644: mode must specify only file permission bits";
        mknod_b(-1, 1, 2, b("/x")) => "37777777777: mode must specify only file permission bits";
        mknod_c(0o644, 1, 2, b("/hello")) => "/hello: File exists";
        mknod_c(0o644, 1, 2, b("/nosuch/x")) => "/nosuch/x: No such file or directory";
        mkfifo(0o606, b("/pipe")) => "";
    }
    assert!(bench.path("plain").is_file());
    assert_eq!(
        (bench.mode("null"), bench.mode("block"), bench.mode("pipe")),
        (0o020_644, 0o060_600, 0o010_604)
    );
    let number = bench.path("block").metadata().unwrap().rdev();
    assert_eq!((rustix::fs::major(number), rustix::fs::minor(number)), (7, 300));
    assert!(bench.path("null").metadata().unwrap().file_type().is_char_device());
}

#[test]
fn contents_are_written() {
    let bench = Bench::new();
    let mut d = bench.daemon();
    steps! { &mut d,
        internal_write(b("/new"), b"a\0b") => "";
        internal_write(b("/dang"), b"through") => "";
        internal_write(b("/lnk"), b"hi") => "";
        internal_write(b("/nosuch2/w"), b"") => "open: /nosuch2/w: No such file or directory";
        internal_write(b("/dir"), b"") => "open: /dir: Is a directory";
        internal_write(b("/fifo"), b"") => "open: /fifo: not a regular file";
        internal_write(b("/loop"), b"") => "open: /loop: Too many levels of symbolic links";
        internal_write(b("/outabs"), b"in the guest") => "";
        internal_write(b("/out"), b"in the guest too") => "";
        internal_write_append(b("/new"), b"c") => "";
        internal_write_append(b("/dir"), b"c") => "open: /dir: Is a directory";
        write_file(b("/part"), b("abc"), 2) => "";
        write_file(b("/whole"), b("abc"), 0) => "";
        write_file(b("/part"), b("abc"), 7) => "size parameter is larger than string content";
        write_file(b("/part"), b("abc"), -1) => "size cannot be negative";
        pwrite(b("/part"), b"zz", 3) => "";
        pwrite(b("/part"), b"zz", -1) => "offset is negative";
        pwrite(b("/nosuch2"), b"zz", 0) => "open: /nosuch2: No such file or directory";
        pwrite(b("/dir"), b"zz", 0) => "open: /dir: Is a directory";
        truncate(b("/whole")) => "";
        truncate(b("/nosuch2")) => "open: /nosuch2: No such file or directory";
        truncate_size(b("/part"), 4) => "";
        truncate_size(b("/part"), -1) => "ftruncate: /part: Invalid argument";
        fallocate(b("/space"), -1) => "length < 0";
        fallocate64(b("/space"), -1) => "/space: Invalid argument";
        fallocate64(b("/space"), 100_000) => "";
        fallocate64(b("/dir"), 5) => "open: /dir: Is a directory";
        fill(97, 5, b("/filled"), &mut ()) => "";
        fill(256, 5, b("/filled"), &mut ()) => "256: byte number must be in range 0..255";
        fill(0, -1, b("/filled"), &mut ()) => "-1: length is < 0";
        fill_pattern(b("abc"), 10, b("/pattern"), &mut ()) => "";
        fill_pattern(b(""), 10, b("/pattern"), &mut ()) => "pattern string must be non-empty";
        fill_pattern(b("abc"), -1, b("/pattern"), &mut ()) => "-1: length is < 0";
        fill_dir(b("/dir/sub"), 3) => "";
        fill_dir(b("/nosuch2"), 3) => "create: /nosuch2/00000000: No such file or directory";
        fill_dir(b("/hello"), 3) => "create: /hello/00000000: Not a directory";
        touch(b("/touched")) => "";
        touch(b("/dir")) => "/dir: touch can only be used on a regular files";
        touch(b("/lnk")) => "/lnk: touch can only be used on a regular files";
        touch(b("/fifo")) => "/fifo: touch can only be used on a regular files";
        touch(b("/nosuch2/x")) => "open: /nosuch2/x: No such file or directory";
        touch(b("/hello/x")) => "lstat: /hello/x: Not a directory";
    }
    for (name, content) in [
        ("new", "a\0bc"),
        ("nosuch", "through"),
        ("hello", "hi"),
        ("outside", "in the guest too"),
        ("part", "ab\0z"),
        ("whole", ""),
        ("filled", "aaaaa"),
        ("pattern", "abcabcabca"),
        ("touched", ""),
    ] {
        assert_eq!(bench.read(name), content, "{name}");
    }
    let space = bench.path("space").metadata().unwrap();
    assert_eq!((space.len(), space.blocks() >= 100_000 / 512), (100_000, true));
    assert_eq!(bench.names("dir/sub"), ["00000000", "00000001", "00000002"]);
    // More than is written at a time.
    d.fill_pattern(b("0123456789"), 3_000_007, b("/long"), &mut ()).unwrap();
    assert!(bench.read("long").bytes().enumerate().all(|(at, byte)| usize::from(byte - b'0') == at % 10));
    assert_eq!(bench.path("long").metadata().unwrap().len(), 3_000_007);
}

#[test]
fn temporary_names_are_unique() {
    let bench = Bench::new();
    let mut d = bench.daemon();
    let one = d.mkdtemp(b("/tmpXXXXXX")).unwrap().to_string();
    let other = d.mkdtemp(b("/tmpXXXXXX")).unwrap().to_string();
    assert!(one != other && one.len() == 10 && !one.ends_with('X'));
    assert_eq!(bench.mode(&one[1..]), 0o040_700);
    let suffix = MktempOpts { suffix: Some(".txt".into()) };
    let file = d.mktemp(b("/dir/XXXXXX"), &suffix).unwrap().to_string();
    assert!(file.starts_with("/dir/") && file.ends_with(".txt") && bench.mode(&file[1..]) == 0o100_600);
    let none = MktempOpts::default();
    assert_eq!(refusal(d.mktemp(b("/tmpXXX"), &none)), "/tmpXXX: Invalid argument");
    assert_eq!(refusal(d.mkdtemp(b("/tmpXXXXXXa"))), "/tmpXXXXXXa: Invalid argument");
    assert_eq!(refusal(d.mkdtemp(b("/nosuch/XXXXXX"))), "/nosuch/XXXXXX: No such file or directory");
}

#[test]
fn owners_modes_and_times_are_set() {
    let bench = Bench::new();
    let mut d = bench.daemon();
    steps! { &mut d,
        chown(5, 6, b("/lnk")) => "";
        chown(-1, 7, b("/lnk")) => "";
        lchown(1, 2, b("/lnk")) => "";
        chown(1, 2, b("/nosuch")) => "/nosuch: 1.2: No such file or directory";
        lchown(1, 2, b("/nosuch")) => "/nosuch: 1.2: No such file or directory";
        chmod(0o4750, b("/lnk")) => "";
        chmod(-1, b("/hello")) => "/hello: mode is negative";
        chmod(0o644, b("/nosuch")) => "/nosuch: 0644: No such file or directory";
        chmod(0o600, b("/fifo")) => "";
        utimens(b("/hello"), 1, 2, 3, 4) => "";
        utimens(b("/lnk"), 5, 6, 7, 8) => "";
        utimens(b("/fifo"), 5, 6, -7, 8) => "";
        utimens(b("/dir"), 0, -1, 9, -2) => "";
        utimens(b("/hello"), 1, 2, 3, 1_000_000_000) => "utimensat: /hello: Invalid argument";
        utimens(b("/nosuch"), 1, 2, 3, 4) => "utimensat: /nosuch: No such file or directory";
    }
    let of = |name: &str| bench.path(name).symlink_metadata().unwrap();
    let (hello, link, fifo) = (of("hello"), of("lnk"), of("fifo"));
    assert_eq!((hello.uid(), hello.gid(), link.uid(), link.gid()), (5, 7, 1, 2));
    assert_eq!((hello.mode(), fifo.mode()), (0o104_750, 0o010_600));
    assert_eq!((hello.atime(), hello.atime_nsec(), hello.mtime(), hello.mtime_nsec()), (1, 2, 3, 4));
    assert_eq!((link.atime(), link.mtime_nsec(), fifo.mtime()), (5, 8, -7));
    assert!(of("dir").mtime() > 1_000_000 && of("dir").atime() > 1_000_000);
    for (opts, mode, owner) in [
        (CopyAttributesOpts::default(), 0o100_644, 0),
        (CopyAttributesOpts { mode: Some(true), ..Default::default() }, 0o104_750, 0),
        (CopyAttributesOpts { all: Some(true), ..Default::default() }, 0o104_750, 5),
    ] {
        fs::write(bench.path("to"), "").unwrap();
        d.copy_attributes(b("/hello"), b("/to"), &opts).unwrap();
        assert_eq!((of("to").mode(), of("to").uid()), (mode, owner));
        fs::remove_file(bench.path("to")).unwrap();
    }
}

#[test]
fn extended_attributes_are_set() {
    let bench = Bench::new();
    let mut d = bench.daemon();
    steps! { &mut d,
        setxattr(b("user.a"), b("abc"), 2, b("/lnk")) => "";
        setxattr(b("user.b"), b("abc"), 4, b("/hello")) => "/hello: vallen is negative or more than val holds";
        setxattr(b("user.b"), b("abc"), -1, b("/hello")) => "/hello: vallen is negative or more than val holds";
        setxattr(b("bad"), b("abc"), 3, b("/hello")) => "setxattr: Operation not supported";
        setxattr(b("user.a"), b("abc"), 3, b("/nosuch")) => "setxattr: No such file or directory";
        lsetxattr(b("trusted.a"), b("abc"), 3, b("/lnk")) => "";
        lsetxattr(b("user.a"), b("abc"), 3, b("/lnk")) => "setxattr: Operation not permitted";
        removexattr(b("user.b"), b("/hello")) => "removexattr: No data available";
    }
    assert_eq!(xattr::get(bench.path("hello"), "user.a").unwrap().unwrap(), b"ab");
    assert_eq!(xattr::get(bench.path("lnk"), "trusted.a").unwrap().unwrap(), b"abc");
    steps! { &mut d,
        removexattr(b("user.a"), b("/lnk")) => "";
        lremovexattr(b("trusted.a"), b("/lnk")) => "";
    }
    assert_eq!(xattr::list(bench.path("hello")).unwrap().count(), 0);
    assert_eq!(xattr::list(bench.path("lnk")).unwrap().count(), 0);
}

#[test]
fn the_umask_takes_away() {
    let bench = Bench::new();
    let mut d = bench.daemon();
    drop(bench);
    let _alone = UMASK.write().unwrap_or_else(PoisonError::into_inner);
    let dir = TempDir::new().unwrap();
    assert_eq!(d.umask(0o077).unwrap(), 0o022);
    d = over_directory(dir.path());
    d.internal_write(b("/file"), b"").unwrap();
    assert_eq!(d.get_umask().unwrap(), 0o077);
    assert_eq!(refusal(d.umask(-1)), "037777777777: mask negative or out of range");
    assert_eq!(refusal(d.umask(0o1000)), "01000: mask negative or out of range");
    assert_eq!(d.umask(0o022).unwrap(), 0o077);
    assert_eq!(dir.path().join("file").metadata().unwrap().mode(), 0o100_600);
}

#[test]
fn files_and_trees_are_copied_and_moved() {
    let bench = Bench::new();
    fs::hard_link(bench.path("dir/f"), bench.path("dir/sub/g")).unwrap();
    symlink("../hello", bench.path("dir/l")).unwrap();
    fs::set_permissions(bench.path("dir/sub"), fs::Permissions::from_mode(0o1510)).unwrap();
    xattr::set(bench.path("dir/f"), "user.x", b"y").unwrap();
    let mut d = bench.daemon();
    steps! { &mut d,
        lchown(3, 4, b("/dir/l")) => "";
        utimens(b("/dir/sub"), 1, 2, 3, 4) => "";
        cp(b("/hello"), b("/copy")) => "";
        cp(b("/lnk"), b("/dlnk")) => "";
        cp(b("/hello"), b("/hello")) => "/hello -> /hello: source and destination are the same file";
        cp(b("/nosuch"), b("/x")) => "/nosuch -> /x: No such file or directory";
        cp(b("/dir"), b("/x")) => "/dir -> /x: Is a directory";
        cp(b("/fifo"), b("/x")) => "/fifo -> /x: not a regular file";
        cp(b("/hello"), b("/outabs")) => "";
        cp_a(b("/dir"), b("/all")) => "";
        cp_a(b("/dir"), b("/all")) => "";
        cp_r(b("/dir"), b("/some")) => "";
        cp_r(b("/fifo"), b("/pipe")) => "";
        cp_a(b("/dir"), b("/dir/sub")) => "/dir -> /dir/sub: cannot copy a directory into itself";
        cp_a(b("/dir"), b("/hello")) => "/dir -> /hello: Not a directory";
        cp_a(b("/hello"), b("/hello")) => "/hello -> /hello: source and destination are the same file";
        cp_a(b("/nosuch"), b("/x")) => "/nosuch -> /x: No such file or directory";
        mv(b("/copy"), b("/some")) => "";
        mv(b("/all/dir"), b("/moved")) => "";
        mv(b("/nosuch"), b("/x")) => "/nosuch -> /x: No such file or directory";
        mv(b("/hello"), b("/hello")) => "/hello -> /hello: source and destination are the same file";
        mv(b("/dir"), b("/dir/sub")) => "/dir -> /dir/sub: Invalid argument";
        mv(b("/dir"), b("/hello")) => "/dir -> /hello: Not a directory";
        mv(b("/"), b("/x")) => "/ -> /x: Device or resource busy";
    }
    let of = |name: &str| bench.path(name).symlink_metadata().unwrap();
    for name in ["moved", "all"] {
        let at = |below: &str| of(&format!("{name}/{below}"));
        assert_eq!((at("f").ino(), at("f").nlink()), (at("sub/g").ino(), 2));
        assert_eq!((at("l").uid(), at("l").gid()), (3, 4));
        assert_eq!((at("sub").mode(), at("sub").mtime(), at("sub").mtime_nsec()), (0o041_510, 3, 4));
        assert_eq!(xattr::get(bench.path(name).join("f"), "user.x").unwrap().unwrap(), b"y");
    }
    assert_eq!((of("some/l").uid(), of("some/f").nlink(), of("some/sub").mode()), (0, 1, 0o041_510));
    assert!(of("pipe").file_type().is_fifo());
    assert_eq!((bench.read("outside"), bench.read("dir/lnk"), bench.read("some/copy")), {
        let hello = || "hello\n".to_owned();
        (hello(), hello(), hello())
    });
}

#[test]
fn acls_are_set_from_text() {
    let bench = Bench::new();
    fs::create_dir(bench.path("etc")).unwrap();
    fs::write(bench.path("etc/passwd"), "root:x:0:0\nguest:x:77:77\n").unwrap();
    let mut d = bench.daemon();
    steps! { &mut d,
        acl_set_file(b("/hello"), b("access"), b("u::rwx,g::r,o::---")) => "";
        acl_set_file(b("/dir"), b("default"), b("u::rwx,u:guest:rx,g::r,m::rwx,o::---")) => "";
        acl_set_file(b("/hello"), b("default"), b("u::rwx,g::r,o::---")) => "/hello: Permission denied";
        acl_set_file(b("/hello"), b("foo"), b("u::rwx,g::r,o::---")) => "invalid acltype parameter: foo";
        acl_set_file(b("/hello"), b("access"), b("u::rwx,u:5:rw,g::r,o::---")) => "/hello: Invalid argument";
        acl_set_file(b("/hello"), b("access"), b("junk"))
            => "could not parse acl string: junk: acl_from_text: Invalid argument";
        acl_set_file(b("/hello"), b("access"), b("u:x:rw"))
            => "could not parse acl string: u:x:rw: acl_from_text: No such file or directory";
        acl_set_file(b("/nosuch"), b("access"), b("u::rwx,g::r,o::---")) => "/nosuch: No such file or directory";
    }
    assert_eq!(bench.mode("hello"), 0o100_740);
    let text = d.acl_get_file(b("/dir"), b("default")).unwrap();
    assert_eq!(text, "user::rwx\nuser:77:r-x\ngroup::r--\nmask::rwx\nother::---\n");
    steps! { &mut d,
        acl_delete_def_file(b("/dir")) => "";
        acl_delete_def_file(b("/dir")) => "";
        acl_delete_def_file(b("/hello")) => "";
        acl_delete_def_file(b("/nosuch")) => "/nosuch: No such file or directory";
    }
    assert_eq!(d.acl_get_file(b("/dir"), b("default")).unwrap(), "");
}

#[test]
fn flags_of_inodes_are_those_of_chattr() {
    let bench = Bench::new();
    // A filesystem that is sure to have them.
    let image = bench.scratch.path().join("outdir/image");
    fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    super::run("mke2fs", &["-q", "-t", "ext4", image.to_str().unwrap()]);
    super::run("mount", &["-o", "loop", image.to_str().unwrap(), bench.path("dir").to_str().unwrap()]);
    fs::write(bench.path("dir/f"), "x").unwrap();
    let mut d = bench.daemon();
    let mut said = Vec::new();
    for (attrs, clear) in [("", false), ("ia", false), ("i", true), ("xx", false), ("9", false), ("h", false)]
    {
        let opts = SetE2attrsOpts { clear: Some(clear) };
        let set = d.set_e2attrs(b("/dir/f"), b(attrs), &opts).map_err(|e| e.message().to_owned());
        said.push((set, d.get_e2attrs(b("/dir/f")).unwrap().to_string()));
    }
    d.set_e2attrs(b("/dir/f"), b("a"), &SetE2attrsOpts { clear: Some(true) }).unwrap();
    let generation = d.get_e2generation(b("/dir/f"));
    let shown =
        std::process::Command::new("lsattr").arg("-v").arg(bench.path("dir/f")).output().unwrap().stdout;
    let others = [d.get_e2attrs(b("/fifo")), d.get_e2attrs(b("/nosuch"))].map(refusal);
    let negative = refusal(d.set_e2generation(b("/dir/f"), -1));
    super::run("umount", &[bench.path("dir").to_str().unwrap()]);
    fs::remove_file(&image).unwrap();

    let refused = |text: &str| Err(text.to_owned());
    let ae = || "ae".to_owned();
    assert_eq!(
        said,
        [
            (Ok(()), "e".to_owned()),
            (Ok(()), "aei".to_owned()),
            (Ok(()), ae()),
            (refused("duplicate file attribute 'x'"), ae()),
            (refused("unknown file attribute '9'"), ae()),
            (refused("unknown file attribute 'h'"), ae()),
        ]
    );
    assert_eq!(
        generation.unwrap().to_string(),
        String::from_utf8_lossy(&shown).split_whitespace().next().unwrap()
    );
    assert_eq!(others, ["/fifo: Operation not supported", "/nosuch: No such file or directory"]);
    assert_eq!(negative, "/dir/f: -1 is not a generation, which has 32 bits");
}

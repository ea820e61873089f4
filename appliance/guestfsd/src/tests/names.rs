//! Paths, links, directories, stat.

use bstr::{BString, ByteSlice};
use libguestfs_core::api::{GlobExpandOpts, IsDirOpts, IsFileOpts};

use super::{Workshop, b, mounted, refusal};

#[test]
fn links_never_leave_the_tree() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    for (path, real) in [
        ("/", "/"),
        ("/esc", "/etc/passwd"),
        ("/../../etc/../etc/passwd", "/etc/passwd"),
        ("/dir/up/up", "/"),
        ("/dir/up/../../../hello", "/hello"),
        ("/dir/self/self/./sub", "/dir/sub"),
        ("/abs/passwd", "/etc/passwd"),
        ("//dir//sub//", "/dir/sub"),
        ("/dir/../abs/./passwd", "/etc/passwd"),
    ] {
        let got = d.realpath(b(path));
        if path == "/dir/up/up" {
            assert_eq!(refusal(got), "realpath: /dir/up/up: No such file or directory");
            continue;
        }
        assert_eq!(got.unwrap(), real, "{path}");
    }
}

#[test]
fn paths_fail_as_in_a_kernel() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    let long_name = format!("/{}", "n".repeat(256));
    let long_path = "/dir/..".repeat(600);
    for (path, why) in [
        ("/nosuch", "No such file or directory"),
        ("/nosuch/..", "No such file or directory"),
        ("/dang", "No such file or directory"),
        ("/loop", "Too many levels of symbolic links"),
        ("/hello/x", "Not a directory"),
        ("/hello/", "Not a directory"),
        ("/hello/.", "Not a directory"),
        ("/lnk/", "Not a directory"),
        ("/a\0b", "No such file or directory"),
        (long_name.as_str(), "File name too long"),
        (long_path.as_str(), "File name too long"),
    ] {
        assert_eq!(refusal(d.realpath(b(path))), format!("realpath: {path}: {why}"));
        assert!(refusal(d.statns(b(path))).ends_with(why), "{path}");
    }
    // Just within the limit.
    assert_eq!(d.realpath(b(&"/dir/..".repeat(585))).unwrap(), "/");
}

#[test]
fn kinds_are_told_with_and_without_following_links() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    let follow = IsFileOpts { followsymlinks: Some(true) };
    assert!(!d.is_file(b("/lnk"), &IsFileOpts::default()).unwrap());
    assert!(d.is_file(b("/lnk"), &follow).unwrap());
    assert!(!d.is_file(b("/dang"), &follow).unwrap());
    assert!(!d.is_file(b("/nosuch"), &follow).unwrap());
    assert!(d.is_dir(b("/dir"), &IsDirOpts::default()).unwrap());
    assert!(!d.is_dir(b("/abs"), &IsDirOpts::default()).unwrap());
    assert!(d.is_dir(b("/abs"), &IsDirOpts { followsymlinks: Some(true) }).unwrap());
    assert!(d.is_symlink(b("/dang")).unwrap());
    assert!(
        d.exists(b("/dang")).unwrap() && d.exists(b("/esc")).unwrap() && !d.exists(b("/nosuch")).unwrap()
    );
    for (path, kind) in [
        ("/dir", "directory"),
        ("/lnk", "symbolic link"),
        ("/dang", "symbolic link"),
        ("/fifo", "FIFO"),
        ("/sock", "socket"),
    ] {
        assert_eq!(d.file(b(path)).unwrap(), kind, "{path}");
    }
    assert_eq!(refusal(d.file(b("/nosuch"))), "lstat: /nosuch: No such file or directory");
    assert!(refusal(d.file(b("/hello"))).starts_with("needs an appliance: "));
}

#[test]
fn lists_of_names_give_an_answer_for_each() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    let names: Vec<BString> = ["hello", "nosuch", "lnk", "..", "a/b", ""].map(BString::from).into();
    let stats = d.internal_lstatnslist(b("/"), &names).unwrap();
    let hello = d.lstatns(b("/hello")).unwrap();
    assert_eq!(stats.first(), Some(&hello));
    assert_eq!(hello.st_size, 6);
    assert_eq!(hello.st_mode & 0o170_000, 0o100_000);
    assert_eq!(stats[2], d.lstatns(b("/lnk")).unwrap());
    assert!([1, 3, 4, 5].iter().all(|&i| stats[i].st_ino == -1));
    let links = d.internal_readlinklist(b("/"), &names).unwrap();
    assert_eq!(links, ["", "", "hello", "", "", ""]);
    let xattrs = d.internal_lxattrlist(b("/"), &names).unwrap();
    assert_eq!(xattrs.iter().map(|x| x.attrval.as_bstr()).collect::<Vec<_>>(), ["0", "", "0", "", "", ""]);
    assert_eq!(refusal(d.internal_lstatnslist(b("/nosuch"), &names)), "/nosuch: No such file or directory");
    assert_eq!(refusal(d.internal_lxattrlist(b("/hello"), &names)), "/hello: Not a directory");
    assert_eq!(refusal(d.lgetxattr(b("/hello"), b("user.none"))), "lgetxattr: No data available");
    assert_eq!(refusal(d.lgetxattrs(b("/nosuch"))), "listxattr: /nosuch: No such file or directory");
}

#[test]
fn lists_that_no_message_can_hold_are_refused() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    let names = vec![BString::from("hello"); 30_000];
    assert!(refusal(d.internal_lstatnslist(b("/"), &names)).contains("longer than a message"));
}

fn split(bytes: &[u8]) -> Vec<String> {
    let mut names: Vec<_> = bytes.split(|&b| b == 0).map(|n| String::from_utf8(n.into()).unwrap()).collect();
    assert_eq!(names.pop().as_deref(), Some(""), "each name ends in a NUL");
    names.sort();
    names
}

#[test]
fn directories_are_listed_whole() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    let mut out = Vec::new();
    d.ls0(b("/dir"), &mut out).unwrap();
    assert_eq!(split(&out), ["self", "sub", "up"]);
    out.clear();
    d.find0(b("/abs/"), &mut out).unwrap();
    assert_eq!(split(&out), ["Case", "Case/File", "passwd"]);
    out.clear();
    d.find0(b("/etc"), &mut out).unwrap();
    assert_eq!(split(&out), ["/Case", "/Case/File", "/passwd"]);
    out.clear();
    d.find0(b("/abs"), &mut out).unwrap();
    assert_eq!(out, b"");
    out.clear();
    d.find0(b("/"), &mut out).unwrap();
    assert_eq!(
        split(&out),
        [
            "abs",
            "dang",
            "dir",
            "dir/self",
            "dir/sub",
            "dir/sub/deep",
            "dir/up",
            "empty",
            "esc",
            "etc",
            "etc/Case",
            "etc/Case/File",
            "etc/passwd",
            "fifo",
            "hello",
            "lnk",
            "loop",
            "lost+found",
            "new\nline",
            "nonl",
            "sock",
            "sparse",
            "zero",
        ]
    );
    assert_eq!(refusal(d.ls0(b("/nosuch"), &mut out)), "opendir: /nosuch: No such file or directory");
    assert_eq!(refusal(d.ls0(b("/hello"), &mut out)), "opendir: /hello: Not a directory");
    assert_eq!(refusal(d.find0(b("/nosuch"), &mut out)), "/nosuch: No such file or directory");
    assert_eq!(refusal(d.find0(b("/hello"), &mut out)), "/hello: not a directory");
}

#[test]
fn long_listings_look_like_those_of_ls() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    let text = d.ll(b("/etc")).unwrap().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert_eq!(lines[0], "total 4");
    assert!(lines[1].starts_with("drwxr-xr-x ") && lines[1].ends_with(" ."), "{text}");
    assert!(lines[4].starts_with("-rw-r--r-- ") && lines[4].ends_with(" passwd"), "{text}");
    let link = d.ll(b("/")).unwrap().to_string();
    assert!(link.contains(" esc -> ../../../etc/passwd\n"), "{link}");
    assert!(d.ll(b("/lnk")).unwrap().ends_with(b" /sysroot/hello\n"));
    assert_eq!(refusal(d.ll(b("/nosuch"))), "/nosuch: No such file or directory");
}

#[test]
fn the_case_of_names_is_found() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    for (path, spelled) in [
        ("/", "/"),
        ("/ETC/", "/etc"),
        ("/ETC/PASSWD", "/etc/passwd"),
        ("/etc/case/FILE", "/etc/Case/File"),
        ("/ABS/case/file", "/abs/Case/File"),
        ("/ETC/new", "/etc/new"),
    ] {
        assert_eq!(d.case_sensitive_path(b(path)).unwrap(), spelled, "{path}");
    }
    assert_eq!(refusal(d.case_sensitive_path(b("/ETC/new/deep"))), "new: not found");
    assert_eq!(refusal(d.case_sensitive_path(b("/hello/x"))), "hello: Not a directory");
}

#[test]
fn patterns_expand_to_paths() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    let mut glob = |pattern: &str, slash| {
        let found = d.glob_expand(b(pattern), &GlobExpandOpts { directoryslash: slash }).unwrap();
        found.into_iter().map(|p| p.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(glob("/h*", None), ["/hello"]);
    assert_eq!(glob("/nosuch", None), [""; 0]);
    assert_eq!(glob("/nosuch*/x", None), [""; 0]);
    assert_eq!(glob("/*/passwd", None), ["/abs/passwd", "/etc/passwd"]);
    assert_eq!(glob("/d*", Some(false)), ["/dang", "/dir"]);
    assert_eq!(glob("/d*", None), ["/dang", "/dir/"]);
    assert_eq!(glob("/{etc,dir}/[Cs]*", Some(false)), ["/etc/Case", "/dir/self", "/dir/sub"]);
}

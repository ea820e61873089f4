//! What files hold.

use super::{Workshop, b, mounted, refusal};

#[test]
fn files_are_sent_byte_for_byte() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    for name in ["hello", "nonl", "empty", "zero", "sparse", "etc/passwd"] {
        let mut out = Vec::new();
        d.download(b(&format!("/{name}")), &mut out).unwrap();
        assert!(out == std::fs::read(workshop.path("tree").join(name)).unwrap(), "{name}");
    }
    let mut out = Vec::new();
    d.download(b("/dev/sda"), &mut out).unwrap();
    assert!(out == std::fs::read(workshop.path("guest.img")).unwrap());
    out.clear();
    d.download_offset(b("/sparse"), &mut out, 699_999, 3).unwrap();
    assert_eq!(out, [0, 1, 0]);
}

#[test]
fn what_has_no_content_is_refused_before_anything_is_sent() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    for (path, why) in [
        ("/nosuch", "/nosuch: No such file or directory"),
        ("/dir", "/dir: is a directory"),
        ("/abs", "/abs: is a directory"),
        ("/loop", "/loop: Too many levels of symbolic links"),
        ("/hello/x", "/hello/x: Not a directory"),
        ("/fifo", "/fifo: not a regular file"),
        ("/dev/sdz", "/dev/sdz: No such file or directory"),
    ] {
        let mut out = Vec::new();
        assert_eq!(refusal(d.download(b(path), &mut out)), why);
        assert!(out.is_empty());
    }
    let mut out = Vec::new();
    for (offset, size) in [(-1, 1), (0, -1), (0, 7), (7, 0), (i64::MAX, i64::MAX)] {
        assert!(d.download_offset(b("/hello"), &mut out, offset, size).is_err(), "{offset} {size}");
    }
}

#[test]
fn parts_are_read_as_pread_does() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    assert_eq!(d.pread(b("/hello"), 3, 1).unwrap(), b"ell");
    assert_eq!(d.pread(b("/hello"), 100, 1).unwrap(), b"ello\n");
    assert_eq!(d.pread(b("/hello"), 100, i64::MAX).unwrap(), b"");
    assert_eq!(d.pread_device(b("/dev/sda1"), 2, 1080).unwrap(), [0x53, 0xef]);
    for (result, why) in [
        (d.pread(b("/hello"), -1, 0), "count is negative"),
        (d.pread(b("/hello"), 5, -1), "offset is negative"),
        (d.pread(b("/hello"), i32::MAX, 0), "/hello: count is too large for the protocol, use smaller reads"),
        (d.pread(b("/dir"), 5, 0), "pread: /dir: Is a directory"),
        (d.pread(b("/nosuch"), 5, 0), "open: /nosuch: No such file or directory"),
    ] {
        assert_eq!(refusal(result), why);
    }
}

#[test]
fn lines_are_those_of_head_tail_and_wc() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    for (n, lines) in [(2, "a b"), (-1, "a b"), (-9, ""), (0, ""), (9, "a b c")] {
        assert_eq!(bstr::join(" ", d.head_n(n, b("/nonl")).unwrap()), lines.as_bytes(), "head {n}");
    }
    for (n, lines) in [(2, "b c"), (-2, "b c"), (-9, ""), (0, ""), (9, "a b c"), (-1, "a b c")] {
        assert_eq!(bstr::join(" ", d.tail_n(n, b("/nonl")).unwrap()), lines.as_bytes(), "tail {n}");
    }
    assert_eq!(d.head(b("/hello")).unwrap(), ["hello"]);
    assert_eq!(d.tail(b("/empty")).unwrap(), [""; 0]);
    assert_eq!((d.wc_l(b("/nonl")), d.wc_w(b("/nonl")), d.wc_c(b("/nonl"))).0.unwrap(), 2);
    assert_eq!(d.wc_w(b("/nonl")).unwrap(), 3);
    assert_eq!(d.wc_c(b("/nonl")).unwrap(), 5);
    assert_eq!(refusal(d.head(b("/dir"))), "head: head: error reading 'standard input': Is a directory");
    assert_eq!(refusal(d.tail(b("/nosuch"))), "/nosuch: No such file or directory");
    assert_eq!(refusal(d.wc_c(b("/dir"))), "wc -c: wc: 'standard input': Is a directory");
}

#[test]
fn sums_and_comparisons() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    assert_eq!(d.checksum(b("crc"), b("/hello")).unwrap(), "3015617425");
    assert_eq!(d.checksum(b("md5"), b("/lnk")).unwrap(), "b1946ac92492d2347c6235b4d2611184");
    let unknown = "unknown checksum type, expecting crc|md5|sha1|sha224|sha256|sha384|sha512";
    assert_eq!(refusal(d.checksum(b("foo"), b("/hello"))), unknown);
    assert_eq!(refusal(d.checksum(b("sha256"), b("/dir"))), "sha256sum: sha256sum: -: Is a directory");
    assert_eq!(refusal(d.checksum(b("sha256"), b("/nosuch"))), "/nosuch: No such file or directory");
    let mut out = Vec::new();
    d.checksums_out(b("md5"), b("/etc"), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["6af286f0509e7c166abf710850f44fc4  ./passwd", "9dd4e461268c8034f5c8564e155c67a6  ./Case/File"]
    );
    assert!(d.equal(b("/hello"), b("/lnk")).unwrap());
    assert!(!d.equal(b("/hello"), b("/nonl")).unwrap());
    assert!(!d.equal(b("/zero"), b("/empty")).unwrap());
    assert!(d.is_zero(b("/zero")).unwrap() && d.is_zero(b("/empty")).unwrap());
    assert!(!d.is_zero(b("/sparse")).unwrap() && !d.is_zero(b("/hello")).unwrap());
    assert!(d.is_zero_device(b("/dev/sda2")).unwrap() && !d.is_zero_device(b("/dev/sda1")).unwrap());
    assert_eq!(refusal(d.is_zero(b("/dir"))), "read: /dir: Is a directory");
    assert_eq!(d.filesize(b("/sparse")).unwrap(), 1 << 20);
    assert_eq!(d.du(b("/hello")).unwrap(), 1);
    let no_such = "/nosuch: du: cannot access '/sysroot/nosuch': No such file or directory";
    assert_eq!(refusal(d.du(b("/nosuch"))), no_such);
}

//! Calls that look into files, on the native engine and in a running system. Results are what Debian's daemon 1.48.6 gave
//! for the same files, or what the programs give here.

use std::fs;
use std::path::Path;
use std::process::Command;

use libguestfs_core::api::GrepOpts;

use super::{Workshop, b, mounted, over_directory, refusal};
use crate::Guestfsd;

/// A file with a line for a test in a shell.
fn shell(directory: &Path, script: &str) {
    let status = Command::new("sh").arg("-ec").arg(script).current_dir(directory).status().unwrap();
    assert!(status.success());
}

const FILES: &str = "printf 'hello\\nworld\\nHello again\\n' > text; printf 'line1\\nliNe2\\n' | gzip > z.gz
    printf 'a\\0bcde\\0\\1fghi\\njkl mno\\tpq\\n\\0\\377' > bin; cp /bin/true true; mkdir ird ird/bin; echo init > ird/init
    cp /bin/true ird/bin/sh; ln -s sh ird/bin/bash; (cd ird; find . | cpio -o -H newc --quiet > ../raw)
    gzip < raw > ird.gz; xz --check=crc32 < raw > ird.xz; zstd -q < raw > ird.zst; cat raw ird.gz > two; lzop < raw > ird.lzo";

fn lines(found: libguestfs_core::Result<Vec<bstr::BString>>) -> String {
    found.map_or_else(
        |e| format!("! {}", e.message()),
        |found| bstr::join("|", found).escape_ascii().to_string(),
    )
}

fn grep(d: &mut Guestfsd, regex: &str, path: &str, flags: &str) -> String {
    let on = |flag| Some(flags.contains(flag));
    let opts = GrepOpts { extended: on('E'), fixed: on('F'), insensitive: on('i'), compressed: on('z') };
    lines(d.grep(b(regex), b(path), &opts))
}

/// What is the same on both engines.
fn both(d: &mut Guestfsd) {
    for (regex, path, flags, expected) in [
        ("hello", "/text", "", "hello"),
        ("hello", "/text", "i", "hello|Hello again"),
        ("^h", "/text", "E", "hello"),
        ("nomatch", "/text", "", ""),
        ("line", "/z.gz", "z", "line1"),
        ("LINE(1)", "/z.gz", "zEi", "line1"),
        ("line", "/z.gz", "zi", "line1|liNe2"),
        ("hello", "/text", "z", "hello"),
        ("", "/text", "", "hello|world|Hello again"),
        (".", "/text", "F", ""),
        ("hello|world", "/text", "E", "hello|world"),
        ("b", "/bin", "", ""),
        ("x", "/nosuch", "", "! /nosuch: No such file or directory"),
        ("x", "/ird", "", "! x: grep: (standard input): Is a directory"),
        ("x", "/text", "EF", "! can't use 'extended' and 'fixed' flags at the same time"),
    ] {
        assert_eq!(grep(d, regex, path, flags), expected, "{regex} {path} {flags}");
    }
    assert_eq!(lines(d.zegrepi(b("LINE(1)"), b("/z.gz"))), "line1");
    assert_eq!(lines(d.fgrepi(b("HELLO"), b("/text"))), "hello|Hello again");
    assert_eq!(lines(d.strings(b("/bin"))), "bcde|fghi|jkl mno\\tpq");
    assert_eq!(lines(d.strings_e(b("foo"), b("/bin"))), "! foo: invalid encoding");
    assert_eq!(
        d.hexdump(b("/bin")).unwrap(),
        "00000000  61 00 62 63 64 65 00 01  66 67 68 69 0a 6a 6b 6c  |a.bcde..fghi.jkl|\n\
         00000010  20 6d 6e 6f 09 70 71 0a  00 ff                    | mno.pq...|\n\
         0000001a\n"
    );
    for initrd in ["/raw", "/ird.gz", "/ird.xz", "/ird.zst"] {
        let mut names: Vec<_> = d.initrd_list(b(initrd)).unwrap();
        names.sort();
        assert_eq!(bstr::join(" ", names), b". bin bin/bash bin/sh init", "{initrd}");
        assert_eq!(d.initrd_cat(b(initrd), b("init")).unwrap(), b"init\n");
        assert_eq!(d.initrd_cat(b(initrd), b("./bin/sh")).unwrap(), fs::read("/bin/true").unwrap());
        assert_eq!(d.file_architecture(b(initrd)).unwrap(), std::env::consts::ARCH);
    }
    // One archive after the other, as with microcode.
    assert_eq!(d.initrd_list(b("/two")).unwrap().len(), 10);
    for (name, why) in [
        ("nosuch", "/ird.gz:nosuch: No such file or directory"),
        ("bin", "/ird.gz:bin: Is a directory"),
        ("bin/bash", "/ird.gz:bin/bash: not a regular file"),
    ] {
        assert_eq!(refusal(d.initrd_cat(b("/ird.gz"), b(name))), why);
    }
    assert_eq!(refusal(d.initrd_list(b("/text"))), "/text: this is not a cpio archive");
    assert_eq!(refusal(d.initrd_list(b("/nosuch"))), "/nosuch: No such file or directory");
    assert!(refusal(d.initrd_list(b("/ird.lzo"))).starts_with("needs an appliance: /ird.lzo"));
    assert_eq!(d.file_architecture(b("/true")).unwrap(), std::env::consts::ARCH);
    assert_eq!(refusal(d.file_architecture(b("/text"))), "unknown architecture: /text");
    assert_eq!(refusal(d.file_architecture(b("/ird"))), "unknown architecture: /ird");
    assert_eq!(refusal(d.file_architecture(b("/nosuch"))), "lstat: /nosuch: No such file or directory");
    let listing = d.llz(b("/ird")).unwrap().to_string();
    assert!(listing.lines().last().unwrap().starts_with("-rw-r--r-- 1 0 0 ?    5 "), "{listing}");
    assert_eq!(d.acl_get_file(b("/text"), b("access")).unwrap(), "user::rw-\ngroup::r--\nother::r--\n");
    assert_eq!(d.acl_get_file(b("/ird"), b("default")).unwrap(), "");
    assert_eq!(refusal(d.acl_get_file(b("/text"), b("default"))), "/text: Permission denied");
    assert_eq!(refusal(d.acl_get_file(b("/text"), b("foo"))), "invalid acltype parameter: foo");
}

#[test]
fn the_native_engine_looks_into_files() {
    let workshop = Workshop::new();
    fs::create_dir(workshop.path("tree")).unwrap();
    shell(&workshop.path("tree"), FILES);
    let mut d = mounted(&workshop);
    both(&mut d);
    let reference = grep(&mut d, r"\(.\)\1", "/text", "");
    assert!(reference.starts_with("! needs an appliance: "), "{reference}");
}

#[test]
fn a_running_system_looks_into_files() {
    let workshop = Workshop::new();
    fs::create_dir(workshop.path("guest")).unwrap();
    shell(&workshop.path("guest"), FILES);
    let mut d = over_directory(&workshop.path("guest"));
    both(&mut d);
    for (regex, path, flags, expected) in [
        (r"\(.\)\1", "/text", "", "hello|Hello again"),
        (r"\(i\)n\1*", "/z.gz", "zi", "line1|liNe2"),
        ("(", "/text", "E", "! (: grep: Unmatched ( or \\("),
        (r"\(nomatch\)\1", "/text", "", ""),
    ] {
        assert_eq!(grep(&mut d, regex, path, flags), expected, "{regex}");
    }
}

#[test]
fn damaged_initramfs_are_refused() {
    let workshop = Workshop::new();
    fs::create_dir(workshop.path("guest")).unwrap();
    shell(&workshop.path("guest"), FILES);
    let whole = fs::read(workshop.path("guest/raw")).unwrap();
    let mut d = over_directory(&workshop.path("guest"));
    for cut in [1, 5, 6, 109, 110, 111, 300, whole.len() / 2] {
        fs::write(workshop.path("guest/cut"), &whole[..cut]).unwrap();
        assert!(d.initrd_list(b("/cut")).is_err(), "{cut}");
    }
    for (at, bytes) in [(94, &b"FFFFFFFF"[..]), (54, b"FFFFFFFF"), (54, b"zzzzzzzz"), (94, b"00000000")] {
        let mut damaged = whole.clone();
        damaged[at..at + 8].copy_from_slice(bytes);
        fs::write(workshop.path("guest/damaged"), damaged).unwrap();
        assert!(d.initrd_list(b("/damaged")).is_err(), "{at}");
    }
}

//! Package databases: the fuzzer's bytes are a database, or the text files of several.
//!
//! ```text
//! packages_sqlite   length of the database (4 bytes, little-endian), the database, a log or journal beside it
//! packages_ndb      the file
//! packages_bdb      the file
//! packages_text     files as the target `guest` has them: 0xFE path 0xFD content
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use bstr::{BStr, BString, ByteSlice, ByteVec};
use guest_packages::{File, Format, Memory, Tree, installed, limits};
use libguestfs_core::packages::{Decoder, encode};

use crate::guest::{CONTENT, ENTRY};

const SQLITE: [&str; 2] = ["/var/lib/rpm/rpmdb.sqlite", "/var/db/pkg/local.sqlite"];
const NDB: &str = "/usr/lib/sysimage/rpm/Packages.db";
const BDB: &str = "/var/lib/rpm/Packages";

#[derive(Debug, Default)]
struct Files(BTreeMap<BString, Vec<u8>>);

impl Tree for Files {
    fn open(&self, path: &BStr) -> io::Result<Option<Box<dyn File + '_>>> {
        Ok(self.0.get(path).map(|content| -> Box<dyn File + '_> { Box::new(Memory(content.as_slice())) }))
    }

    fn names(&self, directory: &BStr, max: usize) -> io::Result<Option<Vec<BString>>> {
        let prefix = [directory.as_bytes(), b"/"].concat();
        let below = self.0.keys().filter_map(|path| path.strip_prefix(prefix.as_slice()));
        let mut names: Vec<BString> =
            below.filter_map(|rest| rest.split(|byte| *byte == b'/').next()).map(BString::from).collect();
        names.dedup();
        names.truncate(max);
        Ok((!names.is_empty()).then_some(names))
    }
}

/// What is found is within the limits, the same when looked for again, and arrives as it was sent.
fn check(files: &Files) {
    let found = installed(files, &Format::ALL);
    assert!(found.packages.len() <= limits::PACKAGES && found.notes.len() <= limits::NOTES + 1);
    for package in &found.packages {
        assert!(!package.name.is_empty());
        for text in package.texts() {
            assert!(text.len() <= limits::FIELD && !text.contains(&0));
        }
    }
    assert!(found.packages.is_sorted_by_key(|package| &package.name));
    assert!(found.packages.is_empty() || !found.databases.is_empty());
    assert!(found == installed(files, &Format::ALL));
    let mut decoder = Decoder::default();
    let sent = encode(&found, |piece| decoder.write_all(piece));
    assert!(sent.is_ok() && decoder.finish().is_ok_and(|received| received == found));
}

pub(crate) fn sqlite(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX).min(rest.len());
    let (database, beside) = rest.split_at(length);
    let mut files = Files::default();
    for path in SQLITE {
        files.0.insert(path.into(), database.to_vec());
        for suffix in ["-wal", "-journal"] {
            files.0.insert(format!("{path}{suffix}").into(), beside.to_vec());
        }
    }
    check(&files);
}

pub(crate) fn ndb(data: &[u8]) {
    check(&Files(BTreeMap::from([(NDB.into(), data.to_vec())])));
}

pub(crate) fn bdb(data: &[u8]) {
    check(&Files(BTreeMap::from([(BDB.into(), data.to_vec())])));
}

pub(crate) fn text(data: &[u8]) {
    let mut files = Files::default();
    for entry in data.split(|byte| *byte == ENTRY) {
        if let Some((path, content)) = entry.split_once_str(&[CONTENT]) {
            files.0.insert(path.into(), content.to_vec());
        }
    }
    check(&files);
}

/// A header with these texts and an epoch, as rpm's databases have it.
fn header(n: u32) -> Vec<u8> {
    const TEXTS: [(u32, &str); 9] = [
        (1000, "package"),
        (1001, "1.2"),
        (1002, "3.fc40"),
        (1004, "A summary"),
        (1005, "A description of the package. "),
        (1014, "MIT"),
        (1020, "https://example.org/"),
        (1022, "x86_64"),
        (1044, "package-1.2-3.src.rpm"),
    ];
    let mut data = Vec::new();
    let mut entries = Vec::new();
    let mut entry = |tag: u32, kind: u32, at: usize| {
        for number in [tag, kind, u32::try_from(at).unwrap_or(0), 1] {
            entries.extend_from_slice(&number.to_be_bytes());
        }
    };
    for tag in [1003, 1008] {
        entry(tag, 4, data.len());
        data.extend_from_slice(&n.to_be_bytes());
    }
    for (tag, text) in TEXTS {
        entry(tag, if tag == 1004 || tag == 1005 { 9 } else { 6 }, data.len());
        // Every third description is longer than a page.
        data.push_str(if tag == 1005 && n.is_multiple_of(3) { text.repeat(100) } else { text.to_owned() });
        data.push_str(if tag == 1000 { format!("{n}\0") } else { "\0".to_owned() });
    }
    let lengths = [entries.len() / 16, data.len()].map(|n| u32::try_from(n).unwrap_or(0).to_be_bytes());
    [lengths.concat(), entries, data].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a program on `input`, in a directory.
fn feed(command: &mut Command, directory: &Path, input: &str) -> Result<()> {
    let name = command.get_program().to_owned();
    let mut child = command
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", name.display()))?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
    ensure!(child.wait()?.success(), "{} failed", name.display());
    Ok(())
}

/// Databases with a log, with a journal and with neither, of rpm and of FreeBSD.
pub(crate) fn sqlite_seeds(scratch: &Path) -> Result<Vec<Vec<u8>>> {
    let rpm = |numbers: std::ops::Range<u32>| -> String {
        numbers.map(|n| format!("INSERT INTO Packages VALUES({n},x'{}');\n", hex(&header(n)))).collect()
    };
    let pkg = |numbers: std::ops::Range<u32>| -> String {
        let row = |n| {
            let long = "Long. ".repeat(if n % 3 == 0 { 500 } else { 2 });
            format!(
                "INSERT INTO packages VALUES({n},'cat/p{n}','p{n}','1_{n}','Short','{long}','FreeBSD:14:amd64','a@b',\
                 'https://x','/usr/local',170000{n});\nINSERT INTO pkg_licenses VALUES({n},1);\n"
            )
        };
        numbers.map(row).collect()
    };
    let tables = "CREATE TABLE packages (id INTEGER PRIMARY KEY,origin,name,version,comment,desc,arch,maintainer,www,\
        prefix,time INTEGER);\nCREATE TABLE licenses (id INTEGER PRIMARY KEY,license);\n\
        CREATE TABLE pkg_licenses (package_id,license_id);\nINSERT INTO licenses VALUES(1,'MIT');\n";
    let blobs = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL);\n";
    let kinds = [("rpm", blobs, &rpm as &dyn Fn(_) -> String), ("pkg", tables, &pkg)];
    let mut seeds = Vec::new();
    for (name, tables, rows) in kinds {
        for beside in ["wal", "journal"] {
            let directory = scratch.join(format!("{name}-{beside}"));
            std::fs::create_dir_all(directory.join("copy"))?;
            let (mode, first, second) = (beside.replace("journal", "delete"), rows(1..12), rows(12..30));
            let end = if beside == "wal" { "COMMIT;\nBEGIN;\n" } else { "" };
            let script = format!(
                "PRAGMA page_size=1024;\nPRAGMA journal_mode={mode};\nPRAGMA cache_size=4;\n{tables}BEGIN;\n{first}COMMIT;\n\
                 BEGIN;\n{second}{end}.shell cp x x-{beside} copy\nROLLBACK;\n.shell cp x copy/after\n"
            );
            feed(Command::new("sqlite3").args(["-bail", "x"]), &directory, &script)?;
            for (database, beside) in [("x", Some(format!("x-{beside}"))), ("after", None)] {
                let read = |name: &str| std::fs::read(directory.join("copy").join(name));
                let database = read(database)?;
                let beside = beside.map_or(Ok(Vec::new()), |name| read(&name))?;
                let length = u32::try_from(database.len())?.to_le_bytes();
                seeds.push([&length[..], &database, &beside].concat());
            }
        }
    }
    Ok(seeds)
}

/// Hashes in both byte orders.
pub(crate) fn bdb_seeds(scratch: &Path) -> Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for order in [1234, 4321] {
        let mut dump = format!(
            "VERSION=3\nformat=bytevalue\ntype=hash\ndb_lorder={order}\ndb_pagesize=512\nHEADER=END\n 00000000\n 0c000000\n"
        );
        for n in 1..12_u32 {
            dump.push_str(&format!(" {}\n {}\n", hex(&n.to_le_bytes()), hex(&header(n))));
        }
        dump.push_str("DATA=END\n");
        let name = format!("hash-{order}");
        feed(Command::new("db5.3_load").arg(&name), scratch, &dump)?;
        seeds.push(std::fs::read(scratch.join(name))?);
    }
    Ok(seeds)
}

/// An ndb of one page of slots.
pub(crate) fn ndb_seeds() -> Result<Vec<Vec<u8>>> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let mut slots = [&b"RpmP"[..], &words(&[0, 1, 1, 12, 0, 0, 0])].concat();
    let mut blobs = Vec::new();
    for n in 1..12 {
        let header = header(n);
        let length = u32::try_from(header.len())?;
        let mut blob = [&b"BlbS"[..], &words(&[n, 1, length]), &header].concat();
        blob.resize((blob.len() + 12).next_multiple_of(16) - 12, 0);
        blob.extend([&words(&[0, length])[..], b"BlbE"].concat());
        let block = u32::try_from(256 + blobs.len() / 16)?;
        slots.extend([&b"Slot"[..], &words(&[n, block, u32::try_from(blob.len() / 16)?])].concat());
        blobs.extend(blob);
    }
    while slots.len() < 4096 {
        slots.extend([&b"Slot"[..], &words(&[0; 3])].concat());
    }
    Ok(vec![[slots, blobs].concat()])
}

/// Databases that are text: those of a guest with all of them, and of guests with one.
const TEXTS: &[&[(&str, &str)]] = &[
    &[(
        "/var/lib/dpkg/status",
        "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib (1:1.2)\nVersion: 1:1.2.13-1\n\
         Homepage: http://zlib.net/\nDescription: compression\n A library.\n .\n  verbatim\n\nPackage: half\n\
         Status: install ok half-installed\nVersion: 1-2\n\n",
    )],
    &[("/var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\n")],
    &[
        (
            "/usr/lib/opkg/status",
            "Package: busybox\nVersion: 1.36.1-r1\nStatus: install ok installed\nArchitecture: x86_64\n\
             Installed-Time: 1700000000\n\nPackage: gone\nVersion: 1\nStatus: deinstall ok not-installed\n",
        ),
        (
            "/usr/lib/opkg/info/busybox.control",
            "Package: busybox\nLicense: GPL-2.0\nSection: base\nDescription: Utilities\n",
        ),
    ],
    &[(
        "/lib/apk/db/installed",
        "P:musl\nV:1.2.4-r2\nA:x86_64\nT:libc\nU:https://x\nF:lib\nR:ld.so\n\nP:x\nV:1:2\n\n",
    )],
    &[(
        "/var/lib/pacman/local/acl-1-1/desc",
        "%NAME%\nacl\n\n%VERSION%\n1:2.3.1-3\n\n%DESC%\nACLs\n\n%ARCH%\nx86_64\n",
    )],
    &[
        ("/var/db/pkg/sys-libs/glibc-2.38-r1/PF", "glibc-2.38-r1\n"),
        ("/var/db/pkg/sys-libs/glibc-2.38-r1/CHOST", "x86_64-pc-linux-gnu\n"),
    ],
    &[(
        "/var/db/xbps/pkgdb-0.38.plist",
        "<plist version=\"1.0\">\n<dict>\n\t<key>acl</key>\n\t<dict>\n\t\t<key>homepage</key>\n\t\t<string>https://x/?a&amp;b\
         </string>\n\t\t<key>pkgver</key>\n\t\t<string>acl-2.3.2_1</string>\n\t\t<key>run_depends</key>\n\t\t<array>\n\
         \t\t\t<string>glibc</string>\n\t\t</array>\n\t</dict>\n</dict>\n</plist>\n",
    )],
    &[(
        "/var/lib/pkgtools/packages/bash-5.2.026-x86_64-1",
        "PACKAGE NAME: bash-5.2.026-x86_64-1\nPACKAGE DESCRIPTION:\nbash: bash (shell)\nbash:\nbash: A shell.\nFILE LIST:\n./\n",
    )],
    &[("/var/lib/snapd/snaps/core20_1405.snap", "")],
    &[("/var/lib/flatpak/app/org.gimp.GIMP/x86_64/stable/x", "")],
];

pub(crate) fn text_seeds() -> Vec<Vec<u8>> {
    let guest = |files: &[(&str, &str)]| {
        let mut seed = Vec::new();
        for (path, content) in files {
            seed.push(ENTRY);
            seed.push_str(path);
            seed.push(CONTENT);
            seed.push_str(content);
        }
        seed
    };
    let whole = guest(&TEXTS.concat());
    TEXTS.iter().map(|files| guest(files)).chain([whole]).collect()
}

//! SQLite's files as the real `sqlite3` leaves them: FreeBSD's database of packages, write-ahead logs, journals, pages
//! of all sizes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/directory.rs"]
mod directory;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use directory::Directory;
use guest_packages::{Format, Installed, installed};
use tempfile::TempDir;

/// The tables that matter, as pkg 1.20 has them.
const TABLES: &str = "CREATE TABLE packages (id INTEGER PRIMARY KEY,origin TEXT NOT NULL,name TEXT NOT NULL,\
    version TEXT NOT NULL,comment TEXT NOT NULL,desc TEXT NOT NULL,mtree_id INTEGER,message TEXT,arch TEXT NOT NULL,\
    maintainer TEXT NOT NULL,www TEXT,prefix TEXT NOT NULL,flatsize INTEGER NOT NULL,automatic INTEGER NOT NULL,\
    locked INTEGER NOT NULL DEFAULT 0,licenselogic INTEGER NOT NULL,time INTEGER,manifestdigest TEXT NULL,\
    pkg_format_version INTEGER,dep_formula TEXT NULL);\n\
    CREATE TABLE licenses (id INTEGER PRIMARY KEY,license TEXT NOT NULL UNIQUE);\n\
    CREATE TABLE pkg_licenses (package_id INTEGER REFERENCES packages(id) ON DELETE CASCADE ON UPDATE CASCADE,\
    license_id INTEGER REFERENCES licenses(id) ON DELETE RESTRICT ON UPDATE RESTRICT,\
    PRIMARY KEY (package_id, license_id));\n\
    INSERT INTO licenses VALUES (1,'MIT'),(7,'BSD2CLAUSE');\n";

/// Has sqlite3 execute `script`, which makes `local.sqlite` and may copy it, in a directory.
fn sqlite3(directory: &Path, script: &str) {
    let mut shell = Command::new("sqlite3")
        .arg("-bail")
        .arg("local.sqlite")
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sqlite3 is needed");
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success(), "{script}");
}

/// Adds the packages of these numbers; the description of every tenth is longer than a page.
fn insert(numbers: std::ops::Range<u32>) -> String {
    let row = |n: u32| {
        format!(
            "INSERT INTO packages VALUES ({n},'cat/p{n}','p{n:04}','1.{n}_1,1','Comment {n}','{}',NULL,NULL,\
             'FreeBSD:14:amd64','a@b','https://x/{n}','/usr/local',1,0,0,1,17{n:08},NULL,1,NULL);\n\
             INSERT INTO pkg_licenses VALUES ({n},1),({n},7);\n",
            "A description. ".repeat(if n.is_multiple_of(10) { 3000 } else { 3 }).trim_end()
        )
    };
    numbers.map(row).collect()
}

fn read(directory: &Path) -> Installed {
    let root = TempDir::new().unwrap();
    let to = root.path().join("var/db/pkg");
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
    installed(&Directory(root.path().to_owned()), &Format::ALL)
}

/// Has it exactly the packages of `numbers`?
#[track_caller]
fn check(found: &Installed, numbers: std::ops::Range<u32>) {
    assert_eq!(found.notes, []);
    assert_eq!(found.packages.len(), numbers.len());
    for (package, n) in found.packages.iter().zip(numbers) {
        assert_eq!(package.name, format!("p{n:04}"));
        assert_eq!(package.version, format!("1.{n}_1,1"));
        assert_eq!(
            [&package.arch, &package.maintainer, &package.install_path],
            ["FreeBSD:14:amd64", "a@b", "/usr/local"]
        );
        assert_eq!(
            [&package.source_package, &package.url],
            [&format!("cat/p{n}"), &format!("https://x/{n}")]
        );
        assert_eq!(package.summary, format!("Comment {n}"));
        let length = if n.is_multiple_of(10) { 32 << 10 } else { 44 };
        assert_eq!(package.description.len(), length);
        assert_eq!(package.license, "MIT BSD2CLAUSE");
        assert_eq!(package.install_time, format!("17{n:08}").parse().ok());
    }
}

#[test]
fn tables_of_every_page_size_are_read() {
    for page_size in [512, 1024, 4096, 65536] {
        let scratch = TempDir::new().unwrap();
        sqlite3(
            scratch.path(),
            &format!("PRAGMA page_size={page_size};\n{TABLES}BEGIN;\n{}COMMIT;\n", insert(1..400)),
        );
        check(&read(scratch.path()), 1..400);
    }
}

#[test]
fn what_a_write_ahead_log_has_counts() {
    // Copied while it is in use: the second transaction is in the log only, the third has not ended. To have its pages in
    // the log nevertheless, the cache is small.
    let copied = |first: &str| {
        let scratch = TempDir::new().unwrap();
        fs::create_dir(scratch.path().join("copy")).unwrap();
        let script = format!(
            "PRAGMA journal_mode=WAL;\nPRAGMA wal_autocheckpoint=0;\nPRAGMA cache_size=10;\n{TABLES}BEGIN;\n{}COMMIT;\n\
             {first}BEGIN;\n{}DELETE FROM packages WHERE id<3;\nCOMMIT;\nBEGIN;\n{}\
             .shell cp local.sqlite local.sqlite-wal copy\nROLLBACK;\n",
            insert(1..40),
            insert(40..80),
            insert(80..160)
        );
        sqlite3(scratch.path(), &script);
        let copy = scratch.path().join("copy");
        assert!(fs::metadata(copy.join("local.sqlite-wal")).unwrap().len() > 100_000);
        (scratch, copy)
    };
    for first in ["PRAGMA wal_checkpoint(TRUNCATE);\n", ""] {
        let (_scratch, copy) = copied(first);
        check(&read(&copy), 3..80);
    }
    // A log that is cut within the second transaction leaves the first; one that is not of this database changes nothing.
    let (_scratch, copy) = copied("PRAGMA wal_checkpoint(TRUNCATE);\n");
    let log = copy.join("local.sqlite-wal");
    let content = fs::read(&log).unwrap();
    for wrong in [content[..40_000].to_vec(), content[..10].to_vec(), vec![7; 100_000]] {
        fs::write(&log, wrong).unwrap();
        check(&read(&copy), 1..40);
    }
}

#[test]
fn a_transaction_that_was_broken_off_is_undone() {
    let scratch = TempDir::new().unwrap();
    fs::create_dir(scratch.path().join("copy")).unwrap();
    let script = format!(
        "PRAGMA cache_size=10;\n{TABLES}BEGIN;\n{}COMMIT;\nBEGIN;\nDELETE FROM packages WHERE id<30;\n{}\
         .shell cp local.sqlite local.sqlite-journal copy\nROLLBACK;\n",
        insert(1..40),
        insert(40..160)
    );
    sqlite3(scratch.path(), &script);
    let copy = scratch.path().join("copy");
    let journal = fs::read(copy.join("local.sqlite-journal")).unwrap();
    assert!(journal.len() > 5000);
    check(&read(&copy), 1..40);
}

#[test]
fn what_is_readable_of_a_damaged_database_is_listed() {
    let scratch = TempDir::new().unwrap();
    sqlite3(scratch.path(), &format!("{TABLES}BEGIN;\n{}COMMIT;\n", insert(1..400)));
    let path = scratch.path().join("local.sqlite");
    let mut content = fs::read(&path).unwrap();
    // A leaf of the table: the page in which a package's name is found.
    let at = content.windows(5).position(|bytes| bytes == b"p0203").unwrap();
    let page = at / 4096 * 4096;
    content[page..page + 4096].fill(0xff);
    fs::write(&path, content).unwrap();
    let found = read(scratch.path());
    assert!(found.packages.len() > 300, "{}", found.packages.len());
    assert!(!found.notes.is_empty());
    assert!(found.packages.iter().all(|package| package.name != "p0203"));
}

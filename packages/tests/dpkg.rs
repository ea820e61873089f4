//! dpkg's database of the machine that the test runs on, against what dpkg-query says of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/directory.rs"]
mod directory;

use std::process::Command;

use bstr::{BString, ByteSlice};
use directory::Directory;
use guest_packages::{Format, installed};

const QUERY: &str = "${Package}\x1f${Version}\x1f${Architecture}\x1f${db:Status-Status}\x1f${Homepage}\x1f${Maintainer}\x1f\
    ${Section}\x1f${source:Package}\x1f${Description}\x1e";
/// States of packages of which no program files are there.
const ABSENT: [&str; 2] = ["config-files", "not-installed"];

#[test]
fn packages_are_those_of_dpkg_query() {
    let output = Command::new("dpkg-query").args(["-W", "-f", QUERY]).output().expect("dpkg-query is needed");
    assert!(output.status.success());
    let mut theirs: Vec<Vec<BString>> = output
        .stdout
        .split_str("\x1e")
        .filter(|record| !record.is_empty())
        .map(|record| record.split_str("\x1f").map(BString::from).collect::<Vec<_>>())
        .filter(|fields| ABSENT.iter().all(|absent| fields[3] != *absent))
        .collect();
    let found = installed(&Directory("/".into()), &[Format::Deb]);
    assert_eq!(found.notes, []);
    let mut ours: Vec<Vec<BString>> = found
        .packages
        .iter()
        .map(|p| {
            let source = if p.source_package.is_empty() { &p.name } else { &p.source_package };
            // dpkg-query shows the lines as they are in the file: each of the long text begins with a space.
            let long: Vec<u8> = p.description.lines().flat_map(|line| [b"\n ", line].concat()).collect();
            let description = [p.summary.as_slice(), &long].concat().into();
            let fields = [&p.arch, &p.state, &p.url, &p.maintainer, &p.section, source];
            let mut all = vec![p.name.clone(), p.full_version()];
            all.extend(fields.into_iter().cloned().chain([description]));
            all
        })
        .collect();
    ours.sort();
    theirs.sort();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.len() > 100);
}

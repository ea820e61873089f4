//! Lists the packages of the guest whose root directory is given, with all fields, to compare with other programs:
//! `list ROOT [FORMAT]`. A guest's absolute links are taken as they are, so this is for trees that are trusted.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

#[path = "../tests/support/directory.rs"]
mod directory;

use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use directory::Directory;
use guest_packages::{Format, installed};

fn main() {
    let mut words = std::env::args_os().skip(1);
    let root = Directory(words.next().unwrap_or_default().into());
    let format = words.next().and_then(|word| Format::named(word.as_bytes()));
    let formats = format.map_or(Format::ALL.to_vec(), |format| vec![format]);
    let start = Instant::now();
    let found = installed(&root, &formats);
    let time = start.elapsed();
    for p in &found.packages {
        let epoch = p.epoch.map_or("(none)".to_owned(), |epoch| epoch.to_string());
        let time = p.install_time.unwrap_or_default();
        println!("{}\t{epoch}\t{time}\t{}", p.format, bstr::BString::from(bstr::join("\t", p.texts())));
    }
    for note in &found.notes {
        eprintln!("note: {note}");
    }
    eprintln!("{} packages in {:?}, {time:?}", found.packages.len(), found.databases);
}

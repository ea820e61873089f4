//! Prints a listing of a filesystem: `walk image FILE` as this crate reads it, `walk mounted DIR` as the kernel shows
//! it. The two are equal, line by line, if this crate reads `FILE` as the kernel does.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

#[path = "../tests/support/listing.rs"]
#[allow(dead_code, clippy::as_conversions, clippy::indexing_slicing, reason = "shared with tests")]
mod listing;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

fn run() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let [what, place] = args.as_slice() else {
        return Err("usage: walk image FILE | walk mounted DIR".into());
    };
    let place = Path::new(place);
    let listing = match what.to_str() {
        Some("image") => listing::of_filesystem(&*disk::fs::open(listing::Image::open(place)?)?)?,
        Some("mounted") => listing::of_mount(place)?,
        _ => return Err("usage: walk image FILE | walk mounted DIR".into()),
    };
    print!("{listing}");
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut chain: Option<&dyn Error> = Some(&*error);
            while let Some(error) = chain {
                eprintln!("walk: {error}");
                chain = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

//! Makes an appliance and says how long it took: `build [host|uml] CACHEDIR DAEMON [disk]`.

#![expect(clippy::print_stdout, reason = "a program")]

use std::time::Instant;

use guestfs_appliance::{KernelKind, Request, build};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let kind = if arguments[1] == "uml" { KernelKind::Uml } else { KernelKind::Host };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let start = Instant::now();
    let mut request = Request::new(kind, &arguments[2], &arguments[3], path);
    request.has_disk = arguments.get(4).is_some_and(|word| word == "disk");
    match build(&request) {
        Ok(appliance) => println!("{:?} {appliance:#?}", start.elapsed()),
        Err(e) => println!("{:?} {e:?}", start.elapsed()),
    }
}

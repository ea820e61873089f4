//! What the virt-* tools share: options, the way from options to a guest that is open, output, exit status.
//!
//! A tool is a library with two functions, `command` (its options, from which help, manual page and completions come)
//! and `run`, and a `main` that hands both to [`main`]:
//!
//! ```text
//! main: start again as the daemon? parse the command line, run the tool, turn the result into an exit status
//!   options      option groups, defined once; what order matters in -a, --format, --blocksize
//!   operands     the old way to name disks, without -a and -d
//!   domains      guests of libvirt: -d, and operands that are no files
//!   keys         keys of encrypted devices, from options, standard input or the terminal
//!   guest        disks, launch, and either inspection or -m: a handle with the guest's filesystems mounted
//!   windows      paths with drive letters
//!   waiting      the bar while an appliance starts, or while many guests are examined
//!   fleet        a guest among others, where a tool examines many
//!   output       standard output, in large pieces; a reader that goes away is no error
//!   json         names that may not be UTF-8, in JSON
//!   csv, human   fields of a table; sizes for people
//!   parallel     many guests by several threads, results in order
//!   manual       what manual pages say beside the options
//!   error        one error with its causes, a hint, and the exit status it leads to
//! ```

pub mod csv;
pub mod domains;
mod error;
mod fleet;
mod guest;
pub mod human;
pub mod json;
mod keys;
pub mod manual;
mod mount;
pub mod operands;
pub mod options;
mod output;
pub mod parallel;
mod terminal;
mod tool;
mod uri;
mod waiting;
mod windows;

pub use error::{Error, Result};
pub use fleet::Guest;

pub use guest::{
    Opened, Systems, about_path, find_systems, go_on_after, launch, launch_writable, mount_system,
    needs_appliance, no_system, open, with_appliance_hint,
};
pub use keys::{Ask, KeyPlace, KeySelector, about_locked, decrypt};
pub use mount::Mount;
pub use options::{DiskOptions, GuestOptions, KeyOptions};
pub use output::Output;
pub use tool::{Session, main};
pub use windows::GuestPaths;

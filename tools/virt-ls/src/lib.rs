//! Lists directories of a virtual machine.
//!
//! ```text
//! options    the command line, and what of it fits together
//! run        one listing after the other
//!   walk       -l --json, -lR: entries with what stat(2) shows, each directory before what is in it
//!   record     one entry as a line of text or CSV
//!     time       times, local or counted
//!   json       --json: one document around all of it
//! manual     what the manual page says beside the options
//! ```

mod json;
mod manual;
mod options;
mod record;
mod run;
mod time;
mod walk;

pub use manual::MANUAL;
pub use options::{Options, command};
pub use run::run;

//! Exports and merges the registry of a Windows guest, or of a hive file.
//!
//! ```text
//! options    the command line
//! run        what is asked for: an export or a merge, of a guest or a file
//!   open       a guest or a hive file, as a handle on which the calls about registries work
//!   show       keys and values to standard output, as text or JSON
//!   merge      changes of .reg files: sent, applied to hives in the daemon, what comes back is written
//!   replace    a hive file of the host replaced in one step
//! manual     what the manual page says beside the options
//! ```
//!
//! Hives are guest bytes: the daemon parses them. This program passes on what the daemon sends.

mod manual;
mod merge;
mod open;
mod options;
mod replace;
mod run;
mod show;

pub use manual::MANUAL;
pub use options::{Options, command};
pub use run::run;

//! Copies files and directories out of a virtual machine.
//!
//! ```text
//! options    the command line
//! run        from sources to a copy, or an archive
//!   bar        progress on a terminal
//!   interrupt  signals that ask the tool to end
//!   json       --json: what became of it all
//! manual     what the manual page says beside the options
//! ```

mod bar;
mod interrupt;
mod json;
mod manual;
mod options;
mod run;

pub use manual::MANUAL;
pub use options::{Options, command};
pub use run::run;

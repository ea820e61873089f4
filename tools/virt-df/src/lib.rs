//! Shows how full the filesystems of virtual machines are.
//!
//! ```text
//! options    the command line; which guests it names
//! run        guests examined by several threads, printed in order
//!   examine    one guest: every filesystem mounted and asked
//!   table      a line of text or CSV for each filesystem
//!   json       --json: one document around all of it
//! manual     what the manual page says beside the options
//! ```

mod examine;
mod json;
mod manual;
mod options;
mod run;
mod table;

pub use manual::MANUAL;
pub use options::{Options, command};
pub use run::run;

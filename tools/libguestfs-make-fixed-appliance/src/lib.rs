//! Makes an appliance that can be copied to other machines.
//!
//! ```text
//! options    the command line
//! run        the appliance in a directory, or in an archive
//! manual     what the manual page says beside the options
//! ```

mod manual;
mod options;
mod run;

pub use manual::MANUAL;
pub use options::{Options, command};
pub use run::run;

//! Reports the operating systems of virtual machines and what is installed in them.
//!
//! ```text
//! options    the command line; which guests it names, which fields it asks for
//! run        guests examined by several threads, reported in order
//!   report     one guest: its systems, and a value for each field that was asked for
//!   xml        the classic document
//!   json       --json: a line for each guest
//!   sbom       --sbom: CycloneDX or SPDX
//! xpath      --xpath: a query on such a document
//! manual     what the manual page says beside the options
//! ```

mod field;
mod json;
mod manual;
mod options;
mod report;
mod run;
mod sbom;
mod xml;
mod xpath;

pub use manual::MANUAL;
pub use options::{Options, command};
pub use run::run;

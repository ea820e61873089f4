//! What is asked for: an export of a guest's registry or of a hive file.

use bstr::ByteSlice;
use clap::ArgMatches;
use virt_common::{Result, Session};

use crate::open::{self, Place};
use crate::options::{Options, Target};
use crate::show::show;

/// Does what the command line asks for.
///
/// # Errors
/// If it makes no sense, the guest or file can't be opened, or there is no such key.
pub fn run(options: &Options, matches: &ArgMatches, session: &mut Session) -> Result<()> {
    let (target, operands) = options.target(matches)?;
    let wanted = options.wanted(operands)?;
    let (handle, place) = match target {
        Target::File(path) => open::file(&path, wanted.key.as_ref(), options)?,
        Target::Guest(disks) => {
            let (handle, systemroot) = open::guest(&disks, options, session)?;
            let place = Place::of(&handle, systemroot.as_bstr(), wanted.key.as_bstr())?;
            (handle, place)
        }
    };
    show(&handle, &place, &wanted, options, session)?;
    handle.shutdown()?;
    Ok(())
}

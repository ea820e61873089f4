//! What is asked for: an export or a merge, of a guest's registry or of a hive file.

use bstr::ByteSlice;
use clap::ArgMatches;
use virt_common::{Error, Result, Session};

use crate::open::{self, Place};
use crate::options::{Options, Target};
use crate::show::show;
use crate::{merge, open::Windows};

/// Does what the command line asks for.
///
/// # Errors
/// If it makes no sense, the guest or file can't be opened, there is no such key, or the changes can't be made.
pub fn run(options: &Options, matches: &ArgMatches, session: &mut Session) -> Result<()> {
    let (target, operands) = options.target(matches)?;
    if options.merge {
        return match target {
            Target::File(path) => merge::file(&path, operands, options, session),
            Target::Guest(disks) => merge::guest(&disks, operands, options, session),
        };
    }
    let wanted = options.wanted(operands)?;
    let (handle, place) = match target {
        Target::File(path) => open::file(&path, wanted.key.as_bstr(), options)?,
        Target::Guest(disks) => {
            let Windows { handle, systemroot, .. } = open::guest(&disks, options, session)?;
            for warning in handle.mount_warnings()? {
                session.warn(&Error::new(warning.to_string()));
            }
            let place = Place::of(&handle, systemroot.as_bstr(), wanted.key.as_bstr())?;
            (handle, place)
        }
    };
    show(&handle, &place, &wanted, options, session)?;
    handle.shutdown()?;
    Ok(())
}

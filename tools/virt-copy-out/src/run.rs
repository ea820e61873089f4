//! From sources to a copy.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bstr::{BStr, BString, ByteSlice};
use clap::ArgMatches;
use libguestfs_core::Guestfs;
use libguestfs_core::api::GlobExpandOpts;
use libguestfs_core::copy::{Copier, CopyOptions, Outcome};
use nix::unistd::geteuid;
use virt_common::{Error, Opened, Result, Session, about_path, go_on_after};

use crate::options::Options;

/// Copies the sources. One that cannot be copied does not keep the others from being copied.
///
/// # Errors
/// If options do not fit together, the guest cannot be opened, or nothing more can be written.
pub fn run(options: &Options, matches: &ArgMatches, session: &mut Session) -> Result<()> {
    let (sources, target) = operands(options)?;
    if !target.is_dir() {
        return Err(Error::new(format!("target ‘{}’ is not a directory", target.display())));
    }
    let Opened { handle, .. } =
        virt_common::open(&options.guest, &options.common, sources, "file or directory", matches, session)?;
    let wanted = CopyOptions {
        owner: options.owner || (geteuid().is_root() && !options.no_owner),
        xattrs: options.xattrs,
        excludes: options.exclude.iter().map(|pattern| pattern.as_bytes().into()).collect(),
    };
    let mut copier = Copier::new(&handle, target, wanted)?;
    for source in sources {
        let source = BStr::new(source.as_bytes());
        let copied = expand(&handle, source).and_then(|paths| {
            paths.iter().try_for_each(|path| {
                copier
                    .copy(path)
                    .map_err(|e| about_path(&handle, path, e))
                    .or_else(|e| go_on_after(e, &handle, session))
            })
        });
        if let Err(e) = copied {
            go_on_after(e, &handle, session)?;
        }
    }
    report(copier.finish(), session);
    handle.shutdown()?;
    Ok(())
}

/// The sources, and the directory that they are copied into.
fn operands(options: &Options) -> Result<(&[OsString], &Path)> {
    match options.operands.split_last() {
        Some((target, sources)) if !sources.is_empty() => {
            if options.guest.disks.add.is_empty() && options.guest.disks.domain.is_empty() {
                return Err(Error::bad_options("no disk is given").hint("add a disk image with -a FILE"));
            }
            Ok((sources, Path::new(target)))
        }
        Some(_) => Err(Error::bad_options("no local directory is given").hint("see --help")),
        None => Err(Error::bad_options("no file or directory is given").hint("see --help")),
    }
}

/// The paths that a source stands for: wildcards in its last name are expanded, unless there is something of this very
/// name.
fn expand(handle: &Guestfs, source: &BStr) -> Result<Vec<BString>> {
    if !source.starts_with(b"/") {
        return Err(Error::new(format!("{source}: the path does not begin with a slash")));
    }
    let trimmed = source.trim_end_with(|c| c == '/');
    let (parent, name) = trimmed.rsplit_once_str(b"/").unwrap_or((b"", trimmed));
    if !name.iter().any(|byte| b"*?[".contains(byte))
        || handle.exists(trimmed).map_err(|e| about_path(handle, source, e))?
    {
        return Ok(vec![source.into()]);
    }
    // The names before the last one mean themselves.
    let mut pattern = BString::default();
    for byte in parent {
        if b"*?[\\{},".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern.push(b'/');
    pattern.extend_from_slice(name);
    let opts = GlobExpandOpts { directoryslash: Some(false) };
    let found = handle.glob_expand(&pattern, &opts).map_err(|e| about_path(handle, source, e))?;
    if found.is_empty() {
        return Err(Error::new(format!("{source}: nothing fits the wildcard")));
    }
    Ok(found)
}

fn report(outcome: Outcome, session: &mut Session) {
    for left_out in &outcome.left_out {
        session.warn(&Error::new(format!("left out {left_out}")));
    }
    for failure in outcome.failures {
        session.fail(&Error::new(failure));
    }
    if outcome.further_failures > 0 {
        session.fail(&Error::new(format!("{} more could not be copied", outcome.further_failures)));
    }
}

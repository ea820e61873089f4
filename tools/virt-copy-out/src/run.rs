//! From sources to a copy.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use clap::ArgMatches;
use libguestfs_core::api::GlobExpandOpts;
use libguestfs_core::copy::{Archiver, Copier, CopyOptions, Outcome, Progress};
use libguestfs_core::{ErrorKind, Guestfs};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::geteuid;
use virt_common::{Error, GuestPaths, Result, Session, about_path, go_on_after};

use crate::bar::{self, Bar};
use crate::interrupt::Interrupts;
use crate::json::{Report, Reported};
use crate::options::Options;

/// The destination that is an archive on standard output.
const ARCHIVE: &str = "-";
/// Open files that the tool likes to be allowed: one for each directory on the way to the deepest one.
const OPEN_FILES: u64 = 1 << 16;

/// Copies the sources. One that cannot be copied does not keep the others from being copied.
///
/// # Errors
/// If options do not fit together, the guest cannot be opened, or nothing more can be written.
pub fn run(options: &Options, matches: &ArgMatches, session: &mut Session) -> Result<()> {
    let (sources, target) = operands(options)?;
    let archive = target == Path::new(ARCHIVE);
    if archive && (options.verify || options.json) {
        let option = if options.verify { "--verify" } else { "--json" };
        return Err(Error::bad_options(format!("{option} needs a directory, not an archive")));
    }
    if !archive && !target.is_dir() {
        return Err(Error::new(format!("target ‘{}’ is not a directory", target.display())));
    }
    let interrupts = Interrupts::watch()?;
    let mut common = options.common.clone();
    common.no_progress = options.no_progress_bars;
    let opened = virt_common::open(&options.guest, &common, sources, "file or directory", matches, session)?;
    let handle = opened.handle;
    let mut paths = opened.paths;
    let show_bar = bar::wanted() && !options.no_progress_bars;
    let mut total = show_bar.then_some(0);
    let mut found = Vec::new();
    let mut report = Report { verified: options.verify, ..Report::default() };
    for operand in sources {
        let operand = BStr::new(operand.as_bytes());
        match paths.find(&handle, operand).and_then(|path| expand(&handle, &paths, path.as_bstr())) {
            Ok(list) => {
                paths.warn(&handle, session)?;
                total = total.map(|total: u64| total.saturating_add(size(&handle, &list)));
                found.extend(list.into_iter().map(|path| Source { operand, path }));
            }
            Err(e) => {
                report.sources.push(Reported { path: operand.into(), error: Some(e.to_string()) });
                go_on_after(e, &handle, session)?;
            }
        }
    }
    let mut from = From { handle: &handle, paths, sources: found };
    let wanted = CopyOptions {
        owner: options.owner || (geteuid().is_root() && !options.no_owner),
        xattrs: options.xattrs,
        excludes: options.exclude.iter().map(|pattern| pattern.as_bytes().into()).collect(),
    };
    let ended = if archive {
        to_archive(&mut from, wanted, total, &interrupts, session)?
    } else {
        to_directory(&mut from, target, wanted, options.verify, total, &interrupts)?
    };
    report.bytes = ended.progress.bytes();
    report.entries = ended.progress.entries();
    for (source, result) in ended.sources {
        let Source { path, .. } = source;
        let Err(e) = result else {
            report.sources.push(Reported { path, error: None });
            continue;
        };
        // That a signal ended it is said once, at the end.
        let said = e.kind() == ErrorKind::Cancelled;
        let e = if said { Error::from(e) } else { about_path(&handle, &path, e) };
        report.sources.push(Reported { path, error: Some(e.to_string()) });
        if !said {
            go_on_after(e, &handle, session)?;
        }
    }
    if let Some(outcome) = ended.outcome {
        tell(&outcome, session);
        report.outcome = outcome;
    }
    handle.shutdown()?;
    report.interrupted = interrupts.any();
    if options.json {
        let written = report.write(target, &mut session.out).and_then(|()| session.out.flush());
        written.map_err(|e| Error::because("writing standard output", e))?;
    }
    if interrupts.any() {
        session.fail(&Error::new("interrupted: not everything was copied; what is there is whole"));
        interrupts.obey();
    }
    Ok(())
}

/// What is copied, and from where.
struct From<'a> {
    handle: &'a Guestfs,
    paths: GuestPaths,
    sources: Vec<Source<'a>>,
}

/// A path in the guest, and the operand that led to it: that may name a drive.
#[derive(Clone)]
struct Source<'a> {
    operand: &'a BStr,
    path: BString,
}

impl From<'_> {
    /// Has the drive of a source mounted.
    fn mount(&mut self, source: &Source<'_>) -> Result<()> {
        self.paths.mount_for(self.handle, source.operand)
    }
}

/// About how many bytes will be copied.
fn size(handle: &Guestfs, paths: &[BString]) -> u64 {
    let kilobytes = paths.iter().filter_map(|path| handle.du(path).ok()).fold(0, i64::saturating_add);
    u64::try_from(kilobytes).unwrap_or(0).saturating_mul(1024)
}

/// How a copy ended.
struct Ended<'a> {
    /// Those that were begun.
    sources: Vec<(Source<'a>, libguestfs_core::Result<()>)>,
    /// `None` if the reader of the archive has gone away.
    outcome: Option<Outcome>,
    progress: Arc<Progress>,
}

fn to_directory<'a>(
    from: &mut From<'a>,
    target: &Path,
    wanted: CopyOptions,
    verify: bool,
    total: Option<u64>,
    interrupts: &Interrupts,
) -> Result<Ended<'a>> {
    // A very deep directory takes many descriptors. Without the right to have them, it is reported.
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES.min(hard).max(soft), hard);
    }
    let handle = from.handle;
    let mut copier = Copier::new(handle, target, wanted)?;
    let progress = copier.progress();
    interrupts.stop(Arc::clone(&progress));
    let bar = total
        .map(|total| Bar::start(if verify { total.saturating_mul(2) } else { total }, Arc::clone(&progress)));
    let mut sources = Vec::new();
    for source in from.sources.clone() {
        from.mount(&source)?;
        let copied = copier.copy(&source.path);
        sources.push((source, copied));
        if interrupts.any() || !handle.is_ready() {
            break;
        }
    }
    if verify && handle.is_ready() {
        for (source, result) in sources.iter_mut().filter(|(_, copied)| copied.is_ok()) {
            from.mount(source)?;
            *result = copier.verify(&source.path);
        }
    }
    let outcome = copier.finish();
    drop(bar);
    Ok(Ended { sources, outcome: Some(outcome), progress })
}

fn to_archive<'a>(
    from: &mut From<'a>,
    wanted: CopyOptions,
    total: Option<u64>,
    interrupts: &Interrupts,
    session: &mut Session,
) -> Result<Ended<'a>> {
    let handle = from.handle;
    let mut archiver = Archiver::new(handle, &mut session.out, wanted);
    let progress = archiver.progress();
    interrupts.stop(Arc::clone(&progress));
    let bar = total.map(|total| Bar::start(total, Arc::clone(&progress)));
    let mut sources = Vec::new();
    for source in from.sources.clone() {
        from.mount(&source)?;
        match archiver.add(&source.path) {
            // Standard output has failed, which the session knows.
            Err(e) if e.kind() == ErrorKind::Io => {
                return Ok(Ended { sources: Vec::new(), outcome: None, progress });
            }
            added => sources.push((source, added)),
        }
        if interrupts.any() || !handle.is_ready() {
            break;
        }
    }
    // An archive that is not complete has no end.
    let outcome = if interrupts.any() { Ok(Outcome::default()) } else { archiver.finish() };
    drop(bar);
    Ok(Ended { sources, outcome: outcome.ok(), progress })
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
fn expand(handle: &Guestfs, paths: &GuestPaths, source: &BStr) -> Result<Vec<BString>> {
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
    pattern.extend_from_slice(&paths.wildcard(name));
    let opts = GlobExpandOpts { directoryslash: Some(false) };
    let found = handle.glob_expand(&pattern, &opts).map_err(|e| about_path(handle, source, e))?;
    if found.is_empty() {
        return Err(Error::new(format!("{source}: nothing fits the wildcard")));
    }
    Ok(found)
}

fn tell(outcome: &Outcome, session: &mut Session) {
    for left_out in &outcome.left_out {
        session.warn(&Error::new(format!("left out {left_out}")));
    }
    for failure in &outcome.failures {
        session.fail(&Error::new(failure));
    }
    if outcome.further_failures > 0 {
        session.fail(&Error::new(format!("{} more could not be copied", outcome.further_failures)));
    }
}

//! Which libraries programs need: what the dynamic loader would find, ld.so(8), found without running anything.
//!
//! For each name that a file needs, in this order: DT_RPATH of the file and of those that led to it, DT_RUNPATH of the file,
//! the directories of ld.so.conf, the loader's own. A file of another machine is passed over, as the loader does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::elf::{self, Linked, Machine};
use crate::error::{Error, Result};
use crate::host::Host;

const LD_SO_CONF: &str = "/etc/ld.so.conf";
/// Files that may include each other.
const CONF_DEPTH_MAX: usize = 8;
/// Where distributions have their C library, if not in a directory named after the machine.
const SYSTEM: &[&str] = &["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/// Finds libraries, each file being read once.
#[derive(Debug)]
pub(crate) struct Libraries<'a> {
    host: &'a Host,
    configured: Vec<PathBuf>,
    parsed: BTreeMap<PathBuf, Linked>,
}

/// A file that another one needs: the path by which the loader finds it, and where it really is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Library {
    pub(crate) path: PathBuf,
    pub(crate) real: PathBuf,
    /// It is found only because ld.so.conf names its directory.
    pub(crate) is_configured: bool,
}

impl<'a> Libraries<'a> {
    pub(crate) fn new(host: &'a Host) -> Result<Self> {
        let mut configured = Vec::new();
        read_conf(host, Path::new(LD_SO_CONF), 0, &mut configured)?;
        Ok(Libraries { host, configured, parsed: BTreeMap::new() })
    }

    /// All that the ELF file `program` (its real path) needs, its loader included.
    pub(crate) fn of(&mut self, program: &Path) -> Result<BTreeSet<Library>> {
        let mut found = BTreeSet::new();
        let mut done = BTreeSet::new();
        // A file, and the DT_RPATHs of those that led to it.
        let mut todo = vec![(program.to_owned(), Vec::<PathBuf>::new())];
        while let Some((file, inherited)) = todo.pop() {
            if !done.insert(file.clone()) {
                continue;
            }
            let linked = self.parse(&file)?.clone();
            let origin = file.parent().unwrap_or(Path::new("/"));
            let mut rpaths: Vec<PathBuf> = linked.rpath.iter().map(|d| expand(d, origin)).collect();
            rpaths.extend(inherited);
            let runpath: Vec<PathBuf> = linked.runpath.iter().map(|d| expand(d, origin)).collect();
            if let Some(path) = &linked.interpreter {
                let real = self.host.file(path)?.ok_or_else(|| missing(program, path))?;
                found.insert(Library { path: path.clone(), real, is_configured: false });
            }
            for name in &linked.needed {
                let first: &[PathBuf] = if runpath.is_empty() { &rpaths } else { &runpath };
                let library =
                    self.find(name, first, linked.machine)?.ok_or_else(|| missing(program, name))?;
                todo.push((library.real.clone(), rpaths.clone()));
                found.insert(library);
            }
        }
        Ok(found)
    }

    /// The library of that name, as a program of `machine` without a path of its own finds it.
    pub(crate) fn named(&mut self, name: &str, machine: Machine) -> Result<Option<Library>> {
        self.find(Path::new(name), &[], machine)
    }

    /// The headers of a file.
    pub(crate) fn parse(&mut self, file: &Path) -> Result<&Linked> {
        if !self.parsed.contains_key(file) {
            let bytes = self.host.read(file)?.ok_or_else(|| missing(file, file))?;
            self.parsed.insert(file.to_owned(), elf::parse(&bytes, file)?);
        }
        self.parsed.get(file).ok_or_else(|| missing(file, file))
    }

    fn find(&mut self, name: &Path, first: &[PathBuf], machine: Machine) -> Result<Option<Library>> {
        if name.components().count() > 1 {
            // A path is taken as it is.
            return Ok(self.host.file(name)?.map(|real| Library {
                path: name.into(),
                real,
                is_configured: false,
            }));
        }
        let own = machine
            .multiarch()
            .into_iter()
            .flat_map(|triplet| [Path::new("/lib").join(triplet), Path::new("/usr/lib").join(triplet)]);
        let own: Vec<PathBuf> = own.chain(SYSTEM.iter().map(PathBuf::from)).collect();
        let is_own = |directory: &PathBuf| own.contains(directory);
        let places: Vec<(PathBuf, bool)> = (first.iter().map(|d| (d.clone(), false)))
            .chain(self.configured.iter().map(|d| (d.clone(), !is_own(d))))
            .chain(own.iter().map(|d| (d.clone(), false)))
            .collect();
        for (directory, is_configured) in places {
            let path = directory.join(name);
            let Some(real) = self.host.file(&path)? else { continue };
            // Linker scripts and libraries of other machines have such names too.
            if self.parse(&real).is_ok_and(|linked| linked.machine == machine) {
                return Ok(Some(Library { path, real, is_configured }));
            }
        }
        Ok(None)
    }
}

fn missing(program: &Path, what: &Path) -> Error {
    Error::unusable(format!("{} needs {}, which is not there", program.display(), what.display()))
}

/// Puts the directory of the file for `$ORIGIN`. Other words of the loader are rare, and name no directory here.
fn expand(directory: &Path, origin: &Path) -> PathBuf {
    directory
        .iter()
        .map(|part| if part == "$ORIGIN" || part == "${ORIGIN}" { origin.as_os_str() } else { part })
        .collect()
}

/// Reads ld.so.conf: a directory or `include PATTERN` on each line.
fn read_conf(host: &Host, path: &Path, depth: usize, directories: &mut Vec<PathBuf>) -> Result<()> {
    let Some(text) = host.read(path)? else { return Ok(()) };
    for line in String::from_utf8_lossy(&text).lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(pattern) = line.strip_prefix("include").filter(|rest| rest.starts_with([' ', '\t'])) {
            if depth < CONF_DEPTH_MAX {
                let pattern = Path::new("/etc").join(pattern.trim());
                for file in matching(host, &pattern)? {
                    read_conf(host, &file, depth + 1, directories)?;
                }
            }
        } else if line.starts_with('/') {
            directories.push(line.trim_end_matches('/').into());
        }
    }
    Ok(())
}

/// The files that a pattern names whose last part may have one `*`, as those of ld.so.conf do.
fn matching(host: &Host, pattern: &Path) -> Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (pattern.parent(), pattern.file_name().and_then(|n| n.to_str()))
    else {
        return Ok(Vec::new());
    };
    let Some((before, after)) = name.split_once('*') else { return Ok(vec![pattern.to_owned()]) };
    let fits = |name: &str| {
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    };
    let names = host.list(directory)?;
    Ok(names.iter().filter(|n| n.to_str().is_some_and(fits)).map(|n| directory.join(n)).collect())
}

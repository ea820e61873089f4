//! Appliances that are kept for the next time.
//!
//! ```text
//! CACHEDIR/.guestfs-UID/             as the original names it: ours alone, or it is not used
//!   kept/lock                        held by who makes or removes something
//!   kept/SLOT.KEY/                   one appliance: its files, `record.json`; renamed to this name when it is complete
//!   kept/SLOT.new/                   being made: under the lock, so one that is found belongs to nobody any more
//! ```
//!
//! SLOT names what was asked for, KEY the inputs that were found for it. An entry is used while all that its record names is
//! unchanged, and locked (shared) by each user; it is removed by whoever makes another, if nobody has it locked.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{About, Error, ErrorKind, Result};
use crate::host::{Host, Record};

/// The file with what an entry was made from. It is locked by users, and its time says when it was last used.
const RECORD: &str = "record.json";
const LOCK: &str = "lock";
const NEW: &str = "new";
/// Entries that nothing has used for so long are removed.
const AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Entries that are kept at most, of all tools and kernels, but for those in use. Some have 100 MB.
const ENTRIES_MAX: usize = 16;
/// A record names about 2000 files in 300 KB.
const RECORD_MAX: u64 = 64 << 20;
/// How often inputs may change while an appliance is made from them.
const ATTEMPTS: usize = 3;
/// Bits of a mode that let others write.
const OTHERS_WRITE: u32 = 0o022;

/// The directory for appliances of this user.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
}

/// An appliance's directory, not removed while this lives.
#[derive(Debug)]
pub(crate) struct Entry {
    path: PathBuf,
    _lock: File,
}

impl Entry {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept<T> {
    about: T,
    record: Vec<(PathBuf, crate::host::Seen)>,
}

/// The directory below `cachedir` in which this user keeps what is not to be made again; it is made if it is not there.
///
/// # Errors
/// `Untrusted` if others can write there.
pub fn directory(cachedir: &Path) -> Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let ours = cachedir.join(format!(".guestfs-{user}"));
    private_directory(&ours, user)?;
    Ok(ours)
}

impl Cache {
    /// The cache below `cachedir`, made if it is not there.
    pub(crate) fn open(cachedir: &Path) -> Result<Self> {
        let directory = directory(cachedir)?.join("kept");
        private_directory(&directory, rustix::process::geteuid().as_raw())?;
        Ok(Cache { directory })
    }

    /// The entry for `slot` whose inputs, below `host`, are as they were; made by `make` if there is none. `make` puts
    /// files into the directory it is given, and says what is to be kept about them.
    pub(crate) fn entry<T: Serialize + DeserializeOwned>(
        &self,
        slot: &str,
        host: &Path,
        make: impl Fn(&Host, &Path) -> Result<T>,
    ) -> Result<(Entry, T)> {
        if let Some(found) = self.find(slot, host)? {
            return Ok(found);
        }
        let lock_path = self.directory.join(LOCK);
        let lock =
            File::options().create(true).truncate(false).write(true).open(&lock_path).about(&lock_path)?;
        lock.lock().about(&lock_path)?;
        // Somebody else may have made it in the meantime.
        if let Some(found) = self.find(slot, host)? {
            return Ok(found);
        }
        self.remove_unused(slot)?;
        let new = self.directory.join(format!("{slot}.{NEW}"));
        let made = (0..ATTEMPTS).find_map(|_| self.make(&new, slot, host, &make).transpose());
        let changing = || Error::unusable("the host's files change while an appliance is made from them");
        let made = made.unwrap_or_else(|| Err(changing()));
        if made.is_err() {
            // What can't be removed now is removed by the next one; the first error is the one to tell.
            let _ = remove(&new);
        }
        made
    }

    /// Makes an entry, unless inputs changed meanwhile.
    fn make<T: Serialize>(
        &self,
        new: &Path,
        slot: &str,
        root: &Path,
        make: &impl Fn(&Host, &Path) -> Result<T>,
    ) -> Result<Option<(Entry, T)>> {
        remove(new)?;
        DirBuilder::new().mode(0o700).create(new).about(new)?;
        let host = Host::new(root);
        let about = make(&host, new)?;
        let record = host.record();
        if !host.is_unchanged_since(&record) {
            return Ok(None);
        }
        let kept = Kept { about, record: record.into_iter().collect() };
        let text =
            serde_json::to_vec(&kept).map_err(|e| Error::unusable(format!("{}: {e}", new.display())))?;
        let key: String = Sha256::digest(&text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let path = new.join(RECORD);
        fs::write(&path, text).and_then(|()| File::open(&path)?.sync_all()).about(&path)?;
        let lock = File::open(&path).about(&path)?;
        lock.lock_shared().about(&path)?;
        File::open(new).and_then(|directory| directory.sync_all()).about(new)?;
        let path = self.directory.join(format!("{slot}.{key}"));
        // One that is there with this very name was damaged, or it would have been found.
        remove(&path)?;
        fs::rename(new, &path).about(&path)?;
        File::open(&self.directory).and_then(|directory| directory.sync_all()).about(&self.directory)?;
        Ok(Some((Entry { path, _lock: lock }, kept.about)))
    }

    /// An entry of that slot that is still right.
    fn find<T: DeserializeOwned>(&self, slot: &str, root: &Path) -> Result<Option<(Entry, T)>> {
        let prefix = format!("{slot}.");
        for path in self.entries()? {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if !name.starts_with(&prefix) || name.ends_with(NEW) {
                continue;
            }
            // Gone or damaged is as good as not there.
            let Ok(lock) = File::open(path.join(RECORD)) else { continue };
            if lock.try_lock_shared().is_err() {
                continue;
            }
            let is_small = lock.metadata().is_ok_and(|metadata| metadata.len() <= RECORD_MAX);
            let Ok(kept) = (if is_small { read(&lock) } else { continue }) else { continue };
            let Kept { about, record }: Kept<T> = kept;
            let record: Record = record.into_iter().collect();
            if !path.join(RECORD).exists() || !Host::new(root).is_unchanged_since(&record) {
                continue;
            }
            // Another user's clock or a read-only directory is no reason to make it again.
            let _ = lock.set_modified(SystemTime::now());
            return Ok(Some((Entry { path, _lock: lock }, about)));
        }
        Ok(None)
    }

    fn entries(&self) -> Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(&self.directory)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>())
            .about(&self.directory)?;
        paths.retain(|path| path.is_dir());
        paths.sort();
        Ok(paths)
    }

    /// Removes entries that nobody uses: those of `slot`, which are out of date, old ones, and those that are too many. The
    /// lock is held.
    fn remove_unused(&self, slot: &str) -> Result<()> {
        let last_use = |path: &Path| fs::metadata(path.join(RECORD)).and_then(|m| m.modified()).ok();
        let mut entries: Vec<_> = self.entries()?.into_iter().map(|path| (last_use(&path), path)).collect();
        // The last used first. One is about to be added.
        entries.sort_by(|(a, _), (b, _)| b.cmp(a));
        for (place, (last_use, path)) in (1..).zip(entries) {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let age = last_use.and_then(|time| time.elapsed().ok());
            let goes = name.ends_with(&format!(".{NEW}"))
                || name.starts_with(&format!("{slot}."))
                || place >= ENTRIES_MAX
                || age.is_some_and(|age| age > AGE_MAX);
            if !goes {
                continue;
            }
            let record = path.join(RECORD);
            match File::open(&record) {
                Ok(file) => match file.try_lock() {
                    Ok(()) => remove(&path)?,
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(e)) => return Err(Error::io(&record, e)),
                },
                Err(_) => remove(&path)?,
            }
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(file: &File) -> serde_json::Result<T> {
    serde_json::from_reader(io::BufReader::new(file))
}

/// Removes a directory with all in it, if it is there. The record goes first: what has none is no entry.
fn remove(path: &Path) -> Result<()> {
    for result in [fs::remove_file(path.join(RECORD)), fs::remove_dir_all(path)] {
        match result {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io(path, e)),
            _ => {}
        }
    }
    Ok(())
}

/// Makes a directory that only `user` can write to, or sees that the one that is there is like that: in a directory that all
/// may write to, somebody else could have put it there.
fn private_directory(path: &Path, user: u32) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(Error::io(path, e)),
        _ => {}
    }
    let metadata = fs::symlink_metadata(path).about(path)?;
    let refused = |why: &str| Err(Error::new(ErrorKind::Untrusted, format!("{}: {why}", path.display())));
    if !metadata.is_dir() {
        return refused("not a directory");
    }
    if metadata.uid() != user {
        return refused(&format!("owned by user {}, not {user}", metadata.uid()));
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        return refused("others may write to it");
    }
    Ok(())
}

#[cfg(test)]
mod tests;

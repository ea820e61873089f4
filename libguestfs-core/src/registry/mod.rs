//! Registry hives of a guest: opened here and nowhere else, whatever reads them.
//!
//! ```text
//! Tree (inspect)   the guest's files, which an engine lends
//!   find_any_case    a path without regard to case, as Windows looks names up
//!   open, open_file  a hive with the logs beside it, replayed in memory
//!   logs_beside      which those are
//! open_image       a hive out of bytes that came in another way, with its logs
//! Registry         the hive, and what there is to say about it
//!   read             values as inspection wants them
//!   applications     what is installed, out of SOFTWARE
//! ```
//!
//! A hive is taken into memory whole: its size is bounded by [`HIVE_MAX`]. Logs are read only if the hive says that it
//! needs them. What is damaged is skipped with a note; only what cannot be read at all is refused, with [`Refused`]. Whoever
//! asks for [`Options::strict`], to write the hive again, gets the hive that its system has or none.

mod applications;
mod read;

use std::fmt;

use bstr::{BStr, BString, ByteSlice};
use hivex::{Header, Hive, Options};

pub use applications::applications;

use crate::inspect::{Entry, Tree, find_any_case};

/// Largest hive in bytes that is opened. Those of a Windows that was used for years come to 150 MB; the format ends at 2 GiB,
/// but the embedded daemon's address space is of 512 MiB, for the hive and its logs and all else.
pub const HIVE_MAX: u64 = 256 << 20;
/// Largest log in bytes that is read, of the three at most that a hive has.
const LOG_MAX: u64 = 32 << 20;
/// What the names of a hive's logs end in: that of Windows XP and before, and the two that came then.
const LOGS: [&str; 3] = [".LOG", ".LOG1", ".LOG2"];
/// How much of a hive's own notes are passed on: a hive full of rubbish has a thousand.
const NOTES_MAX: usize = 10;

/// A hive of a guest.
#[derive(Debug)]
pub struct Registry {
    /// Where it is, in the case that the filesystem has.
    pub path: BString,
    /// The hive, its logs applied.
    pub hive: Hive,
    /// What was wrong with its files.
    notes: Vec<String>,
}

impl Registry {
    /// What was taken from logs and what is damaged, a sentence each, without the path. More comes while the hive is read.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        let replay = self.hive.replay();
        if *replay != hivex::Replay::default() {
            notes.push(format!("the hive was not closed by its system; {replay}"));
        }
        let damaged = self.hive.notes();
        notes.extend(damaged.iter().take(NOTES_MAX).map(ToString::to_string));
        if let Some(more) = damaged.len().checked_sub(NOTES_MAX).filter(|&more| more > 0) {
            notes.push(format!("{more} more places are damaged"));
        }
        notes
    }
}

/// Why there is no hive.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused {
    /// There is no regular file of that path, in any case.
    NotFound,
    /// It has so many bytes, which is more than [`HIVE_MAX`].
    TooLarge(u64),
    /// The filesystem is damaged there.
    Unreadable,
    /// A part of the hive or of a log that it needs can't be read.
    Incomplete(String),
    /// The file is no hive that can be read.
    Hive(hivex::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotFound => f.write_str("no such hive"),
            Refused::TooLarge(size) => write!(f, "a hive of {size} bytes; {HIVE_MAX} are read at most"),
            Refused::Unreadable => f.write_str("the filesystem is damaged there"),
            Refused::Incomplete(what) => f.write_str(what),
            Refused::Hive(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

/// Opens the hive at `path`, which is looked up without regard to case.
///
/// # Errors
/// The outer one as [`Tree`] says.
pub fn open<T: Tree>(tree: &mut T, path: &BStr) -> Result<Result<Registry, Refused>, T::Error> {
    let Some((path, Entry::File(size))) = find_any_case(tree, "/".into(), path)? else {
        return Ok(Err(Refused::NotFound));
    };
    open_file(tree, path, size, Options::default())
}

/// Opens the hive in the regular file `path`, which has `size` bytes.
///
/// # Errors
/// As [`open`].
pub fn open_file<T: Tree>(
    tree: &mut T,
    path: BString,
    size: u64,
    options: Options,
) -> Result<Result<Registry, Refused>, T::Error> {
    if size > HIVE_MAX {
        return Ok(Err(Refused::TooLarge(size)));
    }
    let Some(image) = read(tree, &path, size)? else { return Ok(Err(Refused::Unreadable)) };
    let mut notes = Vec::new();
    if u64::try_from(image.len()).is_ok_and(|len| len < size) {
        notes.push(format!("{} of {size} bytes can be read", image.len()));
    }
    let opened = open_image(path.clone(), image, options, || logs(tree, &path, &mut notes))?;
    Ok(match (opened, notes.first()) {
        // Whatever else is wrong with it comes of that.
        (_, Some(note)) if options.strict => Err(Refused::Incomplete(note.clone())),
        (Ok(registry), _) => Ok(Registry { notes, ..registry }),
        (refused, _) => refused,
    })
}

/// Opens the hive whose file has the content `image`, and `path` as its name. `logs` gives the content of its logs, in the order of
/// their names; it is asked only if the hive needs them.
///
/// # Errors
/// That of `logs`.
pub fn open_image<E>(
    path: BString,
    image: Vec<u8>,
    options: Options,
    logs: impl FnOnce() -> Result<Vec<Vec<u8>>, E>,
) -> Result<Result<Registry, Refused>, E> {
    // What is no hive at all may be one with a damaged beginning, which its logs have a copy of.
    if Header::read(&image).is_ok_and(|header| !header.is_dirty()) {
        return Ok(with_logs(path, image, &[], options));
    }
    let logs = logs()?;
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    Ok(with_logs(path, image, &logs, options))
}

fn with_logs(path: BString, image: Vec<u8>, logs: &[&[u8]], options: Options) -> Result<Registry, Refused> {
    let opened = Hive::open_with_logs(image, logs, options);
    opened.map(|hive| Registry { path, hive, notes: Vec::new() }).map_err(Refused::Hive)
}

/// A log beside a hive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Where it is, in the case that the filesystem has.
    pub path: BString,
    /// What its name has after that of the hive.
    pub end: BString,
    /// Bytes of the file.
    pub size: u64,
}

/// The logs beside the hive at `hive`, in the order in which they are applied.
///
/// # Errors
/// As [`Tree`] says.
pub fn logs_beside<T: Tree>(tree: &mut T, hive: &BStr) -> Result<Vec<Log>, T::Error> {
    let mut logs = Vec::new();
    for end in LOGS {
        let path = BString::from([hive.as_bytes(), end.as_bytes()].concat());
        if let Some((path, Entry::File(size))) = find_any_case(tree, "/".into(), path.as_bstr())? {
            let end = path.get(path.len().saturating_sub(end.len())..).unwrap_or_default().into();
            logs.push(Log { path, end, size });
        }
    }
    Ok(logs)
}

/// The content of the logs beside a hive.
fn logs<T: Tree>(tree: &mut T, hive: &BString, notes: &mut Vec<String>) -> Result<Vec<Vec<u8>>, T::Error> {
    let mut logs = Vec::new();
    for Log { path, size, .. } in logs_beside(tree, hive.as_bstr())? {
        if size > LOG_MAX {
            notes.push(format!("{path}: a log of {size} bytes, which is not read; {LOG_MAX} are at most"));
            continue;
        }
        match read(tree, &path, size)? {
            Some(log) => logs.push(log),
            None => notes.push(format!("{path}: the filesystem is damaged there")),
        }
    }
    Ok(logs)
}

fn read<T: Tree>(tree: &mut T, path: &BString, size: u64) -> Result<Option<Vec<u8>>, T::Error> {
    match usize::try_from(size) {
        Ok(size) => tree.read(path.as_bstr(), size),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hivex::ValueType;

    use super::*;

    /// Files by path, with the size that they say they have.
    #[derive(Default)]
    struct Files {
        files: BTreeMap<BString, (u64, Vec<u8>)>,
        read: Vec<BString>,
    }

    impl Files {
        fn with(mut self, path: &str, content: Vec<u8>) -> Self {
            let size = content.len().try_into().unwrap();
            self.files.insert(path.into(), (size, content));
            self
        }
    }

    impl Tree for Files {
        type Error = std::convert::Infallible;

        fn entry(&mut self, path: &BStr) -> Result<Option<Entry>, Self::Error> {
            let below = [path.as_bytes(), b"/"].concat();
            let is_directory = || self.files.keys().any(|file| file.starts_with(&below));
            let file = self.files.get(path).map(|(size, _)| Entry::File(*size));
            Ok(file.or_else(|| is_directory().then_some(Entry::Directory)))
        }

        fn read_link(&mut self, _: &BStr) -> Result<Option<BString>, Self::Error> {
            Ok(None)
        }

        fn read(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<u8>>, Self::Error> {
            self.read.push(path.into());
            let content = self.files.get(path).map(|(_, content)| content);
            Ok(content.map(|content| content.iter().copied().take(max).collect()))
        }

        fn find_nocase(&mut self, path: &BStr, name: &BStr) -> Result<Option<BString>, Self::Error> {
            let prefix = if path == "/" { BString::from("/") } else { BString::from(format!("{path}/")) };
            let names = self.files.keys().filter_map(|file| file.strip_prefix(prefix.as_slice()));
            let mut firsts = names.filter_map(|name| name.split(|&byte| byte == b'/').next());
            Ok(firsts.find(|found| found.eq_ignore_ascii_case(name)).map(BString::from))
        }

        fn names(&mut self, _: &BStr, _: usize) -> Result<Option<Vec<BString>>, Self::Error> {
            Ok(None)
        }
    }

    /// A hive with a value; a dirty one if `dirty` says so.
    fn hive(dirty: bool) -> Vec<u8> {
        let mut hive = Hive::create(Options { write: true, ..Options::default() }).unwrap();
        hive.node_set_value(hive.root(), "A".into(), ValueType::DWORD, &[7, 0, 0, 0]).unwrap();
        hive.commit().unwrap();
        let mut image = hive.into_image();
        if dirty {
            // The second sequence number (byte 8) and the sum.
            image[8] ^= 1;
            image[508] ^= 1;
        }
        image
    }

    fn opened(files: &mut Files, path: &str) -> Result<Registry, Refused> {
        open(files, path.into()).unwrap()
    }

    #[test]
    fn a_hive_is_found_in_any_case_and_logs_are_read_only_if_it_needs_them() {
        let mut files = Files::default()
            .with("/Windows/System32/Config/SYSTEM", hive(false))
            .with("/Windows/System32/Config/SYSTEM.LOG1", vec![1]);
        let registry = opened(&mut files, "/windows/system32/config/system").unwrap();
        assert_eq!(registry.path, "/Windows/System32/Config/SYSTEM");
        assert_eq!(files.read, ["/Windows/System32/Config/SYSTEM"]);
        assert_eq!(registry.notes(), Vec::<String>::new());
        let value = registry.hive.node_get_value(registry.hive.root(), "a".into()).unwrap().unwrap();
        assert_eq!(registry.hive.value_dword(value).unwrap(), 7);

        let mut files = Files::default().with("/NTUSER.DAT", hive(true)).with("/ntuser.dat.log2", vec![1]);
        let registry = opened(&mut files, "/NTUSER.DAT").unwrap();
        assert_eq!(files.read, ["/NTUSER.DAT", "/ntuser.dat.log2"]);
        let notes = registry.notes();
        assert!(notes.iter().any(|note| note.contains("writing it was not completed")), "{notes:?}");
    }

    #[test]
    fn a_hive_that_its_logs_do_not_complete_is_refused_to_whoever_is_strict() {
        let strict = Options { strict: true, write: true, ..Options::default() };
        let mut large = Files::default().with("/x", hive(true));
        large.files.insert("/x.log1".into(), (LOG_MAX + 1, Vec::new()));
        let mut short = Files::default().with("/x", hive(false));
        short.files.get_mut(BStr::new("/x")).unwrap().0 += 1;
        for (mut files, expected) in [
            (Files::default().with("/x", hive(false)).with("/x.LOG", vec![1]), ""),
            (Files::default().with("/x", hive(true)), "complete it: there are none"),
            (Files::default().with("/x", hive(true)).with("/x.LOG", Vec::new()), "nothing in them"),
            (Files::default().with("/x", hive(true)).with("/x.LOG", vec![1]), "log 1: not a log"),
            (large, "which is not read"),
            (short, "bytes can be read"),
        ] {
            let Some(&(size, _)) = files.files.get(BStr::new("/x")) else { panic!() };
            let opened = open_file(&mut files, "/x".into(), size, strict).unwrap();
            let said = opened.map(|_| String::new()).unwrap_or_else(|refused| refused.to_string());
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{expected}: {said}");
        }
    }

    #[test]
    fn what_cannot_be_a_hive_is_refused_with_the_reason() {
        let mut files = Files::default().with("/text", b"no hive".to_vec()).with("/d/file", Vec::new());
        files.files.insert("/large".into(), (HIVE_MAX + 1, Vec::new()));
        assert!(matches!(opened(&mut files, "/none"), Err(Refused::NotFound)));
        assert!(matches!(opened(&mut files, "/d"), Err(Refused::NotFound)), "a directory");
        assert!(matches!(opened(&mut files, "/large"), Err(Refused::TooLarge(_))));
        assert_eq!(files.read, [""; 0], "nothing of what is too large is read");
        assert!(matches!(opened(&mut files, "/text"), Err(Refused::Hive(_))));
    }

    #[test]
    fn a_name_in_the_very_case_counts_before_others() {
        let mut files =
            Files::default().with("/A/x", Vec::new()).with("/a/X", vec![1]).with("/a/x", vec![1, 2]);
        for (path, found) in [
            ("/a/x", Some(("/a/x", 2))),
            ("/a/X", Some(("/a/X", 1))),
            ("//A//X", Some(("/A/x", 0))),
            ("/a/../A/x", None),
            ("/a/x/y", None),
        ] {
            let expected = found.map(|(path, size)| (BString::from(path), Entry::File(size)));
            assert_eq!(find_any_case(&mut files, "/".into(), path.into()).unwrap(), expected, "{path}");
        }
    }
}

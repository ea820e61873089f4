//! What is kept is right, whatever happens while it is made.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Names the directory for the process that is killed while it makes an entry.
const CHILD: &str = "GUESTFS_TEST_KILLED_BUILD";

/// A host with one input, and a cache.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(tempfile::tempdir().unwrap());
        fs::write(place.input(), "one").unwrap();
        place
    }

    fn input(&self) -> PathBuf {
        self.0.path().join("input")
    }

    fn cache(&self) -> Cache {
        Cache::open(self.0.path()).unwrap()
    }

    /// The entry `slot`, a copy of the input; counts how often one is made.
    fn entry(&self, slot: &str, made: &AtomicUsize) -> (Entry, String) {
        self.cache()
            .entry(slot, self.0.path(), |host, directory| {
                made.fetch_add(1, Ordering::SeqCst);
                let text = host.read(Path::new("/input"))?.unwrap_or_default();
                let path = directory.join("copy");
                fs::write(&path, &text).about(&path)?;
                Ok(String::from_utf8_lossy(&text).into_owned())
            })
            .unwrap()
    }

    /// Names in the cache, without the lock.
    fn names(&self) -> Vec<String> {
        let entries = self.cache().entries().unwrap();
        entries.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }
}

fn copy_in(entry: &Entry) -> String {
    fs::read_to_string(entry.path().join("copy")).unwrap()
}

#[test]
fn an_entry_is_made_once_until_an_input_changes() {
    let place = Place::new();
    let made = AtomicUsize::new(0);
    for _ in 0..3 {
        assert_eq!(place.entry("a", &made).1, "one");
    }
    assert_eq!(made.load(Ordering::SeqCst), 1);
    // The same length: the time or the inode tells.
    fs::write(place.0.path().join("new"), "two").unwrap();
    fs::rename(place.0.path().join("new"), place.input()).unwrap();
    let (entry, text) = place.entry("a", &made);
    assert_eq!((text.as_str(), copy_in(&entry).as_str(), made.load(Ordering::SeqCst)), ("two", "two", 2));
    place.entry("b", &made);
    assert_eq!((made.load(Ordering::SeqCst), place.names().len()), (3, 2));
}

#[test]
fn what_is_used_stays_and_what_is_not_goes() {
    let place = Place::new();
    let made = AtomicUsize::new(0);
    let (used, _) = place.entry("a", &made);
    fs::write(place.input(), "three").unwrap();
    let (newer, _) = place.entry("a", &made);
    assert_eq!((copy_in(&used), copy_in(&newer)), ("one".to_owned(), "three".to_owned()));
    drop((used, newer));
    fs::write(place.input(), "fourth").unwrap();
    place.entry("a", &made);
    assert_eq!(place.names().len(), 1);
    // Another slot is left alone until it is old.
    let (other, _) = place.entry("b", &made);
    let record = other.path().join(RECORD);
    let name = other.path().file_name().unwrap().to_str().unwrap().to_owned();
    drop(other);
    let old = SystemTime::now() - AGE_MAX - Duration::from_secs(60);
    File::options().write(true).open(record).unwrap().set_modified(old).unwrap();
    fs::write(place.input(), "the fifth").unwrap();
    assert!(place.names().contains(&name));
    place.entry("a", &made);
    assert!(!place.names().contains(&name));
}

#[test]
fn there_are_only_so_many_but_for_those_in_use() {
    let place = Place::new();
    let made = AtomicUsize::new(0);
    let (used, _) = place.entry("used", &made);
    for n in 0..ENTRIES_MAX + 3 {
        place.entry(&format!("slot{n}"), &made);
    }
    let names = place.names();
    assert_eq!((copy_in(&used).as_str(), names.len()), ("one", ENTRIES_MAX + 1));
    let has = |slot: &str| names.iter().any(|name| name.starts_with(&format!("{slot}.")));
    assert!(has("used") && !has("slot0") && has("slot3") && has(&format!("slot{}", ENTRIES_MAX + 2)));
}

#[test]
fn several_at_once_make_one() {
    let place = Place::new();
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(copy_in(&place.entry("a", &made).0), "one"));
        }
    });
    assert_eq!((made.load(Ordering::SeqCst), place.names().len()), (1, 1));
}

#[test]
fn an_input_that_changes_meanwhile_is_read_again() {
    let place = Place::new();
    let turns = AtomicUsize::new(0);
    let make = |host: &Host, _: &Path| {
        let text = host.read(Path::new("/input"))?.unwrap_or_default();
        if turns.fetch_add(1, Ordering::SeqCst) < 2 {
            fs::write(place.input(), format!("{} more", text.len())).unwrap();
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    let (_, text) = place.cache().entry("a", place.0.path(), make).unwrap();
    assert_eq!((text.as_str(), turns.load(Ordering::SeqCst)), ("6 more", 3));
    let never = |host: &Host, _: &Path| {
        let text = host.read(Path::new("/input"))?.unwrap_or_default();
        fs::write(place.input(), [text, b"x".to_vec()].concat()).unwrap();
        Ok(())
    };
    assert!(place.cache().entry("b", place.0.path(), never).is_err());
    assert_eq!(place.names().len(), 1);
}

#[test]
fn a_damaged_entry_is_made_again() {
    let place = Place::new();
    let made = AtomicUsize::new(0);
    for (n, damage) in ["", "{", "{\"about\":1,\"record\":[]}"].iter().enumerate() {
        let (entry, _) = place.entry("a", &made);
        fs::write(entry.path().join(RECORD), damage).unwrap();
        drop(entry);
        assert_eq!(copy_in(&place.entry("a", &made).0), "one");
        assert_eq!((made.load(Ordering::SeqCst), place.names().len()), (n + 2, 1));
    }
}

/// Not a test for itself: [`a_killed_build_leaves_nothing`] runs and kills it.
#[test]
fn killed_build() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let directory = Path::new(&directory);
    let stuck = |_: &Host, new: &Path| -> Result<()> {
        fs::write(new.join("copy"), "half").unwrap();
        fs::write(directory.join("started"), "").unwrap();
        loop {
            std::thread::park();
        }
    };
    Cache::open(directory).unwrap().entry("a", directory, stuck).unwrap();
}

#[test]
fn a_killed_build_leaves_nothing() {
    let place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cache::tests::killed_build", "--nocapture"])
        .env(CHILD, place.0.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !place.0.path().join("started").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the build ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(place.names(), ["a.new"]);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    // Nobody holds the lock any more, and half an entry is none.
    let made = AtomicUsize::new(0);
    assert_eq!(copy_in(&place.entry("a", &made).0), "one");
    assert_eq!((made.load(Ordering::SeqCst), place.names().len()), (1, 1));
}

#[test]
fn a_full_disk_is_an_error_that_leaves_nothing() {
    let place = Place::new();
    let directory = place.0.path().join("small");
    fs::create_dir(&directory).unwrap();
    let mount =
        |arguments: &[&str]| Command::new(arguments[0]).args(&arguments[1..]).arg(&directory).status();
    let mounted = mount(&["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs"]).unwrap();
    assert!(mounted.success(), "mounting a tmpfs needs root");
    let fill = |bytes: usize| {
        Cache::open(&directory)?.entry("a", place.0.path(), |host, new| {
            host.read(Path::new("/input"))?;
            let path = new.join("copy");
            fs::write(&path, vec![1; bytes]).about(&path)
        })
    };
    let full = fill(1 << 20).map(|_| ());
    let left = Cache::open(&directory).unwrap().entries().unwrap();
    let fits = fill(1 << 10).map(|(entry, ())| entry.path().join("copy").metadata().unwrap().len());
    assert!(mount(&["umount"]).unwrap().success());
    let error = full.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.kind() == ErrorKind::Io && cause.contains("No space left"), "{error}: {cause}");
    assert_eq!((left, fits.unwrap()), (vec![], 1 << 10));
}

#[test]
fn a_planted_directory_is_not_used() {
    let user = rustix::process::geteuid().as_raw();
    let name = format!(".guestfs-{user}");
    type Plant = fn(&Path);
    let plants: [(&str, Plant); 4] = [
        ("not a directory", |path| fs::write(path, "").unwrap()),
        ("not a directory", |path| {
            let elsewhere = path.with_file_name("elsewhere");
            fs::create_dir(&elsewhere).unwrap();
            symlink(elsewhere, path).unwrap();
        }),
        ("others may write to it", |path| {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, PermissionsExt::from_mode(0o720)).unwrap();
        }),
        ("owned by user 12345", |path| {
            fs::create_dir(path).unwrap();
            std::os::unix::fs::chown(path, Some(12345), None).unwrap();
        }),
    ];
    for (expected, plant) in plants {
        let directory = tempfile::tempdir().unwrap();
        plant(&directory.path().join(&name));
        let error = Cache::open(directory.path()).unwrap_err();
        assert!(error.kind() == ErrorKind::Untrusted && error.to_string().contains(expected), "{error}");
    }
    let directory = tempfile::tempdir().unwrap();
    Cache::open(directory.path()).unwrap();
    assert_eq!(directory.path().join(name).metadata().unwrap().mode() & 0o777, 0o700);
}

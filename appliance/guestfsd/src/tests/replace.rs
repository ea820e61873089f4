//! Files replaced on NTFS: whatever comes to the disk of a step, the old file or the new one is found. Needs root.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bstr::ByteSlice;

use super::kernel::Machine;
use super::{Workshop, b, daemon, over_directory, refusal, run};
use crate::calls::replace::Replacing;

/// What the kernel writes at a time.
const PAGE: usize = 4096;
/// Where the file is.
const PATH: &str = "/Windows/System32/config/SOFTWARE";
const OLD: &[u8] = &[b'o'; 70_000];
const NEW: &[u8] = &[b'n'; 90_000];

/// An NTFS with the file and so many others beside it.
fn image(workshop: &Workshop, others: usize) -> String {
    let image = workshop.empty("image", 6);
    run("mkntfs", &["-q", "-F", "-Q", &image]);
    let mut machine = Machine::new(&[&image]);
    machine.mount(b("/dev/sda"), b("/")).unwrap();
    let directory = Path::new("/mnt/Windows/System32/config");
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("SOFTWARE"), OLD).unwrap();
    for number in 0..others {
        fs::write(directory.join(format!("{number:x}-of-several-other-files")), "").unwrap();
    }
    machine.umount_all().unwrap();
    image
}

/// What is found at the path by a reader that knows nothing of the replacement.
fn found(image: &str) -> Option<Vec<u8>> {
    let mut d = daemon(&[image]);
    d.mount_ro(b("/dev/sda"), b("/")).ok()?;
    let mut content = Vec::new();
    d.download(b(PATH), &mut content).ok()?;
    Some(content)
}

/// The disk after each step: at the beginning, and after `write`, `hold`, `swap`, `release`.
fn steps(image: &str) -> Vec<Vec<u8>> {
    let mut machine = Machine::new(&[image]);
    machine.mount(b("/dev/sda"), b("/")).unwrap();
    let disk = || fs::read(image).unwrap();
    let mut disks = vec![disk()];
    let root = machine.engine.kernel().unwrap().sysroot();
    let mut replacing = Replacing::begin(root, b(PATH)).unwrap();
    replacing.write(NEW).unwrap();
    disks.push(disk());
    replacing.hold().unwrap();
    disks.push(disk());
    replacing.swap().unwrap();
    disks.push(disk());
    replacing.release().unwrap();
    disks.push(disk());
    disks
}

/// Disks that a step may leave that is cut off: those with one page alone, with all but one, and with the first ones only.
fn cut_off(before: &[u8], after: &[u8]) -> BTreeSet<Vec<usize>> {
    let differ = |page: &usize| before[page * PAGE..][..PAGE] != after[page * PAGE..][..PAGE];
    let pages: Vec<usize> = (0..before.len() / PAGE).filter(differ).collect();
    let mut sets = BTreeSet::new();
    for (index, page) in pages.iter().enumerate() {
        sets.insert(vec![*page]);
        sets.insert(pages.iter().copied().filter(|other| other != page).collect());
        sets.insert(pages[..index].to_vec());
        sets.insert(pages[index..].to_vec());
    }
    sets
}

#[test]
fn any_part_of_a_step_leaves_the_old_file_or_the_new_one() {
    for others in [0, 150] {
        let workshop = Workshop::new();
        let image = image(&workshop, others);
        let disks = steps(&image);
        assert_eq!(found(&image).as_deref(), Some(NEW));
        let torn = workshop.name("torn");
        let mut tried = 0;
        for (number, pair) in disks.windows(2).enumerate() {
            for pages in cut_off(&pair[0], &pair[1]) {
                let mut disk = pair[0].clone();
                for page in &pages {
                    let at = page * PAGE..(page + 1) * PAGE;
                    disk[at.clone()].copy_from_slice(&pair[1][at]);
                }
                fs::write(&torn, disk).unwrap();
                let found = found(&torn);
                // Before the swap there is nothing but the old file, and nothing but the new one after it.
                let expected: &[&[u8]] = match number {
                    0 | 1 => &[OLD],
                    2 => &[OLD, NEW],
                    _ => &[NEW],
                };
                assert!(
                    found.as_deref().is_some_and(|found| expected.contains(&found)),
                    "{others} others, step {number}, pages {pages:?}: {:?} bytes",
                    found.map(|found| found.len())
                );
                tried += 1;
            }
        }
        assert!(tried > 40, "only {tried} disks");
    }
}

/// What is left by a replacement that was cut off is in nobody's way.
#[test]
fn what_is_left_over_goes_with_the_next_replacement() {
    let workshop = Workshop::new();
    let image = image(&workshop, 0);
    let disks = steps(&image);
    for disk in disks {
        fs::write(&image, disk).unwrap();
        let mut machine = Machine::new(&[&image]);
        machine.mount(b("/dev/sda"), b("/")).unwrap();
        let mut content = OLD.chunks(1000);
        machine.internal_registry_replace(b(PATH), &mut content, b("")).unwrap();
        assert_eq!(machine.ls0_names("/Windows/System32/config"), ["SOFTWARE"]);
        machine.umount_all().unwrap();
        drop(machine);
        assert_eq!(found(&image).as_deref(), Some(OLD));
    }
}

#[test]
fn a_disk_without_room_keeps_the_old_file() {
    let workshop = Workshop::new();
    let image = image(&workshop, 0);
    let mut machine = Machine::new(&[&image]);
    machine.mount(b("/dev/sda"), b("/")).unwrap();
    let free = machine.statvfs(b("/")).unwrap();
    let filler = usize::try_from(free.bavail * free.bsize).unwrap() - NEW.len() / 2;
    fs::write("/mnt/filler", vec![1; filler]).unwrap();
    let refused = refusal(machine.internal_registry_replace(b(PATH), &mut NEW.chunks(1000), b("")));
    assert_eq!(refused, format!("{PATH}: No space left on device"));
    assert_eq!(machine.ls0_names("/Windows/System32/config"), ["SOFTWARE"]);
    let refused = refusal(machine.internal_registry_replace(b(PATH), &mut NEW.chunks(1000), b(".bak")));
    assert!(refused.contains("No space left on device"), "{refused}");
    fs::remove_file("/mnt/filler").unwrap();
    machine.umount_all().unwrap();
    drop(machine);
    assert_eq!(found(&image).as_deref(), Some(OLD));
}

#[test]
fn a_file_with_several_names_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("HIVE");
    fs::write(&path, OLD).unwrap();
    fs::hard_link(&path, directory.path().join("second")).unwrap();
    let mut d = over_directory(directory.path());
    let refused = refusal(d.internal_registry_replace(b("/HIVE"), &mut NEW.chunks(1000), b("")));
    assert!(refused.starts_with("/HIVE: the file has 2 names: "), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), OLD);
    fs::remove_file(directory.path().join("second")).unwrap();
    d.internal_registry_replace(b("/HIVE"), &mut NEW.chunks(1000), b("")).unwrap();
    assert_eq!(fs::read(&path).unwrap().as_bstr(), NEW.as_bstr());
}

impl Machine {
    /// The names in a directory.
    fn ls0_names(&mut self, directory: &str) -> Vec<String> {
        let mut names = Vec::new();
        self.ls0(b(directory), &mut names).unwrap();
        let names = names.split_str("\0").filter(|name| !name.is_empty());
        names.map(|name| name.to_str_lossy().into_owned()).collect()
    }
}

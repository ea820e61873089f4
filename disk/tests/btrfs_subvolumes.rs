//! Subvolumes of btrfs as the kernel and `btrfs subvolume` show them.
//!
//! Needs root, loop devices, and Debian's packages btrfs-progs, mount and python3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;
#[path = "support/btrfs.rs"]
mod support;

use disk::ErrorKind;
use disk::fs::{Filesystem, FsStats, Subvolume, SubvolumeName};
use kernel::python;
use support::Case;

/// Subvolumes in one another and in directories, snapshots, one that was moved, one that is gone.
fn with_subvolumes() -> Case {
    let case = Case::new(&[200], "");
    let mounted = case.mount("rw");
    let script = "import os, sys
os.chdir(sys.argv[1])
os.makedirs('dir/in')
open('dir/in/f', 'w').write('f' * 9000)";
    python(script, &mounted.0);
    for command in [
        "subvolume create ./a",
        "subvolume create ./a/inner",
        "subvolume create ./dir/in/deep",
        "subvolume create ./gone",
        "subvolume snapshot ./a ./dir/copy",
        "subvolume snapshot -r ./a ./read-only",
        "subvolume snapshot . ./top",
        "subvolume create ./old",
    ] {
        mounted.btrfs(command);
    }
    let script = "import os, sys
os.chdir(sys.argv[1])
for d in 'a', 'a/inner', 'dir/in/deep', 'dir/copy', 'gone', 'top':
    for i in range(300): open(d + '/%d' % i, 'w').write(d * i)
os.chown('a', 7, 8)
os.rename('old', 'a/new')";
    python(script, &mounted.0);
    mounted.btrfs("subvolume delete -c ./gone");
    drop(mounted);
    case
}

/// The kernel makes up directories for subvolumes that a snapshot does not have, as old as the look at them.
#[test]
fn they_lie_in_the_tree() {
    const INODE: usize = 3;
    const TIMES: std::ops::RangeInclusive<usize> = 11..=14;
    let case = with_subvolumes();
    let (theirs, ours) = (case.kernels_listing(), case.listing());
    let is_made_up = |line: &&str| line.split('\t').nth(INODE) == Some("2");
    let without_times = |line: &str| -> String {
        let fields = line.split('\t').enumerate();
        let kept = fields.filter(|(nr, _)| !(is_made_up(&line) && TIMES.contains(nr)));
        kept.map(|(_, field)| format!("{field}\t")).collect()
    };
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(without_times(ours), without_times(theirs));
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
    let made_up = ours.lines().filter(is_made_up);
    let paths: Vec<_> = made_up.filter_map(|line| line.split('\t').next()).collect();
    let wanted = [
        "/dir/copy/inner",
        "/read-only/inner",
        "/top/a",
        "/top/dir/copy",
        "/top/dir/in/deep",
        "/top/gone",
        "/top/read-only",
    ];
    assert_eq!(paths, wanted);
}

#[test]
fn they_are_listed_and_found() {
    let case = with_subvolumes();
    let mounted = case.mount("ro");
    let fs = case.open().unwrap();
    let list = fs.subvolumes().unwrap();
    let uuid = |uuid: &Option<String>| uuid.clone().unwrap_or_else(|| "-".to_owned());
    let print = |s: &Subvolume| {
        let (parent_uuid, uuid) = (uuid(&s.parent_uuid), uuid(&s.uuid));
        let (id, generation, parent, path) = (s.id, s.generation, s.parent, &s.path);
        format!(
            "ID {id} gen {generation} top level {parent} parent_uuid {parent_uuid} uuid {uuid} path {path}"
        )
    };
    let theirs = mounted.btrfs("subvolume list -uq --sort=rootid .");
    let theirs: Vec<_> =
        theirs.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(list.iter().map(print).collect::<Vec<_>>(), theirs);
    let read_only: Vec<_> = list.iter().filter(|s| s.read_only).map(|s| s.path.to_string()).collect();
    assert_eq!(read_only, ["read-only"]);
    for subvolume in &list {
        let root = fs.subvolume_root(SubvolumeName::Id(subvolume.id)).unwrap();
        assert_eq!(fs.subvolume_root(SubvolumeName::Path(&subvolume.path)).unwrap(), root);
        assert_eq!(fs.metadata(root).unwrap().subvolume, subvolume.id);
    }
    let top = fs.subvolume_root(SubvolumeName::Path(b"/")).unwrap();
    assert_eq!((top, top.subvolume), (fs.subvolume_root(SubvolumeName::Id(5)).unwrap(), 5));
    let paths = ["gone", "dir", "top/a", "dir/in/f/x"].map(|path| SubvolumeName::Path(path.as_bytes()));
    for missing in paths.into_iter().chain([SubvolumeName::Id(259), SubvolumeName::Id(7)]) {
        assert!(fs.subvolume_root(missing).is_err(), "{missing:?}");
    }
    assert_eq!(fs.subvolume_root(SubvolumeName::Id(259)).unwrap_err().kind(), ErrorKind::NotFound);
}

/// Each has a number of its own in `f_fsid`.
#[test]
fn they_have_statistics() {
    let case = with_subvolumes();
    let mounted = case.mount("ro");
    let fs = disk::fs::btrfs::Btrfs::open(&case.sources()[0], &[]).unwrap();
    for subvolume in fs.subvolumes().unwrap() {
        let place = mounted.0.join(subvolume.path.to_string());
        let theirs = nix::sys::statvfs::statvfs(&place).unwrap();
        let FsStats { id, blocks_free, .. } = fs.stats_at(subvolume.id).unwrap();
        let wanted = (theirs.filesystem_id(), theirs.blocks_free());
        assert_eq!((id, blocks_free), wanted, "{}", subvolume.path);
    }
}

#[test]
fn the_default_one_is_the_root() {
    let case = with_subvolumes();
    let fs = case.open().unwrap();
    assert_eq!(fs.default_subvolume(), Some(5));
    let id = fs.subvolume_root(SubvolumeName::Path(b"dir/in/deep")).unwrap().subvolume;
    case.mount("rw").btrfs(&format!("subvolume set-default {id} ."));
    assert_eq!(case.open().unwrap().default_subvolume(), Some(id));
    // The statistics, the root, 300 files.
    assert_eq!(case.compare().lines().count(), 302);
}

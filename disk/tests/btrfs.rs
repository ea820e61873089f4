//! Btrfs as the kernel shows it: every name of filesystems in all sets of features, field by field.
//!
//! Needs root, loop devices, and Debian's packages btrfs-progs, acl, mount and python3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;
#[path = "support/btrfs.rs"]
mod support;

use kernel::{fill, python};
use support::Case;

/// One test for each set of features: name, sizes in megabytes, names in the largest directory, options of `mkfs.btrfs`.
macro_rules! feature_sets {
    ($($(#[$attribute:meta])* $name:ident: $megabytes:expr, $names:literal, $options:literal;)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                let case = Case::new(&$megabytes, $options);
                fill(&case.mount("rw").0, $names);
                case.compare();
            }
        )*
    };
}

feature_sets! {
    defaults: [300], 2000, "";
    xxhash: [200], 300, "--csum xxhash";
    sha256: [200], 300, "--csum sha256";
    blake2: [200], 300, "--csum blake2";
    nodes_of_4k: [200], 1000, "-n 4096";
    nodes_of_64k: [300], 300, "-n 65536";
    mixed_groups: [100], 300, "-M -n 4096";
    mixed_groups_twice: [200], 300, "-M -d dup -m dup";
    with_holes_as_items: [200], 300, "-O ^no-holes";
    old_features: [200], 300, "-O ^no-holes,^extref,^skinny-metadata -R ^free-space-tree";
    quotas: [200], 300, "-R quota";
    everything_once: [200], 300, "-d single -m single";
    data_twice: [300], 300, "-d dup -m dup";
    raid0: [200, 150, 300], 300, "-d raid0 -m raid0";
    raid1: [200, 150, 300], 300, "-d raid1 -m raid1";
    raid10: [200, 200, 150, 300, 170], 300, "-d raid10 -m raid10";
    raid1c3: [200, 300, 150, 250], 300, "-d raid1c3 -m raid1c3 --csum xxhash";
    raid1c4: [200, 300, 150, 250], 300, "-d raid1c4 -m raid1c4";
    raid5: [200, 300, 150], 300, "-d raid5 -m raid1";
    raid6: [200, 300, 150, 200], 300, "-d raid6 -m raid6";
    single_over_devices: [200, 150], 300, "-d single -m raid1";
}

/// Names (and with `user.` before them, attributes) of one hash each. Found by trying.
const SAME_HASH: [[&str; 2]; 2] = [["a60ac2d3a3", "259214b786"], ["4e845ca5ee", "8971a0c612"]];

#[test]
fn names_and_attributes_of_one_hash() {
    let case = Case::new(&[120], "");
    let script = format!(
        "import os, sys
os.chdir(sys.argv[1])
os.mkdir('d')
for pair in {SAME_HASH:?}:
  for name in pair:
    open('d/' + name, 'w').write(name)
    os.setxattr('d', 'user.' + name, name.encode() * 9)
os.unlink('d/{}')",
        SAME_HASH[1][0]
    );
    python(&script, &case.mount("rw").0);
    let dump = case.tool("btrfs", &["inspect-internal", "dump-tree", "-t", "5"]);
    let shared =
        |item: &&str| item.contains("DIR_ITEM") && SAME_HASH[0].iter().all(|name| item.contains(name));
    assert_eq!(dump.split("item ").filter(shared).count(), 1, "{dump}");
    case.compare();
}

#[test]
fn uuids_of_metadata_apart_from_that_of_the_filesystem() {
    let case = Case::new(&[150], "");
    case.tool("btrfstune", &["-m"]);
    fill(&case.mount("rw").0, 100);
    case.compare();
}

/// Devices that came and went, block groups of several profiles.
#[test]
fn statistics_after_changes() {
    for (sizes, options, command) in [
        (&[300, 300, 300][..], "-d single -m dup", "balance start -dconvert=raid1,limit=1 -f ."),
        (&[300, 300], "-d raid0 -m raid0", "balance start -mconvert=raid1 -dconvert=raid1,limit=1 -f ."),
        (&[300], "-d single -m single", "balance start -dconvert=dup,limit=1 -f ."),
        (&[400, 300, 200], "-d single -m raid1", "device remove 2 ."),
        (&[400, 300, 400], "-d single -m raid1", "filesystem resize 3:300m ."),
        (&[300, 300, 300, 300], "-d raid10 -m raid1c3", "balance start -dconvert=raid1c4,limit=1 -f ."),
    ] {
        let case = Case::new(sizes, options);
        let mounted = case.mount("rw");
        let script = "import os, sys
os.chdir(sys.argv[1])
for i in range(130): open('f%d' % i, 'wb').write(os.urandom(1 << 20))";
        python(script, &mounted.0);
        mounted.btrfs(command);
        drop(mounted);
        case.compare();
    }
}

//! Orphans: inodes whose deletion or truncation a mount finishes. What we read must be what the kernel shows then.
//!
//! Runs as root; needs e2fsprogs (debugfs, mke2fs) and loop devices.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use kernel::{Mount, differences, now, run};
use listing::Image;

/// Options of mke2fs: extent trees of one and of several levels, indirect blocks of one and of several levels, a list in
/// the superblock.
const FILESYSTEMS: [&str; 5] = [
    "-t ext4 -b 4096",
    "-t ext4 -b 1024",
    "-t ext4 -b 1024 -O ^metadata_csum,^64bit",
    "-t ext3 -b 1024",
    "-t ext3 -b 4096",
];

/// Where files are cut, in bytes.
const CUTS: [u64; 9] = [0, 1, 4096, 12 * 1024, 12 * 4096 + 5, 300 * 1024, 700 * 1024, 5_000_000, 8_000_000];

/// Makes files of many extents, and gives their inode numbers.
fn make_files(mount: &Path) -> Vec<(String, u64)> {
    let mut files = Vec::new();
    for (n, _) in CUTS.iter().enumerate() {
        for kind in ["dense", "sparse", "doomed"] {
            let name = format!("{kind}{n}");
            let file = File::create(mount.join(&name)).unwrap();
            let (count, step) = if kind == "dense" { (900, 4096) } else { (600, 16384) };
            for i in 0..count {
                file.write_all_at(&[0x5A; 4096], i * step).unwrap();
            }
            if kind == "doomed" {
                // Too large for the inode, and the same for all: they share a block.
                xattr::set(mount.join(&name), "user.shared", &[7; 400]).unwrap();
            }
            files.push((name.clone(), fs::metadata(mount.join(&name)).unwrap().ino()));
        }
    }
    File::create(mount.join("survivor")).unwrap();
    xattr::set(mount.join("survivor"), "user.other", b"value").unwrap();
    files
}

#[test]
fn orphans_are_finished_as_a_mount_does() {
    let dir = tempfile::tempdir().unwrap();
    for (n, mkfs) in FILESYSTEMS.iter().enumerate() {
        let image = dir.path().join(format!("{n}.img"));
        let path = image.to_str().unwrap();
        File::create(&image).unwrap().set_len(128 << 20).unwrap();
        let mut args = vec!["-q", "-F"];
        args.extend(mkfs.split(' '));
        args.push(path);
        run("mke2fs", &args);
        let mount = Mount::writable(&image, dir.path().join("mnt"));
        let files = make_files(&mount.0);
        drop(mount);

        // What a crash leaves: a list through the times of deletion, shorter sizes, names that are gone.
        let mut commands = String::new();
        let mut next = 0;
        for (name, inode) in &files {
            if let Some(doomed) = name.strip_prefix("doomed") {
                // The last one stays, and with it the shared block.
                if doomed == "8" {
                    continue;
                }
                commands += &format!("unlink {name}\nset_inode_field <{inode}> links_count 0\n");
            } else {
                let cut = CUTS[name[name.len() - 1..].parse::<usize>().unwrap()];
                commands += &format!("set_inode_field <{inode}> size {cut}\n");
            }
            commands += &format!("set_inode_field <{inode}> dtime {next}\n");
            next = *inode;
        }
        commands += &format!("set_super_value last_orphan {next}\n");
        let script = dir.path().join("commands");
        fs::write(&script, commands).unwrap();
        run("debugfs", &["-w", "-f", script.to_str().unwrap(), path]);

        let ours = listing::of_filesystem(&*disk::fs::open(Image::open(&image).unwrap()).unwrap()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let mounted = now();
        let mount = Mount::read_only(&image, dir.path().join("mnt"));
        let kernels = listing::of_mount(&mount.0).unwrap();
        drop(mount);
        let (different, touched) = differences(&ours, &kernels, mounted);
        assert!(different.is_empty(), "{mkfs}:\n{}", different.join("\n"));
        assert_eq!(touched, 2 * CUTS.len(), "{mkfs}");
    }
}

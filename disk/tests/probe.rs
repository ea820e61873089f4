//! What mkfs programs make, against what `blkid -p` says of it.
//!
//! Needs e2fsprogs, xfsprogs, btrfs-progs, dosfstools, exfatprogs, ntfs-3g, f2fs-tools, squashfs-tools, genisoimage,
//! cryptsetup-bin, and util-linux's mkswap, mkfs.minix, mkfs.bfs,
//! mkfs.cramfs and blkid.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here fails the test"
)]

use std::path::Path;
use std::process::Command;

use disk::probe::probe;
use disk::{ErrorKind, MemSource, ReadAt, Result};

#[path = "support/blkid.rs"]
mod blkid;
use blkid::{blkid, differences, tags};

/// Runs a line of shell in which `$F` is the image and `$D` a directory beside it with two files.
fn make(directory: &Path, size: u64, line: &str) -> Vec<u8> {
    let image = directory.join("image");
    let _ = std::fs::remove_file(&image);
    std::fs::File::create(&image).unwrap().set_len(size).unwrap();
    let tree = directory.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("a"), "some text").unwrap();
    std::fs::write(tree.join("b"), "more text").unwrap();
    let output = Command::new("sh")
        .args(["-ec", line])
        .env("F", &image)
        .env("D", &tree)
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(&image).unwrap()
}

const MIB: u64 = 1 << 20;

const IMAGES: &[(u64, &str)] = &[
    (8, "mkfs.ext2 -q -L 'two words' $F"),
    (8, "mkfs.ext3 -q -L ext3label123456 $F"),
    (8, "mkfs.ext4 -q $F"),
    (8, "mkfs.ext4 -q -O ^has_journal,^metadata_csum -b 4096 -L nojournal $F"),
    (8, "mkfs.ext4 -q -O journal_dev -b 4096 -L journal $F"),
    (320, "mkfs.xfs -q -L xfslabel $F"),
    (320, "mkfs.xfs -q -m crc=0 -s size=4096 $F"),
    (120, "mkfs.btrfs -q -L 'btrfs label' $F"),
    (120, "mkfs.btrfs -q --csum xxhash $F"),
    (4, "mkfs.vfat -F 12 -n TWELVE $F"),
    (16, "mkfs.vfat -F 16 -n 'SIX TEEN' $F"),
    (64, "mkfs.vfat -F 32 -n THIRTYTWO $F"),
    (64, "mkfs.vfat -F 32 -S 4096 -s 1 $F"),
    (16, "mkfs.vfat $F"),
    (16, "mkfs.exfat -L 'ex fat' $F"),
    (16, "mkntfs -q -F -f -L 'ntfs label' -p 0 -H 1 -S 1 $F"),
    (16, "mkntfs -q -F -f -s 512 -c 65536 -p 0 -H 1 -S 1 $F"),
    (64, "mkfs.f2fs -q -l f2fslabel $F"),
    (2, "mkswap -q -L swaplabel $F"),
    (0, "rm $F; mksquashfs $D $F -quiet -no-progress"),
    (0, "genisoimage -quiet -V 'ISO_LABEL' -o $F $D"),
    (0, "genisoimage -quiet -J -V 'Mixed_Case_Label_Of_27_Bytes' -o $F $D"),
    (20, "echo -n secret | cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 $F -"),
    (
        20,
        "echo -n secret | cryptsetup luksFormat -q --type luks2 --label 'luks label' --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $F -",
    ),
    // Its first header gone, and in another one's place.
    (
        20,
        "echo -n secret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $F - && dd if=/dev/zero of=$F bs=16k count=1 conv=notrunc status=none",
    ),
    (
        20,
        "echo -n secret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $F - && printf X | dd of=$F bs=1 seek=256 conv=notrunc status=none",
    ),
    (4, "mkfs.minix -1 $F"),
    (4, "mkfs.minix -1 -n 14 $F"),
    (4, "mkfs.minix -2 $F"),
    (4, "mkfs.minix -3 $F"),
    (2, "mkfs.bfs -V volume -F name $F"),
    (0, "mkfs.cramfs -n cramlabel $D $F"),
    (0, "mkfs.cramfs -N big $D $F"),
    (4, "true"),
    // Two at once: btrfs does not touch the first 64 KiB.
    (
        120,
        "mkfs.btrfs -q $F; mkfs.ext4 -q $D/ext 8M; dd if=$D/ext of=$F bs=1k skip=1 seek=1 count=1 conv=notrunc status=none",
    ),
    // A filesystem's first superblock with a wrong checksum.
    (8, "mkfs.ext4 -q -L broken $F; printf X | dd of=$F bs=1 seek=1144 conv=notrunc status=none"),
];

#[test]
fn the_same_as_blkid() {
    let directory = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (size, line) in IMAGES {
        let bytes = make(directory.path(), size * MIB, line);
        let wanted = blkid(&directory.path().join("image"));
        let found = match probe(&MemSource::new(bytes)) {
            Ok(found) => found.as_ref().map(tags).unwrap_or_default(),
            Err(error) => panic!("{line}: {error}"),
        };
        wrong.extend(differences(line, &found, &wanted));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A source of which some bytes have changed.
#[derive(Debug)]
struct Mutant<'a> {
    original: &'a [u8],
    changes: Vec<(usize, u8)>,
}

impl ReadAt for Mutant<'_> {
    fn len(&self) -> u64 {
        self.original.len() as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let start = offset as usize;
        assert!(buf.len() <= 1 << 20, "one read of {} bytes", buf.len());
        buf.copy_from_slice(&self.original[start..start + buf.len()]);
        for (at, byte) in &self.changes {
            if (start..start + buf.len()).contains(at) {
                buf[at - start] = *byte;
            }
        }
        Ok(())
    }
}

#[test]
fn damaged_superblocks_are_never_more_than_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let mut state: u64 = 1;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit as u64) as usize
    };
    for (size, line) in IMAGES.iter().filter(|(size, _)| *size <= 120) {
        let original = make(directory.path(), size * MIB, line);
        // The places that probers look at are where the bytes are not zero.
        let used: Vec<usize> = (0..original.len().min(1 << 17)).filter(|&at| original[at] != 0).collect();
        for _ in 0..300 {
            let changes = (0..=below(4)).map(|_| {
                let at = if used.is_empty() || below(4) == 0 {
                    below(original.len())
                } else {
                    used[below(used.len())]
                };
                (at, below(256) as u8)
            });
            let mutant = Mutant { original: &original, changes: changes.collect() };
            if let Err(error) = probe(&mutant) {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{line}: {error}");
            }
        }
    }
}

#[test]
fn kinds_that_are_not_read_are_refused_by_name() {
    for (at, mark, kind) in [
        (3, b"ReFS\0".as_slice(), "ReFS"),
        (0x20, b"BFS1", "befs"),
        (0x2000, b"OracleCFS", "ocfs"),
        (32, b"ORCLDISK", "oracleasm"),
        (0x2000, b"\x49\xe8\x95\xf9", "hpfs"),
        (0x1018, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", "bcachefs"),
    ] {
        let mut bytes = vec![0; 4 << 20];
        bytes[at..at + mark.len()].copy_from_slice(mark);
        let error = probe(&MemSource::new(bytes)).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Unsupported, format!("label and UUID of {kind}"))
        );
    }
}

//! The small disks that mutants are made of. Made once and kept: mutants of a fixture that is made again are others.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::btrfs;
use super::checksums::{self, Repair};

#[path = "../../../disk/tests/support/exfat_images.rs"]
mod exfat_images;

/// One or more images, of which the first is changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixture {
    pub(super) name: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A filesystem with one of everything: options of mke2fs.
    Ext(&'static str),
    /// A filesystem that was cut off in the middle of work: options of mke2fs, of mount.
    Crashed(&'static str, &'static str),
    /// A btrfs with one of everything: options of mkfs.btrfs, of mount; with a log to be replayed?
    Btrfs(&'static str, &'static str, bool),
    /// A FAT with one of everything: size in KiB, options of mkfs.fat.
    Fat(u64, &'static str),
    /// An XFS with one of everything: options of mkfs.xfs.
    Xfs(&'static str),
    /// One of the images of the disk crate's tests of exFAT.
    Exfat(&'static str),
    /// An XFS that was cut off in the middle of work: options of mkfs.xfs.
    CrashedXfs(&'static str),
    /// A read-only filesystem: what makes it in the directory of the disk crate's test data, with `$1` for a tree like that of
    /// `Ext`, `$2` for the image.
    Packed(&'static str),
    /// The filesystem of another fixture, in an image: options of `qemu-img convert`.
    Qcow2(&'static str),
    /// The same in a partition that starts at sector `start`.
    Partitioned { table: &'static str, start: u64 },
    /// Physical volumes that come with the tests of the disk crate.
    Lvm(&'static [&'static str]),
    /// Dynamic disks that come with the tests of the disk crate: their positions in the file.
    Dynamic(&'static [usize]),
}

/// Size of each of those, in MiB.
const DYNAMIC_DISK: usize = 8;

/// What images and partitions hold: an `Ext` fixture, and its size.
const INNER: &str = "ext4-plain";
const INNER_SIZE: u64 = 8 << 20;

/// Size of an XFS.
const XFS_SIZE: u64 = 32 << 20;

const FIXTURES: &[(&str, Kind)] = &[
    (INNER, Kind::Ext("-t ext4 -b 1024 -O ^metadata_csum,^64bit")),
    ("ext2", Kind::Ext("-t ext2 -b 1024 -I 128")),
    ("ext3", Kind::Ext("-t ext3 -b 2048 -J size=2")),
    ("ext4", Kind::Ext("-t ext4 -b 4096")),
    ("ext4-inline", Kind::Ext("-t ext4 -b 1024 -O inline_data,ea_inode,^metadata_csum")),
    ("ext4-bigalloc", Kind::Ext("-t ext4 -b 1024 -O bigalloc,^metadata_csum")),
    ("ext4-meta-bg", Kind::Ext("-t ext4 -b 1024 -O meta_bg,^resize_inode,^metadata_csum -g 1024")),
    ("ext3-dirty", Kind::Crashed("-t ext3 -b 1024 -J size=1", "rw")),
    ("ext3-journal", Kind::Crashed("-t ext3 -b 4096 -J size=4", "data=journal")),
    ("ext4-dirty", Kind::Crashed("-t ext4 -b 1024 -J size=1", "rw")),
    ("ext4-dirty-plain", Kind::Crashed("-t ext4 -b 1024 -J size=1 -O ^metadata_csum", "rw")),
    ("ext4-dirty-v1", Kind::Crashed("-t ext4 -b 1024 -J size=1 -O ^metadata_csum", "journal_checksum")),
    ("btrfs", Kind::Btrfs("-M -n 4096 -m single -d single", "rw", false)),
    ("btrfs-zstd", Kind::Btrfs("-M -n 4096 -m single -d single", "compress-force=zstd", false)),
    ("btrfs-lzo", Kind::Btrfs("-M -n 4096 -m single -d single -O ^no-holes", "compress-force=lzo", false)),
    (
        "btrfs-zlib",
        Kind::Btrfs("-M -n 4096 -m single -d single -R ^free-space-tree", "compress-force=zlib", false),
    ),
    ("btrfs-log", Kind::Btrfs("-M -n 4096 -m single -d single", "rw", true)),
    ("fat12", Kind::Fat(4000, "-F 12 -s 4")),
    ("fat16", Kind::Fat(9000, "-F 16 -s 1")),
    // mtools takes what has less than 65,525 clusters for FAT16.
    ("fat32", Kind::Fat(40_000, "-F 32 -s 1")),
    ("xfs", Kind::Xfs("")),
    ("xfs-1k", Kind::Xfs("-b size=1024 -n size=4096 -m rmapbt=1")),
    ("xfs-v4", Kind::Xfs("-m crc=0,finobt=0 -b size=1024")),
    ("exfat", Kind::Exfat("cluster4k")),
    ("exfat-small", Kind::Exfat("cluster512")),
    ("xfs-dirty", Kind::CrashedXfs("-b size=1024 -m rmapbt=1,reflink=1")),
    ("xfs-dirty-su", Kind::CrashedXfs("-b size=4096 -l su=65536")),
    ("ntfs", Kind::Packed(r#"xz -dc <ntfs/small.img.xz >"$2""#)),
    ("ntfs-wof", Kind::Packed(r#"xz -dc <ntfs/wof.img.xz >"$2""#)),
    ("ntfs-compressed", Kind::Packed(r#"xz -dc <ntfs/compressed.img.xz >"$2""#)),
    ("ntfs-crowded", Kind::Packed(r#"xz -dc <ntfs/crowded.img.xz >"$2""#)),
    ("ntfs-sector4k", Kind::Packed(r#"xz -dc <ntfs/sector4k.img.xz >"$2""#)),
    ("ntfs-cluster2m", Kind::Packed(r#"xz -dc <ntfs/cluster2m.img.xz >"$2""#)),
    ("squashfs", Kind::Packed(r#"mksquashfs "$1" "$2""#)),
    ("squashfs-plain", Kind::Packed(r#"mksquashfs "$1" "$2" -b 4096 -noI -noD -noF -noX -noId"#)),
    ("squashfs-lzo", Kind::Packed(r#"mksquashfs "$1" "$2" -b 4096 -comp lzo"#)),
    ("squashfs-lz4", Kind::Packed(r#"mksquashfs "$1" "$2" -b 1M -comp lz4 -noI -no-fragments"#)),
    ("squashfs-xz", Kind::Packed(r#"mksquashfs "$1" "$2" -b 64K -comp xz -Xbcj x86"#)),
    ("squashfs-zstd", Kind::Packed(r#"mksquashfs "$1" "$2" -comp zstd -noI"#)),
    ("erofs", Kind::Packed(r#"mkfs.erofs "$2" "$1""#)),
    ("erofs-chunks", Kind::Packed(r#"mkfs.erofs --chunksize=4096 -Eforce-inode-compact "$2" "$1""#)),
    ("erofs-lz4", Kind::Packed(r#"mkfs.erofs -zlz4 "$2" "$1""#)),
    ("erofs-lz4-full", Kind::Packed(r#"mkfs.erofs -zlz4 -Elegacy-compress "$2" "$1""#)),
    ("erofs-deflate", Kind::Packed(r#"xz -dc <erofs/deflate.img.xz >"$2""#)),
    ("erofs-zstd", Kind::Packed(r#"xz -dc <erofs/zstd.img.xz >"$2""#)),
    ("erofs-lzma", Kind::Packed(r#"xz -dc <erofs/lzma.img.xz >"$2""#)),
    ("erofs-dedupe", Kind::Packed(r#"xz -dc <erofs/dedupe-fragments.img.xz >"$2""#)),
    ("erofs-prefixes", Kind::Packed(r#"xz -dc <erofs/prefixes.img.xz >"$2""#)),
    ("erofs-lz4-large", Kind::Packed(r#"mkfs.erofs -zlz4 -C65536 -Eztailpacking "$2" "$1""#)),
    ("iso9660-rock", Kind::Packed(r#"genisoimage -quiet -R -o "$2" "$1""#)),
    ("iso9660-joliet", Kind::Packed(r#"genisoimage -quiet -J -joliet-long -D -o "$2" "$1""#)),
    ("iso9660-zisofs", Kind::Packed(r#"xz -dc <iso9660/zisofs-64k.img.xz >"$2""#)),
    ("udf", Kind::Packed(r#"xz -dc <udf/hd201-512.img.xz >"$2""#)),
    ("udf-metadata", Kind::Packed(r#"python3 udf/make.py metadata "$2""#)),
    ("udf-virtual", Kind::Packed(r#"python3 udf/make.py virtual201 "$2""#)),
    ("udf-odd", Kind::Packed(r#"python3 udf/make.py odd "$2""#)),
    ("qcow2", Kind::Qcow2("-O qcow2")),
    ("qcow2-zlib", Kind::Qcow2("-O qcow2 -c -o cluster_size=4096")),
    ("qcow2-zstd", Kind::Qcow2("-O qcow2 -c -o compression_type=zstd")),
    ("qcow2-subclusters", Kind::Qcow2("-O qcow2 -o extended_l2=on")),
    ("gpt", Kind::Partitioned { table: "gpt", start: 2048 }),
    ("mbr", Kind::Partitioned { table: "mbr", start: 4096 }),
    ("lvm", Kind::Lvm(&["plain1", "plain2", "plain3"])),
    ("lvm-ring", Kind::Lvm(&["ring"])),
    ("lvm-fancy", Kind::Lvm(&["fancy1", "fancy2", "fancy3", "fancy4"])),
    ("ldm", Kind::Dynamic(&[0, 1, 2, 3])),
    ("ldm-gpt", Kind::Dynamic(&[5, 6, 7])),
];

/// All fixtures.
pub(super) fn all() -> Vec<Fixture> {
    FIXTURES.iter().map(|(name, kind)| Fixture { name, kind: *kind }).collect()
}

/// The fixture of that name.
pub(super) fn find(name: &str) -> Result<Fixture> {
    let names = || all().iter().map(|f| f.name).collect::<Vec<_>>().join(", ");
    all()
        .into_iter()
        .find(|f| f.name == name)
        .with_context(|| format!("no fixture {name}; there are {}", names()))
}

impl Fixture {
    /// How checksums in the image that is changed are made right again, if it has any.
    pub(super) fn repair(&self) -> Option<Repair> {
        match self.kind {
            Kind::Ext(_) | Kind::Crashed(..) => Some(checksums::ext::repair),
            Kind::Partitioned { table: "gpt", .. } => Some(checksums::gpt::repair),
            Kind::Lvm(_) => Some(checksums::lvm::repair),
            Kind::Btrfs(..) => Some(checksums::btrfs::repair),
            Kind::Exfat(_) => Some(checksums::exfat::repair),
            Kind::Xfs(_) | Kind::CrashedXfs(_) => Some(checksums::xfs::repair),
            Kind::Packed(_) if self.name.starts_with("erofs") => Some(checksums::erofs::repair),
            Kind::Packed(_) if self.name.starts_with("udf") => Some(checksums::udf::repair),
            Kind::Packed(_) if self.is_ntfs() => Some(checksums::ntfs::repair),
            Kind::Dynamic(_) if self.name == "ldm-gpt" => Some(checksums::gpt::repair),
            // Databases of dynamic disks have no checksums that are known, SquashFS none but those of its compressors.
            Kind::Dynamic(_)
            | Kind::Packed(_)
            | Kind::Fat(..)
            | Kind::Qcow2(_)
            | Kind::Partitioned { .. } => None,
        }
    }

    /// How often a place to be changed is chosen until there are not only zeros: file records of NTFS are mostly empty.
    pub(super) fn tries(&self) -> u32 {
        if self.is_ntfs() { 32 } else { 1 }
    }

    pub(super) fn is_ntfs(&self) -> bool {
        self.name.starts_with("ntfs")
    }

    /// Its images in `dir`, the one that is changed first.
    pub(super) fn images(&self, dir: &Path) -> Vec<PathBuf> {
        match self.kind {
            Kind::Lvm(parts) => parts.iter().map(|part| dir.join(format!("lvm-{part}.img"))).collect(),
            Kind::Dynamic(disks) => disks.iter().map(|disk| dir.join(format!("ldm-{disk}.img"))).collect(),
            _ => vec![dir.join(format!("{}.img", self.name))],
        }
    }

    /// Makes its images, unless they are there.
    pub(super) fn make(&self, dir: &Path) -> Result<()> {
        let images = self.images(dir);
        if images.iter().all(|image| image.exists()) {
            return Ok(());
        }
        let Some(image) = images.first() else { bail!("a fixture without images") };
        // Only what is complete gets its name.
        let new = dir.join(format!("{}.new", self.name));
        match self.kind {
            Kind::Ext(options) => make_ext(&new, options)?,
            Kind::Crashed(options, mount) => make_crashed(&new, options, mount)?,
            Kind::Btrfs(options, mount, log) => btrfs::make(&new, options, mount, log)?,
            Kind::Exfat(recipe) => {
                let scratch = tempfile::tempdir_in(dir)?;
                fs::rename(exfat_images::make(recipe, scratch.path()), &new)?;
            }
            Kind::Fat(kib, options) => make_fat(&new, kib, options)?,
            Kind::Xfs(options) => make_xfs(&new, options)?,
            Kind::CrashedXfs(options) => make_crashed_xfs(&new, options)?,
            Kind::Packed(program) => make_packed(&new, program)?,
            Kind::Qcow2(options) => {
                let inner = find(INNER)?;
                inner.make(dir)?;
                let mut command = Command::new("qemu-img");
                command.arg("convert").args(options.split(' ')).args(inner.images(dir)).arg(&new);
                run(&mut command)?;
            }
            Kind::Partitioned { table, start } => {
                let inner = find(INNER)?;
                inner.make(dir)?;
                make_partitioned(&new, table, start, &inner.images(dir))?;
            }
            Kind::Lvm(parts) => {
                let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../disk/tests/data/lvm");
                for (part, image) in parts.iter().zip(&images) {
                    let script = format!("xz -dc {}/{part}.img.xz > {}", data.display(), image.display());
                    run(Command::new("sh").args(["-c", &script]))?;
                }
                return Ok(());
            }
            Kind::Dynamic(disks) => {
                let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../disk/tests/data/ldm/disks.img.xz");
                for (disk, image) in disks.iter().zip(&images) {
                    let skip = disk * DYNAMIC_DISK;
                    let script = format!(
                        "xz -dc {} | dd of={} bs=1M skip={skip} count={DYNAMIC_DISK} iflag=fullblock status=none",
                        all.display(),
                        image.display()
                    );
                    run(Command::new("sh").args(["-c", &script]))?;
                }
                return Ok(());
            }
        }
        fs::rename(new, image)?;
        Ok(())
    }
}

pub(super) fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn sized(path: &Path, size: u64) -> Result<()> {
    Ok(File::create(path)?.set_len(size)?)
}

/// A tree with a directory large enough for an index, long names, deep paths, sparse and empty files, links of all
/// kinds, device nodes, and extended attributes of all sizes.
fn make_tree() -> Result<TempDir> {
    let tree = tempfile::tempdir()?;
    let at = |name: &str| tree.path().join(name);
    fs::create_dir_all(at("a/b/c/d"))?;
    fs::create_dir_all(at("many"))?;
    for i in 0..150 {
        fs::write(at(&format!("many/{}{i}", "name".repeat(1 + i % 20))), vec![b'm'; i])?;
    }
    fs::write(at("a/empty"), b"")?;
    fs::write(at("a/b/text"), "a line of text\n".repeat(4000))?;
    let sparse = File::create(at("a/b/c/sparse"))?;
    for i in 0..40 {
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", i * 40_000)?;
    }
    for len in [1, 59, 60, 150, 1000] {
        symlink("t".repeat(len), at(&format!("a/symlink{len}")))?;
    }
    fs::hard_link(at("a/b/text"), at("a/hard link"))?;
    let special = "mknod pipe p; mknod null c 1 3; mknod big b 1000 70000
        for n in 1 60 200 400; do setfattr -n user.a$n -v \"$(printf \"%0${n}d\" 0)\" a/empty; done
        setfattr -n user.small -v x a/b/text; setfacl -m u:1:rw,g:2:r a/b/text; setfacl -d -m u:3:rwx a/b";
    run(Command::new("sh").args(["-ec", special]).current_dir(tree.path()))?;
    Ok(tree)
}

fn make_ext(image: &Path, options: &str) -> Result<()> {
    let tree = make_tree()?;
    sized(image, INNER_SIZE)?;
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.args(["-q", "-F"]).args(options.split(' ')).arg("-d").arg(tree.path()).arg(image);
    run(&mut mke2fs)?;
    // Gives directories their indexes; 1 means that it did.
    let status = Command::new("e2fsck").args(["-fyD"]).arg(image).output()?.status;
    ensure!(matches!(status.code(), Some(0 | 1)), "e2fsck: {status}");
    Ok(())
}

fn make_packed(image: &Path, program: &str) -> Result<()> {
    let tree = make_tree()?;
    // `mksquashfs` would add to what is there.
    let _ = fs::remove_file(image);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../disk/tests/data");
    run(Command::new("sh").args(["-ec", program, "sh"]).arg(tree.path()).arg(image).current_dir(data))
}

fn make_crashed(image: &Path, options: &str, mount: &str) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../disk/tests/scripts/crash_image.sh");
    let mut command = Command::new(script);
    command.arg(image).args(["48M", mount, "7", "12", "", "mke2fs", "-q", "-F"]).args(options.split(' '));
    run(&mut command)
}

fn make_crashed_xfs(image: &Path, options: &str) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../disk/tests/scripts/crash_image.sh");
    let mut command = Command::new(script);
    command.arg(image).args(["64M", "rw", "7", "30", "-f", "mkfs.xfs", "--unsupported", "-q", "-f"]);
    run(command.args(options.split(' ')).env("CHURN", "churn_xfs.py"))
}

/// A FAT with long and short names, a directory of many files of which half are deleted, and a file in their places.
fn make_fat(image: &Path, kib: u64, options: &str) -> Result<()> {
    let tree = tempfile::tempdir()?;
    let at = |name: &str| tree.path().join(name);
    fs::create_dir_all(at("Some directory/b/c"))?;
    fs::create_dir(at("many"))?;
    for i in 0..120 {
        fs::write(at(&format!("many/{}{i}", "name".repeat(1 + i % 7))), vec![b'm'; i * 20])?;
    }
    fs::write(at("SHORT.TXT"), b"short")?;
    fs::write(at("Some directory/b/text"), "a line of text\n".repeat(4000))?;
    fs::write(at("Some directory/b/c/empty"), b"")?;
    fs::write(at("large"), vec![b'l'; 300_000])?;
    sized(image, kib << 10)?;
    run(Command::new("mkfs.fat").args(["--invariant", "-n", "LABEL"]).args(options.split(' ')).arg(image))?;
    let mtools = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-ec", script]).current_dir(tree.path()).env("image", image);
        run(command.env("MTOOLS_SKIP_CHECK", "1").env("LC_ALL", "C.UTF-8"))
    };
    mtools(
        "mcopy -s -i $image many SHORT.TXT \"Some directory\" :: && mdel -i $image '::many/*2*' '::many/*5*'",
    )?;
    mtools("mcopy -i $image large :: && mattrib -i $image +r +h ::SHORT.TXT")
}

/// Directories of all forms, forks with lists and trees of extents, attributes in the inode, in a leaf, in a tree, and in
/// blocks of their own.
const XFS_CONTENT: &str = r#"
import os, sys
os.chdir(sys.argv[1])
for name, count in (('short', 5), ('block', 40), ('leaf', 300), ('node', 2500)):
    os.mkdir(name)
    for i in range(count): open(f'{name}/{"n" * (i % 30)}{i}', 'w').close()
with open('text', 'w') as f: f.write('a line of text\n' * 4000)
with open('pieces', 'wb') as f:
    for i in range(200): os.pwrite(f.fileno(), b'piece' * 100, i * 8192)
with open('reserved', 'wb') as f: os.posix_fallocate(f.fileno(), 0, 100_000)
for length in (1, 100, 800, 1000): os.symlink('t' * length, f'link{length}')
os.mknod('null', 0o20600, os.makedev(1, 3))
for name, count, size in (('few', 3, 10), ('leafed', 20, 60), ('far', 4, 5000), ('tree', 150, 60)):
    open(name, 'w').close()
    for i in range(count): os.setxattr(name, f'user.attribute{i}', b'v' * size)
os.setxattr('few', 'system.posix_acl_access',
    b'\2\0\0\0\1\0\6\0\377\377\377\377\2\0\4\0\7\0\0\0\4\0\4\0\377\377\377\377\20\0\4\0\377\377\377\377\40\0\4\0\377\377\377\377')
"#;

/// An XFS: version 5 filled by the kernel, version 4, which newer kernels do not mount, by `mkfs.xfs`.
fn make_xfs(image: &Path, options: &str) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    sized(image, XFS_SIZE)?;
    let mut mkfs = Command::new("mkfs.xfs");
    // So small a filesystem is for tests only.
    mkfs.args(["--unsupported", "-q", "-f"]).args(options.split_whitespace());
    if options.contains("crc=0") {
        let (text, prototype) = (scratch.path().join("text"), scratch.path().join("prototype"));
        fs::write(&text, "a line of text\n".repeat(4000))?;
        let file = |name: String| format!("{name} ---644 0 0 {}\n", text.display());
        let mut lines = String::from("none\n0 0\nd--755 0 0\n");
        for (name, count) in [("short", 5), ("block", 20), ("leaf", 60)] {
            lines += &format!("{name} d--755 0 0\n");
            lines.extend((0..count).map(|i| file(format!("{}{i}", "n".repeat(1 + i % 30)))));
            lines += "$\n";
        }
        lines += &format!("null c--600 0 0 1 3\nlink l--777 0 0 {}\n", "t".repeat(300));
        fs::write(&prototype, lines + "$\n")?;
        return run(mkfs.arg("-p").arg(prototype).arg(image));
    }
    run(mkfs.arg(image))?;
    let script = "mount -o loop \"$1\" \"$2\" && { python3 -c \"$3\" \"$2\"; status=$?; umount \"$2\"; exit $status; }";
    run(Command::new("sh").args(["-c", script, "sh"]).arg(image).arg(scratch.path()).arg(XFS_CONTENT))
}

/// A disk with the filesystem in a partition from sector `start` on, and others around it.
fn make_partitioned(image: &Path, table: &str, start: u64, inner: &[PathBuf]) -> Result<()> {
    sized(image, (start * 512) + INNER_SIZE + (2 << 20))?;
    let sectors = INNER_SIZE / 512;
    match table {
        "gpt" => {
            let root = format!("-n=2:{start}:{}", start + sectors - 1);
            let mut sgdisk = Command::new("sgdisk");
            sgdisk.args(["-a=1", &root, "-n=1:64:1000", "-t=1:ef00", "-c=2:root", "-n=7:0:0"]).arg(image);
            run(&mut sgdisk)?;
        }
        _ => {
            // Logical partitions, the second of which holds the filesystem.
            let extended = start + sectors + 1000 - 200;
            let script =
                format!("label: dos\n64,64,83,*\n200,{extended},5\n300,64,82\n{start},{sectors},83\n");
            let file = tempfile::NamedTempFile::new()?;
            fs::write(file.path(), script)?;
            let mut sfdisk = Command::new("sfdisk");
            sfdisk.args(["-q", "--no-reread"]).arg(image).stdin(file.reopen()?);
            run(&mut sfdisk)?;
        }
    }
    let Some(inner) = inner.first() else { bail!("no filesystem") };
    run(Command::new("dd")
        .args(["bs=512", "conv=notrunc", "status=none", &format!("seek={start}")])
        .arg(format!("if={}", inner.display()))
        .arg(format!("of={}", image.display())))
}

//! What mutation starts from: valid inputs for each target, taken from the guests in `tests/data` or made by mke2fs,
//! sqlite3 and their like.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::{env, fs, process};

use anyhow::{Context, Result, ensure};
use disk::image::{self, NoRelated};
use disk::{MemSource, ReadAt, partition};
use libguestfs_core::wire::xdr::Encode;
use libguestfs_core::wire::{Chunk, Direction, Header, Status};

use crate::tables::{MD_AT, MD_SUPERBLOCK};
use crate::{archive, conversation, guest, hive, journal, packages, reg, windows};

/// The guests that seeds are taken from.
const GUESTS: &[&str] = &["bare-ext4", "debian-mini", "dos-partitions", "not-a-guest", "split-usr"];
/// How much of the start of a disk or volume is a seed, in bytes: its tables, labels and superblock, LVM metadata
/// included (Debian's `pvcreate` puts data at 1 MiB).
const HEAD: u64 = 96 << 10;
/// How `mke2fs` makes the small filesystems.
const EXT: &[&[&str]] = &[
    &["-t", "ext2", "-b", "1024"],
    &["-t", "ext4", "-b", "1024", "-O", "^has_journal,inline_data,metadata_csum"],
    &["-t", "ext4", "-b", "1024", "-O", "^has_journal,^metadata_csum,^64bit,^extent"],
];

/// How the small filesystems are made that no one writes to, with `$1` for the tree and `$2` for the image.
const PACKED: &[&str] = &[
    r#"mksquashfs "$1" "$2" -b 4096"#,
    r#"mksquashfs "$1" "$2" -b 4096 -noI -noId -noX -comp lzo"#,
    r#"mksquashfs "$1" "$2" -comp lz4 -noI -noId -noX -noF"#,
    r#"mksquashfs "$1" "$2" -comp xz -Xbcj x86"#,
    r#"mksquashfs "$1" "$2" -comp zstd -noI"#,
    r#"mkfs.erofs "$2" "$1""#,
    r#"mkfs.erofs -zlz4 -C16384 -Eztailpacking "$2" "$1""#,
    r#"mkfs.erofs -zlz4 -Elegacy-compress "$2" "$1""#,
    r#"mkfs.erofs --chunksize=4096 "$2" "$1""#,
    r#"genisoimage -quiet -R -o "$2" "$1""#,
    r#"genisoimage -quiet -J -D -o "$2" "$1""#,
    r#"mkfs.fat -C -F 12 "$2" 200 >/dev/null && mcopy -s -i "$2" "$1/small" "$1/directory" ::"#,
    concat!("xz -dc '", env!("CARGO_MANIFEST_DIR"), "/../../disk/tests/data/ntfs/small.img.xz' >\"$2\""),
    concat!(
        "xz -dc '",
        env!("CARGO_MANIFEST_DIR"),
        "/../../disk/tests/data/iso9660/mkzftree.img.xz' >\"$2\""
    ),
];

/// How LUKS devices are made, up to the end of their first keyslot.
const LUKS: &[&str] = &[
    r#"truncate -s 4M "$2" && printf key | cryptsetup luksFormat -q --type luks1 --key-size 128 --cipher aes-cbc-essiv:sha256 --pbkdf-force-iterations 1000 "$2" - && truncate -s 70000 "$2""#,
    r#"truncate -s 20M "$2" && printf key | cryptsetup luksFormat -q --type luks2 --offset 512 --luks2-keyslots-size 128k --key-size 256 --sector-size 512 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$2" - && truncate -s 161000 "$2""#,
    r#"truncate -s 20M "$2" && printf key | cryptsetup luksFormat -q --type luks2 --offset 512 --luks2-keyslots-size 128k --key-size 256 --sector-size 4096 --pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 64 --pbkdf-parallel 1 "$2" - && truncate -s 161000 "$2""#,
];

/// Sectors of a database up to the last record of the disk crate's dynamic disks, and where the database is put.
const LDM_USED: usize = 64;
const LDM_AT: usize = 16;

/// The first of the disk crate's dynamic disks, with its database close to its start and without the part that is empty.
fn dynamic_disk() -> Result<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../disk/tests/data/ldm/disks.img.xz");
    let output = Command::new("xz").args(["-dc", path]).output().context("cannot run xz")?;
    ensure!(output.status.success(), "xz -dc {path}");
    let disks = output.stdout;
    // One disk has 8 MiB, of which the last one is the database.
    let mut seed = disks[..LDM_AT * 512].to_vec();
    seed.extend_from_slice(&disks[(7 << 20)..][..LDM_USED * 512]);
    let mut number = |at: usize, value: &[u8]| seed[at..at + value.len()].copy_from_slice(value);
    number(6 * 512 + 0x12b, &u64::try_from(LDM_AT)?.to_be_bytes());
    // "config" of the two TOCBLOCKs, and the number of VBLKs: four to a sector.
    let config = LDM_USED - 17;
    for toc in [1, 2] {
        number((LDM_AT + toc) * 512 + 0x2e + 8, &u64::try_from(config)?.to_be_bytes());
    }
    number((LDM_AT + 17) * 512 + 4, &u32::try_from(config * 4)?.to_be_bytes());
    Ok(seed)
}

/// Sizes of the disks that the disk crate's members of arrays lie on: the first, and by how much they grow; and the partitions
/// that have members of a linear array, and of RAID-0, 1, 5, 6 and 10.
const MD_DISK: usize = 50_397_184;
const MD_GROWTH: usize = 64 << 10;
const MD_ARRAYS: [u32; 6] = [1, 7, 13, 18, 27, 40];
/// Disks that all of these have members on.
const MD_DISKS: usize = 3;

/// The superblocks of some arrays, one after the other.
fn array_members() -> Result<Vec<Vec<u8>>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../disk/tests/data/md/disks.img.xz");
    let output = Command::new("xz").args(["-dc", path]).output().context("cannot run xz")?;
    ensure!(output.status.success(), "xz -dc {path}");
    let mut seeds = vec![Vec::new(); MD_ARRAYS.len()];
    let mut rest = output.stdout.as_slice();
    for disk in 0..MD_DISKS {
        let (image, later) = rest.split_at(MD_DISK + disk * MD_GROWTH);
        rest = later;
        let table = partition::read(&MemSource::new(image))?.context("no partition table")?;
        for (seed, number) in seeds.iter_mut().zip(MD_ARRAYS) {
            let start = usize::try_from(table.partition(number).context("no such partition")?.start)?;
            seed.extend_from_slice(&image[start + MD_AT..][..MD_SUPERBLOCK]);
        }
    }
    Ok(seeds)
}

fn head(source: &dyn ReadAt) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(HEAD.min(source.len()))?];
    source.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// The seeds of the target `name`; `data` is the directory `tests/data`.
///
/// # Errors
/// If a guest cannot be read, or `mke2fs` is missing.
pub fn seeds(name: &str, data: &Path) -> Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    match name {
        "image" | "partition" | "lvm2" | "probe" => {
            for guest in GUESTS {
                let path = data.join(format!("{guest}.qcow2"));
                let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let disk = image::open(Arc::new(MemSource::new(&*bytes)), None, &mut NoRelated)?;
                let table = partition::read(&disk)?;
                let parts =
                    table.iter().flat_map(|table| &table.partitions).map(|part| part.open(disk.clone()));
                match name {
                    // The largest is too large to be mutated often.
                    "image" if bytes.len() > 1 << 20 => {}
                    "image" => seeds.push(bytes),
                    "partition" => seeds.push(head(&disk)?),
                    _ => {
                        for part in parts {
                            seeds.push(head(&part)?);
                        }
                    }
                }
            }
        }
        "ldm" => seeds.push(dynamic_disk()?),
        "md" => seeds.extend(array_members()?),
        "luks" => {
            for command in LUKS {
                seeds.push(packed(command)?);
            }
        }
        "ext" => {
            for options in EXT {
                seeds.push(small_ext(options)?);
            }
        }
        "filesystem" => {
            for command in PACKED {
                seeds.push(packed(command)?);
            }
        }
        "ntfs" => {
            for image in ["small", "wof", "compressed"] {
                let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../disk/tests/data/ntfs");
                seeds.push(packed(&format!("xz -dc '{data}/{image}.img.xz' >\"$2\""))?);
            }
        }
        "udf" => {
            let make = concat!(env!("CARGO_MANIFEST_DIR"), "/../../disk/tests/data/udf/make.py");
            for image in ["table", "small", "virtual150"] {
                seeds.push(packed(&format!("python3 '{make}' {image} \"$2\""))?);
            }
        }
        "ext_journal" => seeds = journal::seeds()?,
        "archive" => seeds = archive::seeds(),
        "hive" => seeds = hive::seeds()?,
        "windows" => seeds = windows::seeds()?,
        "reg" => seeds = reg::seeds(),
        "guest" => {
            let tables = data.join("../../libguestfs-core/src/inspect/tests");
            let mut text = String::new();
            for name in ["guests.txt", "relatives.txt"] {
                let path = tables.join(name);
                text +=
                    &fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            }
            seeds = guest::seeds(&text);
        }
        "packages_sqlite" => seeds = with_scratch(packages::sqlite_seeds)?,
        "packages_bdb" => seeds = with_scratch(packages::bdb_seeds)?,
        "packages_ndb" => seeds = packages::ndb_seeds()?,
        "packages_text" => seeds = packages::text_seeds(),
        "wire_client" => seeds = conversation::client_seeds(),
        "wire_server" => seeds = conversation::server_seeds(),
        "wire_call" => {
            let direction = Direction::Call;
            let header = Header {
                procedure: 67,
                direction,
                serial: 0x12_3400,
                progress_hint: 0,
                optional: 0,
                status: Status::Ok,
            };
            let mut message = Vec::new();
            header.encode(&mut message);
            b"/etc/hostname".to_vec().encode(&mut message);
            seeds.push(message);
        }
        _ => {
            for chunk in [Chunk::Data(b"content"), Chunk::End, Chunk::Cancel] {
                let mut frame = Vec::new();
                chunk.encode_frame(&mut frame);
                seeds.push(frame.split_off(4));
            }
        }
    }
    ensure!(!seeds.is_empty(), "no seeds for {name}");
    Ok(seeds)
}

/// A filesystem of 256 KiB with a few files, directories and links.
fn small_ext(options: &[&str]) -> Result<Vec<u8>> {
    let out = |tree: &Path, image: &Path| {
        Command::new("mke2fs")
            .args(["-q", "-F", "-d"])
            .arg(tree)
            .args(options)
            .arg(image)
            .arg("256k")
            .output()
    };
    with_tree(|tree, image| out(tree, image).context("cannot run mke2fs: is e2fsprogs installed?"))
}

/// What `command` makes of the same.
fn packed(command: &str) -> Result<Vec<u8>> {
    let out = |tree: &Path, image: &Path| {
        Command::new("sh").args(["-ec", command, "sh"]).arg(tree).arg(image).output()
    };
    with_tree(|tree, image| out(tree, image).context("cannot run sh"))
}

/// The image that `make` makes of a small tree.
fn with_tree(make: impl FnOnce(&Path, &Path) -> Result<Output>) -> Result<Vec<u8>> {
    with_scratch(|scratch| image_of_tree(scratch, make))
}

/// What `make` makes in an empty directory.
fn with_scratch<T>(make: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let scratch = env::temp_dir().join(format!("fuzz-seed-{}", process::id()));
    fs::create_dir_all(&scratch)?;
    let result = make(&scratch);
    fs::remove_dir_all(&scratch)?;
    result
}

fn image_of_tree(scratch: &Path, make: impl FnOnce(&Path, &Path) -> Result<Output>) -> Result<Vec<u8>> {
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("directory/deeper"))?;
    fs::write(tree.join("small"), "a few bytes")?;
    fs::write(tree.join("directory/large"), vec![7; 40_000])?;
    std::os::unix::fs::symlink("small", tree.join("link"))?;
    std::os::unix::fs::symlink("x".repeat(100), tree.join("long-link"))?;
    let image = scratch.join("image");
    let out = make(&tree, &image)?;
    ensure!(out.status.success(), "no image: {}", String::from_utf8_lossy(&out.stderr));
    Ok(fs::read(&image)?)
}

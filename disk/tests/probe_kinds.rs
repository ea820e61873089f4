//! Kinds that few programs make, against what `blkid -p` says of them: samples in `data/probe` (made by its `make.sh`),
//! and superblocks that are put together here from the descriptions of their formats.
//!
//! Needs xz-utils and util-linux's blkid.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use disk::probe::probe;
use disk::{MemSource, ReadAt, Result};

#[path = "support/blkid.rs"]
mod blkid;
use blkid::{blkid, differences, tags};

const SECTOR: usize = 512;

/// A source of which few sectors are not zeros.
#[derive(Debug)]
struct Sparse {
    len: u64,
    sectors: BTreeMap<u64, Vec<u8>>,
}

impl ReadAt for Sparse {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        assert!(offset + buf.len() as u64 <= self.len);
        buf.fill(0);
        for (at, byte) in (offset..).zip(buf) {
            let sector = self.sectors.get(&(at / SECTOR as u64));
            *byte = sector.map_or(0, |bytes| bytes[at as usize % SECTOR]);
        }
        Ok(())
    }
}

impl Sparse {
    /// As `reduce.py` writes it.
    fn sample(file: &Path) -> Sparse {
        let output = Command::new("xz").arg("-dc").arg(file).output().unwrap();
        assert!(output.status.success(), "{}", file.display());
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().unwrap());
        let (len, sectors) = output.stdout.split_at(8);
        let sectors = sectors.chunks_exact(8 + SECTOR).map(|s| (number(s), s[8..].to_vec())).collect();
        Sparse { len: number(len), sectors }
    }

    /// Zeros with something here and there.
    fn made(len: u64, pieces: &[(u64, Vec<u8>)]) -> Sparse {
        let mut sectors: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for (start, bytes) in pieces {
            for (at, byte) in (*start..).zip(bytes) {
                let sector = sectors.entry(at / SECTOR as u64).or_insert_with(|| vec![0; SECTOR]);
                sector[at as usize % SECTOR] = *byte;
            }
        }
        Sparse { len, sectors }
    }

    /// What differs between probing and blkid; `kind` is what both must say.
    fn check(&self, what: &str, kind: Option<&str>) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let file = std::fs::File::create(&path).unwrap();
        for (number, bytes) in &self.sectors {
            file.write_all_at(bytes, number * SECTOR as u64).unwrap();
        }
        file.set_len(self.len).unwrap();
        let found = match probe(self) {
            Ok(found) => found.as_ref().map(tags).unwrap_or_default(),
            Err(error) => return vec![format!("{what}: {error}")],
        };
        let mut wrong = differences(what, &found, &blkid(&path));
        if found.get("TYPE").map(String::as_str) != kind {
            wrong.push(format!("{what}: of the kind {:?}, not {kind:?}", found.get("TYPE")));
        }
        wrong
    }
}

#[test]
fn samples_are_named_as_blkid_names_them() {
    let kinds = [
        ("apfs", "apfs"),
        ("bcache", "bcache"),
        ("erofs", "erofs"),
        ("gfs2", "gfs2"),
        ("hfs", "hfs"),
        ("jfs", "jfs"),
        ("nilfs2", "nilfs2"),
        ("ocfs2", "ocfs2"),
        ("reiser4", "reiser4"),
        ("reiserfs", "reiserfs"),
        ("reiserfs35", "reiserfs"),
        ("romfs", "romfs"),
        ("udf", "udf"),
        ("udf102", "udf"),
        ("udf260", "udf"),
        ("udf4k", "udf"),
        ("udfu16", "udf"),
        ("ufs1", "ufs"),
        ("ufs2", "ufs"),
        ("ufs2be", "ufs"),
        ("verity", "DM_verity_hash"),
        ("zfs", "zfs_member"),
    ];
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/probe");
    let wrong: Vec<_> = kinds
        .into_iter()
        .flat_map(|(name, kind)| Sparse::sample(&data.join(format!("{name}.xz"))).check(name, Some(kind)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const MIB: u64 = 1 << 20;

/// Fields at their places in `len` bytes.
fn fields(len: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (at, field) in fields {
        bytes[*at..*at + field.len()].copy_from_slice(field);
    }
    bytes
}

const ID: &[u8; 16] = b"\x10\x32\x54\x76\x98\xba\xdc\xfe\x01\x23\x45\x67\x89\xab\xcd\xef";
const MD: u32 = 0xa92b_4efc;

/// A superblock of MD version 1 at byte `at`.
fn md1(at: u64) -> (u64, Vec<u8>) {
    let place = (at / 512).to_le_bytes();
    let name = b"host:array name";
    let parts: [(usize, &[u8]); 6] =
        [(0, &MD.to_le_bytes()), (4, &[1]), (16, ID), (32, name), (144, &place), (168, b"device identifie")];
    (at, fields(256, &parts))
}

/// A superblock of MD version 0.90 for 1 MiB of data, in either byte order.
fn md0(at: u64, word: fn(u32) -> [u8; 4]) -> (u64, Vec<u8>) {
    let mut words = [0u32; 32];
    (words[0], words[2], words[3]) = (MD, 90, 7);
    (words[5], words[13], words[14], words[15]) = (0x0123_4567, 0x89ab_cdef, 0x1122_3344, 0x5566_7788);
    words[8] = 1024;
    (at, words.into_iter().flat_map(word).collect())
}

/// What it is, its size, what stands where in it, and its kind.
type Case<'a> = (&'a str, u64, Vec<(u64, Vec<u8>)>, Option<&'a str>);

fn check_all(cases: Vec<Case<'_>>) {
    let wrong: Vec<_> = cases
        .into_iter()
        .flat_map(|(what, len, pieces, kind)| Sparse::made(len, &pieces).check(what, kind))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn members_of_linux_raid() {
    const KIND: Option<&str> = Some("linux_raid_member");
    let len = 8 * MIB + 4096 + 512;
    let at_end = |len: u64| (len & !0xfff) - 0x2000;
    let v0 = (len & !0xffff) - 0x10000;
    // A disk with one partition to its end, which is the member.
    let table = fields(
        512,
        &[
            (446 + 4, b"\xfd"),
            (446 + 8, &64u32.to_le_bytes()),
            (446 + 12, &16320u32.to_le_bytes()),
            (510, b"\x55\xaa"),
        ],
    );
    check_all(vec![
        ("1.0", len, vec![md1(at_end(len))], KIND),
        ("1.1", len, vec![md1(0)], KIND),
        ("1.2", len, vec![md1(4096)], KIND),
        ("1.2 and a filesystem's mark", len, vec![md1(4096), (0x438, b"\x53\xef".to_vec())], KIND),
        ("1.2 in the wrong place", len, vec![(4096, md1(0).1)], None),
        ("0.90", len, vec![md0(v0, u32::to_le_bytes)], KIND),
        ("0.90, big-endian", len, vec![md0(v0, u32::to_be_bytes)], KIND),
        ("0.90 of more than is there", MIB + 0xffff, vec![md0(0xf0000, u32::to_le_bytes)], None),
        (
            "0.90 of the last partition",
            8 * MIB,
            vec![md0(8 * MIB - 0x10000, u32::to_le_bytes), (0, table)],
            None,
        ),
        ("on a floppy", MIB, vec![md1(4096)], None),
    ]);
}

#[test]
fn members_of_controllers_raid() {
    let end = 4 * MIB;
    let isw = b"Intel Raid ISM Cfg Sig. 1.2.01\0\0".to_vec();
    let ddf = fields(512, &[(0, b"\xde\x11\xde\x11"), (8, b"LSI     12345678abcdefgh"), (32, b"01.02.00")]);
    let mut via = fields(51, &[(0, b"\x55\xaa\x02"), (7, b"abc")]);
    via[50] = via[..50].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let mut silicon = fields(512, &[(0x60, b"\0\0\0\x2f"), (0x108, b"\x04\0\x02\0"), (0x116, b"\x01")]);
    let sum =
        silicon[..0x13e].chunks(2).fold(0u16, |sum, w| sum.wrapping_add(u16::from_le_bytes([w[0], w[1]])));
    silicon[0x13e..0x140].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    let adaptec = fields(512, &[(0, b"\x37\xfc\x4d\x1e"), (63, b"\x05"), (256, b"DPTM")]);
    let nvidia = fields(18, &[(0, b"NVIDIA"), (16, b"\x64\0")]);
    check_all(vec![
        ("ddf", end, vec![(end - 512, ddf.clone())], Some("ddf_raid_member")),
        ("ddf, second place", end, vec![(end - 257 * 512, ddf)], Some("ddf_raid_member")),
        ("isw", end, vec![(end - 1024, isw)], Some("isw_raid_member")),
        ("lsi", end, vec![(end - 512, b"$XIDE$".to_vec())], Some("lsi_mega_raid_member")),
        ("via", end, vec![(end - 512, via)], Some("via_raid_member")),
        ("silicon", end, vec![(end - 512, silicon)], Some("silicon_medley_raid_member")),
        ("nvidia", end, vec![(end - 1024, nvidia)], Some("nvidia_raid_member")),
        (
            "promise",
            end,
            vec![(end - 256 * 512, b"Promise Technology, Inc.".to_vec())],
            Some("promise_fasttrack_raid_member"),
        ),
        ("hpt45x", end, vec![(end - 11 * 512, b"\xf3\x16\x78\x5a".to_vec())], Some("hpt45x_raid_member")),
        ("hpt37x", end, vec![(4640, b"\xf0\x16\x78\x5a".to_vec())], Some("hpt37x_raid_member")),
        ("adaptec", end, vec![(end - 512, adaptec)], Some("adaptec_raid_member")),
        ("jmicron", end, vec![(end - 512, b"JM\x02\x01\0\0".to_vec())], Some("jmicron_raid_member")),
    ]);
}

#[test]
fn parts_of_other_volumes() {
    let end = 8 * MIB;
    let lvm1 = fields(512, &[(0, b"HM\x01\0"), (44, b"abcdefGHIJklmnOPQRstuvWXYZ012345")]);
    let drbd = |mark: u8| (end - 4096, fields(64, &[(40, ID), (60, &[0x83, 0x74, 0x02, mark])]));
    let verity = fields(512, &[(0, b"verity\0\0\x01"), (16, ID)]);
    let vdo = fields(64, &[(0, b"dmvdo001"), (40, ID)]);
    let vmfs_volume = fields(
        1024,
        &[(0, b"\x0d\xd0\x01\xc0\x05"), (130, ID), (532, b"4f8a1b2c-1a2b3c4d-5e6f-001122334455")],
    );
    let vmfs = fields(512, &[(0, b"\x5e\xf1\xab\x2f"), (8, b"\x05"), (9, ID), (29, b"datastore 1")]);
    let fve = fields(64, &[(0, b"-FVE-FS-"), (10, b"\x02")]);
    let vista = fields(512, &[(0, b"\xeb\x52\x90-FVE-FS-")]);
    let windows7 = fields(
        512,
        &[(0, b"\xeb\x58\x90-FVE-FS-"), (67, b"\x39\x30"), (176, &MIB.to_le_bytes()), (510, b"\x55\xaa")],
    );
    let to_go = fields(512, &[(0, b"\xeb\x58\x90MSWIN4.1"), (440, &MIB.to_le_bytes()), (510, b"\x55\xaa")]);
    check_all(vec![
        ("LVM1", end, vec![(0, lvm1.clone())], Some("LVM1_member")),
        ("LVM1 of no known version", end, vec![(0, b"HM\x09\0".to_vec())], None),
        ("drbd 8", end, vec![drbd(0x6b)], Some("drbd")),
        ("drbd 8.4, unclean", end, vec![drbd(0x6c)], Some("drbd")),
        ("drbd 9", end, vec![drbd(0x6d)], Some("drbd")),
        ("snapshot", end, vec![(0, b"SnAp\x01".to_vec())], Some("DM_snapshot_cow")),
        ("verity", end, vec![(0, verity)], Some("DM_verity_hash")),
        ("integrity", end, vec![(0, b"integrt\0\x04".to_vec())], Some("DM_integrity")),
        ("vdo", end, vec![(0, vdo)], Some("vdo")),
        ("VMFS extent", end, vec![(MIB, vmfs_volume)], Some("VMFS_volume_member")),
        ("VMFS", end, vec![(2 * MIB, vmfs)], Some("VMFS")),
        ("BitLocker of Vista", end, vec![(0, vista)], Some("BitLocker")),
        ("BitLocker of Windows 7", end, vec![(0, windows7.clone()), (MIB, fve.clone())], Some("BitLocker")),
        ("BitLocker without metadata", end, vec![(0, windows7)], None),
        ("BitLocker To Go", end, vec![(0, to_go), (MIB, fve)], Some("BitLocker")),
    ]);
}

/// A catalog of one leaf, with the thread of the root folder, in blocks of 4 KiB: tree header in block 16, leaf in 17.
fn hfsplus(start: u64, name: &str) -> Vec<(u64, Vec<u8>)> {
    let be = u32::to_be_bytes;
    let header = fields(
        512,
        &[
            (0, b"H+\0\x04"),
            (40, &be(4096)),
            (44, &be(1024)),
            (104, b"identify"),
            (288, &be(16)),
            (292, &be(1)),
            (296, &be(20)),
            (300, &be(4)),
        ],
    );
    let tree = fields(64, &[(8, b"\x01"), (20, &be(1)), (24, &be(1)), (32, &4096u16.to_be_bytes())]);
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let units = u16::try_from(name.len() / 2).unwrap().to_be_bytes();
    let leaf = fields(1024, &[(8, b"\xff\x01\0\x01"), (14 + 2, &be(1)), (14 + 6, &units), (14 + 8, &name)]);
    vec![(start + 1024, header), (start + 16 * 4096, tree), (start + 20 * 4096, leaf)]
}

#[test]
fn filesystems_of_other_systems() {
    let be = u32::to_be_bytes;
    // An HFS around it: its blocks of 4 KiB start at sector 8, the HFS+ at block 3.
    let wrapper = fields(
        162,
        &[
            (0, b"BD"),
            (20, &be(4096)),
            (28, b"\0\x08"),
            (36, b"\x04name"),
            (116, b"wrapped!"),
            (124, b"H+\0\x03\0\x40"),
        ],
    );
    let mut wrapped = hfsplus(8 * 512 + 3 * 4096, "within");
    wrapped.push((1024, wrapper));
    let hfs = fields(162, &[(0, b"BD"), (20, &be(512)), (36, b"\x05plain"), (116, b"12345678")]);
    let gfs = |format: u32, host: u32| {
        let parts: [(usize, &[u8]); 6] = [
            (0, b"\x01\x16\x19\x70"),
            (24, &be(format)),
            (28, &be(host)),
            (36, &be(4096)),
            (160, b"cluster:name"),
            (256, ID),
        ];
        vec![(0x10000, fields(512, &parts))]
    };
    let minix = |parts: &[(usize, &[u8])]| vec![(1024, fields(32, parts))];
    let minix3: [(usize, &[u8]); 4] =
        [(0, b"\x40\0\0\0\0\0\x01\0\x01\0"), (20, b"\0\x10\0\0"), (24, b"\x5a\x4d"), (28, b"\0\x10")];
    let minix_be: [(usize, &[u8]); 3] =
        [(0, b"\0\x40\x01\0\0\x01\0\x01\0\x06"), (16, b"\x13\x7f"), (18, b"\0\x01")];
    let minix_small: [(usize, &[u8]); 2] = [(0, b"\xff\xff\0\xff\x01\0\x01\0\x06\0"), (16, b"\x7f\x13")];
    let ubifs = fields(4096, &[(0, b"\x31\x18\x10\x06"), (80, b"\x04"), (108, ID), (124, b"\x01")]);
    let ufs_label =
        fields(1377, &[(52, b"\0\x08\0\0"), (144, ID), (680, b"ufs label"), (1372, b"\x19\x01\x54\x19")]);
    let cfs = fields(512, &[(0, b"\x45\x3d\xcd\x28"), (16, b"Compressed ROMFS"), (48, b"wrong sum")]);
    check_all(vec![
        ("HFS+", 8 * MIB, hfsplus(0, "Größe ☃"), Some("hfsplus")),
        ("HFS+ in HFS", 8 * MIB, wrapped, Some("hfsplus")),
        ("HFS", 8 * MIB, vec![(1024, hfs)], Some("hfs")),
        ("gfs", 64 * MIB, gfs(1309, 1401), Some("gfs")),
        ("gfs2 of format 1802", 64 * MIB, gfs(1802, 1900), Some("gfs2")),
        ("no gfs", 64 * MIB, gfs(1, 2), None),
        ("minix 3", 8 * MIB, minix(&minix3), Some("minix")),
        ("minix, big-endian", 8 * MIB, minix(&minix_be), Some("minix")),
        ("minix with too small maps", 8 * MIB, minix(&minix_small), None),
        ("ubifs", 8 * MIB, vec![(0, ubifs)], Some("ubifs")),
        ("ufs at 64 KiB", 8 * MIB, vec![(0x10000, ufs_label)], Some("ufs")),
        ("cramfs with a wrong sum", 8 * MIB, vec![(0, cfs)], Some("cramfs")),
    ]);
}

/// Changes at random what a sample holds: an answer or `Unsupported`, soon.
#[test]
fn damaged_samples_are_never_more_than_unknown() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/probe");
    let mut state = 1u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit as u64) as usize
    };
    for name in ["jfs", "hfs", "nilfs2", "reiserfs", "udf", "udf4k", "ufs2", "zfs"] {
        let sample = Sparse::sample(&data.join(format!("{name}.xz")));
        let len = usize::try_from(sample.len.min(2 * MIB)).unwrap();
        let mut original = vec![0; len];
        sample.read_at(0, &mut original).unwrap();
        // Catalogs of HFS+, too.
        for (at, bytes) in if name == "hfs" { hfsplus(0, "name") } else { Vec::new() } {
            original[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
        }
        let used: Vec<usize> = (0..len).filter(|&at| original[at] != 0).collect();
        for _ in 0..300 {
            let mut bytes = original.clone();
            for _ in 0..=below(4) {
                bytes[used[below(used.len())]] = below(256) as u8;
            }
            if let Err(error) = probe(&MemSource::new(bytes)) {
                assert_eq!(error.kind(), disk::ErrorKind::Unsupported, "{name}: {error}");
            }
        }
    }
}

//! Kinds that are recognised by their marks and not read further: label and UUID of these need more than this code
//! has, so the whole answer is `Unsupported`, never a guess that some other kind is there.

use super::{Details, Magic, Prober, Reader, Usage, magic};
use crate::{Error, Result};

const fn refused(kind: &'static str, usage: Usage, magics: &'static [Magic]) -> Prober {
    Prober::new(kind, usage, magics, |_, _| Err(Error::unsupported("")))
}

/// Parts of larger volumes. These come before everything else.
pub(super) const VOLUMES: &[Prober] = &[
    Prober::new("linux_raid_member", Usage::Raid, &[], linux_raid),
    refused(
        "bcache",
        Usage::Other,
        &[magic(0x1018, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81")],
    ),
    refused("DM_snapshot_cow", Usage::Other, &[magic(0, b"SnAp")]),
    refused("DM_verity_hash", Usage::Crypto, &[magic(0, b"verity\0\0")]),
    refused("DM_integrity", Usage::Crypto, &[magic(0, b"integrt\0")]),
    refused("BitLocker", Usage::Crypto, &[magic(3, b"-FVE-FS-"), magic(3, b"MSWIN4.1-FVE-FS-")]),
    refused("vdo", Usage::Other, &[magic(0, b"dmvdo001")]),
    refused(
        "stratis",
        Usage::Other,
        &[magic(0x204, b"!Stra0tis\x86\xff\x02^\x41rh"), magic(0x1204, b"!Stra0tis\x86\xff\x02^\x41rh")],
    ),
    refused("VMFS_volume_member", Usage::Raid, &[magic(1 << 20, b"\x0d\xd0\x01\xc0")]),
];

/// Filesystems with marks that nothing else has by chance.
pub(super) const FILESYSTEMS: &[Prober] = &[
    Prober::new("udf", Usage::Filesystem, &[], udf),
    refused(
        "reiserfs",
        Usage::Filesystem,
        &[
            magic(0x2034, b"ReIsErFs"),
            magic(0x10034, b"ReIsErFs"),
            magic(0x10034, b"ReIsEr2Fs"),
            magic(0x10034, b"ReIsEr3Fs"),
        ],
    ),
    refused("reiser4", Usage::Filesystem, &[magic(0x10000, b"ReIsEr4")]),
    refused("jfs", Usage::Filesystem, &[magic(0x8000, b"JFS1")]),
    refused("ReFS", Usage::Filesystem, &[magic(3, b"ReFS\0")]),
    refused("romfs", Usage::Filesystem, &[magic(0, b"-rom1fs-")]),
    refused("gfs2", Usage::Filesystem, &[magic(0x10000, b"\x01\x16\x19\x70")]),
    refused(
        "ocfs2",
        Usage::Filesystem,
        &[
            magic(0x400, b"OCFSV2"),
            magic(0x800, b"OCFSV2"),
            magic(0x1000, b"OCFSV2"),
            magic(0x2000, b"OCFSV2"),
        ],
    ),
    refused("erofs", Usage::Filesystem, &[magic(0x400, b"\xe2\xe1\xf5\xe0")]),
    refused("apfs", Usage::Filesystem, &[magic(32, b"NXSB")]),
    refused("VMFS", Usage::Filesystem, &[magic(2 << 20, b"\x5e\xf1\xab\x2f")]),
    refused("befs", Usage::Filesystem, &[magic(0x20, b"BFS1"), magic(0x220, b"BFS1"), magic(0x220, b"1SFB")]),
    refused("ubifs", Usage::Filesystem, &[magic(0, b"\x31\x18\x10\x06")]),
    refused(
        "bcachefs",
        Usage::Filesystem,
        &[magic(0x1018, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef")],
    ),
];

/// Filesystems with marks of a few bytes, looked for if nothing else is there.
pub(super) const WEAK: &[Prober] = &[
    refused("LVM1_member", Usage::Raid, &[magic(0, b"HM")]),
    refused("nilfs2", Usage::Filesystem, &[magic(0x406, b"\x34\x34")]),
    refused("hfsplus", Usage::Filesystem, &[magic(0x400, b"H+"), magic(0x400, b"HX")]),
    refused("hfs", Usage::Filesystem, &[magic(0x400, b"BD")]),
    refused(
        "minix",
        Usage::Filesystem,
        &[
            magic(0x410, b"\x7f\x13"),
            magic(0x410, b"\x8f\x13"),
            magic(0x410, b"\x68\x24"),
            magic(0x410, b"\x78\x24"),
            magic(0x418, b"\x5a\x4d"),
        ],
    ),
    refused(
        "ufs",
        Usage::Filesystem,
        &[
            magic(0x255c, b"\x54\x19\x01\x00"),
            magic(0x255c, b"\x00\x01\x19\x54"),
            magic(0x1055c, b"\x19\x01\x54\x19"),
            magic(0x1055c, b"\x19\x54\x01\x19"),
        ],
    ),
    refused(
        "zfs_member",
        Usage::Filesystem,
        &[magic(0x20000, b"\x0c\xb1\xba\0\0\0\0\0"), magic(0x21000, b"\x0c\xb1\xba\0\0\0\0\0")],
    ),
];

/// Marks of Linux MD superblocks, in either byte order.
const MD_MAGICS: [&[u8]; 2] = [b"\xfc\x4e\x2b\xa9", b"\xa9\x2b\x4e\xfc"];

/// Superblocks of Linux MD (md(4)): version 1.1 at the start, 1.2 after 4 KiB; 1.0 and 0.90 at the end, rounded.
fn linux_raid(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    const SECTOR: u64 = 512;
    /// Version 1.0: at least 8 KiB before the end, at a multiple of 4 KiB.
    const V1_FROM_END: u64 = 8 << 10;
    const V1_UNIT: u64 = 4 << 10;
    /// Version 0.90: at the last multiple of 64 KiB that leaves 64 KiB.
    const V0_UNIT: u64 = 64 << 10;

    let len = reader.len();
    let round = |n: u64, unit: u64| n.saturating_sub(n.checked_rem(unit).unwrap_or(0));
    let v1_at_end = round(round(len, SECTOR).saturating_sub(V1_FROM_END), V1_UNIT);
    let v0 = round(len, V0_UNIT).saturating_sub(V0_UNIT);
    for at in [0, V1_UNIT, v1_at_end, v0] {
        for bytes in MD_MAGICS {
            if reader.has(&magic(at, bytes))? {
                return Err(Error::unsupported(""));
            }
        }
    }
    Ok(None)
}

/// UDF is announced among the volume descriptors from byte 32768 on (ECMA-167, 2/9.1) by "NSR02" or "NSR03".
fn udf(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    const START: u64 = 32768;
    const DESCRIPTOR: u64 = 2048;
    /// libblkid looks at as many.
    const MAX_DESCRIPTORS: u64 = 64;
    const KNOWN: [&[u8]; 5] = [b"BEA01", b"BOOT2", b"CD001", b"CDW02", b"TEA01"];

    for number in 0..MAX_DESCRIPTORS {
        let at = START.saturating_add(number.saturating_mul(DESCRIPTOR)).saturating_add(1);
        let Ok(id) = reader.bytes(at, 5) else { break };
        if id == b"NSR02" || id == b"NSR03" {
            return Err(Error::unsupported(""));
        }
        if !KNOWN.contains(&id.as_slice()) {
            break;
        }
    }
    Ok(None)
}

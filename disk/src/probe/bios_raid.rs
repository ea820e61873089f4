//! Members of RAID that disk controllers and their BIOSes make: DDF (SNIA's Common RAID Disk Data Format) and vendors'
//! own formats, whose metadata lies in the last sectors of a disk.
//!
//! Marks and places are as libblkid has them; nothing but type and version is known of the vendors' formats.

use super::{Details, Magic, Prober, Reader, Usage, label, magic};
use crate::bytes::Fields;
use crate::{Error, Result};

pub(super) const PROBERS: &[Prober] = &[
    Prober::new("ddf_raid_member", Usage::Raid, &[], ddf).at_least(0x30000),
    vendor("isw_raid_member", |reader, _| at_end(reader, 2, 32, isw)),
    vendor("lsi_mega_raid_member", |reader, _| {
        at_end(reader, 1, 6, |m| Ok(m.starts_with(b"$XIDE$").then_some(None)))
    }),
    vendor("via_raid_member", |reader, _| at_end(reader, 1, 51, via)),
    vendor("silicon_medley_raid_member", |reader, _| at_end(reader, 1, 512, silicon)),
    vendor("nvidia_raid_member", |reader, _| at_end(reader, 2, 18, nvidia)),
    Prober::new("promise_fasttrack_raid_member", Usage::Raid, &[], promise).at_least(0x40000),
    vendor("hpt45x_raid_member", |reader, _| {
        at_end(reader, 11, 4, |m| Ok(HPT45X.contains(&m.le32(0)?).then_some(None)))
    }),
    Prober::new(
        "hpt37x_raid_member",
        Usage::Raid,
        &[magic(4640, b"\xf0\x16\x78\x5a"), magic(4640, b"\xfd\x16\x78\x5a")],
        |_, _| Ok(Some(Details::default())),
    ),
    vendor("adaptec_raid_member", |reader, _| at_end(reader, 1, 512, adaptec)),
    vendor("jmicron_raid_member", |reader, _| at_end(reader, 1, 6, jmicron)),
];

const fn vendor(kind: &'static str, read: fn(&mut Reader<'_>, &Magic) -> Result<Option<Details>>) -> Prober {
    Prober::new(kind, Usage::Raid, &[], read).at_least(0x10000)
}

const SECTOR: u64 = 512;

/// Byte at which the sector stands that is `sectors` from the end.
fn from_end(reader: &Reader<'_>, sectors: u64) -> u64 {
    reader.len().checked_div(SECTOR).unwrap_or(0).saturating_sub(sectors).saturating_mul(SECTOR)
}

/// Lets `check` look at the first `len` bytes of a sector near the end; it gives the version if they are its own.
fn at_end(
    reader: &mut Reader<'_>,
    sectors: u64,
    len: usize,
    check: fn(&[u8]) -> Result<Option<Option<String>>>,
) -> Result<Option<Details>> {
    let metadata = reader.bytes(from_end(reader, sectors), len)?;
    Ok(check(&metadata)?.map(|version| Details { version, ..Details::default() }))
}

/// Where a DDF anchor may lie (sectors from the end), and its mark in either byte order.
const DDF_ANCHORS: [u64; 2] = [1, 257];
const DDF_MAGICS: [&[u8]; 2] = [b"\xde\x11\xde\x11", b"\x11\xde\x11\xde"];

fn ddf(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    for sectors in DDF_ANCHORS {
        let header = reader.bytes(from_end(reader, sectors), 512)?;
        if DDF_MAGICS.iter().any(|magic| header.starts_with(magic)) {
            return Ok(Some(Details {
                uuid: text(header.slice(8, 24)?)?,
                version: text(header.slice(32, 8)?)?,
                ..Details::default()
            }));
        }
    }
    Ok(None)
}

fn text(bytes: &[u8]) -> Result<Option<String>> {
    let Some(text) = label(bytes) else { return Ok(None) };
    String::from_utf8(text.into()).map(Some).map_err(|_| Error::unsupported("an identifier that is no text"))
}

const ISW: &[u8] = b"Intel Raid ISM Cfg Sig. ";

fn isw(metadata: &[u8]) -> Result<Option<Option<String>>> {
    Ok(match metadata.strip_prefix(ISW) {
        Some(version) => Some(text(version)?),
        None => None,
    })
}

fn via(metadata: &[u8]) -> Result<Option<Option<String>>> {
    let version = metadata.u8(2)?;
    let sum = metadata.slice(0, 50)?.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let valid = metadata.le16(0)? == 0xaa55 && version <= 2 && sum == metadata.u8(50)?;
    Ok(valid.then(|| Some(version.to_string())))
}

/// Where the checksum of Silicon Image's metadata stands; it makes all words up to it add up to zero.
const SILICON_SUM: usize = 0x13e;

fn silicon(metadata: &[u8]) -> Result<Option<Option<String>>> {
    let words = metadata.slice(0, SILICON_SUM)?.as_chunks::<2>().0;
    let sum = words.iter().fold(0u16, |sum, word| sum.wrapping_add(u16::from_le_bytes(*word)));
    let valid = metadata.le32(0x60)? == 0x2f00_0000
        && metadata.u8(0x116)? < 8
        && sum.wrapping_neg() == metadata.le16(SILICON_SUM)?;
    let version = format!("{}.{}", metadata.le16(0x10a)?, metadata.le16(0x108)?);
    Ok(valid.then_some(Some(version)))
}

fn nvidia(metadata: &[u8]) -> Result<Option<Option<String>>> {
    let version = metadata.le16(16)?;
    Ok(metadata.starts_with(b"NVIDIA").then(|| Some(version.to_string())))
}

/// Sectors from the end in which Promise's metadata may lie.
const PROMISE: [u64; 13] = [63, 255, 256, 16, 399, 591, 675, 735, 911, 974, 991, 951, 3087];

fn promise(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    const MARK: &[u8] = b"Promise Technology, Inc.";
    for sectors in PROMISE {
        let at = from_end(reader, sectors);
        if reader.has(&magic(at, MARK))? {
            return Ok(Some(Details::default()));
        }
    }
    Ok(None)
}

const HPT45X: [u32; 2] = [0x5a78_16f3, 0x5a78_16fd];

fn adaptec(metadata: &[u8]) -> Result<Option<Option<String>>> {
    let valid = metadata.be32(0)? == 0x37fc_4d1e && metadata.slice(256, 4)? == b"DPTM";
    let version = metadata.u8(63)?;
    Ok(valid.then(|| Some(version.to_string())))
}

fn jmicron(metadata: &[u8]) -> Result<Option<Option<String>>> {
    let version = format!("{}.{}", metadata.u8(3)?, metadata.u8(2)?);
    Ok(metadata.starts_with(b"JM").then_some(Some(version)))
}

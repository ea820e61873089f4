//! The qcow2 header: fixed fields, header extensions, names. Facts from QEMU's docs/interop/qcow2.rst, and, where the
//! specification leaves it open, from what qemu accepts.

use bstr::{BStr, BString};

use super::super::raw::whole_sectors;
use crate::bytes::{Fields, index};
use crate::{Context, Error, ReadAt, Result};

/// "QFI" and 0xFB.
const MAGIC: u32 = 0x5146_49FB;
/// Length in bytes of a version 2 header, which has no length field.
const V2_LEN: usize = 72;
/// Least length in bytes of a version 3 header.
const V3_LEN: usize = 104;
/// Cluster sizes from 512 bytes to 2 MiB.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// With extended L2 entries each of the 32 subclusters must have at least 512 bytes.
const EXTENDED_MIN_CLUSTER_BITS: u32 = 14;
/// How much of the first cluster, which holds header, extensions and backing file name, is read at most, in bytes.
/// qemu writes less than 2 KiB.
const MAX_HEAD: usize = 64 << 10;
/// Longest backing file name in bytes.
const MAX_NAME: usize = 1023;
/// Largest L1 table in bytes (`QCOW_MAX_L1_SIZE`).
const MAX_L1_BYTES: u64 = 32 << 20;

/// Incompatible feature bits. Bit 0 (refcounts may be wrong) and bit 1 (qemu met corruption, so writing is forbidden)
/// do not matter to a reader: reading needs no refcounts, and every entry is checked where it is used.
mod feature {
    pub(super) const DIRTY: u64 = 1 << 0;
    pub(super) const CORRUPT: u64 = 1 << 1;
    pub(super) const DATA_FILE: u64 = 1 << 2;
    pub(super) const COMPRESSION_TYPE: u64 = 1 << 3;
    pub(super) const EXTENDED_L2: u64 = 1 << 4;
    pub(super) const KNOWN: u64 = DIRTY | CORRUPT | DATA_FILE | COMPRESSION_TYPE | EXTENDED_L2;
}

/// Types of header extensions.
mod extension {
    pub(super) const END: u32 = 0;
    pub(super) const BACKING_FORMAT: u32 = 0xE279_2ACA;
    pub(super) const FEATURE_NAMES: u32 = 0x6803_F857;
    pub(super) const DATA_FILE: u32 = 0x4441_5441;
}

/// An entry of the feature name table: kind (0: incompatible), bit number, name padded with NULs.
const FEATURE_NAME_LEN: usize = 48;

/// How compressed clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Raw deflate.
    Zlib,
    /// Zstandard frames.
    Zstd,
}

/// Sizes that follow from the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// log2 of the cluster size in bytes.
    pub(super) cluster_bits: u32,
    /// Have L2 entries 128 bits, the second half of which tells the state of 32 subclusters?
    pub(super) extended: bool,
}

impl Geometry {
    /// Cluster size in bytes.
    pub(super) fn cluster(self) -> u64 {
        1u64.checked_shl(self.cluster_bits).unwrap_or(0)
    }
    /// log2 of the size of an L2 entry in bytes.
    pub(super) fn entry_bits(self) -> u32 {
        if self.extended { 4 } else { 3 }
    }
    /// log2 of the bytes that one L2 table (one cluster of entries) maps.
    pub(super) fn l2_coverage_bits(self) -> u32 {
        self.cluster_bits.saturating_mul(2).saturating_sub(self.entry_bits())
    }
    /// log2 of the unit of mapping: a subcluster or a cluster.
    pub(super) fn unit_bits(self) -> u32 {
        if self.extended { self.cluster_bits.saturating_sub(5) } else { self.cluster_bits }
    }
}

/// A checked header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// Cluster size in bytes.
    pub cluster_size: u64,
    /// Size of the virtual disk in bytes, in whole sectors.
    pub virtual_size: u64,
    /// Name of the backing file as written.
    pub backing_file: Option<BString>,
    /// Format of the backing file, if stated.
    pub backing_format: Option<BString>,
    /// Name of the external data file as written.
    pub data_file: Option<BString>,
    /// How compressed clusters are compressed.
    pub compression: Compression,
    /// Are L2 entries extended, with subclusters?
    pub extended_l2: bool,
    /// Incompatible bit 0: a writer did not close the image; its refcounts may be wrong.
    pub dirty: bool,
    /// Incompatible bit 1: qemu met corruption in the image.
    pub corrupt: bool,
    /// The active L1 table: offset in the file (bytes) and number of entries.
    pub(super) l1: (u64, u32),
    /// The snapshot table: offset in the file (bytes) and number of snapshots.
    pub(super) snapshots: (u64, u32),
    pub(super) geometry: Geometry,
}

impl Header {
    /// Reads the header of the image in `file`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and those of reading.
    pub fn read(file: &dyn ReadAt) -> Result<Header> {
        let len = usize::try_from(file.len()).unwrap_or(usize::MAX).min(MAX_HEAD);
        let mut head = vec![0; len];
        file.read_at(0, &mut head)?;
        Header::parse(&head).context(|| "qcow2 header".to_owned())
    }

    /// Parses the start of an image: its first 64 KiB, or all of it if it is smaller.
    ///
    /// # Errors
    /// `Unsupported` for encryption and for features that this code does not know, by name; `Corrupt` for values that
    /// the specification does not allow.
    pub fn parse(head: &[u8]) -> Result<Header> {
        if head.be32(0)? != MAGIC {
            return Err(Error::corrupt("not a qcow2 image (its first four bytes are not the magic)"));
        }
        let version = head.be32(4)?;
        let v3 = match version {
            2 => false,
            3 => true,
            other => return Err(Error::unsupported(format!("version {other} of qcow2"))),
        };
        let (incompatible, header_len) =
            if v3 { (head.be64(72)?, index(head.be32(100)?)) } else { (0, V2_LEN) };
        let compression_type = if v3 && header_len > V3_LEN { head.u8(V3_LEN)? } else { 0 };
        let cluster_bits = head.be32(20)?;
        if !CLUSTER_BITS.contains(&cluster_bits) {
            return Err(Error::corrupt(format!("a cluster size of 2^{cluster_bits} bytes")));
        }
        let geometry = Geometry { cluster_bits, extended: incompatible & feature::EXTENDED_L2 != 0 };
        let cluster_size = geometry.cluster();
        if v3 && (header_len < V3_LEN || to_u64(header_len) > cluster_size) {
            return Err(Error::corrupt(format!("a header length of {header_len} bytes")));
        }

        let backing_at = head.be64(8)?;
        // The names and extensions share the first cluster with the header; the backing file name ends them.
        let end = if backing_at == 0 { cluster_size } else { backing_at };
        if end > cluster_size {
            return Err(Error::corrupt(format!(
                "the backing file name is outside the first cluster, at byte {end}"
            )));
        }
        let extensions = Extensions::parse(head, header_len, usize::try_from(end).unwrap_or(usize::MAX))?;

        let unknown = incompatible & !feature::KNOWN;
        if unknown != 0 {
            return Err(Error::unsupported(format!("the incompatible feature {}", extensions.name(unknown))));
        }
        match head.be32(32)? {
            0 => {}
            1 => {
                return Err(Error::unsupported(
                    "the image is encrypted with qcow2's own AES: use an appliance",
                ));
            }
            2 => return Err(Error::unsupported("the image is encrypted with LUKS: use an appliance")),
            other => return Err(Error::unsupported(format!("the encryption method {other}"))),
        }
        if geometry.extended && cluster_bits < EXTENDED_MIN_CLUSTER_BITS {
            return Err(Error::corrupt(format!("extended L2 entries with clusters of {cluster_size} bytes")));
        }

        let virtual_size = whole_sectors(head.be64(24)?);
        let l1_entries = head.be32(36)?;
        if u64::from(l1_entries).saturating_mul(8) > MAX_L1_BYTES {
            return Err(Error::corrupt(format!("an L1 table of {l1_entries} entries")));
        }
        let coverage = 1u64.checked_shl(geometry.l2_coverage_bits()).unwrap_or(u64::MAX);
        if virtual_size.div_ceil(coverage) > u64::from(l1_entries) {
            return Err(Error::corrupt(format!(
                "an L1 table of {l1_entries} entries is too small for a disk of {virtual_size} bytes"
            )));
        }

        Ok(Header {
            version,
            cluster_size,
            virtual_size,
            backing_file: backing_file(head, backing_at, cluster_size)?,
            backing_format: extensions.backing_format.clone(),
            data_file: match (incompatible & feature::DATA_FILE != 0, extensions.data_file) {
                (false, _) => None,
                (true, Some(name)) => Some(name),
                (true, None) => return Err(Error::corrupt("the external data file is not named")),
            },
            compression: compression(incompatible, compression_type)?,
            extended_l2: geometry.extended,
            dirty: incompatible & feature::DIRTY != 0,
            corrupt: incompatible & feature::CORRUPT != 0,
            l1: (head.be64(40)?, l1_entries),
            snapshots: (head.be64(64)?, head.be32(60)?),
            geometry,
        })
    }
}

/// The compression type, which a feature bit must announce unless it is the old one.
fn compression(incompatible: u64, kind: u8) -> Result<Compression> {
    match (kind, incompatible & feature::COMPRESSION_TYPE != 0) {
        (0, false) => Ok(Compression::Zlib),
        (1, true) => Ok(Compression::Zstd),
        (0 | 1, _) => Err(Error::corrupt("the compression type and its feature bit contradict each other")),
        (other, _) => Err(Error::unsupported(format!("the compression type {other}"))),
    }
}

/// The backing file name at byte `at`; 0 is none.
fn backing_file(head: &[u8], at: u64, cluster_size: u64) -> Result<Option<BString>> {
    let len = index(head.be32(16)?);
    if at == 0 {
        return Ok(None);
    }
    if len > MAX_NAME || to_u64(len) > cluster_size.saturating_sub(at) {
        return Err(Error::corrupt(format!("a backing file name of {len} bytes at byte {at}")));
    }
    if len == 0 {
        return Ok(None);
    }
    Ok(Some(head.slice(usize::try_from(at).unwrap_or(usize::MAX), len)?.into()))
}

/// What the header extensions say, as far as it concerns a reader.
#[derive(Debug, Default)]
struct Extensions<'a> {
    backing_format: Option<BString>,
    data_file: Option<BString>,
    feature_names: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// Reads the extensions from byte `at` to the end marker, or to byte `end`.
    fn parse(head: &'a [u8], mut at: usize, end: usize) -> Result<Self> {
        let mut found = Extensions::default();
        while at < end {
            let (kind, len) = (head.be32(at)?, index(head.be32(at.saturating_add(4))?));
            at = at.saturating_add(8);
            if kind == extension::END {
                break;
            }
            if len > end.saturating_sub(at) {
                return Err(Error::corrupt(format!("a header extension of {len} bytes at byte {at}")));
            }
            match kind {
                extension::BACKING_FORMAT => found.backing_format = Some(head.slice(at, len)?.into()),
                extension::DATA_FILE => {
                    if len > MAX_NAME {
                        return Err(Error::corrupt(format!("an external data file name of {len} bytes")));
                    }
                    found.data_file = Some(head.slice(at, len)?.into());
                }
                extension::FEATURE_NAMES => found.feature_names = head.slice(at, len)?,
                // Bitmaps, encryption header and what may come: nothing that changes what the clusters hold.
                _ => {}
            }
            at = at.saturating_add(len.next_multiple_of(8));
        }
        Ok(found)
    }

    /// Names the incompatible features `bits`, by the image's own table where it has them.
    fn name(&self, bits: u64) -> String {
        let mut names = Vec::new();
        for bit in (0..u64::BITS).filter(|bit| bits.checked_shr(*bit).unwrap_or(0) & 1 == 1) {
            let name = self.feature_names.chunks_exact(FEATURE_NAME_LEN).find_map(|entry| match entry {
                [0, number, name @ ..] if u32::from(*number) == bit => name.split(|byte| *byte == 0).next(),
                _ => None,
            });
            names.push(match name {
                Some(name) => format!("{:?} (bit {bit})", BStr::new(name)),
                None => format!("bit {bit}"),
            });
        }
        names.join(", ")
    }
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// A version 3 image of 1 MiB with 64 KiB clusters and no extensions.
    fn head() -> Vec<u8> {
        let mut head = vec![0; 65536];
        put(&mut head, 0, &MAGIC.to_be_bytes());
        put(&mut head, 4, &3u32.to_be_bytes());
        put(&mut head, 20, &16u32.to_be_bytes());
        put(&mut head, 24, &(1u64 << 20).to_be_bytes());
        put(&mut head, 36, &1u32.to_be_bytes());
        put(&mut head, 40, &0x3_0000u64.to_be_bytes());
        put(&mut head, 100, &104u32.to_be_bytes());
        head
    }

    fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
        head[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Puts an extension at `at` and returns where the next one goes.
    fn extension(head: &mut [u8], at: usize, kind: u32, data: &[u8]) -> usize {
        put(head, at, &kind.to_be_bytes());
        put(head, at + 4, &(data.len() as u32).to_be_bytes());
        put(head, at + 8, data);
        at + 8 + data.len().next_multiple_of(8)
    }

    #[test]
    fn extensions_and_names_are_found() {
        let mut head = head();
        put(&mut head, 72, &feature::DATA_FILE.to_be_bytes());
        put(&mut head, 8, &200u64.to_be_bytes());
        put(&mut head, 16, &8u32.to_be_bytes());
        put(&mut head, 200, b"base.img");
        let at = extension(&mut head, 104, extension::BACKING_FORMAT, b"qcow2");
        let at = extension(&mut head, at, 0x2385_2875, &[1; 24]);
        extension(&mut head, at, extension::DATA_FILE, b"data.raw");
        let header = Header::parse(&head).unwrap();
        assert_eq!(header.backing_file.unwrap(), "base.img");
        assert_eq!(header.backing_format.unwrap(), "qcow2");
        assert_eq!(header.data_file.unwrap(), "data.raw");
        assert_eq!((header.virtual_size, header.cluster_size, header.l1), (1 << 20, 1 << 16, (0x3_0000, 1)));
    }

    #[test]
    fn an_unknown_feature_is_named_by_the_images_own_table() {
        let mut head = head();
        put(&mut head, 72, &((1u64 << 9) | (1 << 63)).to_be_bytes());
        let mut entry = [0; FEATURE_NAME_LEN];
        put(&mut entry, 0, b"\0\x09quantum clusters");
        extension(&mut head, 104, extension::FEATURE_NAMES, &entry);
        let error = Header::parse(&head).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "the incompatible feature \"quantum clusters\" (bit 9), bit 63");
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        use ErrorKind::{Corrupt, Unsupported};
        let cases: [(&str, usize, &[u8], ErrorKind); 16] = [
            ("magic", 0, b"QFJ", Corrupt),
            ("version", 4, &4u32.to_be_bytes(), Unsupported),
            ("tiny clusters", 20, &8u32.to_be_bytes(), Corrupt),
            ("huge clusters", 20, &22u32.to_be_bytes(), Corrupt),
            ("absurd clusters", 20, &u32::MAX.to_be_bytes(), Corrupt),
            ("AES", 32, &1u32.to_be_bytes(), Unsupported),
            ("LUKS", 32, &2u32.to_be_bytes(), Unsupported),
            ("L1 too small", 24, &(1u64 << 30).to_be_bytes(), Corrupt),
            ("largest disk", 24, &u64::MAX.to_be_bytes(), Corrupt),
            ("huge L1", 36, &u32::MAX.to_be_bytes(), Corrupt),
            ("short header", 100, &96u32.to_be_bytes(), Corrupt),
            ("long header", 100, &u32::MAX.to_be_bytes(), Corrupt),
            ("data file without a name", 72, &feature::DATA_FILE.to_be_bytes(), Corrupt),
            ("compression bit without type", 72, &feature::COMPRESSION_TYPE.to_be_bytes(), Corrupt),
            ("name far away", 8, &u64::MAX.to_be_bytes(), Corrupt),
            ("endless extension", 104, &[1, 1, 1, 1, 0xFF, 0xFF, 0xFF, 0xFF], Corrupt),
        ];
        assert!(Header::parse(&head()).is_ok());
        for (what, at, bytes, kind) in cases {
            let mut head = head();
            put(&mut head, at, bytes);
            assert_eq!(Header::parse(&head).map_err(|error| error.kind()), Err(kind), "{what}");
        }
        for len in [0, 3, 71, 103] {
            assert_eq!(Header::parse(&head()[..len]).unwrap_err().kind(), Corrupt, "{len} bytes");
        }
    }

    #[test]
    fn dirty_and_corrupt_images_can_be_read() {
        let mut head = head();
        put(&mut head, 72, &(feature::DIRTY | feature::CORRUPT).to_be_bytes());
        let header = Header::parse(&head).unwrap();
        assert!(header.dirty && header.corrupt);
    }
}

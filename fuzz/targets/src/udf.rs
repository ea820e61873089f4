//! UDF, behind the sums and CRCs that guard its descriptors.

use std::sync::Arc;

use disk::MemSource;
use disk::fs::Filesystem;
use disk::fs::udf::Udf;

use crate::filesystem::walk;

/// Bytes of a tag, and a multiple of which descriptors begin with.
const TAG: usize = 16;
const ALIGNMENT: usize = 4;
/// Identifiers of descriptors that are read (ECMA-167, 3/7.2.1 and 4/7.2.1), and versions of descriptors.
const KNOWN: [u8; 10] = [0, 1, 2, 3, 5, 6, 8, 9, 10, 255];
const VERSIONS: [[u8; 2]; 2] = [[2, 0], [3, 0]];

/// A volume whose sums are made right: a walk ends, and the numbers of `statvfs` go together.
pub(crate) fn udf(data: &[u8]) {
    let mut data = data.to_vec();
    guard(&mut data);
    let Ok(filesystem) = Udf::open(Arc::new(MemSource::new(data))) else { return };
    if let Ok(stats) = filesystem.stat_fs() {
        assert!(stats.block_size.is_power_of_two() && stats.files >= stats.files_free);
        assert_eq!(stats.blocks_free, stats.blocks_available);
    }
    for inode in walk(&filesystem) {
        let Ok(metadata) = filesystem.metadata(inode) else { continue };
        if let Ok(target) = filesystem.read_link(inode) {
            let len = u64::try_from(target.len()).unwrap_or(u64::MAX);
            assert_eq!(metadata.size, len, "the length of a link");
        }
    }
}

/// Gives everything that looks like a descriptor its sums: first those within others.
fn guard(data: &mut [u8]) {
    let last = data.len().saturating_sub(TAG) / ALIGNMENT;
    for start in (0..=last).rev().map(|at| at * ALIGNMENT) {
        let Some(rest) = data.get_mut(start..).filter(|rest| rest.len() >= TAG) else { continue };
        let is_one = match rest[1] {
            0 => KNOWN.contains(&rest[0]),
            1 => rest[0] <= 10,
            _ => false,
        };
        let len = usize::from(u16::from_le_bytes([rest[10], rest[11]]));
        if !is_one || rest[5] != 0 || !VERSIONS.contains(&[rest[2], rest[3]]) || rest.len() < TAG + len {
            continue;
        }
        let crc = rest[TAG..TAG + len].iter().fold(0, |crc: u16, byte| {
            (0..8).fold(crc ^ u16::from(*byte) << 8, |crc: u16, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            })
        });
        rest[8..10].copy_from_slice(&crc.to_le_bytes());
        rest[4] = 0;
        rest[4] = rest[..TAG].iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    }
}

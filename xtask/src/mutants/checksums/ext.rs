//! ext4 with `metadata_csum`, and blocks of a JBD2 journal. Layouts: kernel.org, "ext4 Data Structures and Algorithms".
//!
//! A block of a directory or of extents is summed with its inode's number and generation, which it does not tell. So the
//! block as it was is held against the seeds of all inodes: where one gives the sum that it has, that is the one.

use disk::{ReadAt, Result};

use super::super::mutate::Patch;
use super::{crc32c, number, patch, read};

/// Bit of `s_feature_ro_compat`: sums are kept.
const METADATA_CSUM: u64 = 0x400;
/// Bit of `s_feature_incompat`: the seed is stored and not made of the UUID.
const CSUM_SEED: u64 = 0x2000;
/// What blocks begin with.
const XATTR_MAGIC: u64 = 0xEA02_0000;
const EXTENT_MAGIC: u64 = 0xF30A;
const JOURNAL_MAGIC: [u8; 4] = [0xC0, 0x3B, 0x39, 0x98];
/// Bits of the journal's `s_feature_incompat`: CRC-32C of either version is kept.
const JOURNAL_CSUM: u8 = 0x18;
/// Most inodes of a fixture.
const MAX_INODES: u64 = 10_000;

/// What of the filesystem sums depend on, from the undamaged superblock.
struct Layout {
    block_size: u64,
    first_block: u64,
    groups: u64,
    descriptor_size: u64,
    inodes_per_group: u64,
    inode_size: u64,
    seed: u32,
}

impl Layout {
    fn new(superblock: &[u8]) -> Self {
        let blocks_per_group = number::<4>(superblock, 0x20).max(1);
        let (blocks, first_block) = (number::<4>(superblock, 4), number::<4>(superblock, 0x14));
        let stored = number::<4>(superblock, 0x60) & CSUM_SEED != 0;
        Layout {
            block_size: 1024 << number::<4>(superblock, 0x18),
            first_block,
            groups: blocks.saturating_sub(first_block).div_ceil(blocks_per_group),
            descriptor_size: number::<2>(superblock, 0xFE).max(32),
            inodes_per_group: number::<4>(superblock, 0x28),
            inode_size: number::<2>(superblock, 0x58),
            seed: if stored {
                number::<4>(superblock, 0x270) as u32
            } else {
                crc32c(!0, &superblock[0x68..0x78])
            },
        }
    }

    /// Where the descriptor of a group is.
    fn descriptor(&self, group: u64) -> u64 {
        (self.first_block + 1) * self.block_size + group * self.descriptor_size
    }

    /// Where the inode table of a group begins.
    fn inode_table(&self, source: &dyn ReadAt, group: u64) -> Result<u64> {
        let descriptor = read(source, self.descriptor(group), 64)?;
        let high = if self.descriptor_size >= 64 { number::<4>(&descriptor, 0x28) } else { 0 };
        Ok((number::<4>(&descriptor, 8) | high << 32) * self.block_size)
    }

    /// The seed of an inode's sums.
    fn inode_seed(&self, inode: u64, bytes: &[u8]) -> u32 {
        let numbered = crc32c(self.seed, &(inode as u32).to_le_bytes());
        crc32c(numbered, &bytes[0x64..0x68])
    }
}

/// See [`Repair`](super::Repair).
pub(in super::super) fn repair(
    original: &dyn ReadAt,
    mutant: &dyn ReadAt,
    offset: u64,
) -> Result<Vec<Patch>> {
    let superblock = read(original, 1024, 1024)?;
    if number::<4>(&superblock, 0x64) & METADATA_CSUM == 0 {
        return Ok(Vec::new());
    }
    let layout = Layout::new(&superblock);
    if (1024..2048).contains(&offset) {
        let changed = read(mutant, 1024, 1024)?;
        return Ok(vec![patch(1024 + 0x3FC, crc32c(!0, &changed[..0x3FC]))]);
    }
    let descriptors = layout.descriptor(0)..layout.descriptor(layout.groups);
    if descriptors.contains(&offset) {
        let group = (offset - descriptors.start) / layout.descriptor_size;
        return descriptor(&layout, mutant, group).map(|p| vec![p]);
    }
    let table_len = layout.inodes_per_group * layout.inode_size;
    for group in 0..layout.groups {
        let table = layout.inode_table(original, group)?;
        if (table..table + table_len).contains(&offset) {
            let index = (offset - table) / layout.inode_size;
            let inode = group * layout.inodes_per_group + index + 1;
            let at = table + index * layout.inode_size;
            let sums = inode_sums(&layout, original, at, inode)?;
            // Inodes that were never used have none.
            let kept =
                sums.iter().all(|sum| read(original, sum.offset, 2).is_ok_and(|found| found == sum.bytes));
            return if kept { inode_sums(&layout, mutant, at, inode) } else { Ok(Vec::new()) };
        }
    }
    let at = offset / layout.block_size * layout.block_size;
    let len = usize::try_from(layout.block_size).unwrap_or(1024);
    let (before, after) = (read(original, at, len)?, read(mutant, at, len)?);
    block(&layout, original, at, &before, after).map(|p| p.into_iter().collect())
}

fn descriptor(layout: &Layout, mutant: &dyn ReadAt, group: u64) -> Result<Patch> {
    let at = layout.descriptor(group);
    let mut bytes = read(mutant, at, usize::try_from(layout.descriptor_size).unwrap_or(32))?;
    bytes[0x1E..0x20].fill(0);
    let sum = crc32c(crc32c(layout.seed, &(group as u32).to_le_bytes()), &bytes);
    Ok(Patch { offset: at + 0x1E, bytes: sum.to_le_bytes()[..2].to_vec() })
}

fn inode_sums(layout: &Layout, mutant: &dyn ReadAt, at: u64, inode: u64) -> Result<Vec<Patch>> {
    let mut bytes = read(mutant, at, usize::try_from(layout.inode_size).unwrap_or(128))?;
    let seed = layout.inode_seed(inode, &bytes);
    bytes[0x7C..0x7E].fill(0);
    let wide = bytes.len() > 128 && number::<2>(&bytes, 0x80) >= 4;
    if wide {
        bytes[0x82..0x84].fill(0);
    }
    let sum = crc32c(seed, &bytes).to_le_bytes();
    let mut patches = vec![Patch { offset: at + 0x7C, bytes: sum[..2].to_vec() }];
    if wide {
        patches.push(Patch { offset: at + 0x82, bytes: sum[2..].to_vec() });
    }
    Ok(patches)
}

/// What is summed of a block, and where the sum is.
struct Summed {
    /// How many bytes from the block's start.
    covered: usize,
    /// In a directory's index: a field before the sum is summed too, and zeros in place of the sum.
    index: bool,
    sum_at: usize,
}

impl Summed {
    fn sum(&self, seed: u32, block: &[u8]) -> u32 {
        let sum = crc32c(seed, block.get(..self.covered).unwrap_or_default());
        if !self.index {
            return sum;
        }
        crc32c(crc32c(sum, block.get(self.sum_at - 4..self.sum_at).unwrap_or_default()), &[0; 4])
    }
}

/// How a block that depends on an inode may be summed: as one of extents, of names, or of a directory's index.
fn forms(block: &[u8]) -> Vec<Summed> {
    let len = block.len();
    let mut forms = vec![Summed { covered: len - 12, index: false, sum_at: len - 4 }];
    if number::<2>(block, 0) == EXTENT_MAGIC {
        let tail = 12 + 12 * usize::try_from(number::<2>(block, 4)).unwrap_or(0);
        forms.push(Summed { covered: tail, index: false, sum_at: tail });
    }
    for counts in [8, 0x20] {
        let (limit, count) = (number::<2>(block, counts), number::<2>(block, counts + 2));
        let end = |entries: u64| counts + 8 * usize::try_from(entries).unwrap_or(0);
        forms.push(Summed { covered: end(count), index: true, sum_at: end(limit) + 4 });
    }
    forms.retain(|form| form.sum_at + 4 <= len);
    forms
}

fn block(
    layout: &Layout,
    original: &dyn ReadAt,
    at: u64,
    before: &[u8],
    after: Vec<u8>,
) -> Result<Option<Patch>> {
    if number::<4>(before, 0) == XATTR_MAGIC {
        let start = crc32c(layout.seed, &(at / layout.block_size).to_le_bytes());
        let sum_of = |block: &[u8]| crc32c(crc32c(crc32c(start, &block[..0x10]), &[0; 4]), &block[0x14..]);
        // A copy in the journal has the sum of the place where it belongs.
        let kept = u64::from(sum_of(before)) == number::<4>(before, 0x10);
        return Ok(kept.then(|| patch(at + 0x10, sum_of(&after))));
    }
    if before.starts_with(&JOURNAL_MAGIC) {
        return journal_block(original, at, before, &after);
    }
    let forms_before = forms(before);
    for number_of_inode in 1..=(layout.groups * layout.inodes_per_group).min(MAX_INODES) {
        let (group, index) = (
            (number_of_inode - 1) / layout.inodes_per_group,
            (number_of_inode - 1) % layout.inodes_per_group,
        );
        let place = layout.inode_table(original, group)? + index * layout.inode_size;
        let seed = layout.inode_seed(number_of_inode, &read(original, place, 128)?);
        let right = |form: &&Summed| u64::from(form.sum(seed, before)) == number::<4>(before, form.sum_at);
        if let Some(form) = forms_before.iter().find(right) {
            return Ok(Some(patch(at + form.sum_at as u64, form.sum(seed, &after))));
        }
    }
    Ok(None)
}

/// A block of the journal that is not data: superblock, descriptor, commit, revocation. Sums are big-endian.
fn journal_block(original: &dyn ReadAt, at: u64, before: &[u8], after: &[u8]) -> Result<Option<Patch>> {
    let Some(seed) = journal_seed(original)? else { return Ok(None) };
    let (seed, sum_at, end) = match before.get(7) {
        Some(4) => (!0, 0xFC, 1024),
        Some(2) => (seed, 16, after.len()),
        Some(1 | 5) => (seed, after.len() - 4, after.len()),
        _ => return Ok(None),
    };
    let sum_of = |block: &[u8]| {
        let zeroed = crc32c(crc32c(seed, &block[..sum_at]), &[0; 4]);
        crc32c(zeroed, &block[sum_at + 4..end]).to_be_bytes()
    };
    // A commit block of which only the start was written has a sum that does not tell so.
    let kept = before[sum_at..sum_at + 4] == sum_of(before);
    Ok(kept.then(|| Patch { offset: at + sum_at as u64, bytes: sum_of(after).to_vec() }))
}

/// The sum of the journal's UUID, which its superblock has; `None` if the journal keeps no sums of this kind.
fn journal_seed(original: &dyn ReadAt) -> Result<Option<u32>> {
    let mut at = 0;
    while at + 1024 <= original.len() {
        let start = read(original, at, 64)?;
        if start.starts_with(&JOURNAL_MAGIC) && start[7] == 4 {
            let sums = start[0x2B] & JOURNAL_CSUM != 0;
            return Ok(sums.then(|| crc32c(!0, &start[0x30..0x40])));
        }
        at += 1024;
    }
    Ok(None)
}

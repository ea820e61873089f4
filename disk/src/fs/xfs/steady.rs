//! Do the B-trees of a group keep their blocks when something is freed?
//!
//! A tree of one block keeps it as long as its records fit. In a larger one a leaf must not become full, nor less than
//! half full: then neither it nor the nodes above change but in their content. Which leaves are touched follows from
//! where the freed blocks are, and for the tree by size from the free space around them:
//!
//! ```text
//! by place   … │ free │ freed │ free │ …      one record in the leaf of the first, or in that of the last
//! by size    two records away, one there: wherever these sizes belong
//! ```
//!
//! Where the place of something is not known, or blocks kept for the trees are about to be taken or given back, every
//! leaf counts as touched.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use super::Xfs;
use super::ag::Trees;
use super::finish::{Piece, Work};
use super::short_tree::Tree;
use crate::bytes::Fields;
use crate::{Error, Result};

/// Key of a leaf's place in its tree: the first 8 bytes of a record as a number, or the first 4 and zeros.
type Place = u64;

/// What may happen to a leaf: records more, records fewer, at most.
#[derive(Debug, Default, Clone, Copy)]
struct Touch {
    more: u64,
    fewer: u64,
}

/// Blocks that are freed next to each other or to the same free space.
#[derive(Debug)]
struct Cluster {
    blocks: Range<u32>,
    pieces: u64,
    /// Length of the smallest piece.
    least: u32,
    before: Option<Range<u32>>,
    after: Option<Range<u32>>,
}

/// Where the tree by size has free space.
fn by_size(blocks: &Range<u32>) -> Place {
    let len = blocks.end.saturating_sub(blocks.start);
    u64::from(len) << 32 | u64::from(blocks.start)
}

fn by_place(block: u32) -> Place {
    u64::from(block) << 32
}

/// The leaves that are touched: each range of places, and how.
#[derive(Debug)]
enum Touched {
    All(Touch),
    Some(Vec<(Range<Place>, Touch)>),
}

impl Xfs {
    /// Refuses where a tree may change its number of blocks.
    pub(super) fn need_same_trees(&self, work: &Work) -> Result<()> {
        let mut unshared: Vec<&Piece> = work.unshared.iter().collect();
        unshared.sort_unstable_by_key(|(ag, blocks)| (*ag, blocks.start));
        let twice = |pair: &[&Piece]| match pair {
            [(a, first), (b, second)] => a == b && second.start < first.end,
            _ => false,
        };
        if unshared.windows(2).any(twice) {
            return Err(Error::unsupported("dirty log: deleted files that share blocks with each other"));
        }
        let mut groups: BTreeMap<u32, Vec<Range<u32>>> = BTreeMap::new();
        for (ag, blocks) in &work.pieces {
            groups.entry(*ag).or_default().push(blocks.clone());
        }
        if work.loose > 0 {
            for ag in 0..self.superblock.ag_count {
                groups.entry(ag).or_default();
            }
        }
        for (ag, pieces) in groups {
            self.need_same_space(ag, pieces, work.loose)?;
        }
        self.need_same_inodes(work)?;
        self.need_same_sharing(work)
    }

    /// The trees of free space of group `ag`, and of owners, which take blocks from them.
    fn need_same_space(&self, ag: u32, pieces: Vec<Range<u32>>, loose: u64) -> Result<()> {
        let trees: Trees = self.ag_trees(ag)?;
        let count = u64::try_from(pieces.len()).unwrap_or(u64::MAX).saturating_add(loose);
        let places = |touch| {
            let range = |piece: &Range<u32>| by_place(piece.start)..by_place(piece.end).saturating_add(1);
            Touched::Some(pieces.iter().map(|piece| (range(piece), touch)).collect())
        };
        let mut exact = loose == 0 && trees.kept == trees.wanted();
        if exact && let Some(owners) = &trees.owners {
            exact = self.is_same_tree(owners, &places(Touch { more: 1, fewer: 1 }))?;
        }
        if exact {
            let clusters = self.clusters(&trees, &pieces)?;
            let touch = Touch { more: 1, fewer: 1 };
            if self.is_same_tree(&trees.by_place, &places(touch))?
                && self.is_same_tree(&trees.by_size, &sizes(&clusters))?
            {
                return Ok(());
            }
            return Err(changes());
        }
        // Blocks kept for the trees may be given back one by one, and more of them if the tree of owners shrinks.
        let owners = if trees.owners.is_some() { count } else { 0 };
        let kept = u64::from(trees.kept.max(trees.wanted()));
        let more = count.saturating_add(kept).saturating_add(owners);
        let touch = Touch { more, fewer: more.saturating_mul(2) };
        for tree in [&trees.by_place, &trees.by_size] {
            if !self.is_same_tree(tree, &Touched::All(touch))? {
                return Err(changes());
            }
        }
        Ok(())
    }

    /// Freed pieces with the free space around them.
    fn clusters(&self, trees: &Trees, pieces: &[Range<u32>]) -> Result<Vec<Cluster>> {
        let mut sorted = pieces.to_vec();
        sorted.sort_unstable_by_key(|piece| piece.start);
        let mut clusters: Vec<Cluster> = Vec::new();
        for piece in sorted {
            let len = piece.end.saturating_sub(piece.start);
            match clusters.last_mut() {
                Some(last) if last.blocks.end > piece.start => {
                    return Err(Error::corrupt("XFS blocks that are about to be freed twice"));
                }
                Some(last) if last.blocks.end == piece.start => {
                    last.blocks.end = piece.end;
                    last.pieces = last.pieces.saturating_add(1);
                    last.least = last.least.min(len);
                }
                _ => {
                    clusters.push(Cluster {
                        blocks: piece,
                        pieces: 1,
                        least: len,
                        before: None,
                        after: None,
                    });
                }
            }
        }
        self.records(&trees.by_place, &mut |record| {
            let start = record.be32(0)?;
            let free = start..start.saturating_add(record.be32(4)?);
            let next = clusters.partition_point(|cluster| cluster.blocks.start < free.end);
            if let Some(after) = clusters.get_mut(next)
                && after.blocks.start == free.end
            {
                after.before = Some(free.clone());
            }
            let last = next.checked_sub(1).and_then(|last| clusters.get_mut(last));
            match last {
                Some(before) if before.blocks.end == free.start => before.after = Some(free),
                Some(before) if before.blocks.end > free.start => {
                    return Err(Error::corrupt("free XFS blocks that are about to be freed"));
                }
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut joined: Vec<Cluster> = Vec::new();
        for cluster in clusters {
            match joined.last_mut() {
                Some(last) if last.after.is_some() && last.after == cluster.before => {
                    let between = last.after.take().unwrap_or_default();
                    let between = between.end.saturating_sub(between.start);
                    last.blocks.end = cluster.blocks.end;
                    last.pieces = last.pieces.saturating_add(cluster.pieces);
                    last.least = last.least.min(cluster.least).min(between);
                    last.after = cluster.after;
                }
                _ => joined.push(cluster),
            }
        }
        Ok(joined)
    }

    fn need_same_inodes(&self, work: &Work) -> Result<()> {
        let mut groups: BTreeMap<u32, Vec<(Range<Place>, Touch)>> = BTreeMap::new();
        for (ag, number) in &work.inodes {
            // A chunk starts at most 63 inodes before.
            let range = by_place(number.saturating_sub(63))..by_place(*number).saturating_add(1);
            groups.entry(*ag).or_default().push((range, Touch { more: 1, fewer: 1 }));
        }
        for (ag, touched) in groups {
            let trees = self.ag_trees(ag)?;
            let mut fewer = touched.clone();
            fewer.iter_mut().for_each(|(_, touch)| touch.more = 0);
            let same = self.is_same_tree(&trees.inodes, &Touched::Some(fewer))?
                && trees
                    .free_inodes
                    .map_or(Ok(true), |tree| self.is_same_tree(&tree, &Touched::Some(touched)))?;
            if !same {
                return Err(changes());
            }
        }
        Ok(())
    }

    fn need_same_sharing(&self, work: &Work) -> Result<()> {
        /// Blocks set aside are after all others.
        const ASIDE: Place = 1 << 63;
        let mut groups: BTreeMap<u32, Vec<(Range<Place>, Touch)>> = BTreeMap::new();
        for (ag, blocks) in &work.unshared {
            let range = by_place(blocks.start)..by_place(blocks.end).saturating_add(1);
            groups.entry(*ag).or_default().push((range, Touch { more: 2, fewer: 2 }));
        }
        for (ag, blocks) in &work.aside {
            let range = ASIDE | by_place(blocks.start)..ASIDE | by_place(blocks.end);
            groups.entry(*ag).or_default().push((range, Touch { more: 0, fewer: 1 }));
        }
        for (ag, touched) in groups {
            if !self.is_same_tree(&self.ag_trees(ag)?.sharing, &Touched::Some(touched))? {
                return Err(changes());
            }
        }
        Ok(())
    }

    /// Does `tree` keep its blocks?
    fn is_same_tree(&self, tree: &Tree, touched: &Touched) -> Result<bool> {
        let most = u64::try_from(self.most_records(tree)).unwrap_or(u64::MAX);
        let has_one = tree.levels == 1;
        let mut leaves: Vec<(Place, u64)> = Vec::new();
        self.each_leaf(tree, &mut |count, records| {
            let place = match (records.be64(0), tree.kind.by_size) {
                // By size: length, then place.
                (Ok(first), true) => first.rotate_left(32),
                (Ok(first), false) => first >> 32 << 32,
                (Err(_), _) => 0,
            };
            leaves.push((place, count.into()));
        })?;
        let ends = leaves.iter().skip(1).map(|(place, _)| *place).chain([Place::MAX]);
        let mut start = 0;
        for (end, (_, count)) in ends.zip(&leaves) {
            let mut sum = Touch::default();
            match touched {
                Touched::All(touch) => sum = *touch,
                Touched::Some(ranges) => {
                    for (range, touch) in
                        ranges.iter().filter(|(range, _)| range.start < end && range.end > start)
                    {
                        debug_assert!(range.start < range.end);
                        sum.more = sum.more.saturating_add(touch.more);
                        sum.fewer = sum.fewer.saturating_add(touch.fewer);
                    }
                }
            }
            start = end;
            let fits = count.saturating_add(sum.more) <= most;
            let stays = has_one || sum.fewer == 0 || *count >= (most / 2).saturating_add(sum.fewer);
            if !fits || !stays {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Where records of the tree by size go, and come.
fn sizes(clusters: &[Cluster]) -> Touched {
    let mut touched = Vec::new();
    for cluster in clusters {
        let start = cluster.before.as_ref().map_or(cluster.blocks.start, |before| before.start);
        let end = cluster.after.as_ref().map_or(cluster.blocks.end, |after| after.end);
        let whole = by_size(&(start..end));
        if cluster.pieces == 1 {
            for old in [&cluster.before, &cluster.after].into_iter().flatten() {
                let place = by_size(old);
                touched.push((place..place.saturating_add(1), Touch { more: 0, fewer: 1 }));
            }
            touched.push((whole..whole.saturating_add(1), Touch { more: 1, fewer: 0 }));
            continue;
        }
        // In between there are records of all sizes from the smallest to the whole.
        let around = [&cluster.before, &cluster.after].into_iter().flatten();
        let least = around.map(|free| free.end.saturating_sub(free.start)).fold(cluster.least, u32::min);
        let touch = Touch { more: cluster.pieces, fewer: cluster.pieces.saturating_mul(2) };
        touched.push((u64::from(least) << 32..whole.saturating_add(1), touch));
    }
    Touched::Some(touched)
}

fn changes() -> Error {
    Error::unsupported("dirty log: what is free after it is finished depends on how B-trees change")
}

impl Trees {
    /// How many blocks the kernel keeps for the trees: two for each level that they may get.
    fn wanted(&self) -> u32 {
        let of = |tree: &Tree| tree.levels.saturating_mul(2);
        of(&self.by_place)
            .saturating_add(of(&self.by_size))
            .saturating_add(self.owners.as_ref().map_or(0, of))
    }
}

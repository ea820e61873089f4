//! The content of a regular file: which pieces of it hold data, and their bytes.

use std::ops::Range;

use disk::fs::FileData;
use libguestfs_core::tar::MAX_PIECES;

use crate::error::Failure;

/// Holes shorter than this are sent as zeros: a piece costs about as much in the map, and no filesystem has smaller blocks
/// worth keeping apart.
const SHORTEST_HOLE: u64 = 4096;

/// The pieces of data of a file, or `None` if it has no holes. If they are too many for an archive, the shortest holes
/// between them count as data.
pub(super) fn pieces(file: &mut dyn FileData) -> Result<Option<Vec<Range<u64>>>, Failure> {
    let mut shortest = SHORTEST_HOLE;
    loop {
        if let Some(pieces) = pieces_apart(file, shortest)? {
            let whole = match pieces.as_slice() {
                [] => file.is_empty(),
                [piece] => *piece == (0..file.len()),
                _ => false,
            };
            return Ok((!whole).then_some(pieces));
        }
        // Past the size of the file there is one piece, so this ends.
        shortest = shortest.saturating_mul(8);
    }
}

/// The pieces with holes of at least `shortest` bytes between them; `None` if they are too many.
fn pieces_apart(file: &mut dyn FileData, shortest: u64) -> Result<Option<Vec<Range<u64>>>, Failure> {
    let len = file.len();
    let mut pieces: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    while at < len {
        let Some(data) = file.next_data(at).map_err(|e| Failure::disk("".into(), e))? else { break };
        let data = data.start.max(at)..data.end.min(len);
        if data.is_empty() {
            break;
        }
        at = data.end;
        let hole = |last: &Range<u64>| data.start.saturating_sub(last.end);
        let full = pieces.len() >= MAX_PIECES;
        match pieces.last_mut() {
            Some(last) if hole(last) < shortest => last.end = data.end,
            None if data.start < shortest => pieces.push(0..data.end),
            _ if full => return Ok(None),
            _ => pieces.push(data),
        }
    }
    if let Some(last) = pieces.last_mut()
        && len.saturating_sub(last.end) < shortest
    {
        last.end = len;
    }
    Ok(Some(pieces))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of so many bytes with data in these places.
    #[derive(Debug)]
    struct Holey(u64, Vec<Range<u64>>);

    impl FileData for Holey {
        fn len(&self) -> u64 {
            self.0
        }
        fn read_at(&mut self, _: u64, _: &mut [u8]) -> disk::Result<usize> {
            panic!("nothing is read to find holes")
        }
        fn next_data(&mut self, offset: u64) -> disk::Result<Option<Range<u64>>> {
            let next = self.1.iter().find(|piece| piece.end > offset);
            Ok(next.map(|piece| piece.start.max(offset)..piece.end))
        }
    }

    #[test]
    fn only_files_with_holes_have_pieces() {
        let of = |len, data: &[(u64, u64)]| {
            pieces(&mut Holey(len, data.iter().map(|(start, end)| *start..*end).collect())).unwrap()
        };
        assert_eq!(of(0, &[]), None);
        assert_eq!(of(5, &[(0, 5)]), None);
        assert_eq!(of(20_000, &[(0, 10_000), (10_000, 20_000)]), None);
        // Short holes are data, wherever they are.
        assert_eq!(of(20_000, &[(100, 10_000), (12_000, 19_000)]), None);
        assert_eq!(of(8192, &[]), Some(vec![]));
        assert_eq!(of(1 << 30, &[(0, 4096), (8192, 12_288)]), Some(vec![0..4096, 8192..12_288]));
        assert_eq!(of(1 << 30, &[(1 << 20, 2 << 20)]), Some(std::iter::once(1 << 20..2 << 20).collect()));
    }

    #[test]
    fn very_many_pieces_are_joined() {
        let data: Vec<_> = (0..200_000).map(|n| n * 10_000..n * 10_000 + 100).collect();
        let found = pieces(&mut Holey(1 << 40, data)).unwrap().unwrap();
        assert_eq!((found.len(), found[0].clone()), (1, 0..199_999 * 10_000 + 100));
    }
}

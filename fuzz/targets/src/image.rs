//! Image formats.

use std::sync::Arc;

use disk::image::{self, NoRelated};
use disk::{MemSource, ReadAt};

/// Most that is read of a virtual disk: one mebibyte from its start, middle and end.
const PIECE: u64 = 1 << 20;

/// An image of any format. What it says that it holds can be read or is refused, the same way twice; zeros are where it
/// says that no data is.
pub(crate) fn image(data: &[u8]) {
    let file: Arc<dyn ReadAt> = Arc::new(MemSource::new(data));
    let open = || image::open(file.clone(), None, &mut NoRelated);
    let (Ok(one), Ok(two)) = (open(), open()) else { return };
    assert_eq!(one.len(), two.len(), "the size of the disk");
    let piece = PIECE.min(one.len());
    let mut buffers = [0, 1].map(|_| vec![0; usize::try_from(piece).unwrap_or(0)]);
    for start in [0, (one.len() - piece) / 2, one.len() - piece] {
        let results = [one.read_at(start, &mut buffers[0]), two.read_at(start, &mut buffers[1])];
        assert_eq!(results[0].is_ok(), results[1].is_ok(), "reading twice at {start}");
        if results[0].is_err() {
            continue;
        }
        assert_eq!(buffers[0], buffers[1], "content at {start}");
        if let Ok(next) = one.next_data(start) {
            let hole = next.map_or(one.len(), |range| range.start).saturating_sub(start).min(piece);
            let hole = usize::try_from(hole).unwrap_or(0);
            assert!(buffers[0][..hole].iter().all(|byte| *byte == 0), "data in a hole at {start}");
        }
    }
}

//! The same bytes several times.

use std::ops::Range;
use std::sync::Arc;

use crate::source::check_range;
use crate::{Error, ErrorKind, ReadAt, Result};

/// Copies of the same bytes.
#[derive(Debug)]
pub(in crate::volume) struct Mirror {
    /// Those that can be trusted, at least one.
    copies: Vec<Arc<dyn ReadAt>>,
    len: u64,
}

impl Mirror {
    /// The first `len` bytes, which each of `copies` has.
    pub(in crate::volume) fn new(copies: Vec<Arc<dyn ReadAt>>, len: u64) -> Result<Mirror> {
        if copies.is_empty() || copies.iter().any(|copy| copy.len() < len) {
            return Err(Error::corrupt(format!("a mirror of {len} bytes whose copies are shorter")));
        }
        Ok(Mirror { copies, len })
    }
}

impl ReadAt for Mirror {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        let mut failure = None;
        for copy in &self.copies {
            match copy.read_at(offset, buf) {
                Ok(()) => return Ok(()),
                Err(error) => _ = failure.get_or_insert(error),
            }
        }
        Err(failure.unwrap_or_else(|| Error::new(ErrorKind::Io, "a mirror without copies")))
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        let Some(first) = self.copies.first() else { return Ok(None) };
        let data = first.next_data(offset)?.filter(|data| data.start < self.len);
        Ok(data.map(|data| data.start..data.end.min(self.len)))
    }

    fn sector_size(&self) -> u32 {
        self.copies.iter().map(ReadAt::sector_size).max().unwrap_or(512)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Broken, source};
    use super::*;

    #[test]
    fn a_copy_that_cannot_be_read_is_passed_over() {
        let mirror = Mirror::new(vec![Arc::new(Broken(4)), source(&[1, 2, 3, 4])], 3).unwrap();
        let mut bytes = [0; 2];
        mirror.read_at(1, &mut bytes).unwrap();
        assert_eq!((bytes, mirror.next_data(2).unwrap()), ([2, 3], Some(2..3)));
        assert_eq!(mirror.read_at(2, &mut bytes).unwrap_err().kind(), ErrorKind::Corrupt);
        let broken = Mirror::new(vec![Arc::new(Broken(4))], 4).unwrap();
        assert_eq!(broken.read_at(0, &mut bytes).unwrap_err().kind(), ErrorKind::Io);
        assert!(Mirror::new(vec![], 0).is_err());
        assert!(Mirror::new(vec![source(&[1; 4])], 5).is_err());
    }
}

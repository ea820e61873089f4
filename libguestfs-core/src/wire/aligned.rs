//! Memory that begins at a page, as files need that were opened with `O_DIRECT`.

use std::ops::{Deref, DerefMut};

/// Bytes of a page. No device wants its memory, its offsets or its lengths in larger units (open(2), `O_DIRECT`).
pub const PAGE: usize = 4096;

/// A buffer of a fixed size, full of zeros at first, that begins at a page.
#[derive(Debug)]
pub struct Aligned {
    /// Never grows, so that it stays where it is.
    memory: Box<[u8]>,
    from: usize,
    to: usize,
}

impl Aligned {
    /// A buffer of so many bytes.
    pub fn new(size: usize) -> Self {
        let memory = vec![0; size.saturating_add(PAGE)].into_boxed_slice();
        let from = memory.as_ptr().align_offset(PAGE).min(PAGE);
        Aligned { memory, from, to: from.saturating_add(size) }
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.from..self.to).unwrap_or_default()
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.from..self.to).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_page_and_has_its_size() {
        for size in [0, 1, PAGE, 256 * 1024] {
            let mut buffer = Aligned::new(size);
            assert_eq!((buffer.as_ptr().addr() % PAGE, buffer.len()), (0, size));
            buffer.fill(7);
        }
    }
}

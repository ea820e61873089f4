//! The lines of a file, read in pieces.

use std::io;

use bstr::ByteSlice;

use crate::limits::{LINE, TEXT_FILE};
use crate::source::File;

/// How much is read at once, in bytes.
const PIECE: usize = 64 << 10;

/// Gives the lines of a file one after the other, in bounded memory.
pub(crate) struct Lines<'f> {
    file: &'f mut dyn File,
    /// Where the next piece is read.
    offset: u64,
    /// What was read and not given yet starts at `start`.
    buffer: Vec<u8>,
    start: usize,
    /// Nothing more comes from the file.
    ended: bool,
    /// How much of the file is read, in bytes.
    most: u64,
}

impl<'f> Lines<'f> {
    pub(crate) fn new(file: &'f mut dyn File) -> Self {
        Lines { file, offset: 0, buffer: Vec::new(), start: 0, ended: false, most: TEXT_FILE }
    }

    /// The next line without its end (LF), or `None` at the end of the file. A line beyond the limit is cut.
    ///
    /// # Errors
    /// If the file can't be read, or is longer than is read of one. What comes after is not looked at.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let mut searched = 0;
        let mut end = loop {
            let rest = self.buffer.get(self.start..).unwrap_or_default();
            let unseen = rest.get(searched..).unwrap_or_default();
            if let Some(at) = unseen.find_byte(b'\n') {
                break self.start.saturating_add(searched).saturating_add(at);
            }
            searched = rest.len();
            if searched > LINE {
                self.skip_line()?;
                break self.start.saturating_add(LINE);
            }
            if self.ended || !self.fill()? {
                if searched == 0 {
                    return Ok(None);
                }
                break self.buffer.len();
            }
        };
        end = end.min(self.buffer.len());
        let line = self.start..end;
        self.start = end.saturating_add(1).min(self.buffer.len());
        Ok(self.buffer.get(line))
    }

    /// Reads one more piece; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let old = self.buffer.len();
        self.buffer.resize(old.saturating_add(PIECE), 0);
        let read = if self.offset < self.most {
            self.file.read_at(self.offset, self.buffer.get_mut(old..).unwrap_or_default())
        } else if self.offset < self.file.len() {
            Err(io::Error::other(format!("it is longer than {} bytes", self.most)))
        } else {
            Ok(0)
        };
        self.ended = !matches!(read, Ok(1..));
        let count = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(old.saturating_add(count));
        self.offset = self.offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        read.map(|count| count > 0)
    }

    /// Drops what follows in a line that is too long: all but its beginning and the LF.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let limit = self.start.saturating_add(LINE);
            let rest = self.buffer.get(limit..).unwrap_or_default();
            if let Some(at) = rest.find_byte(b'\n') {
                self.buffer.drain(limit..limit.saturating_add(at));
                return Ok(());
            }
            self.buffer.truncate(limit);
            if self.ended || !self.fill()? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    fn lines(content: &[u8]) -> Vec<Vec<u8>> {
        let mut file = Memory(content);
        let mut lines = Lines::new(&mut file);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(line.to_vec());
        }
        all
    }

    #[test]
    fn lines_end_at_lf_or_the_end_of_the_file() {
        for (content, expected) in [
            ("", vec![]),
            ("\n", vec![""]),
            ("a", vec!["a"]),
            ("a\n\nb\n", vec!["a", "", "b"]),
            ("a\r\nb", vec!["a\r", "b"]),
        ] {
            assert_eq!(
                lines(content.as_bytes()),
                expected.iter().map(|l| l.as_bytes().to_vec()).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn lines_cross_pieces_and_are_cut_at_the_limit() {
        let line = |byte: u8, len: usize| vec![byte; len];
        let content = [
            line(b'a', PIECE - 1),
            line(b'b', PIECE),
            line(b'c', LINE),
            line(b'd', LINE + 3 * PIECE),
            line(b'e', 1),
        ];
        let cut =
            [line(b'a', PIECE - 1), line(b'b', PIECE), line(b'c', LINE), line(b'd', LINE), line(b'e', 1)];
        assert_eq!(lines(&content.join(&b'\n')), cut);
        assert_eq!(lines(&line(b'd', 2 * LINE)), [line(b'd', LINE)]);
    }

    #[test]
    fn a_file_that_is_too_long_is_no_shorter_file() {
        let content = b"0123456\n".repeat(2 * PIECE / 8);
        let mut file = Memory(content.as_slice());
        let mut lines = Lines { most: PIECE as u64, ..Lines::new(&mut file) };
        let mut count = 0;
        let error = loop {
            match lines.next() {
                Ok(line) => count += usize::from(line.is_some()),
                Err(e) => break e.to_string(),
            }
        };
        assert_eq!((count, error.as_str()), (PIECE / 8, "it is longer than 65536 bytes"));
    }
}

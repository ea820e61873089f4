//! Standard output: written in large pieces, and a reader that goes away is no error.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

/// Bytes gathered before a write: a pipe's usual capacity, so that one write fills it.
const PIECE: usize = 64 << 10;

/// Standard output, or another place in tests.
pub struct Output {
    to: Box<dyn Write + Send>,
    piece: Vec<u8>,
    /// Of the first write that failed: its kind, and its errno if it has one.
    failure: Option<(ErrorKind, Option<i32>)>,
}

impl Output {
    /// The process's standard output.
    ///
    /// # Errors
    /// If no descriptor is left.
    pub fn stdout() -> io::Result<Output> {
        // Not std's Stdout, which looks for newlines to flush at.
        Ok(Output::new(Box::new(File::from(io::stdout().as_fd().try_clone_to_owned()?))))
    }

    /// Output to any writer.
    pub fn new(to: Box<dyn Write + Send>) -> Output {
        Output { to, piece: Vec::with_capacity(PIECE), failure: None }
    }

    /// Did the reader go away? Then there is nothing left to do, and that is a success.
    pub fn is_closed(&self) -> bool {
        self.failure.is_some_and(|(kind, _)| kind == ErrorKind::BrokenPipe)
    }

    /// Did a write fail? Then the tool ends; why is told at its end.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Once a write failed, no other can succeed: what is out would have a hole.
    fn check(&self) -> io::Result<()> {
        match self.failure {
            None => Ok(()),
            Some((_, Some(errno))) => Err(io::Error::from_raw_os_error(errno)),
            Some((kind, None)) => Err(kind.into()),
        }
    }

    fn noted<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(e) = &result {
            self.failure = Some((e.kind(), e.raw_os_error()));
        }
        result
    }

    fn write_piece(&mut self) -> io::Result<()> {
        self.check()?;
        let written = self.to.write_all(&self.piece);
        self.piece.clear();
        self.noted(written)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() + bytes.len() > PIECE {
            self.write_piece()?;
        }
        if bytes.len() >= PIECE {
            self.check()?;
            let written = self.to.write_all(bytes);
            self.noted(written)?;
        } else {
            self.piece.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_piece()?;
        let flushed = self.to.flush();
        self.noted(flushed)
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("waiting", &self.piece.len()).field("failure", &self.failure).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Pieces(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes == b"pipe" {
                return Err(ErrorKind::BrokenPipe.into());
            }
            self.0.lock().unwrap().push(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn small_writes_are_gathered_and_large_ones_pass_in_order() {
        let pieces = Pieces::default();
        let mut out = Output::new(Box::new(pieces.clone()));
        for _ in 0..3 {
            out.write_all(b"line\n").unwrap();
        }
        out.write_all(&[7; PIECE]).unwrap();
        out.write_all(b"end").unwrap();
        out.flush().unwrap();
        let lengths: Vec<usize> = pieces.0.lock().unwrap().iter().map(Vec::len).collect();
        assert_eq!(lengths, [15, PIECE, 3]);
    }

    #[test]
    fn a_reader_that_goes_away_is_told_from_a_failure() {
        let mut out = Output::new(Box::new(Pieces::default()));
        out.write_all(b"pipe").unwrap();
        assert!(out.flush().is_err());
        assert!(out.is_closed() && out.flush().is_err());
    }
}

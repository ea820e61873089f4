//! An archive or a file compressed on its way out: with gzip here, otherwise by a program.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use libguestfs_core::{Error, Result};

use super::super::sink::Sink;

/// A sink that compresses for another one.
pub(in crate::calls) struct Gzip<'a> {
    encoder: GzEncoder<Adapter<'a>>,
}

/// A sink as a writer; why it failed is kept.
struct Adapter<'a> {
    sink: &'a mut dyn Sink,
    failure: Option<Error>,
}

impl Write for Adapter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.sink.write(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(e) => {
                self.failure = Some(e);
                Err(io::ErrorKind::Other.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> Gzip<'a> {
    pub(in crate::calls) fn new(sink: &'a mut dyn Sink, level: Compression) -> Self {
        let adapter = Adapter { sink, failure: None };
        Gzip { encoder: GzEncoder::new(adapter, level) }
    }

    fn told<T>(&mut self, result: io::Result<T>) -> Result<T> {
        result.map_err(|e| match self.encoder.get_mut().failure.take() {
            Some(failure) => failure,
            None => Error::io("compressing", e),
        })
    }

    /// Sends what is held, and the end of the compressed stream.
    pub(in crate::calls) fn finish(mut self) -> Result<()> {
        let finished = self.encoder.try_finish();
        self.told(finished)
    }
}

impl Sink for Gzip<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.encoder.write_all(bytes);
        self.told(written)
    }

    /// How long it becomes is not known.
    fn set_total(&mut self, _bytes: u64) {}
}

/// A sink that feeds a program.
pub(in crate::calls) struct Feed<'a>(pub(in crate::calls) &'a mut (dyn Write + Send));

impl Sink for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(|e| Error::io("writing to a program", e))
    }

    fn set_total(&mut self, _bytes: u64) {}
}

//! What a call has to do with its caller while it runs: the file that it sends or receives, and how far it is. It is the
//! protocol's [`FileOut`], [`FileIn`] and [`Meter`], or memory in tests.

use libguestfs_core::Result;
use libguestfs_core::server::{FileIn, FileOut, Meter};

/// Takes the bytes of a file in order. What a program prints comes from a thread of its own.
pub(crate) trait Sink: Send {
    /// Sends the next bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// Says how many bytes will come in all.
    fn set_total(&mut self, bytes: u64);
}

impl Sink for FileOut<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes)
    }

    fn set_total(&mut self, bytes: u64) {
        FileOut::set_total(self, bytes);
    }
}

#[cfg(test)]
impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn set_total(&mut self, _bytes: u64) {}
}

/// Gives the bytes of a file in order.
pub(crate) trait Source {
    /// The next bytes, or `None` at the end.
    fn next(&mut self) -> Result<Option<&[u8]>>;
}

impl Source for FileIn<'_> {
    fn next(&mut self) -> Result<Option<&[u8]>> {
        self.next_chunk()
    }
}

#[cfg(test)]
impl Source for std::slice::Chunks<'_, u8> {
    fn next(&mut self) -> Result<Option<&[u8]>> {
        Ok(Iterator::next(self))
    }
}

/// Hears how far a call is.
pub(crate) trait Told {
    /// So much of `total` is done.
    fn tell(&mut self, position: u64, total: u64) -> Result<()>;
}

impl Told for Meter<'_> {
    fn tell(&mut self, position: u64, total: u64) -> Result<()> {
        Meter::tell(self, position, total)
    }
}

/// Nobody does.
impl Told for () {
    fn tell(&mut self, _position: u64, _total: u64) -> Result<()> {
        Ok(())
    }
}

/// Bytes that small writes are gathered to before they are sent.
const GATHER: usize = 64 * 1024;

/// Gathers small writes.
pub(super) struct Gather<'a> {
    sink: &'a mut dyn Sink,
    held: Vec<u8>,
}

impl<'a> Gather<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink) -> Self {
        Gather { sink, held: Vec::with_capacity(GATHER) }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.held.len() + bytes.len() > GATHER {
            self.flush()?;
        }
        if bytes.len() > GATHER {
            return self.sink.write(bytes);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// Sends what is held. Forgetting it loses bytes, so every call ends with it.
    pub(super) fn flush(&mut self) -> Result<()> {
        if !self.held.is_empty() {
            self.sink.write(&self.held)?;
            self.held.clear();
        }
        Ok(())
    }
}

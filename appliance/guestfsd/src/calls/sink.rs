//! Where a call writes the file that it sends: the protocol's [`FileOut`], or memory in tests.

use libguestfs_core::Result;
use libguestfs_core::server::FileOut;

/// Takes the bytes of a file in order.
pub(crate) trait Sink {
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

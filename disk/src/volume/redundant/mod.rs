//! Volumes whose bytes are there more than once: what software RAID, LVM2 and dynamic disks have alike.
//!
//! ```text
//! mirror.rs    RAID-1: every copy is the whole
//! parity.rs    RAID-4, 5 and 6: data, and one or two checks a row; layout.rs says which column has what
//! copies.rs    RAID-10: chunks in several columns
//! ```
//!
//! A column that is not there, or that can't be read, is made up for by the others as long as they suffice.

mod copies;
mod galois;
mod layout;
mod mirror;
mod parity;

use std::sync::Arc;

use crate::ReadAt;

pub(super) use self::copies::{Copies, CopyLayout};
pub(super) use self::layout::ParityLayout;
pub(super) use self::mirror::Mirror;
pub(super) use self::parity::Parity;

/// A column of a volume; `None` if it is not there or not up to date.
pub(super) type Column = Option<Arc<dyn ReadAt>>;

/// The largest sector size of some columns.
fn sector_size(columns: &[Column]) -> u32 {
    columns.iter().flatten().map(ReadAt::sector_size).max().unwrap_or(512)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{Error, ErrorKind, MemSource, ReadAt, Result};

    pub(super) fn source(bytes: &[u8]) -> Arc<dyn ReadAt> {
        Arc::new(MemSource::new(bytes.to_vec()))
    }

    /// A source of so many bytes that can't be read.
    #[derive(Debug)]
    pub(super) struct Broken(pub(super) u64);

    impl ReadAt for Broken {
        fn len(&self) -> u64 {
            self.0
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> Result<()> {
            Err(Error::new(ErrorKind::Io, "broken"))
        }
    }
}

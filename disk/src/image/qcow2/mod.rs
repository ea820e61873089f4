//! qcow2 images, versions 2 and 3. Format: QEMU's docs/interop/qcow2.rst; behaviour in doubtful cases: as qemu's.
//!
//! ```text
//! Header ─ where the L1 table is ─┐            ┌─ Data ──────── data file (the image, or an external one)
//! Snapshot ─ or another L1 table ─┴─ Mapping ──┼─ Compressed ── Decoder ── cluster cache
//!                                              ├─ Zero
//!                                              └─ Backing ───── the next image of the chain, or zeros
//! ```
//!
//! Invariants: refcounts, bitmaps and snapshots that are not asked for are not looked at; entries are checked when they are
//! used, so damage elsewhere does not matter; a whole chain shares one set of bounded [`Caches`].

mod compressed;
mod header;
mod mapping;
mod snapshot;

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bstr::{BStr, BString};

pub use header::{Compression, Header};
pub use snapshot::Snapshot;
pub(super) use snapshot::read_all as snapshots;

use crate::clock::Clock;
use crate::source::check_range;
use crate::{Context, Error, ReadAt, Result};
use compressed::Decoder;
use mapping::{Extent, Mapping, Origin, TableCache, table_cache};

/// Memory for decompressed clusters of a whole chain in bytes: two of the largest.
const CLUSTER_CACHE: usize = 4 << 20;
/// How many idle decoders are kept.
const MAX_DECODERS: usize = 4;
/// How many pieces of mapping one call of `next_data` looks at before it says that there may be data.
const MAX_PIECES: usize = 65536;

/// What a qcow2 image says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// 2 or 3.
    pub version: u32,
    /// Cluster size in bytes.
    pub cluster_size: u64,
    /// How compressed clusters are compressed.
    pub compression: Compression,
    /// Has it extended L2 entries, with subclusters?
    pub extended_l2: bool,
    /// Format of the backing file as written.
    pub backing_format: Option<BString>,
    /// Name of the external data file as written.
    pub data_file: Option<BString>,
    /// A writer did not close the image, or still has it open.
    pub dirty: bool,
    /// qemu met corruption in it.
    pub corrupt: bool,
}

impl Info {
    /// What an image with that `header` says.
    pub(super) fn new(header: &Header) -> Self {
        Info {
            version: header.version,
            cluster_size: header.cluster_size,
            compression: header.compression,
            extended_l2: header.extended_l2,
            backing_format: header.backing_format.clone(),
            data_file: header.data_file.clone(),
            dirty: header.dirty,
            corrupt: header.corrupt,
        }
    }
}

type ClusterCache = Clock<(u32, u64, u64), Arc<[u8]>>;

/// What the images of one chain share.
#[derive(Debug)]
pub(super) struct Caches {
    tables: Arc<TableCache>,
    /// Decompressed clusters, by image (its number in the chain), offset and length of the compressed data.
    clusters: Mutex<ClusterCache>,
    decoders: Mutex<Vec<Decoder>>,
    levels: AtomicU32,
}

impl Caches {
    pub(super) fn new() -> Self {
        Caches {
            tables: Arc::new(table_cache()),
            clusters: Mutex::new(Clock::new(CLUSTER_CACHE)),
            decoders: Mutex::new(Vec::new()),
            levels: AtomicU32::new(0),
        }
    }

    fn decoder(&self) -> Decoder {
        let mut idle = self.decoders.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop().unwrap_or_else(Decoder::new)
    }

    fn put_back(&self, decoder: Decoder) {
        let mut idle = self.decoders.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_DECODERS {
            idle.push(decoder);
        }
    }
}

/// The virtual disk of a qcow2 image.
#[derive(Debug)]
pub(super) struct Qcow2 {
    file: Arc<dyn ReadAt>,
    data: Arc<dyn ReadAt>,
    backing: Option<Arc<dyn ReadAt>>,
    mapping: Mapping,
    size: u64,
    cluster: u64,
    compression: Compression,
    caches: Arc<Caches>,
    level: u32,
}

impl Qcow2 {
    /// The disk, or what `snapshot` keeps of it, of the image in `file` with that `header`; `data` is where its clusters
    /// are, `backing` its backing disk.
    pub(super) fn new(
        file: Arc<dyn ReadAt>,
        data: Arc<dyn ReadAt>,
        backing: Option<Arc<dyn ReadAt>>,
        header: &Header,
        snapshot: Option<&BStr>,
        caches: Arc<Caches>,
    ) -> Result<Self> {
        let (l1, size) = match snapshot {
            None => (header.l1, header.virtual_size),
            Some(wanted) => {
                let snapshot = snapshot::find(&file, header, wanted)?;
                (snapshot.l1, snapshot.disk_size.unwrap_or(header.virtual_size))
            }
        };
        let level = caches.levels.fetch_add(1, Ordering::Relaxed);
        let mapping = Mapping::new(Arc::clone(&file), level, Arc::clone(&caches.tables), header, l1)?;
        Ok(Qcow2 {
            file,
            data,
            backing,
            mapping,
            size,
            cluster: header.cluster_size,
            compression: header.compression,
            caches,
            level,
        })
    }

    /// Reads allocated clusters. What the file's end cuts off from its last cluster is zeros; a cluster wholly past the
    /// end is damage (qemu's check calls it so too).
    fn read_data(&self, host: u64, buf: &mut [u8]) -> Result<()> {
        let file_len = self.data.len();
        let last = host.saturating_add(to_u64(buf.len()).saturating_sub(1));
        if last.checked_rem(self.cluster).map(|inside| last.saturating_sub(inside) >= file_len) != Some(false)
        {
            return Err(Error::corrupt(format!("a cluster before byte {last}, past the end of the file")));
        }
        let have = usize::try_from(file_len.saturating_sub(host)).unwrap_or(usize::MAX).min(buf.len());
        let (data, past) = buf.split_at_mut(have);
        past.fill(0);
        if data.is_empty() { Ok(()) } else { self.data.read_at(host, data) }
    }

    /// Reads what this image does not have: the backing disk, and zeros past its end.
    fn read_backing(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let Some(backing) = &self.backing else {
            buf.fill(0);
            return Ok(());
        };
        let have = usize::try_from(backing.len().saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
        let (data, past) = buf.split_at_mut(have);
        past.fill(0);
        if data.is_empty() { Ok(()) } else { backing.read_at(offset, data) }
    }

    /// Reads from the compressed cluster in `len` bytes at `host`, from its byte `inside` on.
    fn read_compressed(&self, host: u64, len: u64, inside: usize, buf: &mut [u8]) -> Result<()> {
        let key = (self.level, host, len);
        let cached = {
            let mut clusters = self.caches.clusters.lock().unwrap_or_else(PoisonError::into_inner);
            clusters.get(&key).map(Arc::clone)
        };
        let cluster = match cached {
            Some(cluster) => cluster,
            // Nothing is left to be read from a cluster that is read as a whole: no need to keep it.
            None if to_u64(buf.len()) == self.cluster => return self.decompress(host, len, buf),
            None => {
                let mut cluster = vec![0; usize::try_from(self.cluster).unwrap_or(0)];
                self.decompress(host, len, &mut cluster)?;
                let cluster: Arc<[u8]> = cluster.into();
                let mut clusters = self.caches.clusters.lock().unwrap_or_else(PoisonError::into_inner);
                clusters.insert(key, Arc::clone(&cluster), cluster.len());
                cluster
            }
        };
        match cluster.get(inside..).and_then(|rest| rest.get(..buf.len())) {
            Some(bytes) => buf.copy_from_slice(bytes),
            None => return Err(Error::corrupt("a read past the end of a compressed cluster")),
        }
        Ok(())
    }

    fn decompress(&self, host: u64, len: u64, output: &mut [u8]) -> Result<()> {
        let mut decoder = self.caches.decoder();
        let result = decoder
            .read(&self.file, host, len, self.compression, output)
            .context(|| format!("compressed cluster at byte {host} of the file"));
        self.caches.put_back(decoder);
        result
    }

    /// The first range at or after `offset` that may hold data, within one piece of mapping at a time. `Err` is how far
    /// zeros go. `ahead` remembers what the backing disk said last.
    fn data_in_piece(&self, offset: u64, ahead: &mut Option<Ahead>) -> Result<Result<Range<u64>, u64>> {
        let Extent { origin, len } = self.mapping.piece(offset, self.size.saturating_sub(offset))?;
        let end = offset.saturating_add(len.max(1));
        match (origin, &self.backing) {
            (Origin::Data(_) | Origin::Compressed { .. }, _) => Ok(Ok(offset..end)),
            (Origin::Zero, _) | (Origin::Backing, None) => Ok(Err(end)),
            (Origin::Backing, Some(backing)) => {
                let known = match ahead.take() {
                    Some(known) if known.covers(offset) => known,
                    _ if offset >= backing.len() => Ahead { from: offset, data: None },
                    _ => Ahead { from: offset, data: backing.next_data(offset)? },
                };
                let found = known.data.clone();
                *ahead = Some(known);
                Ok(match found {
                    Some(data) if data.start < end => Ok(data.start.max(offset)..data.end.min(end)),
                    _ => Err(end),
                })
            }
        }
    }
}

/// An answer of `next_data`, and what was asked.
struct Ahead {
    from: u64,
    data: Option<Range<u64>>,
}

impl Ahead {
    /// Is this what `next_data(offset)` would say too?
    fn covers(&self, offset: u64) -> bool {
        self.from <= offset && self.data.as_ref().is_none_or(|data| offset < data.end)
    }
}

impl ReadAt for Qcow2 {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.size, offset, buf.len())?;
        self.read(offset, buf).map_err(|error| unreadable(error, offset))
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        self.find_data(offset).map_err(|error| unreadable(error, offset))
    }
}

/// What a damaged image is to who reads the disk: not damage of what the disk holds.
fn unreadable(error: Error, offset: u64) -> Error {
    error.unreadable(format!("the qcow2 image cannot be read at byte {offset} of the disk"))
}

impl Qcow2 {
    /// Fills `buf` from byte `offset` of the disk on, which is known to lie within it.
    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut offset = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let extent = self.mapping.extent(offset, to_u64(rest.len()))?;
            let count = usize::try_from(extent.len).unwrap_or(usize::MAX).min(rest.len());
            if count == 0 {
                return Err(Error::corrupt(format!("overlapping tables map byte {offset} of the disk")));
            }
            let (part, after) = rest.split_at_mut(count);
            match extent.origin {
                Origin::Data(host) => self
                    .read_data(host, part)
                    .context(|| format!("byte {offset} of the disk, mapped to byte {host}"))?,
                Origin::Zero => part.fill(0),
                Origin::Backing => self.read_backing(offset, part)?,
                Origin::Compressed { offset: host, len } => {
                    let inside = offset.checked_rem(self.cluster).unwrap_or(0);
                    self.read_compressed(host, len, usize::try_from(inside).unwrap_or(usize::MAX), part)?;
                }
            }
            offset = offset.saturating_add(extent.len);
            rest = after;
        }
        Ok(())
    }

    /// See [`ReadAt::next_data`].
    fn find_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        let mut ahead = None;
        let mut found: Option<Range<u64>> = None;
        let mut at = offset;
        for _ in 0..MAX_PIECES {
            if at >= self.size {
                return Ok(found);
            }
            match (self.data_in_piece(at, &mut ahead)?, &mut found) {
                (Err(end), None) => at = end,
                (Err(_), Some(_)) => return Ok(found),
                (Ok(data), None) => {
                    at = data.end;
                    found = Some(data);
                }
                (Ok(data), Some(found)) if data.start == found.end => {
                    at = data.end;
                    found.end = data.end;
                }
                (Ok(_), Some(_)) => return Ok(found),
            }
        }
        // Too much to look at: what is found so far, or "perhaps".
        Ok(Some(found.unwrap_or(at..self.size)))
    }
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

//! Streams decompressed by what they begin with. All in Rust, in bounded memory; what is not known here is said so.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use lzma_rust2::{LzmaReader, XzReader};
use ruzstd::decoding::StreamingDecoder;

/// Bytes read at a time.
const BUFFER: usize = 64 << 10;
/// Most memory in KiB that a dictionary of LZMA may take: that of `xz -9` is 64 MiB.
const LZMA_MEMORY: u32 = 160 << 10;

/// A form that a stream can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Gzip,
    Xz,
    Zstd,
    Lzma,
    /// Compressed in a way that is not known here, with its name.
    Foreign(&'static str),
    Plain,
}

/// What each form begins with. Sources: RFC 1952, the formats of xz, zstd (RFC 8878), bzip2, lzop and LZ4's legacy frame, as
/// the kernel's lib/decompress.c lists them.
const MAGIC: [(&[u8], Form); 8] = [
    (&[0x1f, 0x8b], Form::Gzip),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Form::Xz),
    (&[0x28, 0xb5, 0x2f, 0xfd], Form::Zstd),
    (&[0x5d, 0, 0], Form::Lzma),
    (b"BZh", Form::Foreign("bzip2")),
    (&[0x89, b'L', b'Z', b'O'], Form::Foreign("lzop")),
    (&[0x02, 0x21, 0x4c, 0x18], Form::Foreign("lz4")),
    (&[0x1f, 0x9d], Form::Foreign("compress")),
];
/// Length of the longest of them.
pub(super) const MAGIC_LEN: usize = 6;

/// The form of a stream that begins like this.
pub(super) fn form(start: &[u8]) -> Form {
    MAGIC.iter().find(|(magic, _)| start.starts_with(magic)).map_or(Form::Plain, |(_, form)| *form)
}

/// A reader that can look ahead.
#[derive(Debug)]
pub(super) struct Ahead<R> {
    reader: R,
    held: Vec<u8>,
    at: usize,
}

impl<R: Read> Ahead<R> {
    pub(super) fn new(reader: R) -> Self {
        Ahead { reader, held: Vec::new(), at: 0 }
    }

    pub(super) fn into_inner(self) -> R {
        self.reader
    }

    /// The next bytes without taking them: `count`, or fewer at the end.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.held.len().saturating_sub(self.at) < count && self.more()? {}
        let have = self.held.get(self.at..).unwrap_or_default();
        Ok(have.get(..count.min(have.len())).unwrap_or_default())
    }

    /// Reads on behind what is held; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        self.held.drain(..self.at);
        self.at = 0;
        let before = self.held.len();
        self.held.resize(before.saturating_add(BUFFER), 0);
        let read = loop {
            match self.reader.read(self.held.get_mut(before..).unwrap_or_default()) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.held.truncate(before.saturating_add(*read.as_ref().unwrap_or(&0)));
        Ok(read? > 0)
    }

    /// Takes what is next as long as it is zeros.
    pub(super) fn skip_zeros(&mut self) -> io::Result<()> {
        while self.peek(1)? == [0] {
            self.consume(1);
        }
        Ok(())
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut have = self.fill_buf()?;
        let count = have.read(buf)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.held.len() {
            self.more()?;
        }
        Ok(self.held.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.held.len());
    }
}

/// The content of the stream that comes next. What lies behind it is left where it is (behind LZMA of unknown length
/// nothing can lie).
///
/// # Errors
/// If the stream can't be decompressed; of kind `Unsupported` with the compression's name if it is not known here.
pub(super) fn next_stream<'a, R: Read>(from: &'a mut Ahead<R>) -> io::Result<Box<dyn Read + 'a>> {
    let start = from.peek(MAGIC_LEN)?;
    Ok(match form(start) {
        Form::Gzip => Box::new(GzDecoder::new(from)),
        Form::Xz => Box::new(XzReader::new_mem_limit(from, false, LZMA_MEMORY)),
        Form::Lzma => Box::new(LzmaReader::new_mem_limit(from, LZMA_MEMORY, None)?),
        Form::Zstd => Box::new(
            StreamingDecoder::new(from)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?,
        ),
        Form::Foreign(name) => return Err(io::Error::new(io::ErrorKind::Unsupported, name)),
        Form::Plain => Box::new(from),
    })
}

//! `tar_in` and its relatives: an archive from the caller, decompressed on its way, becomes files.

use std::io::{self, BufReader, Read, Write};

use bstr::{BStr, ByteSlice};
use flate2::bufread::MultiGzDecoder;
use libguestfs_core::api::TarInOpts;
use libguestfs_core::tar::Parser;
use libguestfs_core::{Error, Result};
use lzma_rust2::{LzmaReader, XzReader};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use super::extract::{Extract, What};
use crate::Guestfsd;
use crate::calls::sink::Source;
use crate::calls::tar::owners::Owners;
use crate::error::{At, refused};
use crate::program::Program;

/// Bytes of the archive that are decompressed at a time.
const BUFFER: usize = 256 << 10;
/// Most memory in KiB that a dictionary of LZMA may take: that of `xz -9` is 64 MiB.
const LZMA_MEMORY: u32 = 160 << 10;

/// Compressions that only programs decompress. gzip(1) knows the format of compress(1).
const PROGRAMS: [(&[u8], &[&str]); 3] =
    [(b"bzip2", &["bzip2", "-dc"]), (b"lzop", &["lzop", "-dc"]), (b"compress", &["gzip", "-dc"])];

/// What the caller sends as a reader. Why it failed is kept.
struct Received<'a> {
    source: &'a mut dyn Source,
    rest: Vec<u8>,
    at: usize,
    failure: Option<Error>,
}

impl Read for Received<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.rest.len() {
            (self.at, _) = (0, self.rest.clear());
            match self.source.next() {
                Ok(Some(bytes)) => self.rest.extend_from_slice(bytes),
                Ok(None) => return Ok(0),
                Err(e) => {
                    self.failure = Some(e);
                    return Err(io::ErrorKind::Other.into());
                }
            }
        }
        let have = self.rest.get(self.at..).unwrap_or_default();
        let count = have.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), have.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at = self.at.saturating_add(count);
        if count == 0 && !buf.is_empty() { self.read(buf) } else { Ok(count) }
    }
}

impl Guestfsd {
    pub(crate) fn tar_in(
        &mut self,
        source: &mut dyn Source,
        directory: &BStr,
        opts: &TarInOpts,
    ) -> Result<()> {
        let kernel = self.kernel("tar_in")?;
        let what = What {
            xattrs: opts.xattrs.unwrap_or(false),
            selinux: opts.selinux.unwrap_or(false),
            acls: opts.acls.unwrap_or(false),
            keep_links: opts.keepdirlink.unwrap_or(false),
        };
        let owners = if what.acls { Owners::of(self.tree()) } else { Owners::default() };
        let extract = Extract::new(kernel.sysroot(), directory, what, owners).at(directory)?;
        let mut parser = Parser::new(extract);
        let place =
            |what: &dyn std::fmt::Display| format!("tar subcommand failed on directory: {directory}: {what}");
        let mut received = Received { source, rest: Vec::new(), at: 0, failure: None };
        let compress = opts.compress.as_ref().map(|name| name.as_bytes()).unwrap_or_default();
        let passed = match compress {
            b"" => pass(&mut received, &mut parser),
            b"gzip" => {
                pass(&mut MultiGzDecoder::new(BufReader::with_capacity(BUFFER, &mut received)), &mut parser)
            }
            b"xz" => pass(&mut XzReader::new_mem_limit(&mut received, true, LZMA_MEMORY), &mut parser),
            b"lzma" => LzmaReader::new_mem_limit(&mut received, LZMA_MEMORY, None)
                .and_then(|mut reader| pass(&mut reader, &mut parser)),
            b"zstd" => zstd(&mut received, &mut parser),
            name => match PROGRAMS.iter().find(|(known, _)| *known == name) {
                Some((_, command)) => {
                    let feed = |to: &mut (dyn Write + Send)| match io::copy(&mut received, to) {
                        Ok(_) => Ok(()),
                        Err(e) => {
                            Err(received.failure.take().unwrap_or_else(|| Error::io("decompressing", e)))
                        }
                    };
                    let take = |bytes: &[u8]| parser.write_all(bytes).map_err(|e| refused(place(&e)));
                    let name = name.as_bstr();
                    let ended = Program::command(command).between(place(&name), feed, take)?;
                    ended.check(place(&name), "the program that decompresses")?;
                    Ok(())
                }
                None => return Err(refused(format!("unknown compression type: {}", name.as_bstr()))),
            },
        };
        if let Some(failure) = received.failure.take() {
            return Err(failure);
        }
        passed.map_err(|e| refused(place(&e)))?;
        if !parser.is_complete() {
            let why =
                if parser.any() { "the archive ends in its midst" } else { "this is not a tar archive" };
            return Err(refused(place(&why)));
        }
        parser.into_receiver().finish().map_err(|why| refused(place(&why)))
    }

    pub(crate) fn tgz_in(&mut self, source: &mut dyn Source, directory: &BStr) -> Result<()> {
        self.tar_in(source, directory, &TarInOpts { compress: Some("gzip".into()), ..TarInOpts::default() })
    }

    pub(crate) fn txz_in(&mut self, source: &mut dyn Source, directory: &BStr) -> Result<()> {
        self.tar_in(source, directory, &TarInOpts { compress: Some("xz".into()), ..TarInOpts::default() })
    }
}

/// Reads an archive to its end.
fn pass(from: &mut dyn Read, parser: &mut Parser<Extract<'_>>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => parser.write_all(buffer.get(..count).unwrap_or_default())?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn zstd(from: &mut Received<'_>, parser: &mut Parser<Extract<'_>>) -> io::Result<()> {
    loop {
        match StreamingDecoder::new(&mut *from) {
            Ok(mut frame) => pass(&mut frame, parser)?,
            // Nothing follows the last frame, and what can be skipped is no frame.
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::MagicNumberReadError(_))) => {
                return Ok(());
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                io::copy(&mut from.by_ref().take(length.into()), &mut io::sink())?;
            }
            Err(e) => return Err(io::Error::new(io::ErrorKind::InvalidData, e.to_string())),
        }
    }
}

//! Files and devices sent compressed: with gzip here, otherwise by the program of the appliance.

use std::io::Write;

use bstr::{BStr, ByteSlice};
use flate2::Compression;
use libguestfs_core::api::{CompressDeviceOutOpts, CompressOutOpts};
use libguestfs_core::{Error, Result};

use crate::Guestfsd;
use crate::calls::content::Content;
use crate::calls::sink::Sink;
use crate::calls::tar::compress::Gzip;
use crate::error::{At, refused};
use crate::program::Program;

/// Compressions: name, program, lowest level. The highest is 9. compress(1) has no levels.
const COMPRESSIONS: [(&str, &[&str], Option<i32>); 5] = [
    ("compress", &["compress", "-c"], None),
    ("gzip", &[], Some(1)),
    ("bzip2", &["bzip2", "-c"], Some(1)),
    ("xz", &["xz", "-c"], Some(0)),
    ("lzop", &["lzop", "-c"], Some(1)),
];
const HIGHEST_LEVEL: i32 = 9;

/// A compression that was asked for.
#[derive(Debug)]
enum Compressor {
    Gzip(Compression),
    Program(Program),
}

/// What `ctype` and `level` ask for; a level of -1 is as none.
fn compressor(ctype: &BStr, level: Option<i32>) -> Result<Compressor> {
    let found = COMPRESSIONS.iter().find(|(name, ..)| ctype == name);
    let (name, command, lowest) = found.ok_or_else(|| refused("unknown compression type"))?;
    let level = level.filter(|level| *level != -1);
    let level = match (level, lowest) {
        (None, _) => None,
        (Some(_), None) => return Err(refused(format!("{name}: cannot use optional level parameter"))),
        (Some(level), Some(lowest)) if (*lowest..=HIGHEST_LEVEL).contains(&level) => {
            Some(level.unsigned_abs())
        }
        _ => return Err(refused(format!("{name}: incorrect value for level parameter"))),
    };
    if command.is_empty() {
        return Ok(Compressor::Gzip(level.map_or(Compression::default(), Compression::new)));
    }
    let program = Program::command(command);
    Ok(Compressor::Program(match level {
        Some(level) => program.arg(format!("-{level}")),
        None => program,
    }))
}

impl Guestfsd {
    pub(crate) fn compress_out(
        &mut self,
        ctype: &BStr,
        path: &BStr,
        out: &mut dyn Sink,
        opts: &CompressOutOpts,
    ) -> Result<()> {
        let compressor = compressor(ctype, opts.level)?;
        let content = self.content(path).at(path)?;
        self.compressed(ctype, compressor, content, path, out)
    }

    pub(crate) fn compress_device_out(
        &mut self,
        ctype: &BStr,
        device: &BStr,
        out: &mut dyn Sink,
        opts: &CompressDeviceOutOpts,
    ) -> Result<()> {
        let compressor = compressor(ctype, opts.level)?;
        let content = self.device_content(device)?;
        self.compressed(ctype, compressor, content, device, out)
    }

    fn compressed(
        &self,
        ctype: &BStr,
        compressor: Compressor,
        mut content: Content<'_>,
        place: &BStr,
        out: &mut dyn Sink,
    ) -> Result<()> {
        let length = content.len();
        match compressor {
            Compressor::Gzip(level) => {
                let mut out = Gzip::new(out, level);
                content.pass(place, 0, length, &mut |bytes| out.write(bytes))?;
                out.finish()
            }
            Compressor::Program(_) if self.engine.kernel().is_none() => {
                Err(Error::needs_appliance(format!("{place}: compression with {}", ctype.as_bstr())))
            }
            Compressor::Program(program) => {
                let feed = |to: &mut (dyn Write + Send)| {
                    content.pass(place, 0, length, &mut |bytes| {
                        to.write_all(bytes).map_err(|e| Error::io("writing to a program", e))
                    })
                };
                program
                    .between(place, feed, |bytes| out.write(bytes))?
                    .check(place, "the program that compresses")
            }
        }
    }
}

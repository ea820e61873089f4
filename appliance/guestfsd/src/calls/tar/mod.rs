//! `tar_out` and its relatives: a directory as an archive.
//!
//! ```text
//! pack       the walk: what is there becomes entries; what can't be read becomes a remark
//!   excludes   which of it the caller does not want
//!   content    the bytes of a file, holes left out
//!   owners     names of users and groups, from the guest's own lists
//! compress   gzip or a program around all of it
//! ```

pub(super) mod compress;
mod content;
mod excludes;
pub(super) mod owners;
mod pack;

use std::io::Write;

use bstr::{BStr, ByteSlice};
use flate2::Compression;
use libguestfs_core::api::TarOutOpts;
use libguestfs_core::{Error, Result};

use super::sink::Sink;
use crate::Guestfsd;
use crate::engine::Last;
use crate::error::{At, refused};
use crate::program::Program;

/// Compressions by the names that the original has for them, with the program that makes them. The original's program
/// for `lzma` is xz in its other format.
const PROGRAMS: [(&[u8], &[&str]); 6] = [
    (b"compress", &["compress", "-c"]),
    (b"bzip2", &["bzip2", "-c"]),
    (b"xz", &["xz", "-c"]),
    (b"lzop", &["lzop", "-c"]),
    (b"lzma", &["xz", "--format=lzma", "-c"]),
    (b"zstd", &["zstd", "-c"]),
];

impl Guestfsd {
    pub(crate) fn tar_out(&mut self, directory: &BStr, out: &mut dyn Sink, opts: &TarOutOpts) -> Result<()> {
        if !directory.starts_with(b"/") {
            return Err(refused("tar_out: path must start with a / character"));
        }
        self.need_root("tar_out")?;
        let name = match opts.compress.as_ref().map(|name| name.as_bytes()) {
            None => return pack::pack(self.tree(), directory, out, opts),
            Some(b"gzip") => {
                let mut out = compress::Gzip::new(out, Compression::default());
                let packed = pack::pack(self.tree(), directory, &mut out, opts);
                // What is in the archive can be read even if something is missing from it.
                out.finish()?;
                return packed;
            }
            Some(name) => name,
        };
        let Some((_, command)) = PROGRAMS.iter().find(|(known, _)| *known == name) else {
            return Err(refused(format!("unknown compression type: {}", name.as_bstr())));
        };
        if self.engine.kernel().is_none() {
            let why = format!("{directory}: compression with {}", name.as_bstr());
            return Err(Error::needs_appliance(why));
        }
        // An early failure must come before the program prints the head of its format.
        self.tree().status(directory, Last::Itself).at(directory)?;
        let mut packed = Ok(());
        let feed = |to: &mut (dyn Write + Send)| {
            packed = pack::pack(self.tree(), directory, &mut compress::Feed(to), opts);
            Ok(())
        };
        let ended = Program::command(command).between(directory, feed, |bytes| out.write(bytes))?;
        packed?;
        ended.check(directory, "the program that compresses")
    }

    pub(crate) fn tgz_out(&mut self, directory: &BStr, out: &mut dyn Sink) -> Result<()> {
        let opts = TarOutOpts { compress: Some("gzip".into()), ..TarOutOpts::default() };
        self.tar_out(directory, out, &opts)
    }

    pub(crate) fn txz_out(&mut self, directory: &BStr, out: &mut dyn Sink) -> Result<()> {
        let opts = TarOutOpts { compress: Some("xz".into()), ..TarOutOpts::default() };
        self.tar_out(directory, out, &opts)
    }
}

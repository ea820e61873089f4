//! `tar_out` and its relatives: a directory as an archive.
//!
//! ```text
//! pack       the walk: what is there becomes entries; what can't be read becomes a remark
//!   excludes   which of it the caller does not want
//!   content    the bytes of a file, holes left out
//!   owners     names of users and groups, from the guest's own lists
//!   acl        POSIX ACLs as text
//! compress   gzip around all of it
//! ```

mod acl;
mod compress;
mod content;
mod excludes;
mod owners;
mod pack;

use bstr::{BStr, ByteSlice};
use libguestfs_core::api::TarOutOpts;
use libguestfs_core::{Error, Result};

use super::sink::Sink;
use crate::Guestfsd;
use crate::error::refused;

/// Compressions of the original that are not here.
const ELSEWHERE: [&[u8]; 6] = [b"compress", b"bzip2", b"xz", b"lzop", b"lzma", b"zstd"];

impl Guestfsd {
    pub(crate) fn tar_out(&mut self, directory: &BStr, out: &mut dyn Sink, opts: &TarOutOpts) -> Result<()> {
        if !directory.starts_with(b"/") {
            return Err(refused("tar_out: path must start with a / character"));
        }
        self.need_root("tar_out")?;
        let compress = opts.compress.as_ref().map(|name| name.as_bytes());
        let gzip = match compress {
            None => false,
            Some(b"gzip") => true,
            Some(name) if ELSEWHERE.contains(&name) => {
                let why = format!("{directory}: compression with {}", name.as_bstr());
                return Err(Error::needs_appliance(why));
            }
            Some(name) => return Err(refused(format!("unknown compression type: {}", name.as_bstr()))),
        };
        if gzip {
            let mut out = compress::Gzip::new(out);
            let packed = pack::pack(self.tree(), directory, &mut out, opts);
            // What is in the archive can be read even if something is missing from it.
            out.finish()?;
            packed
        } else {
            pack::pack(self.tree(), directory, out, opts)
        }
    }

    pub(crate) fn tgz_out(&mut self, directory: &BStr, out: &mut dyn Sink) -> Result<()> {
        let opts = TarOutOpts { compress: Some("gzip".into()), ..TarOutOpts::default() };
        self.tar_out(directory, out, &opts)
    }
}

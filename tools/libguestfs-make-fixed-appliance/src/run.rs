//! Makes the appliance, in a directory or in an archive.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ArgMatches;
use guestfs_appliance::{KernelKind, Request};
use libguestfs_core::Guestfs;
use virt_common::{Error, Result, Session};

use crate::options::{Options, Target};

/// The directory in the archive.
const TOP: &str = "appliance";
/// What is in it, in this order.
const FILES: [&str; 4] = ["README.fixed", "kernel", "initrd", "root"];

/// Makes the appliance.
///
/// # Errors
/// If the command line makes no sense, no kernel can be read, or a file cannot be written.
pub fn run(options: &Options, _: &ArgMatches, _: &mut Session) -> Result<()> {
    let target = options.target()?;
    let handle = Guestfs::new()?;
    let settings = handle.settings().clone();
    let daemon = fs::read_link("/proc/self/exe").map_err(|e| Error::because("/proc/self/exe", e))?;
    let mut request = Request::new(KernelKind::Host, settings.cachedir, daemon, settings.search_path);
    request.kernel = settings.kernel;
    request.modules = settings.modules;
    match target {
        Target::Directory(directory) => make(&request, directory),
        Target::Archive => {
            let directory = Temporary::new(&settings.tmpdir)?;
            make(&request, &directory.0)?;
            let archive = PathBuf::from(format!("appliance-{}.tar.xz", env!("CARGO_PKG_VERSION")));
            pack(&directory.0, &archive).inspect_err(|_| {
                // Half an archive is of no use; why it is only half is what the user is told.
                let _ = fs::remove_file(&archive);
            })
        }
    }
}

fn make(request: &Request, directory: &Path) -> Result<()> {
    guestfs_appliance::fixed(request, directory).map_err(|e| {
        let cause = std::error::Error::source(&e).map_or(String::new(), |cause| format!(": {cause}"));
        let error = Error::new(format!("the appliance can't be made: {e}{cause}"));
        match e.hint() {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })
}

/// Writes the files of `directory` to an archive that xz(1) compresses.
fn pack(directory: &Path, archive: &Path) -> Result<()> {
    let about = |path: &Path| {
        let path = path.display().to_string();
        move |e: io::Error| Error::because(path.clone(), e)
    };
    let out = File::create(archive).map_err(about(archive))?;
    let xz = Command::new("xz").args(["-c", "-T0"]).stdin(Stdio::piped()).stdout(out).spawn();
    let mut xz = xz.map_err(|e| Error::because("running xz", e).hint("install the package xz-utils"))?;
    let written = (|| {
        let Some(input) = xz.stdin.take() else { return Ok(()) };
        let mut tar = tar::Builder::new(input);
        for name in FILES {
            let path = directory.join(name);
            let file = File::open(&path).map_err(about(&path))?;
            let mut header = tar::Header::new_gnu();
            header.set_size(file.metadata().map_err(about(&path))?.len());
            header.set_mode(0o644);
            let place = Path::new(TOP).join(name);
            tar.append_data(&mut header, place, BufReader::new(file)).map_err(about(archive))?;
        }
        tar.into_inner().map(drop).map_err(about(archive))
    })();
    // A compressor that failed says so itself; a broken pipe to it is only what follows from that.
    let status = xz.wait().map_err(|e| Error::because("running xz", e))?;
    if !status.success() {
        return Err(Error::new(format!("{}: xz failed ({status})", archive.display())));
    }
    written
}

/// A directory that goes away with this.
struct Temporary(PathBuf);

impl Temporary {
    fn new(parent: &Path) -> Result<Self> {
        let path = parent.join(OsString::from(format!("guestfs-appliance-{}", std::process::id())));
        fs::create_dir(&path).map_err(|e| Error::because(path.display().to_string(), e))?;
        Ok(Temporary(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What can't be removed is in a directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_the_four_files_in_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        for name in FILES {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let archive = directory.path().join("a.tar.xz");
        pack(directory.path(), &archive).unwrap();
        let output = Command::new("tar").arg("-tf").arg(&archive).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "appliance/README.fixed\nappliance/kernel\nappliance/initrd\nappliance/root\n"
        );
        fs::remove_file(directory.path().join("root")).unwrap();
        assert!(pack(directory.path(), &archive).is_err());
    }
}

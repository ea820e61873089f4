//! What a caller asks for and gets.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cache::{Cache, Entry};
use crate::data::{DATA, OPENED_LATER, OWN, SETTINGS};
use crate::error::{About, Error, Result};
use crate::host::Host;
use crate::kernel::{self, Kernel};
use crate::programs::PROGRAMS;
use crate::{contents, cpio};

/// Written in larger pieces than the headers of an archive are.
const BUFFER: usize = 1 << 20;
/// Changes with the form of what is kept, so that another version makes its own.
const FORMAT: u32 = 1;

/// Which kernel runs the appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum KernelKind {
    /// The kernel of the host's distribution, for a virtual machine.
    Host,
    /// User-Mode Linux, a program of the host.
    Uml,
}

/// What an appliance is made from, besides the host's files.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// Which kernel runs it.
    pub kind: KernelKind,
    /// The directory below which appliances are kept (LIBGUESTFS_CACHEDIR).
    pub cachedir: PathBuf,
    /// The program that is the daemon: the file of the running tool.
    pub daemon: PathBuf,
    /// The kernel to take instead of looking for one (SUPERMIN_KERNEL).
    pub kernel: Option<PathBuf>,
    /// Its modules (SUPERMIN_MODULES).
    pub modules: Option<PathBuf>,
    /// Where programs of the caller are looked for, User-Mode Linux among them.
    pub path: Vec<PathBuf>,
    /// `/`; another tree in tests.
    host: PathBuf,
}

impl Request {
    /// The appliance of this kind whose daemon is the program `daemon`, with programs from the directories of the variable
    /// PATH, which is `path`.
    pub fn new(
        kind: KernelKind,
        cachedir: impl Into<PathBuf>,
        daemon: impl Into<PathBuf>,
        path: impl AsRef<OsStr>,
    ) -> Self {
        Request {
            kind,
            cachedir: cachedir.into(),
            daemon: daemon.into(),
            kernel: None,
            modules: None,
            path: std::env::split_paths(&path).filter(|directory| directory.is_absolute()).collect(),
            host: "/".into(),
        }
    }

    /// Names the appliance that is wanted, and all that its making depends on beside the host's files.
    fn slot(&self) -> Result<String> {
        let mut hash = Sha256::new();
        let request = serde_json::to_vec(self).map_err(|e| Error::unusable(e.to_string()))?;
        let own = format!(
            "{FORMAT} {} {PROGRAMS:?}{DATA:?}{SETTINGS:?}{OPENED_LATER:?}{OWN:?}",
            env!("CARGO_PKG_VERSION")
        );
        hash.update(&request);
        hash.update(own);
        Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    fn choose_kernel(&self, host: &Host) -> Result<Kernel> {
        match (self.kind, &self.kernel) {
            (KernelKind::Host, Some(path)) => kernel::given(host, path, self.modules.as_deref()),
            (KernelKind::Host, None) => kernel::newest(host),
            (KernelKind::Uml, _) => kernel::user_mode(host, &self.path, self.modules.as_deref()),
        }
    }
}

/// An appliance that can be started.
#[derive(Debug)]
pub struct Appliance {
    /// The kernel: an image for qemu, or the program that is User-Mode Linux.
    pub kernel: PathBuf,
    /// The kernel's version; empty if it is not known, as of an appliance that was found.
    pub kernel_version: String,
    /// The initramfs.
    pub initrd: PathBuf,
    /// A disk with the appliance's root, to be added after those of the guest. Nothing is ever written to it.
    pub root: Option<PathBuf>,
    /// Keeps the files from being removed while this lives.
    pub(crate) _entry: Option<Entry>,
}

/// What is kept beside the files of an appliance.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    kernel: PathBuf,
    kernel_version: String,
}

/// The name of the initramfs among an appliance's files.
const INITRD: &str = "initrd";

/// Makes an appliance, or takes one that was made before from the same files.
///
/// The files may be opened while the result lives; after that, they may be removed.
///
/// # Errors
/// `NoKernel` if another kind of appliance may do; the others if files can't be read or written, or the directory to keep
/// them in is not safe.
pub fn build(request: &Request) -> Result<Appliance> {
    let cache = Cache::open(&request.cachedir)?;
    let (entry, about) = cache.entry(&request.slot()?, &request.host, |host, directory| {
        let kernel = request.choose_kernel(host)?;
        let tree = contents::whole(host, &kernel, &request.daemon)?;
        let path = directory.join(INITRD);
        let file = File::create_new(&path).about(&path)?;
        let mut out = BufWriter::with_capacity(BUFFER, file);
        cpio::write(&tree, &mut out, &path)?;
        out.flush().and_then(|()| out.get_ref().sync_all()).about(&path)?;
        Ok(Kept { kernel: host.place(&kernel.path), kernel_version: kernel.version })
    })?;
    Ok(Appliance {
        kernel: about.kernel,
        kernel_version: about.kernel_version,
        initrd: entry.path().join(INITRD),
        root: None,
        _entry: Some(entry),
    })
}

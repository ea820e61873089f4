//! What a caller asks for and gets.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cache::{Cache, Entry};
use crate::data::{DATA, OPENED_LATER, OWN, SETTINGS};
use crate::error::{About, Error, Result};
use crate::host::Host;
use crate::kernel::{self, Kernel};
use crate::programs::PROGRAMS;
use crate::tree::{Content, Tree};
use crate::{contents, cpio, ext2, find, image, lz4, squashfs};

/// Written in larger pieces than the headers of an archive are.
const BUFFER: usize = 1 << 20;
/// Changes with the form of what is kept, so that another version makes its own.
const FORMAT: u32 = 2;

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
    /// Put programs on a disk of their own, which all tools share, and keep the initramfs small.
    pub has_disk: bool,
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
            has_disk: false,
            path: std::env::split_paths(&path).filter(|directory| directory.is_absolute()).collect(),
            host: "/".into(),
        }
    }

    /// Names a part of the appliance that is wanted, and all that its making depends on beside the host's files. Parts
    /// without the daemon are the same for all tools.
    fn slot(&self, part: Part) -> Result<String> {
        let mut request = self.clone();
        if !part.has_daemon() {
            request.daemon = PathBuf::new();
        }
        let request = serde_json::to_vec(&(part, request)).map_err(|e| Error::unusable(e.to_string()))?;
        let tables = format!("{PROGRAMS:?}{DATA:?}{SETTINGS:?}{OPENED_LATER:?}{OWN:?}");
        let mut hash = Sha256::new();
        hash.update(&request);
        hash.update(format!("{FORMAT} {} {tables}", env!("CARGO_PKG_VERSION")));
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

/// What is made and kept for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Part {
    /// The kernel, unpacked.
    Kernel,
    /// The initramfs of an appliance that is nothing else.
    Whole,
    /// The initramfs of an appliance with a disk.
    First,
    /// The disk.
    Rest,
}

impl Part {
    fn has_daemon(self) -> bool {
        matches!(self, Part::Whole | Part::First)
    }

    /// The name of its file.
    fn file(self) -> &'static str {
        match self {
            Part::Kernel => "kernel",
            Part::Whole | Part::First => "initrd",
            Part::Rest => "programs",
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
    /// A disk (squashfs, raw, to be read only) that the daemon mounts at `/usr`. It is the first after those of the guest.
    pub programs: Option<PathBuf>,
    /// A disk with the root of a fixed appliance, to be added last. Nothing is to be written to it.
    pub root: Option<PathBuf>,
    /// Keep the files from being removed while this lives.
    pub(crate) _entries: Vec<Entry>,
}

/// What is kept beside a part's file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    /// The kernel to start; empty if it is the file.
    kernel: PathBuf,
    version: String,
    /// Can the kernel mount the disk?
    can_mount_rest: bool,
}

/// Makes an appliance, or takes one that was made before from the same files.
///
/// The files may be opened while the result lives; after that, they may be removed.
///
/// # Errors
/// `NoKernel` if another kind of appliance may do; the others if files can't be read or written, or the directory to keep
/// them in is not safe.
pub fn build(request: &Request) -> Result<Appliance> {
    let cache = Cache::open(&request.cachedir)?;
    let (entry, kept) = cache.entry(&request.slot(Part::Kernel)?, &request.host, |host, directory| {
        let kernel = request.choose_kernel(host)?;
        let mut kept = Kept {
            kernel: host.place(&kernel.path),
            version: kernel.version.clone(),
            can_mount_rest: contents::can_mount_rest(host, &kernel)?,
        };
        if request.kind == KernelKind::Host
            && let Some(unpacked) = unpacked(host, &kernel)?
        {
            kept.kernel = PathBuf::new();
            write(&directory.join(Part::Kernel.file()), |out, path| out.write_all(&unpacked).about(path))?;
        }
        Ok(kept)
    })?;
    let is_file = kept.kernel.as_os_str().is_empty();
    let kernel = if is_file { entry.path().join(Part::Kernel.file()) } else { kept.kernel };
    let mut entries = vec![entry];
    let mut file = |part: Part| -> Result<PathBuf> {
        let (entry, ()) = cache.entry(&request.slot(part)?, &request.host, |host, directory| {
            let kernel = request.choose_kernel(host)?;
            write(&directory.join(part.file()), |out, path| make(part, request, host, &kernel, out, path))
        })?;
        let path = entry.path().join(part.file());
        entries.push(entry);
        Ok(path)
    };
    let (initrd, programs) = if request.has_disk && kept.can_mount_rest {
        (file(Part::First)?, Some(file(Part::Rest)?))
    } else {
        (file(Part::Whole)?, None)
    };
    Ok(Appliance { kernel, kernel_version: kept.version, initrd, programs, root: None, _entries: entries })
}

/// Writes the part to `out`, which is the file `path`.
fn make(
    part: Part,
    request: &Request,
    host: &Host,
    kernel: &Kernel,
    out: &mut BufWriter<File>,
    path: &Path,
) -> Result<()> {
    match part {
        Part::Kernel => return Err(Error::unusable("a kernel is not made from files")),
        Part::Whole => cpio::write(&contents::whole(host, kernel, &request.daemon)?, out, path)?,
        Part::First => {
            let tree = contents::first(host, kernel, &request.daemon)?;
            if kernel::unpacks_lz4(host, kernel)? {
                let mut packed = lz4::Writer::new(out).about(path)?;
                let len = cpio::write(&tree, &mut packed, path)?;
                packed.finish().about(path)?;
                len
            } else {
                cpio::write(&tree, out, path)?
            }
        }
        Part::Rest => {
            let lz4 = contents::knows_lz4(host, kernel)?;
            squashfs::write(&contents::rest(host, kernel)?, Path::new("/usr"), lz4, out, path)?
        }
    };
    Ok(())
}

/// The kernel without what unpacks it, if that can be had.
fn unpacked(host: &Host, kernel: &Kernel) -> Result<Option<Vec<u8>>> {
    Ok(host.read(&kernel.path)?.and_then(|image| image::unpacked(&image)))
}

/// Makes a new file, with what `put` writes.
fn write(path: &Path, put: impl FnOnce(&mut BufWriter<File>, &Path) -> Result<()>) -> Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, File::create_new(path).about(path)?);
    put(&mut out, path)?;
    out.flush().and_then(|()| out.get_ref().sync_all()).about(path)
}

/// Makes an appliance in `directory` that needs nothing of the host any more, in the form that libguestfs finds by
/// LIBGUESTFS_PATH. The directory is made if it is not there; an appliance that is in it is replaced.
///
/// # Errors
/// As [`build`].
pub fn fixed(request: &Request, directory: &Path) -> Result<()> {
    let host = Host::new(&request.host);
    let kernel = request.choose_kernel(&host)?;
    let tree = contents::whole(&host, &kernel, &request.daemon)?;
    fs::create_dir_all(directory).about(directory)?;
    // While one of the files is missing, the directory holds no appliance.
    let readme = directory.join(find::README);
    match fs::remove_file(&readme) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io(&readme, e)),
        _ => {}
    }
    let replace = |name: &str, put: &mut dyn FnMut(&mut BufWriter<File>, &Path) -> Result<()>| {
        let (path, new) = (directory.join(name), directory.join(format!("{name}.new")));
        match fs::remove_file(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io(&new, e)),
            _ => {}
        }
        let written = write(&new, put).and_then(|()| fs::rename(&new, &path).about(&path));
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&new);
        }
        written
    };
    let image = match unpacked(&host, &kernel)? {
        Some(unpacked) => Content::Bytes(unpacked),
        None => host.content(&kernel.path)?,
    };
    replace(find::KERNEL, &mut |out, path| image.copy_to(&mut |bytes| out.write_all(bytes).about(path)))?;
    replace(find::INITRD, &mut |out, path| cpio::write(&tree, out, path).map(drop))?;
    let uuid = name_of(&kernel, &tree);
    replace(find::ROOT, &mut |out, path| out.write_all(&ext2::empty(uuid)).about(path))?;
    replace(find::README, &mut |out, path| out.write_all(README.as_bytes()).about(path))
}

/// A UUID (version 8, RFC 9562) made of what the appliance is.
fn name_of(kernel: &Kernel, tree: &Tree) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(&kernel.version);
    for (path, _) in tree.iter() {
        hash.update(path.as_os_str().as_bytes());
        hash.update([0]);
    }
    let mut uuid: [u8; 16] = std::array::from_fn(|_| 0);
    uuid.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    for (at, keep, set) in [(6, 0x0f, 0x80), (8, 0x3f, 0x80)] {
        if let Some(byte) = uuid.get_mut(at) {
            *byte = (*byte & keep) | set;
        }
    }
    uuid
}

const README: &str = "\
This directory holds a fixed appliance for libguestfs: a kernel, an initramfs with the daemon and the programs that it runs,
and a root disk that is only looked at for its UUID. Programs of libguestfs use it if LIBGUESTFS_PATH names this directory.

It was made by libguestfs-make-fixed-appliance(1) from the packages of the system it ran on. Whoever passes it on passes on
copies of those programs, under the licenses of each.
";

//! Loading the kernel's modules, as modprobe(8) does, without starting a program for each.
//!
//! The tables are depmod(8)'s: `modules.dep` names all that a module needs, the needed first at the end of its line;
//! `modules.alias` leads from what the kernel asks for (`fs-xfs`) to modules. Names are compared with `-` as `_`.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice};
use rustix::system::{finit_module, uname};

/// Flag of finit_module(2): the kernel unpacks the file (`MODULE_INIT_COMPRESSED_FILE`).
const COMPRESSED: i32 = 4;
/// Modules for an alias may need aliases; so deep at most.
const DEPTH_MAX: u32 = 8;

/// The modules of the running kernel.
#[derive(Debug)]
pub(crate) struct Modules {
    directory: PathBuf,
    /// Name to file, and the files that it needs.
    files: BTreeMap<BString, Module>,
    /// The kernel's command line, which has parameters of modules too: `virtio_mmio.device=…`.
    command_line: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
struct Module {
    path: BString,
    needs: Vec<BString>,
}

impl Modules {
    /// Those of the running kernel. Where there are none at all, nothing can be loaded, and nothing need be.
    pub(crate) fn of_running_kernel() -> io::Result<Self> {
        let release = uname().release().to_string_lossy().into_owned();
        let modules = Modules::in_directory(&Path::new("/lib/modules").join(release))?;
        Ok(Modules { command_line: std::fs::read("/proc/cmdline")?, ..modules })
    }

    fn in_directory(directory: &Path) -> io::Result<Self> {
        let text = read_table(&directory.join("modules.dep"))?;
        let files = text.lines().filter_map(parse).collect();
        Ok(Modules { directory: directory.to_owned(), files, command_line: Vec::new() })
    }

    /// Loads a module by its name or file, after all that it needs.
    pub(crate) fn load(&self, module: &[u8]) -> io::Result<()> {
        self.load_within(module, DEPTH_MAX)
    }

    /// Loads all modules for what the kernel calls by an alias without wildcards. Says whether there is any.
    pub(crate) fn load_alias(&self, alias: &[u8]) -> io::Result<bool> {
        let modules = self.behind_alias(alias)?;
        for module in &modules {
            self.load(module)?;
        }
        Ok(!modules.is_empty())
    }

    fn behind_alias(&self, alias: &[u8]) -> io::Result<Vec<BString>> {
        let wanted = canonical(alias);
        let text = read_table(&self.directory.join("modules.alias"))?;
        let fields = text.lines().filter_map(|line| {
            let mut fields = fields(line).skip_while(|field| *field == b"alias");
            Some((fields.next()?, fields.next()?))
        });
        Ok(fields.filter(|(alias, _)| canonical(alias) == wanted).map(|(_, module)| module.into()).collect())
    }

    fn load_within(&self, module: &[u8], depth: u32) -> io::Result<()> {
        let name = name_of(module);
        if Path::new("/sys/module").join(String::from_utf8_lossy(&name).as_ref()).exists() {
            return Ok(());
        }
        let Some(entry) = self.files.get(&name) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no module {name}")));
        };
        for before in self.soft_needs(&name)? {
            // Of these, each may be missing or built in.
            if let Some(depth) = depth.checked_sub(1) {
                let modules = match self.behind_alias(&before)? {
                    modules if modules.is_empty() => vec![before],
                    modules => modules,
                };
                for module in modules.iter().filter(|module| self.files.contains_key(&name_of(module))) {
                    self.load_within(module, depth)?;
                }
            }
        }
        for needed in entry.needs.iter().rev() {
            self.insert(needed)?;
        }
        self.insert(&entry.path)
    }

    /// What should be loaded before a module, though it does not need it to be loaded.
    fn soft_needs(&self, name: &BString) -> io::Result<Vec<BString>> {
        let text = read_table(&self.directory.join("modules.softdep"))?;
        let mut needs = Vec::new();
        for line in text.lines() {
            let mut fields = fields(line);
            if fields.next() == Some(b"softdep") && fields.next().is_some_and(|of| canonical(of) == *name) {
                let before = fields.skip_while(|field| *field != b"pre:").skip(1);
                needs.extend(before.take_while(|field| *field != b"post:").map(BString::from));
            }
        }
        Ok(needs)
    }

    /// What the command line says to a module. The kernel itself looks only for what is built in.
    fn parameters(&self, module: &BString) -> Vec<u8> {
        let of_module = fields(&self.command_line).filter_map(|word| {
            let (name, parameter) = word.split_once_str(".")?;
            (canonical(name) == *module).then_some(parameter)
        });
        of_module.collect::<Vec<_>>().join(&b' ')
    }

    fn insert(&self, path: &BString) -> io::Result<()> {
        let name = name_of(path);
        let loaded = Path::new("/sys/module").join(String::from_utf8_lossy(&name).as_ref());
        if loaded.exists() {
            return Ok(());
        }
        let path = self.directory.join(String::from_utf8_lossy(path).as_ref());
        let file = File::open(&path).map_err(|e| named(&path, e))?;
        let flags = if path.extension().is_some_and(|e| e == "ko") { 0 } else { COMPRESSED };
        let parameters = CString::new(self.parameters(&name))?;
        match finit_module(&file, &parameters, flags) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(e) => Err(named(&path, e.into())),
        }
    }
}

/// Has the kernel this filesystem's driver? If not, tries to load it: what fails then is the mount.
pub(crate) fn for_filesystem(kind: &[u8]) -> io::Result<()> {
    let known = std::fs::read("/proc/filesystems")?;
    if known.lines().any(|line| fields(line).last() == Some(kind)) {
        return Ok(());
    }
    let modules = Modules::of_running_kernel()?;
    modules.load_alias(&[b"fs-", kind].concat())?;
    if kind == b"vfat" || kind == b"msdos" {
        // The tables of names, which the driver asks for by what is its configuration.
        for table in ["nls_cp437", "nls_iso8859-1", "nls_ascii", "nls_utf8"] {
            if modules.files.contains_key(&name_of(table.as_bytes())) {
                modules.load(table.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// What stands between white space.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

fn read_table(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|e| named(path, e)),
    }
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// `kernel/fs/xfs/xfs.ko: kernel/lib/libcrc32c.ko`
fn parse(line: &[u8]) -> Option<(BString, Module)> {
    let (path, needs) = line.split_once_str(":")?;
    let needs = fields(needs).map(BString::from).collect();
    Some((name_of(path), Module { path: path.into(), needs }))
}

/// The name of a module from its file's or its own.
fn name_of(module: &[u8]) -> BString {
    let file = module.rsplit_once_str("/").map_or(module, |(_, file)| file);
    canonical(file.split_once_str(".ko").map_or(file, |(name, _)| name))
}

fn canonical(name: &[u8]) -> BString {
    name.iter().map(|&b| if b == b'-' { b'_' } else { b }).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_depmod_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "modules.dep",
            "kernel/a/dm-mod.ko.xz:\nkernel/x/xfs.ko: kernel/c/libcrc32c.ko kernel/c/crc32c.ko\n",
        );
        write(
            "modules.alias",
            "# c\nalias fs-xfs xfs\nalias crypto-crc32c crc32c_generic\nalias crypto-crc32c crc32c_intel\n",
        );
        write("modules.softdep", "# c\nsoftdep xfs pre: crypto-crc32c other post: late\nsoftdep xfs late\n");
        let modules = Modules::in_directory(dir.path()).unwrap();
        assert_eq!(modules.files.get(&BString::from("dm_mod")).unwrap().path, "kernel/a/dm-mod.ko.xz");
        let xfs = modules.files.get(&BString::from("xfs")).unwrap();
        assert_eq!(xfs.needs, ["kernel/c/libcrc32c.ko", "kernel/c/crc32c.ko"]);
        assert_eq!(modules.behind_alias(b"fs-xfs").unwrap(), ["xfs"]);
        assert_eq!(modules.behind_alias(b"crypto_crc32c").unwrap(), ["crc32c_generic", "crc32c_intel"]);
        let line = b"quiet xfs.a=1 x=y virtio-mmio.device=1@2:3 virtio_mmio.device=4@5:6 xfs.b".to_vec();
        let modules = Modules { command_line: line, ..modules };
        assert_eq!(modules.parameters(&"virtio_mmio".into()), b"device=1@2:3 device=4@5:6");
        assert_eq!(modules.parameters(&"xfs".into()), b"a=1 b");
        assert!(modules.behind_alias(b"fs-none").unwrap().is_empty());
        assert_eq!(modules.soft_needs(&"xfs".into()).unwrap(), ["crypto-crc32c", "other"]);
        assert_eq!(modules.load(b"no-such").unwrap_err().to_string(), "no module no_such");
        let none = Modules::in_directory(&dir.path().join("none")).unwrap();
        assert!(!none.load_alias(b"fs-xfs").unwrap());
    }
}

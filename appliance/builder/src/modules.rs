//! Kernel modules: which go into the appliance, with what they depend on, as plain files that any kernel loads.
//!
//! `modules.dep`, `modules.alias`, `modules.softdep` and `modules.builtin` are read, see depmod(8) and modules.dep(5); the
//! appliance gets them with the lines of its own modules.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::contents::REST_FILESYSTEM;
use crate::error::{About, Error, Result};
use crate::host::Host;
use crate::tree::{Content, Tree};

/// The largest module that is decompressed; amdgpu, the largest of all, has 30 MB.
const MODULE_MAX: u64 = 128 << 20;

/// What is loaded before anything else, in this order: transports, the channel, disks. Those that the kernel has built in, or
/// does not have, are passed over; so are those for a virtio device (the number is its type, from linux/virtio_ids.h) that is
/// not there when their turn comes: under emulation, the eleven modules of SCSI alone take 0.2 s to load.
const BOOT: &[(&str, Option<u32>)] = &[
    ("virtio_mmio", None),
    ("virtio_pci", None),
    ("virtio_console", Some(3)),
    ("virtio_blk", Some(2)),
    ("virtio_scsi", Some(8)),
    ("sd_mod", Some(8)),
];

/// Modules that may be needed: a directory (ending in a slash) or a module, and for what.
#[rustfmt::skip]
const WANTED: &[(&str, &str)] = &[
    ("kernel/fs/", "filesystems, code pages, quotas"),
    ("kernel/drivers/md/", "device mapper, MD, bcache"),
    ("kernel/crypto/", "LUKS, checksums of filesystems"),
    ("kernel/arch/x86/crypto/", "the same, faster"),
    ("kernel/arch/arm64/crypto/", "the same, faster"),
    ("kernel/lib/", "compression and checksums"),
    ("kernel/block/", "I/O schedulers"),
    ("kernel/drivers/block/brd", "RAM disks"),
    ("kernel/drivers/block/loop", "mount_loop"),
    ("kernel/drivers/block/nbd", "disks over the network"),
    ("kernel/drivers/block/virtio_blk", "disks"),
    ("kernel/drivers/scsi/sd_mod", "disks"),
    ("kernel/drivers/scsi/sg", "disks"),
    ("kernel/drivers/scsi/sr_mod", "optical disks"),
    ("kernel/drivers/scsi/virtio_scsi", "disks"),
    ("kernel/drivers/virtio/", "transports"),
    ("kernel/drivers/char/virtio_console", "the channel"),
    ("kernel/drivers/char/hw_random/virtio-rng", "random numbers"),
    ("kernel/drivers/net/virtio_net", "network"),
    ("kernel/net/packet/af_packet", "network"),
];

/// Parts of what is wanted that no disk needs: filesystems of networks, clusters and flash chips; tests.
const UNWANTED: &[&str] = &[
    "kernel/fs/9p/",
    "kernel/fs/afs/",
    "kernel/fs/cachefiles/",
    "kernel/fs/ceph/",
    "kernel/fs/cifs/",
    "kernel/fs/coda/",
    "kernel/fs/dlm/",
    "kernel/drivers/md/md-cluster",
    "kernel/fs/fscache/",
    "kernel/fs/gfs2/",
    "kernel/fs/jffs2/",
    "kernel/fs/ksmbd/",
    "kernel/fs/lockd/",
    "kernel/fs/netfs/",
    "kernel/fs/nfs/",
    "kernel/fs/nfs_common/",
    "kernel/fs/nfsd/",
    "kernel/fs/ocfs2/",
    "kernel/fs/orangefs/",
    "kernel/fs/smb/",
    "kernel/fs/ubifs/",
    "kernel/fs/vboxsf/",
    "kernel/lib/kunit/",
    "kernel/lib/test_",
    "kernel/lib/locking-selftest",
    "kernel/crypto/tcrypt",
];

/// Modules of one kernel.
#[derive(Debug)]
pub(crate) struct Modules<'a> {
    host: &'a Host,
    directory: PathBuf,
    /// By name.
    modules: BTreeMap<String, Module>,
}

#[derive(Debug, Clone)]
struct Module {
    /// Below the directory, as it is on the host.
    file: PathBuf,
    /// Names of those to be loaded before, first to last.
    before: Vec<String>,
}

impl<'a> Modules<'a> {
    /// The modules in `directory` of the host.
    pub(crate) fn read(host: &'a Host, directory: &Path) -> Result<Self> {
        let path = directory.join("modules.dep");
        let text = host
            .read(&path)?
            .ok_or_else(|| Error::unusable(format!("{}: not there; run depmod", path.display())))?;
        let mut modules = BTreeMap::new();
        for line in String::from_utf8_lossy(&text).lines() {
            let Some((file, needs)) = line.split_once(':') else { continue };
            // The last one needs no other.
            let before = needs.split_whitespace().rev().map(name_of).collect();
            modules.insert(name_of(file), Module { file: file.into(), before });
        }
        let mut modules = Modules { host, directory: directory.to_owned(), modules };
        modules.add_soft()?;
        Ok(modules)
    }

    /// What should be loaded before others, though they can be loaded without: lines `softdep NAME pre: A B post: C`.
    fn add_soft(&mut self) -> Result<()> {
        let soft = self.lines("modules.softdep")?;
        let aliases = self.lines("modules.alias")?;
        for line in &soft {
            let mut words = line.split_whitespace().skip(1);
            let Some(name) = words.next() else { continue };
            let names = words.filter(|word| !word.ends_with(':'));
            let wanted: Vec<String> = names
                .flat_map(|word| {
                    let real = |alias: &&String| alias.split_whitespace().nth(1) == Some(word);
                    let by_alias = aliases.iter().filter(real).filter_map(|a| a.split_whitespace().nth(2));
                    by_alias.chain([word]).map(name_of).collect::<Vec<_>>()
                })
                .filter(|wanted| self.modules.contains_key(wanted))
                .collect();
            if let Some(module) = self.modules.get_mut(&name_of(name)) {
                module.before.extend(wanted);
            }
        }
        Ok(())
    }

    fn lines(&self, name: &str) -> Result<Vec<String>> {
        let text = self.host.read(&self.directory.join(name))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect())
    }

    /// The modules to load first, a line for each: its file, and `virtio:N` if it is for devices of that type.
    pub(crate) fn boot(&self) -> String {
        let line = |(name, device): &(&str, Option<u32>)| {
            let file = self.place(name)?;
            let condition = device.map_or(String::new(), |device| format!(" virtio:{device}"));
            Some(format!("{}{condition}\n", file.display()))
        };
        BOOT.iter().filter_map(line).collect()
    }

    /// All that may be needed, with what they need.
    pub(crate) fn all(&self) -> Vec<String> {
        let wanted = self.modules.iter().filter(|(_, m)| is_wanted(&m.file)).map(|(name, _)| name.clone());
        self.in_order(boot_names().chain(wanted))
    }

    /// Those that the disk with all others needs.
    pub(crate) fn to_mount_the_rest(&self) -> Vec<String> {
        self.in_order(boot_names().chain([REST_FILESYSTEM.to_owned()]))
    }

    /// Is there a module of that name, or is it built in?
    pub(crate) fn has(&self, name: &str) -> Result<bool> {
        let builtin = self.lines("modules.builtin")?;
        Ok(self.modules.contains_key(name) || builtin.iter().any(|file| name_of(file) == name))
    }

    /// Is `text` in the module of that name? Not if it is built in.
    pub(crate) fn names(&self, name: &str, text: &str) -> Result<bool> {
        let Some(module) = self.modules.get(name) else { return Ok(false) };
        let bytes = self.content(&module.file)?;
        Ok(bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    }

    /// The plain content of a module's file.
    fn content(&self, file: &Path) -> Result<Vec<u8>> {
        let path = self.directory.join(file);
        let bytes = self.host.read(&path)?.ok_or_else(|| {
            Error::unusable(format!("{}: named in modules.dep, but not there", path.display()))
        })?;
        if plain(file) == file { Ok(bytes) } else { decompress(&bytes, &path) }
    }

    fn in_order(&self, names: impl Iterator<Item = String>) -> Vec<String> {
        let mut order = Vec::new();
        let mut done = BTreeSet::new();
        for name in names {
            self.visit(&name, &mut done, &mut order);
        }
        order
    }

    /// Adds a module after those that it needs. Soft dependencies may go round in circles: each is visited once.
    fn visit(&self, name: &str, done: &mut BTreeSet<String>, order: &mut Vec<String>) {
        let Some(module) = self.modules.get(name) else { return };
        if !done.insert(name.to_owned()) {
            return;
        }
        for before in &module.before {
            self.visit(before, done, order);
        }
        order.push(name.to_owned());
    }

    /// Where a module is in the appliance, below the directory of modules.
    pub(crate) fn place(&self, name: &str) -> Option<PathBuf> {
        self.modules.get(name).map(|module| plain(&module.file))
    }

    /// Puts modules into `tree` at `target`, decompressed, with the tables about them; with those of kmod if it is there.
    pub(crate) fn put(&self, names: &[String], target: &Path, kmod: bool, tree: &mut Tree) -> Result<()> {
        let mut is_compressed = false;
        for module in names.iter().filter_map(|name| self.modules.get(name)) {
            let path = self.directory.join(&module.file);
            let place = plain(&module.file);
            let content = if place == module.file {
                self.host.content(&path)?
            } else {
                is_compressed = true;
                Content::Bytes(self.content(&module.file)?)
            };
            tree.file(target.join(place), content, false)?;
        }
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let has = |name: Option<&str>| name.is_some_and(|name| names.contains(name_of(name).as_str()));
        let mut dep = String::new();
        for (name, module) in self.modules.iter().filter(|(name, _)| names.contains(name.as_str())) {
            let before = self.in_order(module.before.iter().cloned());
            let before: Vec<String> = (before.iter().rev())
                .filter(|other| *other != name)
                .filter_map(|other| Some(format!(" {}", self.place(other)?.display())))
                .collect();
            dep.push_str(&format!("{}:{}\n", plain(&module.file).display(), before.concat()));
        }
        tree.text(target.join("modules.dep"), dep)?;
        for (table, word) in [("modules.alias", 2), ("modules.softdep", 1)] {
            let lines = self.lines(table)?;
            let lines = lines.iter().filter(|line| has(line.split_whitespace().nth(word)));
            tree.text(target.join(table), lines.map(|line| format!("{line}\n")).collect::<String>())?;
        }
        let builtin = self.host.read(&self.directory.join("modules.builtin"))?.unwrap_or_default();
        tree.text(target.join("modules.builtin"), builtin)?;
        // kmod reads these forms only. They name the host's files, which are the same as long as nothing was decompressed.
        if kmod && !is_compressed {
            for table in ["modules.dep.bin", "modules.alias.bin", "modules.builtin.bin"] {
                let path = self.directory.join(table);
                if self.host.file(&path)?.is_some() {
                    tree.file(target.join(table), self.host.content(&path)?, false)?;
                }
            }
        }
        Ok(())
    }
}

fn boot_names() -> impl Iterator<Item = String> {
    BOOT.iter().map(|(name, _)| (*name).to_owned())
}

fn is_wanted(file: &Path) -> bool {
    let file = plain(file);
    let file = file.to_str().unwrap_or_default();
    let is = |pattern: &str| match file.strip_prefix(pattern) {
        Some(rest) => pattern.ends_with('/') || rest == ".ko",
        None => false,
    };
    WANTED.iter().any(|(pattern, _)| is(pattern)) && !UNWANTED.iter().any(|part| file.starts_with(part))
}

/// The name of the module in a file, or by another name: dashes are underscores.
fn name_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split(".ko").next().unwrap_or(name).replace('-', "_")
}

/// The name of a module's file once it is decompressed.
fn plain(file: &Path) -> PathBuf {
    match file.extension().and_then(|e| e.to_str()) {
        Some("xz" | "zst" | "gz") => file.with_extension(""),
        _ => file.to_owned(),
    }
}

/// The module in a compressed file.
fn decompress(bytes: &[u8], path: &Path) -> Result<Vec<u8>> {
    let damaged = |e: &dyn std::fmt::Display| Error::unusable(format!("{}: {e}", path.display()));
    let mut plain = Vec::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("xz") => {
            lzma_rust2::XzReader::new(bytes, true).take(MODULE_MAX).read_to_end(&mut plain).about(path)?
        }
        Some("zst") => ruzstd::decoding::StreamingDecoder::new(bytes)
            .map_err(|e| damaged(&e))?
            .take(MODULE_MAX)
            .read_to_end(&mut plain)
            .about(path)?,
        _ => flate2::read::MultiGzDecoder::new(bytes).take(MODULE_MAX).read_to_end(&mut plain).about(path)?,
    };
    Ok(plain)
}

//! Everything that this project does to read a disk, in one call.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use bstr::BString;
use disk::cache::Cached;
use disk::fs::ntfs::Ntfs;
use disk::fs::{FileType, Filesystem, InodeId, SubvolumeName};
use disk::image::{self, NoRelated};
use disk::volume::{ldm, lvm2};
use disk::{Error, ReadAt, Result, partition, probe};

/// Size of the cache under each disk, in bytes.
const CACHE: usize = 8 << 20;
/// Most names of a filesystem that are looked at: damaged directories may contain themselves.
const MAX_NAMES: usize = 5000;
/// How much of each file is read, in bytes, from its start and from its end.
const READ: usize = 1 << 20;
/// How many file records of NTFS are looked at in further ways.
const NTFS_RECORDS: u64 = 100;
/// Most ranges with data of each file that are looked for.
const MAX_RANGES: usize = 100;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Names in filesystems.
    pub(super) names: usize,
    /// Errors met, the first one kept.
    pub(super) errors: usize,
    pub(super) first_error: Option<Error>,
}

impl Found {
    /// The value, or notes the error.
    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(e) => {
                self.errors += 1;
                self.first_error.get_or_insert(e);
                None
            }
        }
    }
}

/// Reads the disks of `files`. With `content`, also what is in their files.
pub(super) fn read(files: Vec<Arc<dyn ReadAt>>, content: bool) -> Found {
    let mut found = Found::default();
    let mut devices: Vec<(BString, Arc<dyn ReadAt>)> = Vec::new();
    let mut disks: Vec<(BString, Arc<dyn ReadAt>)> = Vec::new();
    for (n, file) in files.into_iter().enumerate() {
        let opened = image::open(file, None, &mut NoRelated);
        let Some(disk) = found.note(opened) else { continue };
        let disk: Arc<dyn ReadAt> = Arc::new(Cached::new(disk, CACHE));
        let name = format!("/dev/sd{n}");
        found.note(probe::probe(&disk));
        found.note(ldm::partitions(&disk));
        disks.push((name.clone().into(), Arc::clone(&disk)));
        let table = found.note(partition::read(&disk)).flatten();
        for partition in table.iter().flat_map(|table| &table.partitions) {
            let name = format!("{name}{}", partition.number);
            devices.push((name.into(), Arc::new(partition.open(Arc::clone(&disk)))));
        }
        // The boot sector of a FAT may look like a table without partitions.
        if table.is_none_or(|table| table.partitions.is_empty()) {
            devices.push((name.into(), disk));
        }
    }
    let members: Vec<_> = devices.iter().map(|(_, device)| Arc::clone(device)).collect();
    for (_, device) in &devices {
        read_device(device, &members, content, &mut found);
    }
    let dynamic = ldm::scan(&disks);
    for volume in dynamic.groups.iter().flat_map(|group| &group.volumes) {
        let opened = volume.open();
        if let Some(device) = found.note(opened) {
            read_device(&device, &members, content, &mut found);
        }
    }
    for problem in dynamic.problems {
        found.note::<()>(Err(problem));
    }
    let Some(volumes) = found.note(lvm2::scan(&devices)) else { return found };
    for volume in volumes.groups.iter().flat_map(|group| &group.volumes) {
        let opened = volume.open();
        if let Some(device) = found.note(opened) {
            read_device(&device, &members, content, &mut found);
        }
    }
    for problem in volumes.problems {
        found.note::<()>(Err(problem));
    }
    found
}

fn read_device(device: &Arc<dyn ReadAt>, members: &[Arc<dyn ReadAt>], content: bool, found: &mut Found) {
    let mut start = vec![0; 4096.min(usize::try_from(device.len()).unwrap_or(4096))];
    let read = device.read_at(0, &mut start);
    found.note(read);
    found.note(probe::probe(device));
    let opened = disk::fs::open_with(Arc::clone(device), members);
    if let Some(filesystem) = found.note(opened) {
        walk(&*filesystem, content, found);
        if filesystem.kind() == "ntfs"
            && let Some(ntfs) = found.note(Ntfs::open(Arc::clone(device)))
        {
            read_ntfs(&ntfs, found);
        }
    }
}

/// What NTFS has beside names, status and content.
fn read_ntfs(ntfs: &Ntfs, found: &mut Found) {
    found.note(ntfs.state());
    for inode in (0..NTFS_RECORDS).map(InodeId::new) {
        // Most are in use by nothing that has these.
        let _ = ntfs.reparse_data(inode);
        let _ = ntfs.open_stream(inode, b"Zone.Identifier");
        let _ = ntfs.lookup_ignoring_case(inode, b"HIBERFIL.SYS");
    }
}

fn walk(filesystem: &dyn Filesystem, content: bool, found: &mut Found) {
    found.note(filesystem.stat_fs());
    let mut directories = HashSet::new();
    let mut todo = vec![filesystem.root()];
    for subvolume in found.note(filesystem.subvolumes()).unwrap_or_default() {
        todo.extend(found.note(filesystem.subvolume_root(SubvolumeName::Id(subvolume.id))));
    }
    while let Some(inode) = todo.pop() {
        found.names += 1;
        if found.names > MAX_NAMES {
            return;
        }
        let metadata = filesystem.metadata(inode);
        found.note(filesystem.xattrs(inode));
        let Some(metadata) = found.note(metadata) else { continue };
        match metadata.file_type {
            FileType::Regular => read_file(filesystem, inode, content, found),
            FileType::Symlink => {
                found.note(filesystem.read_link(inode));
            }
            FileType::Directory if directories.insert(inode) => {
                let mut names: Vec<(Vec<u8>, InodeId)> = Vec::new();
                let result = filesystem.read_dir(inode, &mut |entry| {
                    names.push((entry.name.to_vec(), entry.inode));
                    if names.len() < MAX_NAMES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                });
                found.note(result);
                for (name, inode_of_name) in names {
                    found.note(filesystem.lookup(inode, &name));
                    todo.push(inode_of_name);
                }
                found.note(filesystem.lookup(inode, b"no such name"));
            }
            _ => {}
        }
    }
}

fn read_file(filesystem: &dyn Filesystem, inode: InodeId, content: bool, found: &mut Found) {
    let opened = filesystem.open(inode);
    let Some(mut file) = found.note(opened) else { return };
    let mut at = 0;
    for _ in 0..MAX_RANGES {
        match found.note(file.next_data(at)).flatten() {
            Some(range) => at = range.end,
            None => break,
        }
    }
    if content {
        let mut buf = vec![0; READ];
        let end = file.len().saturating_sub(READ as u64);
        found.note(file.read_at(0, &mut buf));
        found.note(file.read_at(end, &mut buf));
    }
}

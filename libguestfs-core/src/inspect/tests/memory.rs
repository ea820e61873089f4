//! A guest in memory: the test double of [`Guest`] and [`Tree`].

use std::collections::{BTreeMap, HashMap};

use bstr::{BStr, BString};

use crate::inspect::{Disks, Entry, Filesystem, GptPartition, Guest, Opened, Tag, Tree, Trouble};

/// What is at a path.
#[derive(Debug, Clone)]
pub(super) enum Node {
    File(Vec<u8>),
    /// A file of which nothing is kept but its size.
    Huge(u64),
    Directory,
    Symlink(BString),
    Fifo,
    /// What can't be read.
    Damaged,
}

/// A filesystem in memory. Parents of what is added come by themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct MemTree {
    nodes: BTreeMap<BString, Node>,
    trouble: Option<Trouble>,
}

impl MemTree {
    /// A filesystem that looks like the root of a Linux, with this fstab.
    pub(super) fn linux(fstab: &str) -> Self {
        MemTree::default().file("/etc/fstab", fstab).directory("/bin")
    }

    pub(super) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.node(path, Node::File(content.as_ref().to_vec()))
    }

    pub(super) fn directory(self, path: &str) -> Self {
        self.node(path, Node::Directory)
    }

    pub(super) fn symlink(self, path: &str, target: impl Into<BString>) -> Self {
        self.node(path, Node::Symlink(target.into()))
    }

    pub(super) fn node(mut self, path: &str, node: Node) -> Self {
        self.nodes.insert("/".into(), Node::Directory);
        for (slash, _) in path.match_indices('/').skip(1) {
            self.nodes.entry(path[..slash].into()).or_insert(Node::Directory);
        }
        self.nodes.insert(path.into(), node);
        self
    }
}

impl Tree for MemTree {
    type Error = String;

    fn entry(&mut self, path: &BStr) -> Result<Option<Entry>, String> {
        assert!(is_plain(path), "{path} is not as the trait says");
        for (slash, _) in path.iter().enumerate().skip(1).filter(|&(_, &byte)| byte == b'/') {
            let parent = self.nodes.get(&path[..slash]);
            assert!(matches!(parent, Some(Node::Directory)), "{path} was not looked up step by step");
        }
        if let Some(Node::Damaged) = self.nodes.get(path) {
            self.trouble = Some(Trouble::Damaged(format!("{path}: damaged")).or_first(self.trouble.take()));
            return Ok(None);
        }
        Ok(self.nodes.get(path).and_then(|node| match node {
            Node::File(content) => Some(Entry::File(content.len().try_into().unwrap())),
            Node::Huge(size) => Some(Entry::File(*size)),
            Node::Directory => Some(Entry::Directory),
            Node::Symlink(_) => Some(Entry::Symlink),
            Node::Fifo => Some(Entry::Special),
            Node::Damaged => None,
        }))
    }

    fn read_link(&mut self, path: &BStr) -> Result<Option<BString>, String> {
        match self.nodes.get(path) {
            Some(Node::Symlink(target)) => Ok(Some(target.clone())),
            other => panic!("{path} is no link but {other:?}"),
        }
    }

    fn read(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<u8>>, String> {
        match self.nodes.get(path) {
            Some(Node::File(content)) => Ok(Some(content[..content.len().min(max)].to_vec())),
            Some(Node::Huge(size)) => {
                assert!(max < 1000, "{path} of {size} bytes was read");
                Ok(Some(vec![b'1'; max]))
            }
            other => panic!("{path} was read, which is {other:?}"),
        }
    }

    fn find_nocase(&mut self, path: &BStr, name: &BStr) -> Result<Option<BString>, String> {
        let prefix = if path == "/" { BString::from("/") } else { BString::from(format!("{path}/")) };
        Ok(self.nodes.keys().find_map(|key| {
            let found = key.strip_prefix(prefix.as_slice())?;
            found.eq_ignore_ascii_case(name).then(|| found.into())
        }))
    }

    fn names(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<BString>>, String> {
        assert!(matches!(self.nodes.get(path), Some(Node::Directory)), "{path} is no directory");
        let prefix = if path == "/" { BString::from("/") } else { BString::from(format!("{path}/")) };
        let below = self.nodes.keys().filter_map(|key| key.strip_prefix(prefix.as_slice()));
        let names = below.filter(|name| !name.is_empty() && !name.contains(&b'/'));
        Ok(Some(names.map(BString::from).take(max).collect()))
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.clone()
    }
}

/// Is it absolute, without `.`, `..`, empty elements and final slash?
fn is_plain(path: &BStr) -> bool {
    let mut elements = path.split(|&byte| byte == b'/');
    path == "/"
        || elements.next() == Some(b"") && elements.all(|element| !matches!(element, b"" | b"." | b".."))
}

/// A guest in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct MemGuest {
    pub(super) disks: Disks,
    pub(super) tags: Vec<(Tag, BString, BString)>,
    subvolumes: Vec<(u64, BString)>,
    trees: HashMap<BString, MemTree>,
    unsupported: Vec<BString>,
}

impl MemGuest {
    /// One disk, `/dev/sda`.
    pub(super) fn new() -> Self {
        MemGuest::default().disk("/dev/sda")
    }

    pub(super) fn disk(mut self, name: &str) -> Self {
        self.disks.devices.push(name.into());
        self
    }

    /// A device that has no filesystem.
    pub(super) fn partition(mut self, name: &str) -> Self {
        self.disks.partitions.push(name.into());
        self
    }

    /// A filesystem on a device, which is a partition unless the guest knows it already.
    pub(super) fn filesystem(mut self, name: &str, tree: MemTree) -> Self {
        self.trees.insert(name.into(), tree);
        self.kind(name, "ext4")
    }

    /// A device with something on it that this engine cannot read.
    pub(super) fn unsupported(mut self, name: &str, kind: &str) -> Self {
        self.unsupported.push(name.into());
        self.kind(name, kind)
    }

    /// A device with something on it that is not mounted.
    pub(super) fn kind(mut self, name: &str, kind: &str) -> Self {
        let name = BString::from(name);
        let volumes = &self.disks.logical_volumes;
        let known = self.disks.devices.contains(&name) || volumes.iter().any(|volume| volume.device == name);
        if !known && !name.starts_with(b"btrfsvol:") {
            self.disks.partitions.push(name.clone());
        }
        self.disks.filesystems.push(Filesystem { mountable: name, kind: kind.into() });
        self
    }

    pub(super) fn tag(mut self, tag: Tag, value: &str, device: &str) -> Self {
        self.tags.push((tag, value.into(), device.into()));
        self
    }
}

impl MemGuest {
    /// A partition of a GPT on `/dev/sda`.
    pub(super) fn gpt(mut self, name: &str, kind: &str) -> Self {
        let (device, disk) = (name.into(), "/dev/sda".into());
        self.disks.gpt.push(GptPartition { device, disk, kind: kind.into(), guid: [0; 16] });
        self
    }

    /// A subvolume of `/dev/sda2`.
    pub(super) fn subvolume_id(mut self, id: u64, path: &str) -> Self {
        self.subvolumes.push((id, path.into()));
        self
    }

    /// What the last filesystem is.
    pub(super) fn of_kind(mut self, kind: &str) -> Self {
        self.disks.filesystems.last_mut().unwrap().kind = kind.into();
        self
    }
}

impl Guest for MemGuest {
    type Error = String;
    type Tree = MemTree;

    fn disks(&mut self) -> Result<Disks, String> {
        Ok(self.disks.clone())
    }

    fn open(&mut self, filesystem: &Filesystem) -> Result<Opened<MemTree>, String> {
        if self.unsupported.contains(&filesystem.mountable) {
            return Ok(Opened::Unread(Trouble::Unsupported("no reader".to_owned())));
        }
        Ok(match self.trees.get(&filesystem.mountable) {
            Some(tree) => Opened::Tree(tree.clone()),
            None if filesystem.kind == "unknown" => Opened::Nothing,
            None => Opened::Unread(Trouble::Damaged("cannot be mounted".to_owned())),
        })
    }

    fn find(&mut self, tag: Tag, value: &BStr) -> Result<Option<BString>, String> {
        let found =
            self.tags.iter().find(|(kind, known, _)| *kind == tag && known.eq_ignore_ascii_case(value));
        Ok(found.map(|(_, _, device)| device.clone()))
    }

    fn subvolume(&mut self, device: &BStr, id: u64) -> Result<Option<BString>, String> {
        assert_eq!(device, "/dev/sda2");
        Ok(self.subvolumes.iter().find(|(known, _)| *known == id).map(|(_, path)| path.clone()))
    }
}

//! One registry hive of the guest: opened into memory with its logs, walked, changed, written back.
//!
//! Handles of keys and values are those of libhivex: offsets in the hive's file. The crate `hivex` verifies each one, as it
//! does everything that it reads. Errors begin as those of the original, `failed: ` and the words of the errno, and then
//! say what was met.

use bstr::{BStr, BString, ByteSlice};
use hivex::{ErrorKind, Hive, Node, Options, Value, ValueType};
use libguestfs_core::api::{HivexNode, HivexOpenOpts, HivexValue};
use libguestfs_core::registry::{self, Refused, Registry};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use super::guest_tree::GuestTree;
use super::replace::Several;
use super::{account, wire};
use crate::Guestfsd;
use crate::error::{At, refused, strerror};
use crate::log;

impl Guestfsd {
    pub(crate) fn hivex_open(&mut self, filename: &BStr, opts: &HivexOpenOpts) -> Result<()> {
        // Whatever comes of this, no other hive is open after it.
        self.hive = None;
        let write = opts.write.unwrap_or(false);
        if write {
            self.kernel("hivex_open for writing")?;
        }
        let place = format!("hivex failed to open {filename}");
        let path = self.tree().canonical(filename).at(&place)?;
        let size = self.content(path.as_bstr()).at(&place)?.len();
        let options = Options { write, ..Options::default() };
        let opened = registry::open_file(&mut GuestTree::new(self.tree()), path, size, options)?;
        let registry = opened.map_err(|refused| no_hive(&place, &refused))?;
        if opts.verbose == Some(true) || opts.debug == Some(true) {
            registry.notes().iter().for_each(|note| log::line(format_args!("{}: {note}", registry.path)));
        }
        self.hive = Some(registry);
        Ok(())
    }

    fn open_hive(&mut self, call: &str) -> Result<&mut Registry> {
        self.hive.as_mut().ok_or_else(|| {
            refused(format!("do_{call}: you must call 'hivex-open' first to initialize the hivex handle"))
        })
    }

    /// What `ask` says of the hive.
    fn of_hive<T>(&mut self, call: &str, ask: impl FnOnce(&Hive) -> hivex::Result<T>) -> Result<T> {
        ask(&self.open_hive(call)?.hive).map_err(|e| failed("failed", &e))
    }

    /// What `change` makes of the hive.
    fn change_hive<T>(
        &mut self,
        call: &str,
        change: impl FnOnce(&mut Hive) -> hivex::Result<T>,
    ) -> Result<T> {
        change(&mut self.open_hive(call)?.hive).map_err(|e| failed("failed", &e))
    }

    pub(crate) fn hivex_close(&mut self) -> Result<()> {
        self.open_hive("hivex_close")?;
        self.hive = None;
        Ok(())
    }

    pub(crate) fn hivex_root(&mut self) -> Result<i64> {
        self.of_hive("hivex_root", |hive| Ok(of_node(hive.root())))
    }

    pub(crate) fn hivex_node_name(&mut self, nodeh: i64) -> Result<BString> {
        self.of_hive("hivex_node_name", |hive| Ok(text(hive.node_name(node(hive, nodeh)?)?.to_bstring())))
    }

    pub(crate) fn hivex_node_children(&mut self, nodeh: i64) -> Result<Vec<HivexNode>> {
        let found = self.of_hive("hivex_node_children", |hive| hive.node_children(node(hive, nodeh)?))?;
        listed(&found, |node| HivexNode { hivex_node_h: of_node(*node) })
    }

    pub(crate) fn hivex_node_get_child(&mut self, nodeh: i64, name: &BStr) -> Result<i64> {
        self.of_hive("hivex_node_get_child", |hive| {
            Ok(hive.node_get_child(node(hive, nodeh)?, name)?.map_or(0, of_node))
        })
    }

    pub(crate) fn hivex_node_parent(&mut self, nodeh: i64) -> Result<i64> {
        let parent = self.of_hive("hivex_node_parent", |hive| hive.node_parent(node(hive, nodeh)?))?;
        parent.map(of_node).ok_or_else(|| no_parent(nodeh))
    }

    pub(crate) fn hivex_node_values(&mut self, nodeh: i64) -> Result<Vec<HivexValue>> {
        let found = self.of_hive("hivex_node_values", |hive| hive.node_values(node(hive, nodeh)?))?;
        listed(&found, |value| HivexValue { hivex_value_h: of_value(*value) })
    }

    pub(crate) fn hivex_node_get_value(&mut self, nodeh: i64, key: &BStr) -> Result<i64> {
        self.of_hive("hivex_node_get_value", |hive| {
            Ok(hive.node_get_value(node(hive, nodeh)?, key)?.map_or(0, of_value))
        })
    }

    pub(crate) fn hivex_value_key(&mut self, valueh: i64) -> Result<BString> {
        self.of_hive("hivex_value_key", |hive| Ok(text(hive.value_key(value(hive, valueh)?)?.to_bstring())))
    }

    pub(crate) fn hivex_value_type(&mut self, valueh: i64) -> Result<i64> {
        self.of_hive("hivex_value_type", |hive| Ok(hive.value_type(value(hive, valueh)?)?.0.into()))
    }

    pub(crate) fn hivex_value_value(&mut self, valueh: i64) -> Result<Vec<u8>> {
        let bytes = self
            .of_hive("hivex_value_value", |hive| Ok(hive.value_value(value(hive, valueh)?)?.into_owned()))?;
        account(&mut 0, bytes.len())?;
        Ok(bytes)
    }

    pub(crate) fn hivex_value_utf8(&mut self, valueh: i64) -> Result<BString> {
        self.string_of_hive("hivex_value_utf8", valueh)
    }

    pub(crate) fn hivex_value_string(&mut self, valueh: i64) -> Result<BString> {
        self.string_of_hive("hivex_value_string", valueh)
    }

    fn string_of_hive(&mut self, call: &str, valueh: i64) -> Result<BString> {
        let string = self.of_hive(call, |hive| hive.value_string(value(hive, valueh)?))?;
        account(&mut 0, string.len())?;
        Ok(string)
    }

    pub(crate) fn hivex_node_add_child(&mut self, parent: i64, name: &BStr) -> Result<i64> {
        self.change_hive("hivex_node_add_child", |hive| {
            let parent = node(hive, parent)?;
            hive.node_add_child(parent, name).map(of_node)
        })
    }

    pub(crate) fn hivex_node_delete_child(&mut self, nodeh: i64) -> Result<()> {
        self.change_hive("hivex_node_delete_child", |hive| {
            let node = node(hive, nodeh)?;
            hive.node_delete_child(node)
        })
    }

    pub(crate) fn hivex_node_set_value(&mut self, nodeh: i64, key: &BStr, t: i64, val: &[u8]) -> Result<()> {
        let kind = u32::try_from(t).map_err(|_| {
            Error::daemon(Errno::EINVAL, format!("failed: {t}: a type is a number of 32 bits"))
        })?;
        self.change_hive("hivex_node_set_value", |hive| {
            let node = node(hive, nodeh)?;
            hive.node_set_value(node, key, ValueType(kind), val)
        })
    }

    pub(crate) fn hivex_commit(&mut self, filename: Option<&BStr>) -> Result<()> {
        self.change_hive("hivex_commit", Hive::commit)?;
        let Registry { hive, path, .. } = self.open_hive("hivex_commit")?;
        let (path, image) = (filename.unwrap_or(path.as_bstr()).to_owned(), hive.image().to_vec());
        if !path.starts_with(b"/") {
            let what = format!("failed: {path}: path must start with a / character");
            return Err(Error::daemon(Errno::EINVAL, what));
        }
        self.replace_file("hivex_commit", path.as_bstr(), &image, Several::InPlace)?
            .at(format_args!("failed: {path}"))
    }
}

fn node(hive: &Hive, handle: i64) -> hivex::Result<Node> {
    // A negative handle becomes one that no hive is long enough for.
    hive.node(handle.cast_unsigned())
}

fn value(hive: &Hive, handle: i64) -> hivex::Result<Value> {
    hive.value(handle.cast_unsigned())
}

fn of_node(node: Node) -> i64 {
    wire(node.handle())
}

fn of_value(value: Value) -> i64 {
    wire(value.handle())
}

/// Structures of one handle each, as long as they can be sent.
fn listed<F, T>(found: &[F], make: impl FnMut(&F) -> T) -> Result<Vec<T>> {
    account(&mut 0, found.len().saturating_mul(size_of::<i64>()))?;
    Ok(found.iter().map(make).collect())
}

/// A name for the protocol, whose strings have no NUL; libhivex's end at the first one too.
fn text(mut name: BString) -> BString {
    if let Some(end) = name.find_byte(0) {
        name.truncate(end);
    }
    name
}

/// The errno that libhivex has for a failure.
fn errno(error: &hivex::Error) -> Errno {
    match error.kind() {
        ErrorKind::NotFound => Errno::ENOENT,
        ErrorKind::AlreadyExists => Errno::EEXIST,
        ErrorKind::ReadOnly => Errno::EROFS,
        ErrorKind::TooLarge => Errno::ERANGE,
        ErrorKind::Unsupported => Errno::ENOTSUP,
        _ => Errno::EINVAL,
    }
}

fn failed(place: &str, error: &hivex::Error) -> Error {
    let errno = errno(error);
    Error::daemon(errno, format!("{place}: {}: {error}", strerror(errno)))
}

/// What libhivex answers for the parent of the root key.
fn no_parent(handle: i64) -> Error {
    let words = strerror(Errno::EFAULT);
    Error::daemon(Errno::EFAULT, format!("failed: {words}: the key at {handle:#x} is the root key"))
}

/// Why there is no hive.
fn no_hive(place: &str, refused: &Refused) -> Error {
    match refused {
        Refused::Hive(error) => failed(place, error),
        Refused::NotFound => Error::daemon(Errno::ENOENT, format!("{place}: {}", strerror(Errno::ENOENT))),
        Refused::TooLarge(_) => Error::daemon(Errno::EFBIG, format!("{place}: {refused}")),
        _ => Error::daemon(Errno::EIO, format!("{place}: {refused}")),
    }
}

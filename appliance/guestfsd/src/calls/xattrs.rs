//! Extended attributes.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::Xattr;

use super::account;
use crate::Guestfsd;
use crate::engine::Last;
use crate::error::{At, Failure};

impl Guestfsd {
    pub(crate) fn getxattrs(&mut self, path: &BStr) -> Result<Vec<Xattr>> {
        self.xattr_list(path, Last::Follow)
    }

    pub(crate) fn lgetxattrs(&mut self, path: &BStr) -> Result<Vec<Xattr>> {
        self.xattr_list(path, Last::Itself)
    }

    fn xattr_list(&self, path: &BStr, last: Last) -> Result<Vec<Xattr>> {
        let found = self.tree().xattrs(path, last).at(format_args!("listxattr: {path}"))?;
        let mut size = 0;
        found.into_iter().map(|x| on_the_wire(x, &mut size)).collect()
    }

    pub(crate) fn getxattr(&mut self, path: &BStr, name: &BStr) -> Result<Vec<u8>> {
        self.one_xattr("getxattr", path, name, Last::Follow)
    }

    pub(crate) fn lgetxattr(&mut self, path: &BStr, name: &BStr) -> Result<Vec<u8>> {
        self.one_xattr("lgetxattr", path, name, Last::Itself)
    }

    fn one_xattr(&self, call: &str, path: &BStr, name: &BStr, last: Last) -> Result<Vec<u8>> {
        let value = self.tree().xattr(path, last, name).at(call)?;
        account(&mut 0, value.len())?;
        Ok(value)
    }

    /// Per name: an entry without a name whose value is the number of attributes, or nothing if they can't be read;
    /// then the attributes.
    pub(crate) fn internal_lxattrlist(&mut self, path: &BStr, names: &[BString]) -> Result<Vec<Xattr>> {
        let directory = self.tree().directory(path).at(path)?;
        let mut list = Vec::with_capacity(names.len().min(4096));
        let mut size = 0;
        for name in names {
            account(&mut size, 16)?;
            match directory.xattrs(name.as_bstr()) {
                Ok(found) => {
                    let count = found.len().to_string().into_bytes();
                    list.push(Xattr { attrname: BString::default(), attrval: count });
                    for xattr in found {
                        list.push(on_the_wire(xattr, &mut size)?);
                    }
                }
                Err(Failure::Os(_)) => list.push(Xattr { attrname: BString::default(), attrval: Vec::new() }),
                Err(failure) => return Err(failure.at(format_args!("{path}/{name}"))),
            }
        }
        Ok(list)
    }
}

fn on_the_wire(xattr: disk::fs::Xattr, size: &mut usize) -> Result<Xattr> {
    account(size, xattr.name.len().saturating_add(xattr.value.len()))?;
    Ok(Xattr { attrname: xattr.name, attrval: xattr.value.into() })
}

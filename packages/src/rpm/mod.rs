//! rpm's database, in each of its three forms.
//!
//! ```text
//! rpmdb.sqlite   SQLite: table Packages       Fedora 33, RHEL 9 and later
//! Packages.db    ndb                          openSUSE
//! Packages       Berkeley DB, a hash          what came before
//! ```
//!
//! Each has a header a package, by a number; the other tables and files are indexes of these.

mod bdb;
mod header;
mod ndb;

use bstr::{BStr, ByteSlice};

use crate::bytes::Blob;
use crate::error::Result;
use crate::found::{Found, join};
use crate::package::Format;
use crate::source::{File, Tree};
use crate::sqlite;

/// Where the database is, by distribution and age; the last is that of images built by rpm-ostree.
const DIRECTORIES: [&str; 3] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm"];
/// Table of the headers, and the column that they are in.
const TABLE: &str = "Packages";
const COLUMN: &str = "blob";

/// Reads one form of database: gives each header, or what is wrong with one.
type Reader =
    fn(&dyn Tree, &BStr, &mut dyn File, &mut dyn FnMut(Result<&mut dyn Blob>) -> bool) -> Result<()>;

/// The forms by their files. rpm leaves the file of an older form behind, if at all.
const FORMS: [(&str, Reader); 3] = [
    ("rpmdb.sqlite", |tree, path, _, each| sqlite::blobs(tree, path, TABLE, COLUMN, each)),
    ("Packages.db", |_, _, file, each| ndb::headers(file, each)),
    ("Packages", |_, _, file, each| bdb::headers(file, each)),
];

pub(crate) fn read(tree: &dyn Tree, found: &mut Found) {
    for directory in DIRECTORIES.map(BStr::new) {
        for (name, reader) in FORMS {
            let path = join(directory, name.as_bytes());
            let Some(mut file) = found.open(tree, path.as_bstr()) else { continue };
            found.database(Format::Rpm, path.as_bstr());
            let mut count = 0_usize;
            let result = reader(tree, path.as_bstr(), &mut *file, &mut |header| {
                match header.and_then(header::package) {
                    Ok(package) => {
                        count = count.saturating_add(1);
                        found.package(&path, package);
                    }
                    Err(e) => found.note(&path, e.to_string()),
                }
                !found.is_full()
            });
            if let Err(e) = result {
                found.note(&path, e.to_string());
            }
            // An empty database may be left over where a link should be.
            if count > 0 {
                return;
            }
        }
    }
}

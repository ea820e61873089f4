//! Flatpaks of the whole system: a directory each of `KIND/ID/ARCHITECTURE/BRANCH` (flatpak(1), "FILES").

use bstr::{BStr, ByteSlice};

use crate::found::{Found, join};
use crate::package::{Format, Package};
use crate::source::Tree;

/// Where the directories are: applications, and what these run on.
const KINDS: [&str; 2] = ["/var/lib/flatpak/app", "/var/lib/flatpak/runtime"];
/// A link to the branch that is in use, next to the architectures.
const CURRENT: &str = "current";

pub(crate) fn read(tree: &dyn Tree, found: &mut Found) {
    for kind in KINDS.map(BStr::new) {
        let Some(ids) = found.names(tree, kind) else { continue };
        if !ids.is_empty() {
            found.database(Format::Flatpak, kind);
        }
        for id in ids {
            let directory = join(kind, &id);
            for arch in found.names(tree, directory.as_bstr()).unwrap_or_default() {
                if arch == CURRENT {
                    continue;
                }
                let directory = join(directory.as_bstr(), &arch);
                for branch in found.names(tree, directory.as_bstr()).unwrap_or_default() {
                    let package = Package {
                        version: branch.clone(),
                        arch: arch.clone(),
                        install_path: join(directory.as_bstr(), &branch),
                        ..Package::new(Format::Flatpak, id.clone())
                    };
                    found.package(kind, package);
                    if found.is_full() {
                        return;
                    }
                }
            }
        }
    }
}

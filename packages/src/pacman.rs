//! pacman's database: a directory a package, with a file `desc` of titles and values (Arch's wiki, "pacman"; libalpm's
//! `desc` of the local database).

use bstr::{BStr, BString, ByteSlice};

use crate::dpkg::split_version;
use crate::found::{Found, join};
use crate::package::{Format, Package};
use crate::source::Tree;

/// Where the directories are.
const LOCAL: &str = "/var/lib/pacman/local";
/// The one name in there that is not a package.
const VERSION_OF_DATABASE: &str = "ALPM_DB_VERSION";

pub(crate) fn read(tree: &dyn Tree, found: &mut Found) {
    let directory = BStr::new(LOCAL);
    let Some(names) = found.names(tree, directory) else { return };
    found.database(Format::Pacman, directory);
    for name in names.iter().filter(|name| *name != VERSION_OF_DATABASE) {
        let path = join(join(directory, name).as_bstr(), b"desc");
        let Some(content) = found.small_file(tree, path.as_bstr()) else {
            found.note(path, "is missing, so nothing is known of a package");
            continue;
        };
        match package(&content) {
            Ok(package) => found.package(path, package),
            Err(wrong) => found.note(path, wrong),
        }
        if found.is_full() {
            return;
        }
    }
}

/// The package that a `desc` describes, or what is wrong with it.
fn package(content: &[u8]) -> Result<Package, String> {
    let value = |title| values(content, title).next().map(BString::from).unwrap_or_default();
    let text = value("%VERSION%");
    let (epoch, version, release) = split_version(&text);
    let epoch = epoch.map_err(|()| format!("the version {text:?} is not understood"))?;
    let (name, arch) = (value("%NAME%"), value("%ARCH%"));
    for (value, what) in [(&name, "name"), (&arch, "architecture"), (&version.into(), "version")] {
        if value.is_empty() {
            return Err(format!("the package has no {what}"));
        }
    }
    Ok(Package {
        epoch,
        version: version.into(),
        release: release.into(),
        arch,
        url: value("%URL%"),
        description: value("%DESC%"),
        maintainer: value("%PACKAGER%"),
        source_package: value("%BASE%"),
        license: bstr::join(" ", values(content, "%LICENSE%")).into(),
        install_time: value("%INSTALLDATE%").to_str().ok().and_then(|time| time.parse().ok()),
        ..Package::new(Format::Pacman, name)
    })
}

/// The lines below a title, up to an empty one.
fn values<'c>(content: &'c [u8], title: &'static str) -> impl Iterator<Item = &'c [u8]> {
    let after = content.lines().skip_while(move |line| line.trim_ascii() != title.as_bytes()).skip(1);
    after.map(<[u8]>::trim_ascii).take_while(|line| !line.is_empty())
}

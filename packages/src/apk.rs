//! apk's database: `installed`, one paragraph a package, one letter a field (Alpine's wiki, "Apk spec").

use bstr::{BStr, BString};

use crate::dpkg::split_version;
use crate::found::Found;
use crate::lines::Lines;
use crate::package::{Format, Package};
use crate::source::Tree;

/// Where the database is; in the second place where `/lib` is not `/usr/lib`, and apk thinks that it is.
const INSTALLED: [&str; 2] = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];

pub(crate) fn read(tree: &dyn Tree, found: &mut Found) {
    for path in INSTALLED.map(BStr::new) {
        let Some(mut file) = found.open(tree, path) else { continue };
        found.database(Format::Apk, path);
        read_paragraphs(found, path, Lines::new(&mut *file));
        return;
    }
}

fn read_paragraphs(found: &mut Found, path: &BStr, mut lines: Lines<'_>) {
    let mut fields = Fields::default();
    loop {
        match lines.next() {
            Ok(Some(line)) if line.trim_ascii().is_empty() => {
                std::mem::take(&mut fields).end(found, path);
                if found.is_full() {
                    return;
                }
            }
            Ok(Some(line)) => fields.line(line),
            Ok(None) => break,
            Err(e) => {
                found.note(path, format!("can't be read to its end: {e}"));
                break;
            }
        }
    }
    fields.end(found, path);
}

/// The fields of a package that say something of it, and not of its files.
#[derive(Debug, Default)]
struct Fields {
    /// Is there any line in it?
    begun: bool,
    /// Lines that are no fields.
    stray: usize,
    name: BString,
    version: BString,
    arch: BString,
    url: BString,
    description: BString,
    license: BString,
    maintainer: BString,
    origin: BString,
}

impl Fields {
    fn line(&mut self, line: &[u8]) {
        self.begun = true;
        let [letter, b':', value @ ..] = line else {
            self.stray = self.stray.saturating_add(1);
            return;
        };
        let field = match letter {
            b'P' => &mut self.name,
            b'V' => &mut self.version,
            b'A' => &mut self.arch,
            b'U' => &mut self.url,
            b'T' => &mut self.description,
            b'L' => &mut self.license,
            b'm' => &mut self.maintainer,
            b'o' => &mut self.origin,
            _ => return,
        };
        *field = value.trim_ascii().into();
    }

    fn end(self, found: &mut Found, path: &BStr) {
        if !self.begun {
            return;
        }
        if self.stray > 0 {
            found.note(path, format!("{}: {} lines are not fields", self.name, self.stray));
        }
        let (epoch, version, release) = split_version(&self.version);
        let Ok(epoch) = epoch else {
            found.note(path, format!("{}: the version {:?} is not understood", self.name, self.version));
            return;
        };
        if self.name.is_empty() || version.is_empty() {
            found.note(path, format!("{}: a package has no name or no version", self.name));
            return;
        }
        let package = Package {
            epoch,
            version: version.into(),
            release: release.into(),
            arch: self.arch,
            url: self.url,
            description: self.description,
            license: self.license,
            maintainer: self.maintainer,
            source_package: self.origin,
            ..Package::new(Format::Apk, self.name)
        };
        found.package(path, package);
    }
}

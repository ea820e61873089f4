//! dpkg's status.

use super::{Files, all, lines, notes};

const STATUS: &str = "\
Package: zlib1g
Status: install ok installed
Section: libs
Maintainer: Mark Brown <broonie@debian.org>
Architecture: amd64
Source: zlib (1:1.2.13.dfsg-1)
Version: 1:1.2.13.dfsg-1
Homepage: http://zlib.net/
Description: compression library - runtime
 zlib is a library.
 .
  verbatim
\ttabbed

Package: gone
Status: deinstall ok config-files
Version: 1.0
Architecture: all

Package: never
Status: deinstall ok not-installed
Version: 1.0

Package: half
Status: install reinstreq half-installed
Version: 2-3-4
Architecture: all

Package: unpacked
Status: install ok unpacked
Version: 5
Conffiles:
 /etc/Package: x";

#[test]
fn a_paragraph_is_a_package() {
    let found = all(&Files::default().with("/var/lib/dpkg/status", STATUS));
    assert_eq!(lines(&found), ["half - 2 3-4 all", "unpacked - 5  ", "zlib1g 1 1.2.13.dfsg 1 amd64"]);
    let states: Vec<_> = found.packages.iter().map(|p| p.state.to_string()).collect();
    assert_eq!(states, ["half-installed", "unpacked", "installed"]);
    let zlib = &found.packages[2];
    assert_eq!(zlib.source_package, "zlib");
    assert_eq!(zlib.url, "http://zlib.net/");
    assert_eq!(zlib.section, "libs");
    assert_eq!(zlib.maintainer, "Mark Brown <broonie@debian.org>");
    assert_eq!(zlib.summary, "compression library - runtime");
    assert_eq!(zlib.description, "zlib is a library.\n.\n verbatim\ntabbed");
    assert_eq!(zlib.full_version(), "1:1.2.13.dfsg-1");
    assert_eq!(notes(&found), Vec::<String>::new());
}

#[test]
fn what_is_broken_is_said_and_the_rest_is_listed() {
    let status = "Package: a\nVersion: 1\n\nStatus: install ok installed\nVersion: 1\n\n\
        Package: b\nStatus: install ok installed\nVersion: x:1\n\nPackage: c\nStatus: install ok installed\n\n\
        Package: d\nStatus: install ok installed\nVersion: 1\nthis is not a field\n\n\0\0\n\n\
        Package: e\nStatus: install ok installed\nVersion: 0:1\n";
    let found = all(&Files::default().with("/var/lib/dpkg/status", status));
    assert_eq!(lines(&found), ["d - 1  ", "e 0 1  "]);
    assert_eq!(
        notes(&found),
        [
            "/var/lib/dpkg/status: a: the state \"\" is not understood",
            "/var/lib/dpkg/status: a package has no name",
            "/var/lib/dpkg/status: b: the version \"x:1\" is not understood",
            "/var/lib/dpkg/status: c: has no version",
            "/var/lib/dpkg/status: d: 1 lines are not fields",
            "/var/lib/dpkg/status: a package has no name",
        ]
    );
}

#[test]
fn images_without_dpkg_have_a_file_a_package() {
    let files = Files::default()
        .with("/var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\nArchitecture: amd64\n")
        .with("/var/lib/dpkg/status.d/base.md5sums", "0123  usr/x\n")
        .unreadable("/var/lib/dpkg/status.d/libc6");
    let found = all(&files);
    assert_eq!(lines(&found), ["base-files - 12.4  amd64"]);
    assert_eq!(notes(&found), ["/var/lib/dpkg/status.d/libc6: can't be read to its end: a bad block"]);
}

//! Databases that are directories, or in XML. The trees are synthetic, put together by what the formats' descriptions say.

use super::{Files, all, lines, notes};
use crate::Format;

#[test]
fn portage_has_a_directory_a_package() {
    let file = |name: &str| format!("/var/db/pkg/{name}");
    let files = Files::default()
        .with(&file("dev-lang/python-3.11.8_p1-r2/PF"), "python-3.11.8_p1-r2\n")
        .with(&file("dev-lang/python-3.11.8_p1-r2/CHOST"), "x86_64-pc-linux-gnu\n")
        .with(&file("dev-lang/python-3.11.8_p1-r2/DESCRIPTION"), "An interpreted language\n")
        .with(&file("dev-lang/python-3.11.8_p1-r2/HOMEPAGE"), "https://www.python.org/ https://x\n")
        .with(&file("dev-lang/python-3.11.8_p1-r2/LICENSE"), "PSF-2\n")
        .with(&file("dev-lang/python-3.11.8_p1-r2/repository"), "gentoo\n")
        .with(&file("sys-libs/glibc-2.38/PF"), "glibc-2.38\n")
        .with(&file("sys-libs/foo-bar-r3/PF"), "foo-bar-r3\n")
        .with(&file("sys-libs/-MERGING-zlib-1/PF"), "zlib-1\n")
        .with(&file("bash-5.2/+CONTENTS"), "@name bash-5.2\n");
    let found = all(&files);
    assert_eq!(lines(&found), ["dev-lang/python - 3.11.8_p1 r2 x86_64", "sys-libs/glibc - 2.38  "]);
    let python = &found.packages[0];
    assert_eq!([&python.section, &python.vendor, &python.license], ["dev-lang", "gentoo", "PSF-2"]);
    assert_eq!([&python.url, &python.summary], ["https://www.python.org/", "An interpreted language"]);
    assert_eq!(notes(&found), ["/var/db/pkg/sys-libs/foo-bar-r3: the name has no version"]);
}

#[test]
fn opkg_has_dpkgs_form_and_a_file_of_texts_for_each_package() {
    let status = "Package: busybox\nVersion: 1.36.1-r1\nDepends: libc\nStatus: install ok installed\n\
        Architecture: x86_64\nInstalled-Time: 1700000000\n\n\
        Package: gone\nVersion: 1\nStatus: deinstall ok not-installed\n\n\
        Package: ../busybox\nVersion: 2\nStatus: install user installed\nArchitecture: all\n";
    let control = "Package: busybox\nVersion: 9\nLicense: GPL-2.0\nSection: base\nMaintainer: A <a@b>\n\
        Description: Core utilities for embedded Linux\n";
    let files = Files::default()
        .with("/usr/lib/opkg/status", status)
        .with("/usr/lib/opkg/info/busybox.control", control)
        .with("/usr/lib/opkg/busybox.control", "Description: another\n");
    let found = all(&files);
    assert_eq!(lines(&found), ["../busybox - 2  all", "busybox - 1.36.1 r1 x86_64"]);
    let busybox = &found.packages[1];
    assert_eq!([&busybox.license, &busybox.section, &busybox.maintainer], ["GPL-2.0", "base", "A <a@b>"]);
    assert_eq!(busybox.summary, "Core utilities for embedded Linux");
    assert_eq!((busybox.format, busybox.install_time), (Format::Opkg, Some(1_700_000_000)));
    assert_eq!(found.packages[0].summary, "");
    assert_eq!(notes(&found), [""; 0]);
}

#[test]
fn slackware_has_a_file_a_package() {
    let text = "PACKAGE NAME:     mozilla-nss-3.87-x86_64-1\nCOMPRESSED PACKAGE SIZE:     1.9M\n\
        PACKAGE DESCRIPTION:\nmozilla-nss: mozilla-nss (Mozilla NSS)\nmozilla-nss:\nmozilla-nss: Libraries.\n\
        mozilla-nss:  More.\nmozilla-nss:\nFILE LIST:\n./\nmozilla-nss: x\n";
    let files = Files::default()
        .with("/var/log/packages/mozilla-nss-3.87-x86_64-1", text)
        .with("/var/log/packages/aaa_base-15.0-x86_64-3-upgraded-2026-01-01,10:00:00", "")
        .with("/var/log/packages/odd-1-x86_64", "")
        .unreadable("/var/log/packages/tzdata-2022g-noarch-1_slack15.0");
    let found = all(&files);
    assert_eq!(lines(&found), ["mozilla-nss - 3.87 1 x86_64", "tzdata - 2022g 1_slack15.0 noarch"]);
    let nss = &found.packages[0];
    assert_eq!([&nss.summary, &nss.description], ["mozilla-nss (Mozilla NSS)", "Libraries.\nMore."]);
    assert_eq!(
        notes(&found),
        [
            "/var/log/packages/odd-1-x86_64: the name has no version, architecture and build",
            "/var/log/packages/tzdata-2022g-noarch-1_slack15.0: can't be read to its end: a bad block",
        ]
    );
}

const PKGDB: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
\t<key>_XBPS_ALTERNATIVES_</key>
\t<dict>
\t\t<key>awk</key>
\t\t<array>
\t\t\t<string>gawk</string>
\t\t</array>
\t</dict>
\t<key>acl</key>
\t<dict>
\t\t<key>architecture</key>
\t\t<string>x86_64</string>
\t\t<key>automatic-install</key>
\t\t<true/>
\t\t<key>homepage</key>
\t\t<string>https://x/?a&amp;b=&lt;c&gt;</string>
\t\t<key>license</key>
\t\t<string>LGPL-2.1-or-later</string>
\t\t<key>maintainer</key>
\t\t<string>A B &lt;a@example.org&gt;</string>
\t\t<key>pkgver</key>
\t\t<string>acl-2.3.2_1</string>
\t\t<key>run_depends</key>
\t\t<array>
\t\t\t<string>glibc&gt;=2.39_1</string>
\t\t</array>
\t\t<key>short_desc</key>
\t\t<string>Access Control List filesystem support</string>
\t\t<key>source-revisions</key>
\t\t<string>acl:0123456789</string>
\t\t<key>state</key>
\t\t<string>installed</string>
\t</dict>
\t<key>odd</key>
\t<dict>
\t\t<key>pkgver</key>
\t\t<string>odd</string>
\t</dict>
</dict>
</plist>
";

#[test]
fn xbps_has_a_property_list() {
    let path = "/var/db/xbps/pkgdb-0.38.plist";
    let found = all(&Files::default().with(path, PKGDB).with("/var/db/xbps/keys/x.plist", ""));
    assert_eq!(lines(&found), ["acl - 2.3.2 1 x86_64"]);
    let acl = &found.packages[0];
    assert_eq!([&acl.url, &acl.maintainer], ["https://x/?a&b=<c>", "A B <a@example.org>"]);
    assert_eq!([&acl.source_package, &acl.state, &acl.license], ["acl", "installed", "LGPL-2.1-or-later"]);
    assert_eq!(acl.summary, "Access Control List filesystem support");
    assert_eq!(notes(&found), [format!("{path}: the version \"odd\" is not understood")]);

    let cut = &PKGDB[..PKGDB.find("\t<key>odd").unwrap()];
    let found = all(&Files::default().with(path, cut));
    assert_eq!(lines(&found), ["acl - 2.3.2 1 x86_64"]);
    assert_eq!(notes(&found), [format!("{path}: ends within 1 elements")]);
}

#[test]
fn snaps_and_flatpaks_are_named() {
    let files = Files::default()
        .with("/var/lib/snapd/snaps/core20_1405.snap", "")
        .with("/var/lib/snapd/snaps/core20_998.snap", "")
        .with("/var/lib/snapd/snaps/my_tool_x2.snap", "")
        .with("/var/lib/snapd/snaps/odd.snap", "")
        .with("/var/lib/snapd/snaps/partial/x", "")
        .with("/var/lib/flatpak/app/org.gimp.GIMP/current", "")
        .with("/var/lib/flatpak/app/org.gimp.GIMP/x86_64/stable/0123/metadata", "")
        .with("/var/lib/flatpak/runtime/org.gnome.Platform/x86_64/45/0123/metadata", "");
    let found = all(&files);
    assert_eq!(
        lines(&found),
        [
            "core20 -  1405 ",
            "my_tool -  x2 ",
            "org.gimp.GIMP - stable  x86_64",
            "org.gnome.Platform - 45  x86_64"
        ]
    );
    assert_eq!(notes(&found), ["/var/lib/snapd/snaps: \"odd\": the name has no revision"]);
}

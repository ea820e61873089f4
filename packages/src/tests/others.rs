//! Databases that are directories, or in XML. The trees are synthetic, put together by what the formats' descriptions say.

use super::{Files, all, lines, notes};

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

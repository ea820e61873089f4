//! Databases of text other than dpkg's.

use super::{Files, all, lines, notes};

#[test]
fn apk_has_a_letter_a_field() {
    let installed = "C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\nS:1\nT:the musl c library\nU:https://musl.libc.org/\n\
        L:MIT\no:musl\nm:Timo <t@x>\nF:lib\nR:ld.so\na:0:0:755\n\n\
        P:bad\nV:x:1\n\nP:epoch\nV:1:2.0-r0\nA:noarch\nstray\n\nV:3\n\nP:last\nV:1";
    let found = all(&Files::default().with("/lib/apk/db/installed", installed));
    assert_eq!(lines(&found), ["epoch 1 2.0 r0 noarch", "last - 1  ", "musl - 1.2.4 r2 x86_64"]);
    let musl = &found.packages[2];
    assert_eq!(musl.description, "the musl c library");
    assert_eq!(musl.url, "https://musl.libc.org/");
    assert_eq!([&musl.license, &musl.source_package, &musl.maintainer], ["MIT", "musl", "Timo <t@x>"]);
    assert_eq!(
        notes(&found),
        [
            "/lib/apk/db/installed: bad: the version \"x:1\" is not understood",
            "/lib/apk/db/installed: epoch: 1 lines are not fields",
            "/lib/apk/db/installed: : a package has no name or no version",
        ]
    );
}

#[test]
fn pacman_has_a_directory_a_package() {
    let desc = "%NAME%\nacl\n\n%VERSION%\n1:2.3.1-3\n\n%BASE%\nacl\n\n%DESC%\nAccess control lists\n\n%URL%\nhttps://x\n\n\
        %ARCH%\nx86_64\n\n%INSTALLDATE%\n1700000000\n\n%PACKAGER%\nA B <a@b>\n\n%LICENSE%\nLGPL\nGPL\n\n";
    let files = Files::default()
        .with("/var/lib/pacman/local/ALPM_DB_VERSION", "9\n")
        .with("/var/lib/pacman/local/acl-1:2.3.1-3/desc", desc)
        .with("/var/lib/pacman/local/empty-1/files", "")
        .with("/var/lib/pacman/local/noarch-1/desc", "%NAME%\nx\n\n%VERSION%\n1-1\n");
    let found = all(&files);
    assert_eq!(lines(&found), ["acl 1 2.3.1 3 x86_64"]);
    let acl = &found.packages[0];
    assert_eq!(acl.license, "LGPL GPL");
    assert_eq!(acl.install_time, Some(1_700_000_000));
    assert_eq!(
        [&acl.description, &acl.url, &acl.maintainer],
        ["Access control lists", "https://x", "A B <a@b>"]
    );
    assert_eq!(
        notes(&found),
        [
            "/var/lib/pacman/local/empty-1/desc: is missing, so nothing is known of a package",
            "/var/lib/pacman/local/noarch-1/desc: the package has no architecture",
        ]
    );
}

//! Files beside programs: what programs read of the host's, and what the appliance has of its own.

/// A file or directory of the host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data {
    /// Its path. A directory is taken with all regular files directly in it.
    pub(crate) path: &'static str,
    /// Only files whose names begin so.
    pub(crate) prefix: &'static str,
    /// What reads it.
    #[cfg_attr(not(test), expect(dead_code, reason = "says why the file is in the table"))]
    pub(crate) reader: &'static str,
}

const fn d(path: &'static str, prefix: &'static str, reader: &'static str) -> Data {
    Data { path, prefix, reader }
}

/// What is taken from the host, if it is there. `MULTIARCH` stands for the directory of the C library.
#[rustfmt::skip]
pub(crate) const DATA: &[Data] = &[
    d("/usr/lib/file/magic.mgc", "", "file"),
    d("/usr/share/misc/magic.mgc", "", "file"),
    // Code pages of fat volumes, and what mtools and ntfs-3g convert between.
    d("MULTIARCH/gconv", "IBM850.so", "mkfs.fat, fatlabel"),
    d("MULTIARCH/gconv", "IBM437.so", "mtools"),
    d("MULTIARCH/gconv", "UTF-", "mkfs.exfat, mtools"),
    d("MULTIARCH/gconv", "gconv-modules", "iconv"),
    // Ciphers and hashes that current OpenSSL has set aside, and old volumes use.
    d("MULTIARCH/ossl-modules", "", "cryptsetup"),
    d("/usr/lib/syslinux/mbr", "mbr.bin", "boot sectors"),
    d("/usr/lib/syslinux/mbr", "gptmbr.bin", "boot sectors"),
    d("/usr/share/augeas/lenses", "", "augtool"),
    d("/usr/share/augeas/lenses/dist", "", "augtool"),
];

/// Settings of the host that belong to its programs.
pub(crate) const SETTINGS: &[Data] = &[d("/etc/mke2fs.conf", "", "mke2fs")];

/// Libraries that are not linked but opened when they are needed.
pub(crate) const OPENED_LATER: &[&str] = &[
    // Threads that are cancelled, as cryptsetup's are.
    "libgcc_s.so.1",
    // What the daemon itself is linked with, which programs' libraries hide once /usr is mounted.
    "libm.so.6",
];

/// The appliance's own files, as path and text.
pub(crate) const OWN: &[(&str, &str)] = &[
    ("/etc/passwd", "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("/etc/group", "root:x:0:\ndisk:x:6:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n"),
    // Only known when there is a network; qemu's own address for it.
    ("/etc/resolv.conf", "nameserver 169.254.2.3\n"),
    ("/etc/lvm/lvm.conf", LVM_CONF),
];

/// lvm.conf(5). There is no udev: nodes are made by lvm itself. No locks against others, no copies of metadata in /etc,
/// no background daemons; every device is looked at, whether or not a list of devices names it.
const LVM_CONF: &str = "\
config {
    checks = 0
}
devices {
    dir = \"/dev\"
    scan = [ \"/dev\" ]
    obtain_device_list_from_udev = 0
    external_device_info_source = \"none\"
    use_devicesfile = 0
    hints = \"none\"
    issue_discards = 1
}
backup {
    backup = 0
    archive = 0
}
global {
    event_activation = 0
    locking_dir = \"/run/lock/lvm\"
    system_id_source = \"none\"
    use_lvmlockd = 0
    use_lvmpolld = 0
}
activation {
    monitoring = 0
    udev_rules = 0
    udev_sync = 0
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_says_who_reads_it() {
        for data in DATA.iter().chain(SETTINGS) {
            assert!(!data.reader.is_empty(), "{}", data.path);
            assert!(data.path.starts_with('/') || data.path.starts_with("MULTIARCH/"), "{}", data.path);
        }
    }
}

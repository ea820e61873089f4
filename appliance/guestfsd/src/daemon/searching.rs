//! The calls that look for something in files.

use bstr::BString;
use libguestfs_core::Result;
use libguestfs_core::api::{GrepOpts, Pathname, PlainString, Searching};

use super::Guestfsd;

impl Searching for Guestfsd {
    answer! {
        grep(regex: &PlainString, path: &Pathname, opts: &GrepOpts) -> Vec<BString>;
        egrep(regex: &PlainString, path: &Pathname) -> Vec<BString>;
        fgrep(pattern: &PlainString, path: &Pathname) -> Vec<BString>;
        grepi(regex: &PlainString, path: &Pathname) -> Vec<BString>;
        egrepi(regex: &PlainString, path: &Pathname) -> Vec<BString>;
        fgrepi(pattern: &PlainString, path: &Pathname) -> Vec<BString>;
        zgrep(regex: &PlainString, path: &Pathname) -> Vec<BString>;
        zegrep(regex: &PlainString, path: &Pathname) -> Vec<BString>;
        zfgrep(pattern: &PlainString, path: &Pathname) -> Vec<BString>;
        zgrepi(regex: &PlainString, path: &Pathname) -> Vec<BString>;
        zegrepi(regex: &PlainString, path: &Pathname) -> Vec<BString>;
        zfgrepi(pattern: &PlainString, path: &Pathname) -> Vec<BString>;

        strings(path: &Pathname) -> Vec<BString>;
        strings_e(encoding: &PlainString, path: &Pathname) -> Vec<BString>;
        hexdump(path: &Pathname) -> BString;
        llz(directory: &Pathname) -> BString;

        initrd_list(path: &Pathname) -> Vec<BString>;
        initrd_cat(initrdpath: &Pathname, filename: &PlainString) -> Vec<u8>;
        file_architecture(filename: &Pathname) -> BString;
    }
}

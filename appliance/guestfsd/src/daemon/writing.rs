//! The calls that change files and directories.

use bstr::BString;
use libguestfs_core::Result;
use libguestfs_core::api::{
    Buffer, CopyAttributesOpts, Device, MktempOpts, Pathname, PlainString, SetE2attrsOpts, Writing,
};
use libguestfs_core::server::Meter;

use super::Guestfsd;

impl Writing for Guestfsd {
    answer! {
        touch(path: &Pathname) -> ();
        truncate(path: &Pathname) -> ();
        truncate_size(path: &Pathname, size: i64) -> ();
        fallocate(path: &Pathname, len: i32) -> ();
        fallocate64(path: &Pathname, len: i64) -> ();
        fill(c: i32, len: i32, path: &Pathname, meter: &mut Meter<'_>) -> ();
        fill_pattern(pattern: &PlainString, len: i32, path: &Pathname, meter: &mut Meter<'_>) -> ();
        fill_dir(dir: &Pathname, nr: i32) -> ();
        mktemp(tmpl: &Pathname, opts: &MktempOpts) -> BString;
        internal_write(path: &Pathname, content: &Buffer) -> ();
        internal_write_append(path: &Pathname, content: &Buffer) -> ();
        write_file(path: &Pathname, content: &PlainString, size: i32) -> ();
        pwrite(path: &Pathname, content: &Buffer, offset: i64) -> i32;
        pwrite_device(device: &Device, content: &Buffer, offset: i64) -> i32;

        mkdir(path: &Pathname) -> ();
        mkdir_p(path: &Pathname) -> ();
        mkdir_mode(path: &Pathname, mode: i32) -> ();
        mkdtemp(tmpl: &Pathname) -> BString;
        mklost_and_found(mountpoint: &Pathname) -> ();
        rmdir(path: &Pathname) -> ();
        rm(path: &Pathname) -> ();
        rm_f(path: &Pathname) -> ();
        rm_rf(path: &Pathname) -> ();
        mv(src: &Pathname, dest: &Pathname) -> ();
        rename(oldpath: &Pathname, newpath: &Pathname) -> ();
        cp(src: &Pathname, dest: &Pathname) -> ();
        cp_a(src: &Pathname, dest: &Pathname) -> ();
        cp_r(src: &Pathname, dest: &Pathname) -> ();
        ln(target: &PlainString, linkname: &Pathname) -> ();
        ln_f(target: &PlainString, linkname: &Pathname) -> ();
        ln_s(target: &PlainString, linkname: &Pathname) -> ();
        ln_sf(target: &PlainString, linkname: &Pathname) -> ();
        mknod(mode: i32, devmajor: i32, devminor: i32, path: &Pathname) -> ();
        mknod_b(mode: i32, devmajor: i32, devminor: i32, path: &Pathname) -> ();
        mknod_c(mode: i32, devmajor: i32, devminor: i32, path: &Pathname) -> ();
        mkfifo(mode: i32, path: &Pathname) -> ();

        chmod(mode: i32, path: &Pathname) -> ();
        chown(owner: i32, group: i32, path: &Pathname) -> ();
        lchown(owner: i32, group: i32, path: &Pathname) -> ();
        utimens(path: &Pathname, atsecs: i64, atnsecs: i64, mtsecs: i64, mtnsecs: i64) -> ();
        umask(mask: i32) -> i32;
        get_umask() -> i32;
        copy_attributes(src: &Pathname, dest: &Pathname, opts: &CopyAttributesOpts) -> ();
        setxattr(xattr: &PlainString, val: &PlainString, vallen: i32, path: &Pathname) -> ();
        lsetxattr(xattr: &PlainString, val: &PlainString, vallen: i32, path: &Pathname) -> ();
        removexattr(xattr: &PlainString, path: &Pathname) -> ();
        lremovexattr(xattr: &PlainString, path: &Pathname) -> ();
        acl_get_file(path: &Pathname, acltype: &PlainString) -> BString;
        acl_set_file(path: &Pathname, acltype: &PlainString, acl: &PlainString) -> ();
        acl_delete_def_file(dir: &Pathname) -> ();
        get_e2attrs(file: &Pathname) -> BString;
        set_e2attrs(file: &Pathname, attrs: &PlainString, opts: &SetE2attrsOpts) -> ();
        get_e2generation(file: &Pathname) -> i64;
        set_e2generation(file: &Pathname, generation: i64) -> ();
    }
}

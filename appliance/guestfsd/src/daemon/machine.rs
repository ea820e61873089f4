//! The daemon's side of the calls about its machine.

use bstr::BString;
use libguestfs_core::Result;
use libguestfs_core::api::*;
use libguestfs_core::server::{FileIn, FileOut};

use crate::Guestfsd;

impl Machine for Guestfsd {
    answer! {
        command(arguments: &StringList) -> BString;
        command_lines(arguments: &StringList) -> Vec<BString>;
        command_out(arguments: &StringList, output: &mut FileOut<'_>) -> ();
        sh(command: &PlainString) -> BString;
        sh_lines(command: &PlainString) -> Vec<BString>;
        sh_out(command: &PlainString, output: &mut FileOut<'_>) -> ();

        available_all_groups() -> Vec<BString>;
        filesystem_available(filesystem: &PlainString) -> bool;
        utsname() -> Utsname;
        dmesg() -> BString;
        modprobe(modulename: &PlainString) -> ();
        drop_caches(whattodrop: i32) -> ();
        sleep(secs: i32) -> ();
        echo_daemon(words: &StringList) -> BString;
        df() -> BString;
        df_h() -> BString;
        list_9p() -> Vec<BString>;
        debug_upload(filename: &mut FileIn<'_>, tmpname: &PlainString, mode: i32) -> ();
        internal_upload(filename: &mut FileIn<'_>, tmpname: &PlainString, mode: i32) -> ();
        internal_exit() -> ();
        internal_rhbz914931(filename: &mut FileIn<'_>, count: i32) -> ();

        getcon() -> BString;
        setcon(context: &PlainString) -> ();
        selinux_relabel(specfile: &PlainString, path: &Pathname, opts: &SelinuxRelabelOpts) -> ();
        setfiles(specfile: &PlainString, paths: &PathnameList, opts: &SetfilesOpts) -> ();
        cap_get_file(path: &Pathname) -> BString;
        cap_set_file(path: &Pathname, cap: &PlainString) -> ();

        zfile(meth: &PlainString, path: &Pathname) -> BString;
        rsync(src: &Pathname, dest: &Pathname, opts: &RsyncOpts) -> ();
        rsync_in(remote: &PlainString, dest: &Pathname, opts: &RsyncInOpts) -> ();
        rsync_out(src: &Pathname, remote: &PlainString, opts: &RsyncOutOpts) -> ();

        inotify_init(maxevents: i32) -> ();
        inotify_close() -> ();
        inotify_add_watch(path: &Pathname, mask: i32) -> i64;
        inotify_rm_watch(wd: i32) -> ();
        inotify_read() -> Vec<InotifyEvent>;
        inotify_files() -> Vec<BString>;
    }
}

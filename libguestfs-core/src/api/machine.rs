//! Calls about the machine of the daemon: commands, optional features, kernel modules.

use bstr::BString;
use libguestfs_macros::guestfs_api;

use super::{Host, InotifyEvent, Utsname};
use crate::Result;

/// Calls about the machine of the daemon: commands, optional features, kernel modules.
#[guestfs_api]
pub trait Machine: Host {
    // --- Commands of the guest

    /// Runs a program of the guest, and returns what it prints. Its words are the program and its arguments.
    #[call(50)]
    fn command(&mut self, arguments: &StringList) -> Result<BString>;

    /// As `command`, the output as lines.
    #[call(51)]
    fn command_lines(&mut self, arguments: &StringList) -> Result<Vec<BString>>;

    /// As `command`, the output as a file.
    #[call(516, cancellable, progress)]
    fn command_out(&mut self, arguments: &StringList, output: &mut FileOut<'_>) -> Result<()>;

    /// Runs a line of shell in the guest, and returns what it prints.
    #[call(111)]
    fn sh(&mut self, command: &PlainString) -> Result<BString>;

    /// As `sh`, the output as lines.
    #[call(112)]
    fn sh_lines(&mut self, command: &PlainString) -> Result<Vec<BString>>;

    /// As `sh`, the output as a file.
    #[call(517)]
    fn sh_out(&mut self, command: &PlainString, output: &mut FileOut<'_>) -> Result<()>;

    // --- What is here

    /// Names of all groups of optional calls.
    #[call(251)]
    fn available_all_groups(&mut self) -> Result<Vec<BString>>;

    /// Can the kernel mount this type of filesystem? A module is loaded if it must be.
    #[call(333)]
    fn filesystem_available(&mut self, filesystem: &PlainString) -> Result<bool>;

    /// Name, release, version and machine of the kernel.
    #[call(342)]
    fn utsname(&mut self) -> Result<Utsname>;

    /// Messages of the kernel.
    #[call(91)]
    fn dmesg(&mut self) -> Result<BString>;

    /// Loads a kernel module.
    #[call(194, group = "linuxmodules")]
    fn modprobe(&mut self, modulename: &PlainString) -> Result<()>;

    /// Drops what the kernel caches: 1 pages, 2 names and inodes, 3 both. 0 writes out only.
    #[call(90)]
    fn drop_caches(&mut self, whattodrop: i32) -> Result<()>;

    /// Waits for `secs` seconds.
    #[call(109)]
    fn sleep(&mut self, secs: i32) -> Result<()>;

    /// The words, with spaces between them.
    #[call(195)]
    fn echo_daemon(&mut self, words: &StringList) -> Result<BString>;

    /// What `df` prints of the guest's filesystems.
    #[call(125)]
    fn df(&mut self) -> Result<BString>;

    /// What `df -h` prints of the guest's filesystems.
    #[call(126)]
    fn df_h(&mut self) -> Result<BString>;

    /// Mount tags of the 9p filesystems that the machine was given.
    #[call(285)]
    fn list_9p(&mut self) -> Result<Vec<BString>>;

    /// Writes a file into the daemon's own tree, for tests.
    #[call(241, cancellable)]
    fn debug_upload(&mut self, filename: &mut FileIn<'_>, tmpname: &PlainString, mode: i32) -> Result<()>;

    /// Writes a file into the daemon's own tree.
    #[call(413, cancellable)]
    fn internal_upload(&mut self, filename: &mut FileIn<'_>, tmpname: &PlainString, mode: i32) -> Result<()>;

    /// Ends the daemon without a reply.
    #[call(414, cancellable)]
    fn internal_exit(&mut self) -> Result<()>;

    /// Reads `count` bytes of the file, then ends the daemon. A test of what a handle does then.
    #[call(397, cancellable)]
    fn internal_rhbz914931(&mut self, filename: &mut FileIn<'_>, count: i32) -> Result<()>;

    // --- SELinux and capabilities

    /// Security context of the daemon.
    #[call(186, group = "selinux")]
    fn getcon(&mut self) -> Result<BString>;

    /// Sets the security context of the daemon.
    #[call(185, group = "selinux")]
    fn setcon(&mut self, context: &PlainString) -> Result<()>;

    /// Sets the labels of all files below `path` as the specification `specfile` has them.
    #[call(467, optional(force: bool), group = "selinuxrelabel")]
    fn selinux_relabel(
        &mut self,
        specfile: &PlainString,
        path: &Pathname,
        opts: &SelinuxRelabelOpts,
    ) -> Result<()>;

    /// Sets the labels of all files below `paths` as the specification `specfile` has them.
    #[call(519, optional(force: bool, excludes: StringList), group = "selinuxrelabel")]
    fn setfiles(&mut self, specfile: &PlainString, paths: &PathnameList, opts: &SetfilesOpts) -> Result<()>;

    /// Capabilities of a file in the form of cap_to_text(3), empty if it has none.
    #[call(378, group = "linuxcaps")]
    fn cap_get_file(&mut self, path: &Pathname) -> Result<BString>;

    /// Sets the capabilities of a file.
    #[call(379, group = "linuxcaps")]
    fn cap_set_file(&mut self, path: &Pathname, cap: &PlainString) -> Result<()>;

    // --- Files by programs

    /// Kind of content of a compressed file, as file(1) names it.
    #[call(140)]
    fn zfile(&mut self, meth: &PlainString, path: &Pathname) -> Result<BString>;

    /// Copies `src` to `dest` as rsync(1) does.
    #[call(344, optional(archive: bool, deletedest: bool), group = "rsync")]
    fn rsync(&mut self, src: &Pathname, dest: &Pathname, opts: &RsyncOpts) -> Result<()>;

    /// Copies from a remote server (`host::module/path`, `rsync://…`) to `dest`; needs the network.
    #[call(345, optional(archive: bool, deletedest: bool), group = "rsync")]
    fn rsync_in(&mut self, remote: &PlainString, dest: &Pathname, opts: &RsyncInOpts) -> Result<()>;

    /// Copies `src`, in which `*` may stand for names, to a remote server; needs the network.
    #[call(346, optional(archive: bool, deletedest: bool), group = "rsync")]
    fn rsync_out(&mut self, src: &Pathname, remote: &PlainString, opts: &RsyncOutOpts) -> Result<()>;

    // --- Notification

    /// Begins to watch for changes; `maxevents` limits the queue if it is not 0.
    #[call(179, group = "inotify")]
    fn inotify_init(&mut self, maxevents: i32) -> Result<()>;

    /// Ends all watches.
    #[call(184, group = "inotify")]
    fn inotify_close(&mut self) -> Result<()>;

    /// Watches `path` for the events of `mask` (inotify(7)), and returns the number of the watch.
    #[call(180, group = "inotify")]
    fn inotify_add_watch(&mut self, path: &Pathname, mask: i32) -> Result<i64>;

    /// Ends a watch.
    #[call(181, group = "inotify")]
    fn inotify_rm_watch(&mut self, wd: i32) -> Result<()>;

    /// Takes the events of the queue, as many as a message holds.
    #[call(182, group = "inotify")]
    fn inotify_read(&mut self) -> Result<Vec<InotifyEvent>>;

    /// Takes all events of the queue, and returns the names of what they happened to, sorted, each once.
    #[call(183, group = "inotify")]
    fn inotify_files(&mut self) -> Result<Vec<BString>>;
}

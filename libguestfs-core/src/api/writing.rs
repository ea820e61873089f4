//! Calls that change files, directories and their attributes.

use bstr::BString;
use libguestfs_macros::guestfs_api;

use super::Host;
use crate::Result;

/// Calls that change files, directories and their attributes.
#[guestfs_api]
pub trait Writing: Host {
    // --- Files

    /// Sets the times of a regular file to now, and makes it if it is not there. What is there and is no regular file
    /// is refused.
    #[call(3)]
    fn touch(&mut self, path: &Pathname) -> Result<()>;

    /// Empties a regular file.
    #[call(199)]
    fn truncate(&mut self, path: &Pathname) -> Result<()>;

    /// Sets the size of a regular file in bytes; what is added is a hole.
    #[call(200)]
    fn truncate_size(&mut self, path: &Pathname, size: i64) -> Result<()>;

    /// Makes or extends a file to `len` bytes with space behind them.
    #[call(169)]
    fn fallocate(&mut self, path: &Pathname, len: i32) -> Result<()>;

    /// Makes or extends a file to `len` bytes with space behind them.
    #[call(252)]
    fn fallocate64(&mut self, path: &Pathname, len: i64) -> Result<()>;

    /// Makes a file of `len` bytes of the value `c`.
    #[call(215, progress)]
    fn fill(&mut self, c: i32, len: i32, path: &Pathname, meter: &mut Meter<'_>) -> Result<()>;

    /// Makes a file of `len` bytes that repeat `pattern`.
    #[call(245, progress)]
    fn fill_pattern(
        &mut self,
        pattern: &PlainString,
        len: i32,
        path: &Pathname,
        meter: &mut Meter<'_>,
    ) -> Result<()>;

    /// Makes `nr` empty files in a directory, with names of eight digits from 00000000 on.
    #[call(348)]
    fn fill_dir(&mut self, dir: &Pathname, nr: i32) -> Result<()>;

    /// Makes an empty file of mode 0600. The XXXXXX of the template become what makes the name unique; `suffix` goes
    /// after them.
    #[call(373, optional(suffix: PlainString))]
    fn mktemp(&mut self, tmpl: &Pathname, opts: &MktempOpts) -> Result<BString>;

    /// Makes or replaces a file with `content`; what a handle sends for a short `write`.
    #[call(246)]
    fn internal_write(&mut self, path: &Pathname, content: &Buffer) -> Result<()>;

    /// Adds `content` to the end of a file, which is made if need be.
    #[call(290)]
    fn internal_write_append(&mut self, path: &Pathname, content: &Buffer) -> Result<()>;

    /// Makes or replaces a file with the first `size` bytes of `content`, or all of it if `size` is 0.
    #[call(44)]
    fn write_file(&mut self, path: &Pathname, content: &PlainString, size: i32) -> Result<()>;

    /// Writes `content` at `offset` of a file that is there. The result is how many bytes were written.
    #[call(247)]
    fn pwrite(&mut self, path: &Pathname, content: &Buffer, offset: i64) -> Result<i32>;

    /// Writes `content` at `offset` of a device. The result is how many bytes were written.
    #[call(275)]
    fn pwrite_device(&mut self, device: &Device, content: &Buffer, offset: i64) -> Result<i32>;

    // --- Names

    /// Makes a directory.
    #[call(32)]
    fn mkdir(&mut self, path: &Pathname) -> Result<()>;

    /// Makes a directory and those above it, where they are not there.
    #[call(33)]
    fn mkdir_p(&mut self, path: &Pathname) -> Result<()>;

    /// Makes a directory with permissions, from which the umask takes away.
    #[call(202)]
    fn mkdir_mode(&mut self, path: &Pathname, mode: i32) -> Result<()>;

    /// Makes a directory of mode 0700. The XXXXXX at the end of the template become what makes the name unique.
    #[call(117)]
    fn mkdtemp(&mut self, tmpl: &Pathname) -> Result<BString>;

    /// Makes the directory `lost+found` in the top directory of an ext filesystem, with room for names.
    #[call(374)]
    fn mklost_and_found(&mut self, mountpoint: &Pathname) -> Result<()>;

    /// Removes an empty directory.
    #[call(30)]
    fn rmdir(&mut self, path: &Pathname) -> Result<()>;

    /// Removes a file.
    #[call(29)]
    fn rm(&mut self, path: &Pathname) -> Result<()>;

    /// Removes a file; that it is not there is no error.
    #[call(367)]
    fn rm_f(&mut self, path: &Pathname) -> Result<()>;

    /// Removes a file, or a directory with all that is in it; that it is not there is no error.
    #[call(31)]
    fn rm_rf(&mut self, path: &Pathname) -> Result<()>;

    /// Moves a file or directory, over filesystems too; into `dest` if that is a directory, as mv(1).
    #[call(89)]
    fn mv(&mut self, src: &Pathname, dest: &Pathname) -> Result<()>;

    /// Renames a file or directory within its filesystem, as rename(2).
    #[call(394)]
    fn rename(&mut self, oldpath: &Pathname, newpath: &Pathname) -> Result<()>;

    /// Copies a file; into `dest` if that is a directory, as cp(1).
    #[call(87)]
    fn cp(&mut self, src: &Pathname, dest: &Pathname) -> Result<()>;

    /// Copies a file or directory with all its attributes, as `cp -a`.
    #[call(88)]
    fn cp_a(&mut self, src: &Pathname, dest: &Pathname) -> Result<()>;

    /// Copies a file or directory with what is in it, as `cp -rP`.
    #[call(401)]
    fn cp_r(&mut self, src: &Pathname, dest: &Pathname) -> Result<()>;

    /// Makes a hard link.
    #[call(164)]
    fn ln(&mut self, target: &PlainString, linkname: &Pathname) -> Result<()>;

    /// Makes a hard link in place of what has its name.
    #[call(165)]
    fn ln_f(&mut self, target: &PlainString, linkname: &Pathname) -> Result<()>;

    /// Makes a symbolic link.
    #[call(166)]
    fn ln_s(&mut self, target: &PlainString, linkname: &Pathname) -> Result<()>;

    /// Makes a symbolic link in place of what has its name.
    #[call(167)]
    fn ln_sf(&mut self, target: &PlainString, linkname: &Pathname) -> Result<()>;

    /// Makes a node: a device, pipe, socket or file, as the format bits of `mode` say. The umask takes away from the
    /// permissions.
    #[call(133, group = "mknod")]
    fn mknod(&mut self, mode: i32, devmajor: i32, devminor: i32, path: &Pathname) -> Result<()>;

    /// Makes a block device node.
    #[call(135, group = "mknod")]
    fn mknod_b(&mut self, mode: i32, devmajor: i32, devminor: i32, path: &Pathname) -> Result<()>;

    /// Makes a character device node.
    #[call(136, group = "mknod")]
    fn mknod_c(&mut self, mode: i32, devmajor: i32, devminor: i32, path: &Pathname) -> Result<()>;

    /// Makes a named pipe.
    #[call(134, group = "mknod")]
    fn mkfifo(&mut self, mode: i32, path: &Pathname) -> Result<()>;

    // --- Attributes

    /// Sets the permissions of a file; a symbolic link is followed.
    #[call(34)]
    fn chmod(&mut self, mode: i32, path: &Pathname) -> Result<()>;

    /// Sets owner and group of a file; a symbolic link is followed.
    #[call(35)]
    fn chown(&mut self, owner: i32, group: i32, path: &Pathname) -> Result<()>;

    /// Sets owner and group of a file, or of a symbolic link itself.
    #[call(203)]
    fn lchown(&mut self, owner: i32, group: i32, path: &Pathname) -> Result<()>;

    /// Sets the times of a file or of a symbolic link itself. Nanoseconds of -1 mean now, of -2 no change.
    #[call(201)]
    fn utimens(
        &mut self,
        path: &Pathname,
        atsecs: i64,
        atnsecs: i64,
        mtsecs: i64,
        mtnsecs: i64,
    ) -> Result<()>;

    /// Sets which permissions files made later do not get; the result is what it was.
    #[call(137)]
    fn umask(&mut self, mask: i32) -> Result<i32>;

    /// Which permissions files made later do not get.
    #[call(240)]
    fn get_umask(&mut self) -> Result<i32>;

    /// Gives `dest` the mode, owner and extended attributes of `src`, as far as they are asked for.
    #[call(415, optional(all: bool, mode: bool, xattributes: bool, ownership: bool))]
    fn copy_attributes(&mut self, src: &Pathname, dest: &Pathname, opts: &CopyAttributesOpts) -> Result<()>;

    /// Sets an extended attribute to the first `vallen` bytes of `val`; a symbolic link is followed.
    #[call(143, group = "linuxxattrs")]
    fn setxattr(
        &mut self,
        xattr: &PlainString,
        val: &PlainString,
        vallen: i32,
        path: &Pathname,
    ) -> Result<()>;

    /// Sets an extended attribute of `path` itself to the first `vallen` bytes of `val`.
    #[call(144, group = "linuxxattrs")]
    fn lsetxattr(
        &mut self,
        xattr: &PlainString,
        val: &PlainString,
        vallen: i32,
        path: &Pathname,
    ) -> Result<()>;

    /// Removes an extended attribute; a symbolic link is followed.
    #[call(145, group = "linuxxattrs")]
    fn removexattr(&mut self, xattr: &PlainString, path: &Pathname) -> Result<()>;

    /// Removes an extended attribute of `path` itself.
    #[call(146, group = "linuxxattrs")]
    fn lremovexattr(&mut self, xattr: &PlainString, path: &Pathname) -> Result<()>;

    /// The POSIX ACL of a file as text: the one of `acltype` `access` or `default`.
    #[call(375, group = "acl")]
    fn acl_get_file(&mut self, path: &Pathname, acltype: &PlainString) -> Result<BString>;

    /// Sets the POSIX ACL of a file from its long or short text.
    #[call(376, group = "acl")]
    fn acl_set_file(&mut self, path: &Pathname, acltype: &PlainString, acl: &PlainString) -> Result<()>;

    /// Removes the ACL that new files of a directory get.
    #[call(377, group = "acl")]
    fn acl_delete_def_file(&mut self, dir: &Pathname) -> Result<()>;

    /// The attributes of a file that chattr(1) sets, as its letters.
    #[call(318)]
    fn get_e2attrs(&mut self, file: &Pathname) -> Result<BString>;

    /// Sets those attributes of a file that `attrs` names by the letters of chattr(1), or with `clear` clears them.
    #[call(319, optional(clear: bool))]
    fn set_e2attrs(&mut self, file: &Pathname, attrs: &PlainString, opts: &SetE2attrsOpts) -> Result<()>;

    /// The generation of an inode, as `lsattr -v`.
    #[call(320)]
    fn get_e2generation(&mut self, file: &Pathname) -> Result<i64>;

    /// Sets the generation of an inode.
    #[call(321)]
    fn set_e2generation(&mut self, file: &Pathname, generation: i64) -> Result<()>;
}

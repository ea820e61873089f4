//! Calls that move content: into a guest, out of it in another form, and from one place in it to another.

use libguestfs_macros::guestfs_api;

use super::Host;
use crate::Result;

/// Calls that move content: into a guest, out of it in another form, and from one place in it to another.
#[guestfs_api]
pub trait Transfer: Host {
    // --- Into the guest

    /// Makes or replaces a file with what the caller sends, or writes that to a device.
    #[call(66, cancellable, progress)]
    fn upload(&mut self, filename: &mut FileIn<'_>, remotefilename: &DevOrPath) -> Result<()>;

    /// Writes what the caller sends from `offset` on, and leaves the rest of the file or device as it is.
    #[call(273, cancellable, progress)]
    fn upload_offset(
        &mut self,
        filename: &mut FileIn<'_>,
        remotefilename: &DevOrPath,
        offset: i64,
    ) -> Result<()>;

    /// Makes or replaces a file with what the caller sends, decoded from base64.
    #[call(242, cancellable)]
    fn base64_in(&mut self, base64file: &mut FileIn<'_>, filename: &Pathname) -> Result<()>;

    /// Unpacks a tar archive in a directory. `compress` is `compress`, `gzip`, `bzip2`, `xz`, `lzop`, `lzma` or `zstd`.
    /// `xattrs`, `selinux` and `acls` restore what their names say. With `keepdirlink` a symbolic link that leads to a
    /// directory stays where the archive has a directory.
    #[call(69, cancellable, optional(compress: PlainString, xattrs: bool, selinux: bool, acls: bool, keepdirlink: bool))]
    fn tar_in(&mut self, tarfile: &mut FileIn<'_>, directory: &Pathname, opts: &TarInOpts) -> Result<()>;

    /// Unpacks a tar archive that is compressed with gzip in a directory.
    #[call(71, cancellable)]
    fn tgz_in(&mut self, tarball: &mut FileIn<'_>, directory: &Pathname) -> Result<()>;

    /// Unpacks a tar archive that is compressed with xz in a directory.
    #[call(229, cancellable, group = "xz")]
    fn txz_in(&mut self, tarball: &mut FileIn<'_>, directory: &Pathname) -> Result<()>;

    // --- Out of the guest

    /// Sends a file encoded in base64, in lines of 76 characters.
    #[call(243, cancellable)]
    fn base64_out(&mut self, filename: &Pathname, base64file: &mut FileOut<'_>) -> Result<()>;

    /// Sends a file compressed. `ctype` is `compress`, `gzip`, `bzip2`, `xz` or `lzop`; `level` is from 1 (fast) to 9.
    #[call(291, cancellable, optional(level: i32))]
    fn compress_out(
        &mut self,
        ctype: &PlainString,
        file: &Pathname,
        zfile: &mut FileOut<'_>,
        opts: &CompressOutOpts,
    ) -> Result<()>;

    /// Sends the content of a device compressed, as `compress_out`.
    #[call(292, cancellable, optional(level: i32))]
    fn compress_device_out(
        &mut self,
        ctype: &PlainString,
        device: &Device,
        zdevice: &mut FileOut<'_>,
        opts: &CompressDeviceOutOpts,
    ) -> Result<()>;

    /// Sends what is in a directory as a cpio archive. `format` is `newc` (as is none) or `crc`.
    #[call(419, cancellable, optional(format: PlainString))]
    fn cpio_out(
        &mut self,
        directory: &PlainString,
        cpiofile: &mut FileOut<'_>,
        opts: &CpioOutOpts,
    ) -> Result<()>;

    // --- Within the guest

    /// Copies from device to device: `size` bytes, or all to the end of the source, from `srcoffset` to `destoffset`.
    /// With `sparse`, blocks of zeros are not written.
    #[call(294, progress, optional(srcoffset: i64, destoffset: i64, size: i64, sparse: bool, append: bool))]
    fn copy_device_to_device(
        &mut self,
        src: &Device,
        dest: &Device,
        meter: &mut Meter<'_>,
        opts: &CopyDeviceToDeviceOpts,
    ) -> Result<()>;

    /// Copies from a device to a file, which is emptied before unless `append` is set; as `copy_device_to_device`.
    #[call(295, progress, optional(srcoffset: i64, destoffset: i64, size: i64, sparse: bool, append: bool))]
    fn copy_device_to_file(
        &mut self,
        src: &Device,
        dest: &Pathname,
        meter: &mut Meter<'_>,
        opts: &CopyDeviceToFileOpts,
    ) -> Result<()>;

    /// Copies from a file to a device, as `copy_device_to_device`.
    #[call(296, progress, optional(srcoffset: i64, destoffset: i64, size: i64, sparse: bool, append: bool))]
    fn copy_file_to_device(
        &mut self,
        src: &Pathname,
        dest: &Device,
        meter: &mut Meter<'_>,
        opts: &CopyFileToDeviceOpts,
    ) -> Result<()>;

    /// Copies from file to file, as `copy_device_to_file`.
    #[call(297, progress, optional(srcoffset: i64, destoffset: i64, size: i64, sparse: bool, append: bool))]
    fn copy_file_to_file(
        &mut self,
        src: &Pathname,
        dest: &Pathname,
        meter: &mut Meter<'_>,
        opts: &CopyFileToFileOpts,
    ) -> Result<()>;

    /// Copies the first `size` bytes of a file or device to another, which is not emptied before.
    #[call(227, progress)]
    fn copy_size(
        &mut self,
        src: &DevOrPath,
        dest: &DevOrPath,
        size: i64,
        meter: &mut Meter<'_>,
    ) -> Result<()>;

    /// Copies a file or device to another, which is emptied before.
    #[call(217)]
    fn dd(&mut self, src: &DevOrPath, dest: &DevOrPath) -> Result<()>;
}

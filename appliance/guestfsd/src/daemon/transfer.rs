//! The calls that move content.

use libguestfs_core::Result;
use libguestfs_core::api::{
    CompressDeviceOutOpts, CompressOutOpts, CopyDeviceToDeviceOpts, CopyDeviceToFileOpts,
    CopyFileToDeviceOpts, CopyFileToFileOpts, CpioOutOpts, DevOrPath, Device, Pathname, PlainString,
    TarInOpts, Transfer,
};
use libguestfs_core::server::{FileIn, FileOut, Meter};

use super::Guestfsd;

impl Transfer for Guestfsd {
    answer! {
        upload(filename: &mut FileIn<'_>, remotefilename: &DevOrPath) -> ();
        upload_offset(filename: &mut FileIn<'_>, remotefilename: &DevOrPath, offset: i64) -> ();
        base64_in(base64file: &mut FileIn<'_>, filename: &Pathname) -> ();
        tar_in(tarfile: &mut FileIn<'_>, directory: &Pathname, opts: &TarInOpts) -> ();
        tgz_in(tarball: &mut FileIn<'_>, directory: &Pathname) -> ();
        txz_in(tarball: &mut FileIn<'_>, directory: &Pathname) -> ();

        base64_out(filename: &Pathname, base64file: &mut FileOut<'_>) -> ();
        compress_out(ctype: &PlainString, file: &Pathname, zfile: &mut FileOut<'_>, opts: &CompressOutOpts) -> ();
        compress_device_out(ctype: &PlainString, device: &Device, zdevice: &mut FileOut<'_>, opts: &CompressDeviceOutOpts) -> ();
        cpio_out(directory: &PlainString, cpiofile: &mut FileOut<'_>, opts: &CpioOutOpts) -> ();

        copy_device_to_device(src: &Device, dest: &Device, meter: &mut Meter<'_>, opts: &CopyDeviceToDeviceOpts) -> ();
        copy_device_to_file(src: &Device, dest: &Pathname, meter: &mut Meter<'_>, opts: &CopyDeviceToFileOpts) -> ();
        copy_file_to_device(src: &Pathname, dest: &Device, meter: &mut Meter<'_>, opts: &CopyFileToDeviceOpts) -> ();
        copy_file_to_file(src: &Pathname, dest: &Pathname, meter: &mut Meter<'_>, opts: &CopyFileToFileOpts) -> ();
        copy_size(src: &DevOrPath, dest: &DevOrPath, size: i64, meter: &mut Meter<'_>) -> ();
        dd(src: &DevOrPath, dest: &DevOrPath) -> ();
    }
}

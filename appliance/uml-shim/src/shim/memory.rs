//! The guest's memory, for which User-Mode Linux makes a file without a name in a temporary directory (os-Linux/mem.c): here it
//! is a file in memory, which is not written to a disk, and may be executed whatever the directory allows.

use core::ffi::{c_char, c_int, c_long, c_uint};

use crate::{answer, system_call};

const SYS_OPEN: c_long = 2;
const SYS_MEMFD_CREATE: c_long = 319;
/// asm-generic/fcntl.h, linux/memfd.h.
const O_TMPFILE: c_int = 0o20_200_000;
const MFD_CLOEXEC: usize = 1;

/// As open(2). The mode is there if the flags say so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(name: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: as the caller wants it; the name is a string.
    let result = unsafe {
        if flags & O_TMPFILE == O_TMPFILE {
            system_call(SYS_MEMFD_CREATE, [c"guestfs-memory".as_ptr() as usize, MFD_CLOEXEC, 0, 0])
        } else {
            system_call(SYS_OPEN, [name as usize, flags as usize, mode as usize, 0])
        }
    };
    answer(result) as c_int
}

/// As open(2): all files are large.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(name: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: as the caller wants it.
    unsafe { open(name, flags, mode) }
}

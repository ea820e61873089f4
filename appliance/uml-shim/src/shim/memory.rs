//! The guest's memory, for which User-Mode Linux makes a file in a temporary directory and removes its name: here it is a file
//! in memory, which never had a name, is not written to a disk, and may be executed whatever the directory allows.

use core::ffi::{CStr, c_char, c_int, c_long};

use crate::{answer, system_call};

const SYS_UNLINK: c_long = 87;
const SYS_MEMFD_CREATE: c_long = 319;
/// Closed in programs that are started (linux/memfd.h).
const MFD_CLOEXEC: usize = 1;
/// How its name ends: os-Linux/mem.c, make_tempfile. A file that was really made has other letters than X.
const TEMPLATE: &[u8] = b"/vm_file-XXXXXX";

unsafe extern "C" {
    fn mkstemp(template: *mut c_char) -> c_int;
}

unsafe fn is_memory(name: *const c_char) -> bool {
    // SAFETY: the caller's argument is a string.
    !name.is_null() && unsafe { CStr::from_ptr(name) }.to_bytes().ends_with(TEMPLATE)
}

/// As mkstemp(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkstemp64(template: *mut c_char) -> c_int {
    // SAFETY: as the caller wants it; the name is a string.
    unsafe {
        if !is_memory(template) {
            return mkstemp(template);
        }
        answer(system_call(SYS_MEMFD_CREATE, [c"guestfs-memory".as_ptr() as usize, MFD_CLOEXEC, 0, 0])) as c_int
    }
}

/// As unlink(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(name: *const c_char) -> c_int {
    // SAFETY: as the caller wants it.
    unsafe {
        if is_memory(name) {
            return 0;
        }
        answer(system_call(SYS_UNLINK, [name as usize, 0, 0, 0])) as c_int
    }
}

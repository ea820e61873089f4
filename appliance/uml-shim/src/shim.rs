//! The library itself: see `lib.rs`. It is compiled on its own, without the standard library.
//!
//! Each file has the functions of the C library that it stands before. User-Mode Linux calls them from one thread, and from
//! its signal handlers on that thread, so what is kept is in plain variables.
#![no_std]

#[path = "shim/children.rs"]
mod children;
#[path = "shim/clock.rs"]
mod clock;
#[path = "shim/memory.rs"]
mod memory;
#[path = "shim/registers.rs"]
mod registers;

use core::arch::asm;
use core::ffi::{c_int, c_long};

/// Largest error number that a system call returns.
const ERRNO_MAX: c_long = 4095;

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// A system call as the kernel answers it.
unsafe fn system_call(number: c_long, arguments: [usize; 4]) -> c_long {
    let [a, b, c, d] = arguments;
    let result;
    // SAFETY: the kernel checks the arguments; they are the caller's, or name memory of this library.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// A system call's answer as the C library gives it.
fn answer(result: c_long) -> c_long {
    if !(-ERRNO_MAX..0).contains(&result) {
        return result;
    }
    // SAFETY: the C library's variable of this thread.
    unsafe { *__errno_location() = -result as c_int };
    -1
}

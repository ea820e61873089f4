//! The library itself: see `lib.rs`. It is compiled on its own, without the standard library.
#![no_std]

use core::arch::asm;
use core::ffi::{c_int, c_long, c_void};

/// System call and requests (linux/ptrace.h), and the set of extended registers (linux/elf.h).
const SYS_PTRACE: c_long = 101;
const PEEKS: core::ops::RangeInclusive<c_long> = 1..=3;
const GETREGSET: c_long = 0x4204;
const SETREGSET: c_long = 0x4205;
const NT_X86_XSTATE: usize = 0x202;
/// Largest error number that a system call returns.
const ERRNO_MAX: c_long = 4095;
/// Room for any state there is: the largest of today has 11008 bytes.
const STATE_MAX: usize = 64 * 1024;

#[repr(C)]
struct Iovec {
    base: *mut u8,
    len: usize,
}

/// The state as it is put back. User-Mode Linux has one thread that traces.
static mut STATE: [u8; STATE_MAX] = [0; STATE_MAX];
/// Its length on this host, once known.
static mut LENGTH: usize = 0;

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

unsafe fn system_call(request: c_long, pid: c_long, address: usize, data: *mut c_void) -> c_long {
    let result;
    // SAFETY: the kernel checks the arguments; they are the caller's, or name memory of this library.
    unsafe {
        asm!("syscall", inlateout("rax") SYS_PTRACE => result, in("rdi") request, in("rsi") pid, in("rdx") address,
            in("r10") data, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// As ptrace(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ptrace(request: c_int, pid: c_int, address: usize, data: *mut c_void) -> c_long {
    let (request, pid) = (c_long::from(request), c_long::from(pid));
    let mut peeked: c_long = 0;
    let result = if request == SETREGSET && address == NT_X86_XSTATE {
        // SAFETY: the caller's argument for this request is an iovec.
        unsafe { set_state(pid, data.cast()) }
    } else if PEEKS.contains(&request) {
        // SAFETY: the kernel writes one word.
        unsafe { system_call(request, pid, address, (&raw mut peeked).cast()) }
    } else {
        // SAFETY: as the caller wants it.
        unsafe { system_call(request, pid, address, data) }
    };
    if (-ERRNO_MAX..0).contains(&result) {
        // SAFETY: the C library's variable of this thread.
        unsafe { *__errno_location() = -result as c_int };
        return -1;
    }
    if PEEKS.contains(&request) { peeked } else { result }
}

unsafe fn set_state(pid: c_long, given: *mut Iovec) -> c_long {
    let state = (&raw mut STATE).cast::<u8>();
    // SAFETY: one thread only; the copy stays within both buffers.
    unsafe {
        if LENGTH == 0 {
            let mut all = Iovec { base: state, len: STATE_MAX };
            let result = system_call(GETREGSET, pid, NT_X86_XSTATE, (&raw mut all).cast());
            if result == 0 {
                LENGTH = all.len;
            }
            state.write_bytes(0, STATE_MAX);
        }
        if (*given).len >= LENGTH {
            return system_call(SETREGSET, pid, NT_X86_XSTATE, given.cast());
        }
        state.copy_from_nonoverlapping((*given).base, (*given).len);
        let mut all = Iovec { base: state, len: LENGTH };
        system_call(SETREGSET, pid, NT_X86_XSTATE, (&raw mut all).cast())
    }
}

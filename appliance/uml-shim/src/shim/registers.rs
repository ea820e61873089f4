//! Processes that are traced: extended registers of a length that the kernel within does not know, and their end.

use core::ffi::{c_int, c_long, c_void};

use crate::{answer, system_call};

/// System call and requests (linux/ptrace.h), and the set of extended registers (linux/elf.h).
const SYS_PTRACE: c_long = 101;
const PEEKS: core::ops::RangeInclusive<c_int> = 1..=3;
const GETREGSET: c_int = 0x4204;
const SETREGSET: c_int = 0x4205;
const NT_X86_XSTATE: usize = 0x202;
/// Options of tracing, by the new and the old request, and the one that ends who is traced with who traces.
const SETOPTIONS: [c_int; 2] = [0x4200, 21];
const EXITKILL: usize = 1 << 20;
/// Room for any state there is: the largest of today has 11008 bytes.
const STATE_MAX: usize = 64 * 1024;

#[repr(C)]
struct Iovec {
    base: *mut u8,
    len: usize,
}

/// The state as it is put back.
static mut STATE: [u8; STATE_MAX] = [0; STATE_MAX];
/// Its length on this host, once known.
static mut LENGTH: usize = 0;

unsafe fn trace(request: c_int, pid: c_int, address: usize, data: *mut c_void) -> c_long {
    // SAFETY: as the caller wants it.
    unsafe { system_call(SYS_PTRACE, [request as usize, pid as usize, address, data as usize]) }
}

/// As ptrace(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ptrace(request: c_int, pid: c_int, address: usize, data: *mut c_void) -> c_long {
    if request == SETREGSET && address == NT_X86_XSTATE {
        // SAFETY: the caller's argument for this request is an iovec.
        return answer(unsafe { set_state(pid, data.cast()) });
    }
    if SETOPTIONS.contains(&request) {
        let options = (data as usize | EXITKILL) as *mut c_void;
        // SAFETY: as the caller wants it; the request takes a number.
        return answer(unsafe { trace(request, pid, address, options) });
    }
    if PEEKS.contains(&request) {
        let mut word: c_long = 0;
        // SAFETY: the kernel writes one word.
        let result = answer(unsafe { trace(request, pid, address, (&raw mut word).cast()) });
        return if result == 0 { word } else { result };
    }
    // SAFETY: as the caller wants it.
    answer(unsafe { trace(request, pid, address, data) })
}

unsafe fn set_state(pid: c_int, given: *mut Iovec) -> c_long {
    let state = (&raw mut STATE).cast::<u8>();
    // SAFETY: one thread only; the copy stays within both buffers.
    unsafe {
        if LENGTH == 0 {
            let mut all = Iovec { base: state, len: STATE_MAX };
            let result = trace(GETREGSET, pid, NT_X86_XSTATE, (&raw mut all).cast());
            if result == 0 {
                LENGTH = all.len;
            }
            state.write_bytes(0, STATE_MAX);
        }
        if (*given).len >= LENGTH {
            return trace(SETREGSET, pid, NT_X86_XSTATE, given.cast());
        }
        state.copy_from_nonoverlapping((*given).base, (*given).len);
        let mut all = Iovec { base: state, len: LENGTH };
        trace(SETREGSET, pid, NT_X86_XSTATE, (&raw mut all).cast())
    }
}

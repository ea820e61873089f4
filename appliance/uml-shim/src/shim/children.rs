//! Processes that User-Mode Linux starts: helpers that share its memory and files, and one for each address space within.
//! They are to end with it. Left alone, helpers would keep its sockets open, and who waits for the end of the kernel would
//! wait for ever; a process that is traced no more would run what the guest runs as a program of the host.

use core::ffi::{c_int, c_long, c_void};

use crate::system_call;

const SYS_PRCTL: c_long = 157;
/// linux/prctl.h
const PR_SET_PDEATHSIG: usize = 1;
const SIGKILL: usize = 9;

type Function = extern "C" fn(*mut c_void) -> c_int;

/// What a process is to do, at the beginning of its stack.
#[repr(C, align(16))]
struct Task {
    function: Function,
    argument: *mut c_void,
}

unsafe extern "C" {
    fn __clone(
        function: Function,
        stack: *mut c_void,
        flags: c_int,
        argument: *mut c_void,
        parent_id: *mut c_void,
        thread_area: *mut c_void,
        child_id: *mut c_void,
    ) -> c_int;
}

/// As clone(2). The last three are there if the flags say so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clone(
    function: Function,
    stack: *mut c_void,
    flags: c_int,
    argument: *mut c_void,
    parent_id: *mut c_void,
    thread_area: *mut c_void,
    child_id: *mut c_void,
) -> c_int {
    // SAFETY: the stack is the caller's, and grows down from there: what is put at its beginning stays.
    unsafe {
        let top = stack as usize & !(align_of::<Task>() - 1);
        let task = (top - size_of::<Task>()) as *mut Task;
        task.write(Task { function, argument });
        __clone(begin, task.cast(), flags, task.cast(), parent_id, thread_area, child_id)
    }
}

extern "C" fn begin(task: *mut c_void) -> c_int {
    // SAFETY: what `clone` has put there; the system call takes numbers.
    unsafe {
        let task = &*task.cast::<Task>();
        system_call(SYS_PRCTL, [PR_SET_PDEATHSIG, SIGKILL, 0, 0]);
        (task.function)(task.argument)
    }
}

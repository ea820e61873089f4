//! Processes that User-Mode Linux starts: helpers that share its memory and files, one for each address space within, and at
//! first some to find out what it can do with them.
//! They are to end with it. Left alone, helpers would keep its sockets open, and who waits for the end of the kernel would
//! wait for ever; a process that is traced no more would run what the guest runs as a program of the host, and one that asks
//! too late to be traced by its parent stops for the one that it was left to.

use core::ffi::{c_int, c_long, c_void};

use crate::system_call;

const SYS_GETPID: c_long = 39;
const SYS_GETPPID: c_long = 110;
const SYS_PRCTL: c_long = 157;
const SYS_EXIT_GROUP: c_long = 231;
/// linux/prctl.h
const PR_SET_PDEATHSIG: usize = 1;
const SIGKILL: usize = 9;

type Function = extern "C" fn(*mut c_void) -> c_int;

/// What a process is to do, at the beginning of its stack.
#[repr(C, align(16))]
struct Task {
    function: Function,
    argument: *mut c_void,
    parent: c_long,
}

unsafe extern "C" {
    fn __fork() -> c_int;
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
        task.write(Task { function, argument, parent: own_id() });
        __clone(begin, task.cast(), flags, task.cast(), parent_id, thread_area, child_id)
    }
}

extern "C" fn begin(task: *mut c_void) -> c_int {
    // SAFETY: what `clone` has put there; the system call takes numbers.
    unsafe {
        let task = &*task.cast::<Task>();
        end_with(task.parent);
        (task.function)(task.argument)
    }
}

/// As fork(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fork() -> c_int {
    let parent = own_id();
    // SAFETY: as the caller wants it.
    let child = unsafe { __fork() };
    if child == 0 {
        end_with(parent);
    }
    child
}

fn own_id() -> c_long {
    // SAFETY: asks for a number.
    unsafe { system_call(SYS_GETPID, [0; 4]) }
}

/// Has this process end with its parent, now if that has ended already.
fn end_with(parent: c_long) {
    // SAFETY: these take and give numbers.
    unsafe {
        system_call(SYS_PRCTL, [PR_SET_PDEATHSIG, SIGKILL, 0, 0]);
        if system_call(SYS_GETPPID, [0; 4]) != parent {
            system_call(SYS_EXIT_GROUP, [1, 0, 0, 0]);
        }
    }
}

//! The one module with unsafe code: what has no safe wrapper.
#![expect(
    unsafe_code,
    reason = "descriptors that the kernel made, fcntl(F_SETOWN), what a child does before exec, ioctl without a wrapper"
)]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use rustix::ioctl;

/// Takes ownership of a descriptor that `recvmsg` has just made for this process.
pub(crate) fn own_received(fd: RawFd) -> OwnedFd {
    // SAFETY: SCM_RIGHTS gave this process a new descriptor, which nothing else in it knows of.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Has the kernel send this process SIGIO when something happens at `fd`.
pub(crate) fn send_sigio_for(fd: &OwnedFd) -> nix::Result<()> {
    let pid = libc::pid_t::try_from(std::process::id()).map_err(|_| Errno::ERANGE)?;
    // SAFETY: both commands take an integer and touch no memory of this process; the descriptor is open.
    unsafe {
        Errno::result(libc::fcntl(fd.as_raw_fd(), libc::F_SETOWN, pid))?;
        Errno::result(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK))?;
    }
    Ok(())
}

/// A duplicate of `fd` with that number, which programs started from now on inherit. Nothing in this process may have it.
pub(crate) fn duplicate_as(fd: &OwnedFd, number: RawFd) -> nix::Result<OwnedFd> {
    let given = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD(number))?;
    // SAFETY: fcntl has just made this descriptor, which nothing else in this process knows of.
    let given_fd = unsafe { OwnedFd::from_raw_fd(given) };
    if given == number { Ok(given_fd) } else { Err(Errno::EBUSY) }
}

/// Has the program that `command` starts killed when this thread, its parent, ends.
pub(crate) fn end_with_parent(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let ask = move || {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // The parent may have ended before.
        if nix::unistd::getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(ask) };
}

/// Has the heap of the program that `command` starts begin right after its data. Where that is forbidden (some containers), it
/// begins where it would.
pub(crate) fn fix_heap(command: &mut Command) {
    let personality = libc::c_ulong::try_from(libc::ADDR_NO_RANDOMIZE).unwrap_or(0);
    let ask = move || {
        // SAFETY: a system call that takes a number.
        let _ = unsafe { libc::personality(personality) };
        Ok(())
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(ask) };
}

/// Has the program that `command` starts get small pages only, whatever it asks for.
pub(crate) fn avoid_huge_pages(command: &mut Command) {
    let ask = || {
        // It only saves memory; a kernel without huge pages does not know it.
        let _ = nix::sys::prctl::set_thp_disable(true);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(ask) };
}

/// Limits the address space (bytes) and CPU time of the program that `command` starts, and ends it with this thread.
pub(crate) fn limit(command: &mut Command, memory: u64, cpu_seconds: u64) {
    use nix::sys::resource::{Resource, setrlimit};
    end_with_parent(command);
    let limit = move || {
        setrlimit(Resource::RLIMIT_AS, memory, memory)?;
        Ok(setrlimit(Resource::RLIMIT_CPU, cpu_seconds, cpu_seconds)?)
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(limit) };
}

/// What `FS_IOC_GETVERSION` and `FS_IOC_SETVERSION` take, by their numbers a long (include/uapi/linux/fs.h). Filesystems
/// read and write an int there: the first of these two on all machines.
type Generation = [u32; std::mem::size_of::<libc::c_long>() / 4];
const GET_GENERATION: ioctl::Opcode = ioctl::opcode::read::<Generation>(b'v', 1);
const SET_GENERATION: ioctl::Opcode = ioctl::opcode::write::<Generation>(b'v', 2);

/// The generation of the inode of an open file, as `lsattr -v` shows it.
///
/// # Errors
/// `ENOTTY` where the filesystem has none.
pub fn inode_generation(fd: &OwnedFd) -> rustix::io::Result<u32> {
    let mut generation = Generation::default();
    // SAFETY: the request writes a long at most, which the array has room for.
    unsafe { ioctl::ioctl(fd, ioctl::Updater::<GET_GENERATION, Generation>::new(&mut generation))? };
    Ok(generation.first().copied().unwrap_or(0))
}

/// Sets the generation of the inode of an open file.
///
/// # Errors
/// `ENOTTY` where the filesystem has none, or keeps it from being changed (ext4 with checksums).
pub fn set_inode_generation(fd: &OwnedFd, generation: u32) -> rustix::io::Result<()> {
    let mut value = Generation::default();
    if let Some(first) = value.first_mut() {
        *first = generation;
    }
    // SAFETY: the request reads a long at most, which the array is.
    unsafe { ioctl::ioctl(fd, ioctl::Setter::<SET_GENERATION, Generation>::new(value)) }
}

//! Locks the process in, before it parses anything: what is left is reading and writing the descriptors it has.
//!
//! 1. Limits: address space, CPU time, no files written; no core files, not even through a pipe, and no look at its memory by
//!    other processes of its user: it may hold keys.
//! 2. If started by root: another user and group without rights (`nobody`), and with that no capabilities.
//! 3. No new privileges.
//! 4. landlock: no file, directory or network port can be opened.
//! 5. seccomp: a short list of system calls; any other one ends the process with SIGSYS. Not on it: open, socket,
//!    exec, clone, kill, ptrace, ioctl…
//!
//! Every step must succeed. A reader that was taken over by a hostile image can then compute, read the images, and send
//! its caller wrong answers; nothing else.

use std::collections::BTreeMap;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated,
    RulesetStatus, Scope,
};
use libguestfs_core::{Error, Result};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// User and group ID of `nobody` on Debian, and of the kernel's overflow user everywhere.
const NOBODY: u32 = 65534;

/// What a daemon may use up.
#[derive(Debug)]
pub(super) struct Limits {
    /// Address space in bytes.
    pub(super) memory: u64,
    /// What the daemon itself may raise that to, while it tries a key.
    pub(super) memory_ceiling: u64,
    /// CPU time in seconds.
    pub(super) cpu_seconds: u64,
}

/// Closes the sandbox around this process, for good.
pub(super) fn enter(limits: &Limits) -> Result<()> {
    let failed = |step: &str, why: &dyn std::fmt::Display| {
        Error::launch(format!(
            "the sandbox can't be set up ({step}: {why}); for a trusted image, LIBGUESTFS_BACKEND_SETTINGS=no_sandbox \
             does without it"
        ))
    };
    set_limits(limits).map_err(|e| failed("limits", &e))?;
    drop_privileges().map_err(|e| failed("privileges", &e))?;
    nix::sys::prctl::set_no_new_privs().map_err(|e| failed("no_new_privs", &e))?;
    no_file_access().map_err(|e| failed("landlock", &e))?;
    few_system_calls().map_err(|e| failed("seccomp", &e))
}

fn set_limits(limits: &Limits) -> nix::Result<()> {
    // The user may have set a lower limit already (`ulimit`); only root could raise it, and nobody should.
    let within = |resource, value: u64, ceiling: u64| {
        let (_, hard) = getrlimit(resource)?;
        setrlimit(resource, value.min(hard), ceiling.min(hard))
    };
    let set = |resource, value: u64| within(resource, value, value);
    within(Resource::RLIMIT_AS, limits.memory, limits.memory_ceiling)?;
    // At the soft limit comes SIGXCPU, by which the handle knows why; at the hard one SIGKILL.
    let (_, hard) = getrlimit(Resource::RLIMIT_CPU)?;
    let end = limits.cpu_seconds.saturating_add(1).min(hard);
    setrlimit(Resource::RLIMIT_CPU, limits.cpu_seconds.min(end), end)?;
    // The limit does not hold for dumps into a pipe (core(5)).
    nix::sys::prctl::set_dumpable(false)?;
    set(Resource::RLIMIT_CORE, 0)?;
    set(Resource::RLIMIT_FSIZE, 0)
}

fn drop_privileges() -> nix::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

fn no_file_access() -> std::result::Result<(), String> {
    // The newest rules that this code knows, as many of them as the kernel has; none at all is a failure.
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|r| r.handle_access(AccessNet::from_all(abi)))
        .and_then(|r| r.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(RulesetCreated::restrict_self)
        .map_err(|e| e.to_string())?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err("the running kernel has no landlock, or it is not among its security modules (boot with lsm=landlock,…)".into());
    }
    Ok(())
}

/// What the daemon does: I/O on open descriptors, memory, time, its end.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_lseek,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_close,
    // memory
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    // time, random numbers for hash tables
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    // a panic's message, and the end
    libc::SYS_gettid,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

fn few_system_calls() -> seccompiler::Result<()> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|&call| (call, Vec::new())).collect();
    // Memory, but never memory that can be executed: the protection is argument 2 of both.
    let exec = u64::from(libc::PROT_EXEC.unsigned_abs());
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let not_executable =
            SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(exec), 0)?;
        rules.insert(call, vec![SeccompRule::new(vec![not_executable])?]);
    }
    // Programs built with debug assertions ask for a descriptor's flags before they close it.
    let asks_for_flags = u64::from(libc::F_GETFD.unsigned_abs());
    let flags = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, asks_for_flags)?;
    rules.insert(libc::SYS_fcntl, vec![SeccompRule::new(vec![flags])?]);
    // Its own limit of memory, within the ceiling: a key may take much for a moment. The handle could not change it: where the
    // daemon has another user than the handle, a container's root may not.
    let number =
        |index, value| SeccompCondition::new(index, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value);
    let of_memory = vec![number(0, 0)?, number(1, u64::from(libc::RLIMIT_AS))?];
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(of_memory)?]);
    let architecture = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, architecture)?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)
}

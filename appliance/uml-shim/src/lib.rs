//! A library to be loaded into User-Mode Linux (LD_PRELOAD): it stands before some functions of the C library.
//!
//! * **Registers.** A kernel of User-Mode Linux keeps the registers of its processes with `ptrace`. Up to Linux 6.12 it has 2696
//!   bytes for the extended ones (arch/x86/um/user-offsets.c). The host's kernel hands out the beginning of a longer state,
//!   but takes back only a whole one, and the kernel panics: "ptrace set fp regs failed, errno = 14". Processors with AMX
//!   (Intel's since 2023) have 11008 bytes. What is put back is completed with zeros: the initial state of registers that no
//!   process within can have used, since their kernel does not offer them. Where the state is not longer, and with kernels
//!   that know its length, nothing changes.
//! * **Time.** The first ticks of the kernel's clock come faster, so that a benchmark of 0.85 s takes 0.04 s; see
//!   `shim/clock.rs` for how the date comes out right.
//! * **Memory.** The guest's memory is a file in memory instead of one on a disk.
//! * **Ends.** Its processes end with it, however it ends.

use std::fs::File;
use std::io::{self, Write};

/// The shared library; empty where there is no User-Mode Linux.
pub const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shim.so"));

/// Writes the library into `file`.
///
/// # Errors
/// If the file can't be written.
pub fn write(mut file: &File) -> io::Result<()> {
    file.write_all(LIBRARY)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::process::Command;

    #[test]
    fn programs_run_with_the_library_as_without_it() {
        let file = std::env::temp_dir().join(format!("guestfs-shim-{}", std::process::id()));
        std::fs::write(&file, super::LIBRARY).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let out = Command::new(program).args(arguments).env("LD_PRELOAD", &file).output().unwrap();
            // The loader complains about what is no library for it.
            assert!(out.status.success() && out.stderr.is_empty(), "{out:?}");
            String::from_utf8(out.stdout).unwrap()
        };
        run("true", &[]);
        // A timer and its signal, files that are opened.
        assert_eq!(run("timeout", &["-s", "ALRM", "20", "cat", "/proc/self/comm"]), "cat\n");
        // Children.
        assert_eq!(run("sh", &["-c", "(echo a; (echo b)); echo $(echo c)"]), "a\nb\nc\n");
        let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let within: u64 = run("date", &["+%s"]).trim().parse().unwrap();
        // What asks for the date before anything else is told an earlier one: only a kernel does that and corrects it.
        assert!((before.as_secs() - 4..=before.as_secs() + 1).contains(&within), "{within}");
        std::fs::remove_file(&file).unwrap();
    }
}

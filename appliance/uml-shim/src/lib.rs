//! A library to be loaded into User-Mode Linux (LD_PRELOAD), so that it runs on processors of today.
//!
//! A kernel of User-Mode Linux keeps the registers of its processes with `ptrace`. Up to Linux 6.12 it has 2696 bytes for
//! the extended ones (arch/x86/um/user-offsets.c). The host's kernel hands out the beginning of a longer state, but takes
//! back only a whole one, and the kernel panics: "ptrace set fp regs failed, errno = 14". Processors with AMX (Intel's since
//! 2023) have 11008 bytes. The library stands before the C library's `ptrace` and completes what is put back with zeros:
//! the initial state of registers that no process within can have used, since their kernel does not offer them.
//!
//! Where the state is not longer, and with kernels that know its length, it changes nothing.

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
    fn a_program_is_traced_through_the_library_as_without_it() {
        let file = std::env::temp_dir().join(format!("guestfs-shim-{}", std::process::id()));
        std::fs::write(&file, super::LIBRARY).unwrap();
        // The loader complains about what is no library for it.
        let out = Command::new("true").env("LD_PRELOAD", &file).output().unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{out:?}");
    }
}

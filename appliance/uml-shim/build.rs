//! Compiles `src/shim.rs`, which is no part of this crate but a library for another program.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/shim.rs");
    println!("cargo::rerun-if-changed=src/shim");
    let output = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?).join("shim.so");
    // User-Mode Linux exists for x86 only.
    if env::var("CARGO_CFG_TARGET_ARCH")? != "x86_64" {
        std::fs::write(output, [])?;
        return Ok(());
    }
    let mut rustc = Command::new(env::var_os("RUSTC").ok_or("no RUSTC")?);
    rustc.args([
        "--edition=2024",
        "--crate-type=cdylib",
        "--crate-name=shim",
        "--target",
        &env::var("TARGET")?,
    ]);
    // Nothing of the standard library, which has its own idea of who calls it: what it needs, the program has.
    rustc.args(["-Cpanic=abort", "-Copt-level=2", "-Cstrip=symbols", "-Clink-arg=-nostdlib"]);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("-Clinker=");
        option.push(linker);
        rustc.arg(option);
    }
    let status = rustc.arg("src/shim.rs").arg("-o").arg(&output).status()?;
    if status.success() { Ok(()) } else { Err(format!("rustc: {status}").into()) }
}

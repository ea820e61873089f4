//! The least program over the embedded daemon: `cat IMAGE DEVICE PATH` prints a file of a filesystem.

use std::process::ExitCode;

use libguestfs_core::{AddDriveOpts, Guestfs, Result};

fn main() -> ExitCode {
    if let Some(status) = guestfsd::run_if_daemon() {
        return status;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, device, path] = arguments.as_slice() else {
        return ExitCode::from(2);
    };
    match cat(image, device, path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("cat: {e}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn cat(image: &str, device: &str, path: &str) -> Result<()> {
    let g = Guestfs::new()?;
    g.add_drive(image, &AddDriveOpts { readonly: Some(true), ..AddDriveOpts::default() })?;
    g.launch()?;
    g.mount_ro(device, "/")?;
    g.download(path, &mut std::io::stdout())?;
    g.shutdown()
}

//! What the header of one image says, by `qemu-img info`: the handle itself parses nothing of an image.
//!
//! The program is given one file and follows no name in it. It runs under the limits that libguestfs has for it (memory,
//! CPU time; lib/info.c), and under one of time.

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bstr::{BString, ByteSlice};
use serde_json::Value;

use super::policy::ImageFiles;
use crate::handle::open_image;
use crate::{Error, Result, sys};

/// Address space in bytes, and CPU time in seconds, that a look at a header may take.
const MEMORY: u64 = 1 << 30;
const CPU_SECONDS: u64 = 10;
/// Time that it may take in all.
const TIME: Duration = Duration::from_secs(20);
/// Most bytes that are taken of its answer, and of its complaint.
const ANSWER_MAX: u64 = 4 << 20;
const COMPLAINT_MAX: u64 = 4 << 10;
/// Most bytes of a VMDK's description. Those of VMware have 20 KiB at most.
const DESCRIPTION_MAX: usize = 1 << 20;

/// What matters of an image's header.
#[derive(Debug)]
pub(super) struct Info {
    pub(super) format: String,
    /// In bytes.
    pub(super) virtual_size: u64,
    pub(super) backing: Option<BString>,
    pub(super) backing_format: Option<String>,
    pub(super) data_file: Option<BString>,
    pub(super) encrypted: bool,
}

/// Looks at one image file.
pub(super) fn info(program: &Path, image: &Path, format: Option<&str>) -> Result<Info> {
    let failed = |why: &dyn std::fmt::Display| Error::launch(format!("{}: {why}", image.display()));
    let mut command = Command::new(program);
    command.args(["info", "--force-share", "--output=json"]);
    if let Some(format) = format {
        command.args(["-f", format]);
    }
    // An absolute path is no protocol and no option.
    command.arg(image).env_clear().current_dir("/").stdin(Stdio::null());
    let answer = run(command).map_err(|why| failed(&why))?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|e| failed(&e))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let virtual_size = answer["virtual-size"].as_u64().ok_or_else(|| failed(&"qemu-img gives no size"))?;
    Ok(Info {
        format: text(&answer["format"]).ok_or_else(|| failed(&"qemu-img gives no format"))?,
        virtual_size,
        backing: text(&answer["backing-filename"]).map(BString::from),
        backing_format: text(&answer["backing-filename-format"]),
        data_file: text(&answer["format-specific"]["data"]["data-file"]).map(BString::from),
        encrypted: answer["encrypted"].as_bool().unwrap_or(false),
    })
}

/// Runs a program within the limits, and gives what it prints, or why it failed.
fn run(mut command: Command) -> Result<Vec<u8>, String> {
    sys::limit(&mut command, MEMORY, CPU_SECONDS);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let read = |pipe: Option<&mut dyn Read>, most: u64| {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What can't be read is missed by the parser.
            let _ = pipe.take(most).read_to_end(&mut bytes);
        }
        bytes
    };
    let (answer, complaint, status) = std::thread::scope(|scope| {
        let answer =
            scope.spawn(move || read(stdout.map(Box::new).as_deref_mut().map(|p| p as _), ANSWER_MAX));
        let complaint =
            scope.spawn(move || read(stderr.map(Box::new).as_deref_mut().map(|p| p as _), COMPLAINT_MAX));
        let deadline = Instant::now() + TIME;
        let mut pause = Duration::from_micros(200);
        let status = loop {
            match child.try_wait() {
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(5));
                }
                Ok(None) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break Err("qemu-img takes too long to look at it".to_owned());
                }
                Ok(Some(status)) => break Ok(status),
                Err(e) => break Err(e.to_string()),
            }
        };
        (answer.join().unwrap_or_default(), complaint.join().unwrap_or_default(), status)
    });
    if status?.success() {
        return Ok(answer);
    }
    let complaint = complaint.trim_ascii().to_str_lossy().into_owned();
    Err(complaint.strip_prefix("qemu-img: ").map(str::to_owned).unwrap_or(complaint))
}

/// A VMDK names its extents in a text, and qemu opens them whatever they are: they go through the policy before.
pub(super) fn check_extents(image: &Path, number: u32, files: &mut ImageFiles) -> Result<()> {
    let file = open_image(image)?;
    let io = |e| Error::io(image.display().to_string(), e);
    let mut start = vec![0; DESCRIPTION_MAX];
    let mut have = 0;
    while let Some(rest @ [_, ..]) = start.get_mut(have..) {
        match file.read_at(rest, u64::try_from(have).unwrap_or(u64::MAX)).map_err(io)? {
            0 => break,
            n => have += n,
        }
        // All else than a text of a VMDK shows at once.
        if !start.starts_with(b"# Disk DescriptorFile") && !start.starts_with(b"KDMV") {
            return Ok(());
        }
    }
    start.truncate(have);
    // The sparse kind has the text within: its sector is at byte 28 of the header (VMware's format, sparse extent header).
    let text = match start.strip_prefix(b"KDMV") {
        None => start.as_slice(),
        Some(_) => {
            let sector = start.get(28..36).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
            let at = usize::try_from(sector.saturating_mul(512)).unwrap_or(usize::MAX);
            match start.get(at..) {
                Some(text) if sector > 0 => text,
                _ => return Ok(()),
            }
        }
    };
    let is_within = start.starts_with(b"KDMV");
    for line in text.split(|b| matches!(b, b'\n' | b'\r' | 0)) {
        let mut words = line.fields_with(|c| c == ' ' || c == '\t');
        if !matches!(words.next(), Some(b"RW" | b"RDONLY" | b"NOACCESS")) {
            continue;
        }
        let Some(name) = line.split(|b| *b == b'"').nth(1) else { continue };
        // Within a sparse file its extent is the file itself, whatever name it once had.
        let is_itself = is_within && !name.iter().any(|b| b"/:".contains(b));
        if !is_itself {
            files.open(number, name.as_bstr())?;
        }
    }
    Ok(())
}

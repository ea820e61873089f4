//! Keys of encrypted guests: from options, standard input or the terminal, to the library that opens the devices.
//!
//! Keys are kept in memory that is wiped; a file is read, and a terminal asked, only when a device needs it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use bstr::{BStr, BString};
use libguestfs_core::Guestfs;
use libguestfs_core::handle::{Decrypted, Encrypted, Key, Locked, Passphrase};
use zeroize::Zeroizing;

use crate::guest::{needs_appliance, with_appliance_hint};
use crate::options::KeyOptions;
use crate::{Error, Result, terminal};

/// Longest passphrase in bytes; what cryptsetup reads from a terminal ends at 512.
const PASSPHRASE_MAX: usize = 64 * 1024;
/// How often a passphrase is asked for on a terminal, as cryptsetup does.
const ATTEMPTS: usize = 3;

/// A key of an encrypted device, as `--key` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySelector {
    /// Device name, UUID, or `all`.
    pub id: String,
    /// Where the key is.
    pub key: KeyPlace,
}

/// Where a key comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// The passphrase itself.
    Text(Zeroizing<String>),
    /// The file whose first line it is.
    File(PathBuf),
    /// A policy of Clevis.
    Clevis,
}

/// Says where the key is, never the key.
impl fmt::Debug for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPlace::Text(_) => f.write_str("Text"),
            KeyPlace::File(file) => f.debug_tuple("File").field(file).finish(),
            KeyPlace::Clevis => f.write_str("Clevis"),
        }
    }
}

impl FromStr for KeySelector {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, rest) = text.split_once(':').unwrap_or((text, ""));
        let key = match rest.split_once(':') {
            Some(("key", key)) => KeyPlace::Text(Zeroizing::new(key.into())),
            Some(("file", file)) if !file.is_empty() => KeyPlace::File(file.into()),
            None if rest == "clevis" => KeyPlace::Clevis,
            _ => return Err("a selector is ID:key:STRING, ID:file:FILENAME or ID:clevis"),
        };
        if id.is_empty() {
            return Err("a selector begins with a device, a UUID or \"all\"");
        }
        Ok(KeySelector { id: id.into(), key })
    }
}

impl KeySelector {
    fn key(&self) -> Result<Key> {
        Ok(match &self.key {
            KeyPlace::Text(text) => Key::Passphrase(Passphrase::new(text.as_bytes().to_vec())),
            KeyPlace::File(path) => Key::Passphrase(from_file(path)?),
            KeyPlace::Clevis => Key::Clevis,
        })
    }
}

/// Who is asked for a passphrase that no option gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The user, if there is a terminal.
    User,
    /// Nobody: the device is not needed.
    Nobody,
}

/// Opens the encrypted devices of a guest with the keys that the user gives. What stays locked for want of a key is in
/// the result: whether that is a failure depends on what the tool is to do.
///
/// # Errors
/// If a key does not fit or can't be read, or devices can't be opened here.
pub fn decrypt(handle: &Guestfs, options: &KeyOptions, asked: Ask) -> Result<Decrypted> {
    let decrypted: Result<Decrypted, Failure> =
        handle.decrypt(|device, tried| Ok(next_key(options, asked, device, tried)?));
    let decrypted = decrypted.map_err(|failure| match failure {
        Failure::Key(e) => e,
        Failure::Library(e) if needs_appliance(&e) => with_appliance_hint(handle, e.into()),
        Failure::Library(e) => e.into(),
    })?;
    match decrypted.locked.iter().find(|locked| locked.refused.is_some()) {
        Some(locked) => Err(about_locked(locked)),
        None => Ok(decrypted),
    }
}

/// Why there are no devices to go on with.
enum Failure {
    Key(Error),
    Library(libguestfs_core::Error),
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::Key(e)
    }
}

impl From<libguestfs_core::Error> for Failure {
    fn from(e: libguestfs_core::Error) -> Self {
        Failure::Library(e)
    }
}

/// What `vfs_type` and users call what Windows encrypts volumes with.
const BITLOCKER: &str = "BitLocker";

/// What is said of a device that is locked.
pub fn about_locked(locked: &Locked) -> Error {
    let device = &locked.device.device;
    let kind = if locked.device.kind == "crypto_LUKS" { "LUKS" } else { BITLOCKER };
    match &locked.refused {
        // The original's words, for programs that look for them.
        Some(refused) => {
            Error::new(format!("could not find key to open {kind} encrypted {device}: {refused}"))
                .hint(format!("--key {device}:file:FILENAME gives another key"))
        }
        None if kind == BITLOCKER => {
            Error::new(format!("{device} is encrypted by BitLocker, and there is no key for it")).hint(format!(
                "an appliance reads it with its password or its recovery key (which \"manage-bde -protectors -get\" shows \
                 in Windows): --key {device}:file:FILENAME, or --keys-from-stdin; what only the machine's TPM knows is no key"
            ))
        }
        None => Error::new(format!("{device} is encrypted, and there is no key for it"))
            .hint(format!("give its key with --key {device}:file:FILENAME, or --keys-from-stdin")),
    }
}

/// The key to try on a device after `tried` others: those of `--key` in their order; if none is for it, what the user
/// says.
fn next_key(options: &KeyOptions, asked: Ask, device: &Encrypted, tried: usize) -> Result<Option<Key>> {
    let mut given =
        options.key.iter().filter(|selector| device.is_called(BStr::new(&selector.id))).peekable();
    if given.peek().is_some() {
        return given.nth(tried).map(KeySelector::key).transpose();
    }
    let said = if options.keys_from_stdin {
        if tried == 0 { from_stdin()? } else { None }
    } else if asked == Ask::User && tried < ATTEMPTS {
        ask(device, options.echo_keys)?
    } else {
        None
    };
    Ok(said.filter(|passphrase| !passphrase.is_empty()).map(Key::Passphrase))
}

/// Asks the user; none if there is nobody to ask.
fn ask(device: &Encrypted, echo: bool) -> Result<Option<Passphrase>> {
    // A guest's name for a volume must not control the terminal.
    let name: BString = device.device.iter().map(|b| if b.is_ascii_graphic() { *b } else { b'?' }).collect();
    let prompt = format!("Enter key or passphrase (\"{name}\"): ");
    terminal::ask(&prompt, echo)
}

fn from_stdin() -> Result<Option<Passphrase>> {
    // Several guests may be examined at once.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let line = line(&mut Unbuffered(io::stdin()), b"\n")
        .map_err(|e| Error::because("keys from standard input", e))?;
    Ok(line.map(|(key, _)| key))
}

fn from_file(path: &Path) -> Result<Passphrase> {
    let about = |e| Error::because(path.display().to_string(), e);
    let line = File::open(path).and_then(|mut file| line(&mut file, b"\n")).map_err(about)?;
    Ok(line.map_or_else(|| Passphrase::new(Vec::new()), |(key, _)| key))
}

/// The next line, and which of the bytes `ends` ended it if not the end of the stream; none there. It is read byte by
/// byte, so that nothing of it stays in a buffer and what follows stays for the next one.
pub(crate) fn line(from: &mut dyn Read, ends: &[u8]) -> io::Result<Option<(Passphrase, Option<u8>)>> {
    let mut line = Zeroizing::new(Vec::with_capacity(PASSPHRASE_MAX));
    let mut byte = Zeroizing::new([0]);
    loop {
        match from.read(byte.as_mut_slice()) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => return Ok(Some((Passphrase::new(line), None))),
            Ok(_) if byte.iter().all(|byte| ends.contains(byte)) => {
                return Ok(Some((Passphrase::new(line), byte.first().copied())));
            }
            Ok(_) if line.len() == PASSPHRASE_MAX => {
                return Err(io::Error::other(format!("a key has at most {PASSPHRASE_MAX} bytes")));
            }
            Ok(_) => line.extend_from_slice(byte.as_slice()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// A stream without the buffer that the standard library gives it.
struct Unbuffered<F>(F);

impl<F: AsFd> Read for Unbuffered<F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.0.as_fd(), buf)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str) -> KeySelector {
        text.parse().unwrap()
    }

    fn bytes(key: Option<Key>) -> Option<Vec<u8>> {
        match key {
            Some(Key::Passphrase(passphrase)) => Some(passphrase.as_ref().to_vec()),
            _ => None,
        }
    }

    #[test]
    fn keys_are_read_and_never_shown() {
        let text = |text: &str| KeyPlace::Text(Zeroizing::new(text.into()));
        assert_eq!(selector("/dev/sda1:key:a:b"), KeySelector { id: "/dev/sda1".into(), key: text("a:b") });
        assert_eq!(
            selector("all:file:/k"),
            KeySelector { id: "all".into(), key: KeyPlace::File("/k".into()) }
        );
        assert_eq!(selector("all:clevis").key, KeyPlace::Clevis);
        assert!(!format!("{:?}", selector("all:key:secret")).contains("secret"));
    }

    #[test]
    fn a_device_is_tried_with_its_keys_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "from a file\nnot this\n").unwrap();
        let options = KeyOptions {
            key: [
                "/dev/sdb:key:other",
                "/dev/sda1:key:one",
                &format!("0c1d:file:{}", file.display()),
                "all:clevis",
            ]
            .map(selector)
            .into(),
            echo_keys: false,
            keys_from_stdin: false,
        };
        let device =
            Encrypted { device: "/dev/sda1".into(), uuid: "0c1d".into(), kind: "crypto_LUKS".into() };
        let next = |tried| next_key(&options, Ask::Nobody, &device, tried).unwrap();
        assert_eq!(bytes(next(0)).unwrap(), b"one");
        assert_eq!(bytes(next(1)).unwrap(), b"from a file");
        assert_eq!(next(2), Some(Key::Clevis));
        assert_eq!(next(3), None);
        assert!(options.needs_network());
    }

    #[test]
    fn a_key_file_that_is_not_there_is_named() {
        let missing = selector("all:file:/nowhere/key").key().unwrap_err();
        assert_eq!(missing.to_string(), "/nowhere/key: No such file or directory");
    }

    #[test]
    fn a_line_is_one_key_and_leaves_the_next_one() {
        let mut input: &[u8] = b"one\n\ntw\x03o \xff";
        let mut lines = Vec::new();
        while let Some((text, end)) = line(&mut input, b"\n\x03").unwrap() {
            lines.push((text.as_ref().to_vec(), end));
        }
        let expected: [(&[u8], _); 4] =
            [(b"one", Some(b'\n')), (b"", Some(b'\n')), (b"tw", Some(3)), (b"o \xff", None)];
        assert_eq!(lines, expected.map(|(text, end)| (text.to_vec(), end)));
        let long = vec![b'x'; PASSPHRASE_MAX + 1];
        assert!(line(&mut long.as_slice(), b"\n").is_err());
        assert!(line(&mut &long[1..], b"\n").unwrap().is_some());
    }
}

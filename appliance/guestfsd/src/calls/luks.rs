//! Encrypted devices: LUKS and what else cryptsetup opens.
//!
//! The native engine reads LUKS itself. In an appliance, a key goes to the program as a file in memory that has no name and is wiped afterwards: it is in no argument, no
//! environment and no log.

use std::os::fd::OwnedFd;

use bstr::{BStr, BString, ByteSlice};
use disk::ErrorKind;
use disk::volume::luks::Luks;
use libguestfs_core::Result;
use libguestfs_core::api::CryptsetupOpenOpts;
use nix::errno::Errno;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{dup, pwrite};

use super::tool::Tool;
use crate::Guestfsd;
use crate::engine::names::MAPPER;
use crate::engine::{UnlockRequest, Unlocking, names};
use crate::error::{At, Failure, refused};

/// Most slots that a LUKS device has: 8 in version 1, 32 in version 2 (the LUKS2 on-disk format, `keyslots`).
const SLOTS_MAX: i32 = 32;
/// What blkid calls devices that are unlocked here, and what cryptsetup does.
const TYPES: [(&[u8], &str); 2] = [(b"crypto_LUKS", "luks"), (b"BitLocker", "bitlk")];
/// The types of devices that the native engine opens, with the version that a device must then be of.
const HERE: [(&str, Option<u16>); 3] = [("luks", None), ("luks1", Some(1)), ("luks2", Some(2))];
/// The name in /dev/mapper that device-mapper itself uses.
const RESERVED: &[u8] = b"control";

/// A key in memory that only a program that is handed the descriptor can read. Dropping it wipes it.
#[derive(Debug)]
struct Secret {
    file: OwnedFd,
    length: usize,
}

impl Secret {
    fn new(key: &BStr) -> Result<Self> {
        let keep = || -> rustix::io::Result<Self> {
            let secret = Secret { file: memfd_create("key", MemfdFlags::CLOEXEC)?, length: key.len() };
            let mut done = 0;
            while let Some(rest) = key.get(done..).filter(|rest| !rest.is_empty()) {
                done = done.saturating_add(pwrite(&secret.file, rest, done.try_into().unwrap_or(u64::MAX))?);
            }
            Ok(secret)
        };
        keep().map_err(Failure::from).at("keeping a key in memory")
    }

    /// Its descriptor, for a program.
    fn lent(&self) -> Result<OwnedFd> {
        dup(&self.file).map_err(Failure::from).at("handing over a key")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Neither can fail on a file in memory; if one did, the kernel clears the pages before it hands them out again.
        let _ = pwrite(&self.file, &vec![0; self.length], 0);
        let _ = ftruncate(&self.file, 0);
    }
}

impl<'k> Tool<'k> {
    /// Adds a file with a key.
    fn key(self, key: &Secret) -> Result<Self> {
        self.lend(key.lent()?, BStr::new("the key"))
    }
}

impl Guestfsd {
    fn cryptsetup(&self, call: &str) -> Result<Tool<'_>> {
        Ok(Tool::new(self.kernel(call)?, "cryptsetup"))
    }

    pub(crate) fn luks_format(&mut self, device: &BStr, key: &BStr, keyslot: i32) -> Result<()> {
        self.format("luks_format", device, key, keyslot, None)
    }

    pub(crate) fn luks_format_cipher(
        &mut self,
        device: &BStr,
        key: &BStr,
        keyslot: i32,
        cipher: &BStr,
    ) -> Result<()> {
        self.format("luks_format_cipher", device, key, keyslot, Some(cipher))
    }

    fn format(
        &mut self,
        call: &str,
        device: &BStr,
        key: &BStr,
        slot: i32,
        cipher: Option<&BStr>,
    ) -> Result<()> {
        let mut tool = self.cryptsetup(call)?;
        // cryptsetup destroys what the device held before it finds this out.
        if !(0..SLOTS_MAX).contains(&slot) {
            let last = SLOTS_MAX - 1;
            return Err(refused(format!("Key slot {slot} is invalid, please select between 0 and {last}.")));
        }
        if let Some(cipher) = cipher {
            tool = tool.arg("--cipher").arg(cipher);
        }
        let secret = Secret::new(key)?;
        // It asks whether it may otherwise.
        let tool = tool.args(["--batch-mode", "luksFormat", "--key-slot"]).arg(slot.to_string());
        self.after_change(tool.device(self.device(device)?.as_bstr())?.key(&secret)?.run())
    }

    pub(crate) fn luks_add_key(
        &mut self,
        device: &BStr,
        key: &BStr,
        newkey: &BStr,
        keyslot: i32,
    ) -> Result<()> {
        let (old, new) = (Secret::new(key)?, Secret::new(newkey)?);
        let tool =
            self.cryptsetup("luks_add_key")?.arg("luksAddKey").arg("--key-slot").arg(keyslot.to_string());
        let tool = tool.arg("--key-file").key(&old)?;
        self.after_change(tool.device(self.device(device)?.as_bstr())?.key(&new)?.run())
    }

    pub(crate) fn luks_kill_slot(&mut self, device: &BStr, key: &BStr, keyslot: i32) -> Result<()> {
        let secret = Secret::new(key)?;
        // --batch-mode would kill the slot without a look at the key.
        let tool = self.cryptsetup("luks_kill_slot")?.arg("luksKillSlot");
        let tool = tool.arg("--key-file").key(&secret)?;
        self.after_change(tool.device(self.device(device)?.as_bstr())?.arg(keyslot.to_string()).run())
    }

    pub(crate) fn luks_uuid(&mut self, device: &BStr) -> Result<BString> {
        if self.engine.kernel().is_none() {
            return self.luks_uuid_here(device);
        }
        let tool = self.cryptsetup("luks_uuid")?.arg("luksUUID");
        let text = tool.device(self.device(device)?.as_bstr())?.run()?;
        Ok(text.trim_ascii_end().into())
    }

    fn luks_uuid_here(&mut self, device: &BStr) -> Result<BString> {
        let device = self.device(device)?;
        let source = self.engine.open_block(device.as_bstr()).at(&device)?;
        match Luks::open(source) {
            Ok(luks) => Ok(luks.uuid),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(refused(format!("Device {device} is not a valid LUKS device.")))
            }
            Err(e) => Err(Failure::disk(device.as_bstr(), e).at(&device)),
        }
    }

    pub(crate) fn luks_open(&mut self, device: &BStr, key: &BStr, mapname: &BStr) -> Result<()> {
        self.unlock("luks_open", device, key, mapname, "luks", false, None)
    }

    pub(crate) fn luks_open_ro(&mut self, device: &BStr, key: &BStr, mapname: &BStr) -> Result<()> {
        self.unlock("luks_open_ro", device, key, mapname, "luks", true, None)
    }

    pub(crate) fn cryptsetup_open(
        &mut self,
        device: &BStr,
        key: &BStr,
        mapname: &BStr,
        opts: &CryptsetupOpenOpts,
    ) -> Result<()> {
        let kind = match &opts.crypttype {
            Some(kind) => kind.to_string(),
            None => {
                let found = self.vfs_type(device)?;
                let known = TYPES.iter().find(|(name, _)| found == *name);
                let (_, kind) =
                    known.ok_or_else(|| refused(format!("{found}: unknown encrypted device type")))?;
                (*kind).to_owned()
            }
        };
        let readonly = opts.readonly.unwrap_or(false);
        let cipher = opts.cipher.as_ref().map(|cipher| cipher.as_bstr());
        self.unlock("cryptsetup_open", device, key, mapname, &kind, readonly, cipher)
    }

    #[expect(clippy::too_many_arguments, reason = "they are those of the calls that unlock")]
    fn unlock(
        &mut self,
        call: &str,
        device: &BStr,
        key: &BStr,
        mapname: &BStr,
        kind: &str,
        readonly: bool,
        cipher: Option<&BStr>,
    ) -> Result<()> {
        check_map_name(mapname)?;
        let node = names::mapping(mapname);
        if self.engine.device(node.as_bstr()).at(&node)?.is_some() {
            return Err(refused(format!("{node}: device already exists")));
        }
        if self.engine.kernel().is_none() {
            return self.unlock_here(call, device, key, mapname, kind, cipher);
        }
        let mut tool = self.cryptsetup(call)?;
        let secret = Secret::new(key)?;
        tool = tool.arg("--key-file").key(&secret)?.arg("open").arg_if(readonly, "--readonly");
        if let Some(cipher) = cipher {
            tool = tool.arg("--cipher").arg(cipher);
        }
        let tool = tool.args(["--type", kind]).device(self.device(device)?.as_bstr())?.arg(mapname);
        self.after_change(tool.run_with_status())
    }

    /// Opens a device without a program, and answers as cryptsetup would.
    fn unlock_here(
        &mut self,
        call: &str,
        device: &BStr,
        key: &BStr,
        name: &BStr,
        kind: &str,
        cipher: Option<&BStr>,
    ) -> Result<()> {
        let known = HERE.iter().find(|(known, _)| kind == *known).filter(|_| cipher.is_none());
        let (_, version) = known.ok_or_else(|| libguestfs_core::api::not_here(call))?;
        let device = self.device(device)?;
        let request = UnlockRequest { device: device.as_bstr(), version: *version, key, name };
        let failed =
            |status: u32, why: String| Err(refused(format!("cryptsetup exited with status {status}: {why}")));
        match self.engine.unlock(request).at(&device)? {
            Unlocking::Open => Ok(()),
            Unlocking::WrongKey => failed(2, "No key available with this passphrase.".into()),
            Unlocking::NotLuks => failed(1, format!("Device {device} is not a valid LUKS device.")),
        }
    }

    pub(crate) fn luks_close(&mut self, device: &BStr) -> Result<()> {
        self.lock("luks_close", device)
    }

    pub(crate) fn cryptsetup_close(&mut self, device: &BStr) -> Result<()> {
        self.lock("cryptsetup_close", device)
    }

    fn lock(&mut self, call: &str, device: &BStr) -> Result<()> {
        let name = device.strip_prefix(MAPPER.as_bytes()).ok_or_else(|| {
            refused(format!(
                "{device}: you must call this on the /dev/mapper device created by cryptsetup-open"
            ))
        })?;
        if self.engine.kernel().is_none() {
            let failed = |status: u32, why: &str| {
                let name = BStr::new(name);
                Err(refused(format!("cryptsetup exited with status {status}: Device {name} is {why}.")))
            };
            return match self.engine.lock(device) {
                Err(Failure::Os(Errno::ENXIO)) => failed(4, "not active"),
                Err(Failure::Os(Errno::EBUSY)) => failed(5, "still in use"),
                other => other.at(device),
            };
        }
        self.after_change(self.cryptsetup(call)?.arg("close").arg(name).run_with_status())
    }

    pub(crate) fn clevis_luks_unlock(&mut self, device: &BStr, mapname: &BStr) -> Result<()> {
        let kernel = self.kernel("clevis_luks_unlock")?;
        check_map_name(mapname)?;
        let tool = Tool::new(kernel, "clevis").args(["luks", "unlock", "-d"]);
        self.after_change(
            tool.device(self.device(device)?.as_bstr())?.arg("-n").arg(mapname).run_with_status(),
        )
    }
}

/// A name below /dev/mapper: one component, not device-mapper's own, not an option of a program.
fn check_map_name(name: &BStr) -> Result<()> {
    let unfit = name.is_empty() || name.contains(&b'/') || name.starts_with(b"-") || name == RESERVED;
    if unfit || matches!(name.as_bytes(), b"." | b"..") {
        return Err(refused(format!("{name}: not a name for a device in /dev/mapper")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kernel::descriptor_path;

    #[test]
    fn a_secret_is_read_through_its_descriptor_and_wiped() {
        let secret = Secret::new(BStr::new("s\0e\ncret")).unwrap();
        let lent = secret.lent().unwrap();
        assert_eq!(std::fs::read(descriptor_path(&lent)).unwrap(), b"s\0e\ncret");
        drop(secret);
        assert_eq!(std::fs::read(descriptor_path(&lent)).unwrap(), b"");
    }

    #[test]
    fn names_of_mappings_are_single_names() {
        assert!(check_map_name(BStr::new("crypt-1")).is_ok());
        for bad in ["", "control", "a/b", "..", ".", "-f"] {
            assert!(check_map_name(BStr::new(bad)).is_err(), "{bad}");
        }
    }
}

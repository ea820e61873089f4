//! Encrypted devices: which there are, the keys that open them, and what lies in them.
//!
//! ```text
//! disks, partitions, arrays, volumes ──vfs_type──> LUKS, BitLocker ──key──> /dev/mapper/NAME ──lvm_scan──> volumes …
//! ```
//!
//! What was opened can hold a physical volume, and a volume on that another encrypted device, so this goes on until
//! nothing new is opened. Devices are opened read-only. Keys come from the caller, one after the other, and are wiped
//! when they were tried.
//!
//! To look for encrypted devices is no reason to start an appliance: a device that the embedded daemon can't look at is
//! left to inspection, which knows whether it matters.

use std::collections::BTreeSet;
use std::fmt;

use bstr::{BStr, BString, ByteSlice};
use zeroize::Zeroizing;

use super::{Guestfs, Request};
use crate::api::{CryptsetupOpenOpts, call_named};
use crate::{Error, ErrorKind, Result};

/// What blkid calls devices whose content is encrypted as a whole, and cryptsetup opens.
const LUKS: &str = "crypto_LUKS";
const BITLOCKER: &str = "BitLocker";
/// Where opened devices are.
const MAPPER: &str = "/dev/mapper/";
/// Encrypted devices within encrypted devices that are looked for. Guests have one, seldom two.
const DEPTH_MAX: usize = 8;

/// An encrypted device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encrypted {
    /// Its name: `/dev/sda2`, `/dev/VG/LV`.
    pub device: BString,
    /// Its UUID; empty if it has none.
    pub uuid: BString,
    /// What `vfs_type` calls it: `crypto_LUKS` or `BitLocker`.
    pub kind: BString,
}

impl Encrypted {
    /// Is it what a user calls `id`: `all`, its device or its UUID? A logical volume has a second name, in `/dev/mapper`.
    pub fn is_called(&self, id: &BStr) -> bool {
        let same_uuid = !self.uuid.is_empty() && self.uuid.eq_ignore_ascii_case(id);
        id == "all"
            || same_uuid
            || id == self.device
            || mapper_name(self.device.as_bstr()).is_some_and(|name| id == name)
    }

    /// The name that it is opened under.
    fn map_name(&self) -> BString {
        if self.kind == LUKS && !self.uuid.is_empty() {
            return [b"luks-", self.uuid.as_slice()].concat().into();
        }
        let name = self.device.strip_prefix(b"/dev/").unwrap_or(&self.device);
        b"crypt".iter().chain(name.iter().filter(|byte| byte.is_ascii_alphanumeric())).copied().collect()
    }
}

/// `/dev/mapper/VG-LV` of `/dev/VG/LV`: dashes in the two names are doubled.
fn mapper_name(device: &BStr) -> Option<BString> {
    let (group, volume) = device.strip_prefix(b"/dev/")?.split_once_str("/")?;
    if group == b"mapper" || volume.contains(&b'/') {
        return None;
    }
    let mapped = [group.replace("-", "--"), volume.replace("-", "--")].join(&b'-');
    Some([MAPPER.as_bytes(), &mapped].concat().into())
}

/// A passphrase or the content of a key file: shown to nobody, wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes the bytes over. Their vector must not have grown: what it grew out of is not wiped.
    pub fn new(bytes: impl Into<Zeroizing<Vec<u8>>>) -> Self {
        Passphrase(bytes.into())
    }

    /// Has it no bytes?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AsRef<[u8]> for Passphrase {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// What opens an encrypted device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A passphrase.
    Passphrase(Passphrase),
    /// The policy that the device is bound to with Clevis; a server needs a network.
    Clevis,
}

/// A device that stayed closed.
#[derive(Debug)]
pub struct Locked {
    /// The device.
    pub device: Encrypted,
    /// What was answered to the last of its keys; `None` if there was no key for it.
    pub refused: Option<Error>,
}

/// What came of the encrypted devices.
#[derive(Debug, Default)]
pub struct Decrypted {
    /// Those that are open, with the names of what is in them.
    pub opened: Vec<(Encrypted, BString)>,
    /// Those that are not.
    pub locked: Vec<Locked>,
    /// Devices that only an appliance can look at. If inspection went on in one and found no operating system, decrypt
    /// once more.
    pub unread: Vec<BString>,
}

impl Guestfs {
    /// Opens every encrypted device for which there is a key, and activates the volumes in it. Comes before inspection:
    /// an operating system may be in one.
    ///
    /// `next_key` is asked for the keys of a device, with the number of those that were tried in vain, until one fits
    /// or there is none left.
    ///
    /// # Errors
    /// If the devices can't be listed, no daemon can open any, or `next_key` fails. That a key does not fit is in the
    /// result.
    pub fn decrypt<E: From<Error>>(
        &self,
        mut next_key: impl FnMut(&Encrypted, usize) -> Result<Option<Key>, E>,
    ) -> Result<Decrypted, E> {
        let mut result = Decrypted::default();
        let mut seen = BTreeSet::new();
        for _ in 0..DEPTH_MAX {
            let opened_before = result.opened.len();
            for device in self.devices_to_look_at(&mut result.unread)? {
                if seen.insert(device.clone())
                    && let Some(encrypted) = self.encrypted(device, &mut result.unread)?
                {
                    self.unlock(encrypted, &mut next_key, &mut result)?;
                }
            }
            if result.opened.len() == opened_before {
                break;
            }
            self.lvm_scan(true)?;
        }
        Ok(result)
    }

    /// All devices that are known now.
    fn devices_to_look_at(&self, unread: &mut Vec<BString>) -> Result<Vec<BString>> {
        let mut devices = self.list_devices()?;
        devices.extend(self.list_partitions()?);
        match self.invoke::<Vec<BString>>(self.request_here("list_md_devices")?) {
            Ok(arrays) => devices.extend(arrays),
            Err(e) if e.kind() == ErrorKind::NeedsAppliance => unread.push("arrays".into()),
            Err(e) => return Err(e),
        }
        devices.extend(self.lvs()?);
        devices.extend(self.list_dm_devices()?);
        Ok(devices)
    }

    /// The device, if its content is encrypted.
    fn encrypted(&self, device: BString, unread: &mut Vec<BString>) -> Result<Option<Encrypted>> {
        let mut request = self.request_here("vfs_type")?;
        request.text(&device);
        match self.invoke::<BString>(request) {
            Ok(kind) if kind == LUKS || kind == BITLOCKER => {
                let uuid = self.vfs_uuid(&device)?;
                return Ok(Some(Encrypted { device, uuid, kind }));
            }
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NeedsAppliance => unread.push(device),
            // Inspection says what is wrong with it.
            Err(e) if e.kind() == ErrorKind::Daemon => {}
            Err(e) => return Err(e),
        }
        Ok(None)
    }

    /// Begins a call that the daemon that is there must answer.
    fn request_here(&self, name: &str) -> Result<Request> {
        let info = call_named(name).ok_or_else(|| Error::usage(format!("there is no call {name}")))?;
        let mut request = self.request(info);
        request.falls_back = false;
        Ok(request)
    }

    fn unlock<E: From<Error>>(
        &self,
        device: Encrypted,
        next_key: &mut impl FnMut(&Encrypted, usize) -> Result<Option<Key>, E>,
        result: &mut Decrypted,
    ) -> Result<(), E> {
        let name = device.map_name();
        let mapped = BString::from([MAPPER.as_bytes(), &name].concat());
        if self.list_dm_devices()?.contains(&mapped) {
            result.opened.push((device, mapped));
            return Ok(());
        }
        let mut refused = None;
        let mut tried = 0;
        while let Some(key) = next_key(&device, tried)? {
            match self.try_key(&device, &key, &name) {
                Ok(()) => {
                    result.opened.push((device, mapped));
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::Daemon => refused = Some(e),
                Err(e) => return Err(e.into()),
            }
            tried += 1;
        }
        result.locked.push(Locked { device, refused });
        Ok(())
    }

    fn try_key(&self, device: &Encrypted, key: &Key, name: &BString) -> Result<()> {
        match key {
            Key::Passphrase(passphrase) => {
                let opts = CryptsetupOpenOpts { readonly: Some(true), ..CryptsetupOpenOpts::default() };
                self.cryptsetup_open(&device.device, passphrase, name, &opts)
            }
            Key::Clevis => self.clevis_luks_unlock(&device.device, name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypted(device: &str, uuid: &str, kind: &str) -> Encrypted {
        Encrypted { device: device.into(), uuid: uuid.into(), kind: kind.into() }
    }

    #[test]
    fn a_device_answers_to_all_its_names() {
        let partition = encrypted("/dev/sda2", "0c1d-AB", LUKS);
        let volume = encrypted("/dev/my-vg/ro-ot", "", LUKS);
        for (device, id, expected) in [
            (&partition, "all", true),
            (&partition, "/dev/sda2", true),
            (&partition, "0C1D-ab", true),
            (&partition, "/dev/sda", false),
            (&partition, "", false),
            (&volume, "/dev/my-vg/ro-ot", true),
            (&volume, "/dev/mapper/my--vg-ro--ot", true),
            (&volume, "/dev/mapper/my-vg-ro-ot", false),
            (&volume, "", false),
        ] {
            assert_eq!(device.is_called(id.into()), expected, "{} {id}", device.device);
        }
    }

    #[test]
    fn names_of_opened_devices_are_those_of_the_original() {
        for (device, expected) in [
            (encrypted("/dev/sda2", "0c1d", LUKS), "luks-0c1d"),
            (encrypted("/dev/sda2", "0c1d", BITLOCKER), "cryptsda2"),
            (encrypted("/dev/v-g/l_v", "", LUKS), "cryptvglv"),
        ] {
            assert_eq!(device.map_name(), expected);
        }
    }

    #[test]
    fn a_passphrase_is_not_shown() {
        assert!(!format!("{:?}", Key::Passphrase(Passphrase::new(b"hunter2".to_vec()))).contains("hunter2"));
    }
}

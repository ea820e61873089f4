//! Windows dynamic disks (Logical Disk Manager), by the program ldmtool, which prints JSON.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::tool::Tool;
use crate::Guestfsd;
use crate::error::refused;

/// What the devices are called that ldmtool makes of volumes and partitions.
const VOLUME: &[u8] = b"/dev/mapper/ldm_vol_";
const PARTITION: &[u8] = b"/dev/mapper/ldm_part_";

/// `ldmtool show diskgroup`.
#[derive(Debug, Deserialize)]
struct DiskGroup {
    name: String,
    volumes: Vec<String>,
    disks: Vec<String>,
}

/// `ldmtool show volume`.
#[derive(Debug, Deserialize)]
struct Volume {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    hint: Option<String>,
    partitions: Vec<String>,
}

impl Guestfsd {
    fn ldmtool(&self, call: &str) -> Result<Tool<'_>> {
        Ok(Tool::new(self.kernel(call)?, "ldmtool"))
    }

    pub(crate) fn ldmtool_create_all(&mut self) -> Result<()> {
        self.after_change(self.ldmtool("ldmtool_create_all")?.args(["create", "all"]).run())
    }

    pub(crate) fn ldmtool_remove_all(&mut self) -> Result<()> {
        self.after_change(self.ldmtool("ldmtool_remove_all")?.args(["remove", "all"]).run())
    }

    pub(crate) fn ldmtool_scan(&mut self) -> Result<Vec<BString>> {
        self.ldmtool_scan_devices(&[])
    }

    pub(crate) fn ldmtool_scan_devices(&mut self, devices: &[BString]) -> Result<Vec<BString>> {
        let tool = self.ldmtool("ldmtool_scan_devices")?.arg("scan");
        let text = tool.devices(&self.canonical_devices(devices)?)?.run()?;
        Ok(texts(json(&text)?))
    }

    fn disk_group(&self, call: &str, group: &BStr) -> Result<DiskGroup> {
        json(&self.ldmtool(call)?.args(["show", "diskgroup"]).arg(group).run()?)
    }

    fn ldm_volume(&self, call: &str, group: &BStr, volume: &BStr) -> Result<Volume> {
        json(&self.ldmtool(call)?.args(["show", "volume"]).args([group, volume]).run()?)
    }

    pub(crate) fn ldmtool_diskgroup_name(&mut self, diskgroup: &BStr) -> Result<BString> {
        Ok(self.disk_group("ldmtool_diskgroup_name", diskgroup)?.name.into())
    }

    pub(crate) fn ldmtool_diskgroup_volumes(&mut self, diskgroup: &BStr) -> Result<Vec<BString>> {
        Ok(texts(self.disk_group("ldmtool_diskgroup_volumes", diskgroup)?.volumes))
    }

    pub(crate) fn ldmtool_diskgroup_disks(&mut self, diskgroup: &BStr) -> Result<Vec<BString>> {
        Ok(texts(self.disk_group("ldmtool_diskgroup_disks", diskgroup)?.disks))
    }

    pub(crate) fn ldmtool_volume_type(&mut self, diskgroup: &BStr, volume: &BStr) -> Result<BString> {
        Ok(self.ldm_volume("ldmtool_volume_type", diskgroup, volume)?.kind.into())
    }

    pub(crate) fn ldmtool_volume_hint(&mut self, diskgroup: &BStr, volume: &BStr) -> Result<BString> {
        Ok(self.ldm_volume("ldmtool_volume_hint", diskgroup, volume)?.hint.unwrap_or_default().into())
    }

    pub(crate) fn ldmtool_volume_partitions(
        &mut self,
        diskgroup: &BStr,
        volume: &BStr,
    ) -> Result<Vec<BString>> {
        Ok(texts(self.ldm_volume("ldmtool_volume_partitions", diskgroup, volume)?.partitions))
    }

    pub(crate) fn list_ldm_volumes(&mut self) -> Result<Vec<BString>> {
        self.mapped("list_ldm_volumes", VOLUME)
    }

    pub(crate) fn list_ldm_partitions(&mut self) -> Result<Vec<BString>> {
        self.mapped("list_ldm_partitions", PARTITION)
    }

    /// Devices of device-mapper whose names begin with a text.
    fn mapped(&mut self, call: &str, prefix: &[u8]) -> Result<Vec<BString>> {
        self.kernel(call)?;
        let mut list = self.list_dm_devices()?;
        list.retain(|device| device.starts_with(prefix));
        Ok(list)
    }
}

fn json<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    serde_json::from_slice(text)
        .map_err(|e| refused(format!("ldmtool: {e} in what it prints: {}", text.as_bstr())))
}

fn texts(list: Vec<String>) -> Vec<BString> {
    list.into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ldmtool(1) describes it.
    #[test]
    fn what_ldmtool_prints_is_understood() {
        let group: DiskGroup = json(
            br#"{"name":"WIN-Dg0","guid":"06495a84","volumes":["Volume1","Volume2"],"disks":["d1","d2"]}"#,
        )
        .unwrap();
        assert_eq!((group.name.as_str(), group.volumes.len(), group.disks.len()), ("WIN-Dg0", 2, 2));
        let volume: Volume = json(
            br#"{"name":"Volume1","type":"spanned","size":129024,"hint":"E:","partitions":["Disk1-01"]}"#,
        )
        .unwrap();
        assert_eq!((volume.kind.as_str(), volume.hint.as_deref()), ("spanned", Some("E:")));
        let volume: Volume = json(br#"{"type":"simple","partitions":[]}"#).unwrap();
        assert!(volume.hint.is_none() && volume.partitions.is_empty());
        assert!(json::<Volume>(b"nonsense").is_err());
    }
}

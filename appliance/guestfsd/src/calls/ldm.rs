//! Windows dynamic disks (Logical Disk Manager): read here, or by the program ldmtool, which prints JSON.
//!
//! Without a kernel the answers are those that ldmtool gives, but that a volume which lacks a disk is listed too: it says
//! which when it is asked for its content.

use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use disk::volume::ldm::{DynamicDisks, VolumeKind};
use libguestfs_core::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::tool::Tool;
use crate::Guestfsd;
use crate::engine::names::{self, LDM_PARTITION, LDM_VOLUME};
use crate::engine::native;
use crate::error::{At, refused};

/// `ldmtool show diskgroup`.
#[derive(Debug, Deserialize)]
struct DiskGroup {
    #[serde(deserialize_with = "text")]
    name: BString,
    #[serde(deserialize_with = "texts")]
    volumes: Vec<BString>,
    #[serde(deserialize_with = "texts")]
    disks: Vec<BString>,
}

/// `ldmtool show volume`.
#[derive(Debug, Deserialize)]
struct Volume {
    #[serde(rename = "type", deserialize_with = "text")]
    kind: BString,
    #[serde(default, deserialize_with = "text")]
    hint: BString,
    #[serde(deserialize_with = "texts")]
    partitions: Vec<BString>,
}

impl Guestfsd {
    fn ldmtool(&self, call: &str) -> Result<Tool<'_>> {
        Ok(Tool::new(self.kernel(call)?, "ldmtool"))
    }

    fn dynamic_disks(&self) -> Result<Arc<DynamicDisks>> {
        self.engine.ldm().at("ldm")
    }

    /// Everything is there from the start if no kernel has to be told.
    pub(crate) fn ldmtool_create_all(&mut self) -> Result<()> {
        if self.engine.kernel().is_none() {
            return Ok(());
        }
        self.after_change(self.ldmtool("ldmtool_create_all")?.args(["create", "all"]).run())
    }

    pub(crate) fn ldmtool_remove_all(&mut self) -> Result<()> {
        self.after_change(self.ldmtool("ldmtool_remove_all")?.args(["remove", "all"]).run())
    }

    pub(crate) fn ldmtool_scan(&mut self) -> Result<Vec<BString>> {
        self.ldmtool_scan_devices(&[])
    }

    /// The program looks at all devices, whichever are named.
    pub(crate) fn ldmtool_scan_devices(&mut self, devices: &[BString]) -> Result<Vec<BString>> {
        let devices = self.canonical_devices(devices)?;
        if self.engine.kernel().is_none() {
            return Ok(self
                .dynamic_disks()?
                .groups
                .iter()
                .map(|group| group.guid.to_string().into())
                .collect());
        }
        let tool = self.ldmtool("ldmtool_scan_devices")?.arg("scan");
        let text = tool.devices(&devices)?.run()?;
        Ok(json::<Vec<String>>(&text)?.into_iter().map(BString::from).collect())
    }

    fn disk_group(&self, call: &str, group: &BStr) -> Result<DiskGroup> {
        if self.engine.kernel().is_some() {
            return json(&self.ldmtool(call)?.args(["show", "diskgroup"]).arg(group).run()?);
        }
        let disks = self.dynamic_disks()?;
        let group = disks.group(group).map_err(|e| refused(e.to_string()))?;
        Ok(DiskGroup {
            name: group.name.clone(),
            volumes: group.volumes.iter().map(|volume| volume.name.clone()).collect(),
            disks: group.disks.iter().map(|disk| disk.name.clone()).collect(),
        })
    }

    fn ldm_volume(&self, call: &str, group: &BStr, volume: &BStr) -> Result<Volume> {
        if self.engine.kernel().is_some() {
            return json(&self.ldmtool(call)?.args(["show", "volume"]).args([group, volume]).run()?);
        }
        let disks = self.dynamic_disks()?;
        let group = disks.group(group).map_err(|e| refused(e.to_string()))?;
        let found = group.volumes.iter().find(|known| known.name == volume);
        let volume =
            found.ok_or_else(|| refused(format!("disk group {} has no volume {volume}", group.name)))?;
        let parts = volume.partitions.iter().filter_map(|index| group.partitions.get(*index));
        Ok(Volume {
            kind: volume.kind.name().into(),
            hint: volume.hint.clone().unwrap_or_default(),
            partitions: parts.map(|partition| partition.name.clone()).collect(),
        })
    }

    pub(crate) fn ldmtool_diskgroup_name(&mut self, diskgroup: &BStr) -> Result<BString> {
        Ok(self.disk_group("ldmtool_diskgroup_name", diskgroup)?.name)
    }

    pub(crate) fn ldmtool_diskgroup_volumes(&mut self, diskgroup: &BStr) -> Result<Vec<BString>> {
        Ok(self.disk_group("ldmtool_diskgroup_volumes", diskgroup)?.volumes)
    }

    pub(crate) fn ldmtool_diskgroup_disks(&mut self, diskgroup: &BStr) -> Result<Vec<BString>> {
        Ok(self.disk_group("ldmtool_diskgroup_disks", diskgroup)?.disks)
    }

    pub(crate) fn ldmtool_volume_type(&mut self, diskgroup: &BStr, volume: &BStr) -> Result<BString> {
        Ok(self.ldm_volume("ldmtool_volume_type", diskgroup, volume)?.kind)
    }

    pub(crate) fn ldmtool_volume_hint(&mut self, diskgroup: &BStr, volume: &BStr) -> Result<BString> {
        Ok(self.ldm_volume("ldmtool_volume_hint", diskgroup, volume)?.hint)
    }

    pub(crate) fn ldmtool_volume_partitions(
        &mut self,
        diskgroup: &BStr,
        volume: &BStr,
    ) -> Result<Vec<BString>> {
        Ok(self.ldm_volume("ldmtool_volume_partitions", diskgroup, volume)?.partitions)
    }

    pub(crate) fn list_ldm_volumes(&mut self) -> Result<Vec<BString>> {
        self.mapped(LDM_VOLUME)
    }

    pub(crate) fn list_ldm_partitions(&mut self) -> Result<Vec<BString>> {
        self.mapped(LDM_PARTITION)
    }

    /// Devices of device-mapper whose names begin with a text.
    fn mapped(&self, prefix: &str) -> Result<Vec<BString>> {
        let mut list = self.mappings()?;
        list.retain(|device| device.starts_with(prefix.as_bytes()));
        Ok(list)
    }

    /// Devices of the columns of RAID-5 volumes.
    pub(super) fn raid5_columns(&self) -> Result<Vec<BString>> {
        let disks = self.dynamic_disks()?;
        let mut columns = Vec::new();
        for group in &disks.groups {
            let volumes = group.volumes.iter().filter(|volume| volume.kind == VolumeKind::Raid5);
            let parts = volumes.flat_map(|volume| &volume.partitions);
            let parts = parts.filter_map(|index| group.partitions.get(*index));
            columns.extend(parts.map(|part| names::ldm(LDM_PARTITION, &group.name, &part.name)));
        }
        Ok(columns)
    }

    /// What ldmtool would make devices of.
    pub(super) fn dynamic_devices(&self) -> Result<Vec<BString>> {
        Ok(native::dynamic_names(self.dynamic_disks()?.as_ref()))
    }
}

fn json<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    serde_json::from_slice(text)
        .map_err(|e| refused(format!("ldmtool: {e} in what it prints: {}", text.as_bstr())))
}

fn text<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<BString, D::Error> {
    String::deserialize(from).map(BString::from)
}

fn texts<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<BString>, D::Error> {
    Ok(Vec::<String>::deserialize(from)?.into_iter().map(BString::from).collect())
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
        assert_eq!((group.name.as_bstr(), group.volumes.len(), group.disks.len()), ("WIN-Dg0".into(), 2, 2));
        let volume: Volume = json(
            br#"{"name":"Volume1","type":"spanned","size":129024,"hint":"E:","partitions":["Disk1-01"]}"#,
        )
        .unwrap();
        assert_eq!((volume.kind.as_bstr(), volume.hint.as_bstr()), ("spanned".into(), "E:".into()));
        let volume: Volume = json(br#"{"type":"simple","partitions":[]}"#).unwrap();
        assert!(volume.hint.is_empty() && volume.partitions.is_empty());
        assert!(json::<Volume>(b"nonsense").is_err());
    }
}

//! LVM2 as the program lvm shows it, in an appliance: with the state that the kernel keeps of volumes, and with the filter.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::{LvmLv, LvmPv, LvmVg, Uuid};
use serde::Deserialize;

use crate::Guestfsd;
use crate::error::refused;

/// Columns of `pvs`, `vgs` and `lvs`: the fields of the structures of the API.
const PV_COLUMNS: &str = "pv_name,pv_uuid,pv_fmt,pv_size,dev_size,pv_free,pv_used,pv_attr,pv_pe_count,\
    pv_pe_alloc_count,pv_tags,pe_start,pv_mda_count,pv_mda_free";
const VG_COLUMNS: &str = "vg_name,vg_uuid,vg_fmt,vg_attr,vg_size,vg_free,vg_sysid,vg_extent_size,vg_extent_count,\
    vg_free_count,max_lv,max_pv,pv_count,lv_count,snap_count,vg_seqno,vg_tags,vg_mda_count,vg_mda_free";
const LV_COLUMNS: &str = "vg_name,lv_name,lv_uuid,lv_attr,lv_major,lv_minor,lv_kernel_major,lv_kernel_minor,lv_size,\
    seg_count,origin,snap_percent,copy_percent,move_pv,lv_tags,mirror_log,lv_modules";
/// Volumes that are for use.
const LISTED: &str = "lv_role=public && lv_skip_activation!=yes";
/// A percentage that does not apply.
const NO_PERCENTAGE: f32 = -1.0;

/// What `--reportformat json` prints: reports, each a list of rows under the name of what they are about.
#[derive(Debug, Deserialize)]
struct Reports {
    report: Vec<BTreeMap<String, Vec<Row>>>,
}

/// Columns and their values.
#[derive(Debug, Deserialize)]
struct Row(BTreeMap<String, String>);

impl Row {
    fn text(&self, column: &str) -> Result<BString> {
        let value = self.0.get(column).ok_or_else(|| refused(format!("lvm: no column {column}")))?;
        Ok(value.as_str().into())
    }

    fn number(&self, column: &str) -> Result<i64> {
        let text = self.text(column)?;
        let number = text.to_str().ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| refused(format!("lvm: {column} is not a number: {text}")))
    }

    fn percentage(&self, column: &str) -> Result<f32> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(NO_PERCENTAGE);
        }
        let number = text.to_str().ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| refused(format!("lvm: {column} is not a percentage: {text}")))
    }

    /// A UUID without the dashes with which it is printed.
    fn uuid(&self, column: &str) -> Result<Uuid> {
        let text = self.text(column)?;
        let bare: Vec<u8> = text.iter().copied().filter(|&b| b != b'-').collect();
        let bare = <[u8; 32]>::try_from(bare);
        bare.map(Uuid).map_err(|_| refused(format!("lvm: {column} is not a UUID: {text}")))
    }
}

/// The rows of a report.
fn rows(text: &[u8]) -> Result<Vec<Row>> {
    let reports: Reports = serde_json::from_slice(text)
        .map_err(|e| refused(format!("lvm: {e} in what it prints: {}", text.as_bstr())))?;
    Ok(reports.report.into_iter().flat_map(BTreeMap::into_values).flatten().collect())
}

impl Guestfsd {
    /// Is LVM told to see some devices only?
    pub(super) fn lvm_is_filtered(&self) -> bool {
        self.lvm_filter.is_some()
    }

    fn report(&self, call: &str, command: &str, columns: &str, selection: Option<&str>) -> Result<Vec<Row>> {
        let mut tool = self.lvm_command(call, command)?;
        tool = tool.args(["--reportformat", "json", "--units", "b", "--nosuffix", "-o", columns]);
        if let Some(selection) = selection {
            tool = tool.args(["-S", selection]);
        }
        rows(&tool.run_with_status()?)
    }

    pub(super) fn report_pvs(&self) -> Result<Vec<LvmPv>> {
        let kernel = self.kernel("pvs_full")?;
        let rows = self.report("pvs_full", "pvs", PV_COLUMNS, None)?;
        rows.iter().map(|row| physical_volume(row, |node| kernel.canonical(node))).collect()
    }

    pub(super) fn report_vgs(&self) -> Result<Vec<LvmVg>> {
        self.report("vgs_full", "vgs", VG_COLUMNS, None)?.iter().map(volume_group).collect()
    }

    /// With the names of their groups.
    pub(super) fn report_lvs(&self) -> Result<Vec<(BString, LvmLv)>> {
        self.report("lvs_full", "lvs", LV_COLUMNS, None)?.iter().map(logical_volume).collect()
    }

    /// Devices of the volumes that are for use.
    pub(super) fn report_lv_devices(&self) -> Result<Vec<BString>> {
        let rows = self.report("lvs", "lvs", "vg_name,lv_name", Some(LISTED))?;
        let device =
            |row: &Row| Ok(BString::from(format!("/dev/{}/{}", row.text("vg_name")?, row.text("lv_name")?)));
        rows.iter().map(device).collect()
    }
}

fn physical_volume(row: &Row, canonical: impl Fn(&BStr) -> BString) -> Result<LvmPv> {
    Ok(LvmPv {
        pv_name: canonical(row.text("pv_name")?.as_bstr()),
        pv_uuid: row.uuid("pv_uuid")?,
        pv_fmt: row.text("pv_fmt")?,
        pv_size: row.number("pv_size")?,
        dev_size: row.number("dev_size")?,
        pv_free: row.number("pv_free")?,
        pv_used: row.number("pv_used")?,
        pv_attr: row.text("pv_attr")?,
        pv_pe_count: row.number("pv_pe_count")?,
        pv_pe_alloc_count: row.number("pv_pe_alloc_count")?,
        pv_tags: row.text("pv_tags")?,
        pe_start: row.number("pe_start")?,
        pv_mda_count: row.number("pv_mda_count")?,
        pv_mda_free: row.number("pv_mda_free")?,
    })
}

fn volume_group(row: &Row) -> Result<LvmVg> {
    Ok(LvmVg {
        vg_name: row.text("vg_name")?,
        vg_uuid: row.uuid("vg_uuid")?,
        vg_fmt: row.text("vg_fmt")?,
        vg_attr: row.text("vg_attr")?,
        vg_size: row.number("vg_size")?,
        vg_free: row.number("vg_free")?,
        vg_sysid: row.text("vg_sysid")?,
        vg_extent_size: row.number("vg_extent_size")?,
        vg_extent_count: row.number("vg_extent_count")?,
        vg_free_count: row.number("vg_free_count")?,
        max_lv: row.number("max_lv")?,
        max_pv: row.number("max_pv")?,
        pv_count: row.number("pv_count")?,
        lv_count: row.number("lv_count")?,
        snap_count: row.number("snap_count")?,
        vg_seqno: row.number("vg_seqno")?,
        vg_tags: row.text("vg_tags")?,
        vg_mda_count: row.number("vg_mda_count")?,
        vg_mda_free: row.number("vg_mda_free")?,
    })
}

fn logical_volume(row: &Row) -> Result<(BString, LvmLv)> {
    let volume = LvmLv {
        lv_name: row.text("lv_name")?,
        lv_uuid: row.uuid("lv_uuid")?,
        lv_attr: row.text("lv_attr")?,
        lv_major: row.number("lv_major")?,
        lv_minor: row.number("lv_minor")?,
        lv_kernel_major: row.number("lv_kernel_major")?,
        lv_kernel_minor: row.number("lv_kernel_minor")?,
        lv_size: row.number("lv_size")?,
        seg_count: row.number("seg_count")?,
        origin: row.text("origin")?,
        snap_percent: row.percentage("snap_percent")?,
        copy_percent: row.percentage("copy_percent")?,
        move_pv: row.text("move_pv")?,
        lv_tags: row.text("lv_tags")?,
        mirror_log: row.text("mirror_log")?,
        modules: row.text("lv_modules")?,
    };
    Ok((row.text("vg_name")?, volume))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As lvm 2.03.16 prints it.
    #[test]
    fn rows_of_lvs_become_volumes() {
        let text = br#"
  {
      "report": [
          {
              "lv": [
                  {"vg_name":"vg", "lv_name":"snap", "lv_uuid":"hcqFhT-AKM1-gWcQ-2ERG-s3qU-ltKZ-QAW0qv",
                   "lv_attr":"swi-a-s---", "lv_major":"-1", "lv_minor":"-1", "lv_kernel_major":"253",
                   "lv_kernel_minor":"3", "lv_size":"67108864", "seg_count":"1", "origin":"a",
                   "snap_percent":"0.25", "copy_percent":"", "move_pv":"", "lv_tags":"", "mirror_log":"",
                   "lv_modules":"snapshot"}
              ]
          }
      ]
  }
"#;
        let rows = rows(text).unwrap();
        let (group, volume) = logical_volume(rows.first().unwrap()).unwrap();
        assert_eq!((group, volume.lv_name), ("vg".into(), "snap".into()));
        assert_eq!(&volume.lv_uuid.0, b"hcqFhTAKM1gWcQ2ERGs3qUltKZQAW0qv");
        assert_eq!((volume.lv_major, volume.lv_kernel_minor, volume.lv_size), (-1, 3, 67_108_864));
        assert_eq!((volume.snap_percent, volume.copy_percent), (0.25, -1.0));
        let bare = super::rows(br#"{"report":[{"lv":[{"vg_name":"vg"}]}]}"#).unwrap();
        assert!(logical_volume(bare.first().unwrap()).is_err());
        assert!(super::rows(b"nonsense").is_err());
    }
}

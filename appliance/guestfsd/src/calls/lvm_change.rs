//! LVM2: making, changing and activating volumes. The program lvm does it, told that nobody else makes its nodes.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;

use super::tool::{Ending, Tool};
use crate::Guestfsd;
use crate::error::{At, refused};
use crate::program::Program;

/// How lvm(8) has to work in an appliance: there is no udev, nothing is kept in /etc, and no daemon of LVM runs.
const SETTINGS: &str = "activation{udev_sync=0 udev_rules=0 monitoring=0}\
    backup{backup=0 archive=0}\
    devices{obtain_device_list_from_udev=0 external_device_info_source=\"none\" use_devicesfile=0 hints=\"none\"}\
    global{use_lvmpolld=0 event_activation=0}";
/// Added where the programs that check thin pools and caches are missing: without them nothing would be activated.
const NO_CHECKS: &str = "global{thin_check_executable=\"\" cache_check_executable=\"\"}";
/// A program of those.
const CHECKER: &str = "thin_check";
/// What lvresize complains of when there is nothing to do, which is no error.
const NO_CHANGE: &str = "matches existing size";
/// The file that vgcfgbackup writes, in the appliance's own memory.
const METADATA_FILE: &str = "/tmp/vgmeta";

impl Guestfsd {
    /// lvm(8) with a command of its own.
    pub(super) fn lvm_command(&self, call: &str, command: &str) -> Result<Tool<'_>> {
        let mut settings = SETTINGS.to_owned();
        if !Program::exists(CHECKER) {
            settings += NO_CHECKS;
        }
        if let Some(filter) = &self.lvm_filter {
            settings += filter;
        }
        let kernel = self.kernel(call)?;
        Ok(Tool::new(kernel, "lvm").arg(command).arg("--config").arg(settings))
    }

    /// Runs a command that changes what volumes there are.
    fn lvm_changes(&self, tool: Tool<'_>) -> Result<()> {
        self.after_change(tool.run())
    }

    /// As [`lvm_changes`](Self::lvm_changes), with a place before what goes wrong.
    fn lvm_changes_at(&self, tool: Tool<'_>, place: impl std::fmt::Display) -> Result<()> {
        self.after_change(tool.run_at(place))
    }

    /// What came of a program that changed devices. The engine is told even of a failure: a part may have been done.
    pub(super) fn after_change<T>(&self, result: Result<T>) -> Result<()> {
        let told = self.engine.kernel().map_or(Ok(()), |kernel| kernel.changed().at("devices"));
        result.and(told)
    }

    /// The canonical names of devices.
    pub(super) fn canonical_devices(&self, devices: &[BString]) -> Result<Vec<BString>> {
        devices.iter().map(|device| self.device(device.as_bstr())).collect()
    }

    pub(crate) fn pvcreate(&mut self, device: &BStr) -> Result<()> {
        let tool = self.lvm_command("pvcreate", "pvcreate")?.args(["--force", "--yes"]);
        self.lvm_changes(tool.device(self.device(device)?.as_bstr())?)
    }

    pub(crate) fn pvremove(&mut self, device: &BStr) -> Result<()> {
        let tool = self.lvm_command("pvremove", "pvremove")?.args(["--force", "--force", "--yes"]);
        self.lvm_changes(tool.device(self.device(device)?.as_bstr())?)
    }

    pub(crate) fn pvresize(&mut self, device: &BStr) -> Result<()> {
        let tool = self.lvm_command("pvresize", "pvresize")?;
        let device = self.device(device)?;
        self.lvm_changes_at(tool.device(device.as_bstr())?, &device)
    }

    pub(crate) fn pvresize_size(&mut self, device: &BStr, size: i64) -> Result<()> {
        let size = format!("{size}b");
        let tool = self.lvm_command("pvresize_size", "pvresize")?;
        let tool = tool.args(["--yes", "--setphysicalvolumesize"]).arg(size);
        let device = self.device(device)?;
        self.lvm_changes_at(tool.device(device.as_bstr())?, &device)
    }

    pub(crate) fn pvchange_uuid(&mut self, device: &BStr) -> Result<()> {
        let tool = self.lvm_command("pvchange_uuid", "pvchange")?.arg("-u");
        let device = self.device(device)?;
        self.lvm_changes_at(tool.device(device.as_bstr())?, &device)
    }

    pub(crate) fn pvchange_uuid_all(&mut self) -> Result<()> {
        self.lvm_changes(self.lvm_command("pvchange_uuid_all", "pvchange")?.args(["-u", "-a"]))
    }

    pub(crate) fn vgcreate(&mut self, volgroup: &BStr, physvols: &[BString]) -> Result<()> {
        let tool = self.lvm_command("vgcreate", "vgcreate")?.arg("--").arg(volgroup);
        let devices = self.canonical_devices(physvols)?;
        self.lvm_changes(tool.devices(&devices)?)
    }

    pub(crate) fn vgremove(&mut self, vgname: &BStr) -> Result<()> {
        let tool = self.lvm_command("vgremove", "vgremove")?.args(["--force", "--yes", "--"]);
        self.lvm_changes(tool.arg(vgname))
    }

    pub(crate) fn vgrename(&mut self, volgroup: &BStr, newvolgroup: &BStr) -> Result<()> {
        let tool = self.lvm_command("vgrename", "vgrename")?.arg("--").args([volgroup, newvolgroup]);
        self.lvm_changes_at(tool, format_args!("{volgroup} -> {newvolgroup}"))
    }

    pub(crate) fn vgscan(&mut self) -> Result<()> {
        self.lvm_changes(self.lvm_command("vgscan", "vgscan")?)
    }

    pub(crate) fn vg_activate(&mut self, activate: bool, volgroups: &[BString]) -> Result<()> {
        let tool = self.lvm_command("vg_activate", "vgchange")?;
        let tool = tool.args(["-a", if activate { "y" } else { "n" }, "--"]).args(volgroups);
        self.lvm_changes_at(tool, "vgchange")
    }

    /// Activates what is meant to be active and is not yet.
    pub(super) fn activate_new_volumes(&self) -> Result<()> {
        let tool = self.lvm_command("lvm_scan", "vgchange")?.args(["-aay", "--sysinit"]);
        self.lvm_changes_at(tool, "vgchange")
    }

    pub(crate) fn vg_activate_all(&mut self, activate: bool) -> Result<()> {
        self.vg_activate(activate, &[])
    }

    pub(crate) fn vgchange_uuid(&mut self, vg: &BStr) -> Result<()> {
        let tool = self.lvm_command("vgchange_uuid", "vgchange")?.args(["-u", "--"]).arg(vg);
        self.lvm_changes_at(tool, vg)
    }

    pub(crate) fn vgchange_uuid_all(&mut self) -> Result<()> {
        self.lvm_changes(self.lvm_command("vgchange_uuid_all", "vgchange")?.arg("-u"))
    }

    pub(crate) fn vgmeta(&mut self, vgname: &BStr) -> Result<Vec<u8>> {
        let tool = self.lvm_command("vgmeta", "vgcfgbackup")?;
        let run = tool.args(["-f", METADATA_FILE, "--"]).arg(vgname).run();
        let text = std::fs::read(METADATA_FILE);
        // Made by a run that failed, perhaps.
        let _ = std::fs::remove_file(METADATA_FILE);
        run?;
        text.map(without_settings).map_err(|e| refused(format!("{METADATA_FILE}: {e}")))
    }

    pub(crate) fn lvcreate(&mut self, logvol: &BStr, volgroup: &BStr, mbytes: i32) -> Result<()> {
        let tool = self.lvm_command("lvcreate", "lvcreate")?;
        self.lvm_changes(new_volume(tool, ["-L", &format!("{mbytes}")], logvol, volgroup))
    }

    pub(crate) fn lvcreate_free(&mut self, logvol: &BStr, volgroup: &BStr, percent: i32) -> Result<()> {
        check_percentage(percent)?;
        let tool = self.lvm_command("lvcreate_free", "lvcreate")?;
        self.lvm_changes(new_volume(tool, ["-l", &format!("{percent}%FREE")], logvol, volgroup))
    }

    /// `device` may be a volume group's directory (`/dev/VG`) too: [`is_volume_group`](Self::is_volume_group).
    pub(crate) fn lvremove(&mut self, device: &BStr) -> Result<()> {
        let tool = self.lvm_command("lvremove", "lvremove")?.args(["--force", "--yes", "--"]);
        let what = self.device(device).unwrap_or_else(|_| device.to_owned());
        self.lvm_changes(tool.arg(what))
    }

    /// Is `name` the directory of a volume group's nodes?
    pub(crate) fn is_volume_group(&mut self, name: &BStr) -> bool {
        let group = name.strip_prefix(b"/dev/").map(|group| BString::from(group.trim_end_with(|c| c == '/')));
        group.is_some_and(|group| self.vgs().is_ok_and(|groups| groups.contains(&group)))
    }

    pub(crate) fn lvrename(&mut self, logvol: &BStr, newlogvol: &BStr) -> Result<()> {
        let tool = self.lvm_command("lvrename", "lvrename")?.arg("--").args([logvol, newlogvol]);
        self.lvm_changes_at(tool, format_args!("{logvol} -> {newlogvol}"))
    }

    pub(crate) fn lvresize(&mut self, device: &BStr, mbytes: i32) -> Result<()> {
        let tool = self.lvm_command("lvresize", "lvresize")?.args(["--force", "-L"]);
        let tool = tool.arg(mbytes.to_string()).arg(self.device(device)?);
        self.resized(tool.end())
    }

    pub(crate) fn lvresize_free(&mut self, lv: &BStr, percent: i32) -> Result<()> {
        check_percentage(percent)?;
        let tool = self.lvm_command("lvresize_free", "lvresize")?.arg("-l");
        let tool = tool.arg(format!("+{percent}%FREE")).arg(self.device(lv)?);
        self.resized(tool.end())
    }

    fn resized(&self, ending: Result<Ending>) -> Result<()> {
        self.after_change(ending.and_then(|ending| {
            if ending.success() || ending.complaint().contains(NO_CHANGE) {
                return Ok(());
            }
            Err(ending.error(""))
        }))
    }

    pub(crate) fn lvm_remove_all(&mut self) -> Result<()> {
        // A group takes its volumes along, in the order that thin pools and snapshots need.
        for group in self.vgs()? {
            self.vgremove(group.as_bstr())?;
        }
        for device in self.pvs()? {
            self.pvremove(device.as_bstr())?;
        }
        Ok(())
    }

    pub(crate) fn lvm_set_filter(&mut self, devices: &[BString]) -> Result<()> {
        let kernel = self.kernel("lvm_set_filter")?;
        let mut accepted = String::new();
        for device in devices {
            let device = self.device(device.as_bstr())?;
            let whole = self.is_whole_device_name(device.as_bstr());
            let node = kernel.node(device.as_bstr()).map_err(|failure| failure.at(&device))?;
            accepted += &clause(&node.to_string_lossy(), whole);
        }
        self.refilter("lvm_set_filter", Some(format!("devices{{filter=[{accepted}\"r|.*|\"]}}")))
    }

    pub(crate) fn lvm_clear_filter(&mut self) -> Result<()> {
        self.refilter("lvm_clear_filter", None)
    }

    /// Nothing may be active that LVM is about to see no longer.
    fn refilter(&mut self, call: &str, filter: Option<String>) -> Result<()> {
        self.lvm_changes_at(self.lvm_command(call, "vgchange")?.args(["-a", "n"]), "vgchange -an")?;
        self.lvm_filter = filter;
        self.lvm_changes_at(self.lvm_command(call, "vgchange")?.args(["-a", "y"]), "vgchange -ay")
    }

    /// Is it a disk, not a partition or volume?
    fn is_whole_device_name(&self, device: &BStr) -> bool {
        self.engine.disks().iter().any(|disk| disk == device)
    }
}

/// A backup of metadata without our settings in its description, which is the command that made it.
fn without_settings(text: Vec<u8>) -> Vec<u8> {
    let stripped = |line: &[u8]| {
        let (before, rest) = line.split_once_str(" --config ")?;
        let (_, after) = rest.split_once_str(" -f ")?;
        before.starts_with(b"description = ").then(|| [before, b" -f ", after].concat())
    };
    let lines = text.lines_with_terminator().map(|line| stripped(line).unwrap_or_else(|| line.to_vec()));
    lines.collect::<Vec<_>>().concat()
}

/// The arguments of lvcreate.
fn new_volume<'k>(tool: Tool<'k>, size: [&str; 2], logvol: &BStr, volgroup: &BStr) -> Tool<'k> {
    // -y: signatures that are found where the volume comes to lie are wiped without a question.
    tool.arg("--yes").args(size).arg("-n").arg(logvol).arg("--").arg(volgroup)
}

fn check_percentage(percent: i32) -> Result<()> {
    if !(0..=100).contains(&percent) {
        return Err(refused(format!("percentage must be [0..100] (was {percent})")));
    }
    Ok(())
}

/// The clause of a filter that lets a device pass; with a whole disk, its partitions too.
fn clause(node: &str, whole: bool) -> String {
    let literal: String = node.chars().flat_map(|c| escape(c).into_iter().flatten()).collect();
    let partitions = if whole { "(p?[0-9]+)?" } else { "" };
    format!("\"a|^{literal}{partitions}$|\",")
}

/// A character of a pattern that stands for itself. LVM's patterns stand in a string of its configuration.
fn escape(c: char) -> [Option<char>; 3] {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '/' | '-' | '_' => [Some(c), None, None],
        _ => [Some('['), Some(c), Some(']')],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_accept_a_disk_with_its_partitions_or_one_partition() {
        for (node, whole, expected) in [
            ("/dev/vda", true, "\"a|^/dev/vda(p?[0-9]+)?$|\","),
            ("/dev/vda1", false, "\"a|^/dev/vda1$|\","),
            ("/dev/mapper/a.b", false, "\"a|^/dev/mapper/a[.]b$|\","),
        ] {
            assert_eq!(clause(node, whole), expected);
        }
    }

    #[test]
    fn a_backup_does_not_tell_of_our_settings() {
        let text = b"a = 1\ndescription = \"vgcfgbackup --config x{y=\\\"none\\\"} -f /tmp/vgmeta -- vg\"\nb --config c -f d\n";
        assert_eq!(
            without_settings(text.to_vec()).as_bstr(),
            "a = 1\ndescription = \"vgcfgbackup -f /tmp/vgmeta -- vg\"\nb --config c -f d\n"
        );
    }

    #[test]
    fn percentages_end_at_100() {
        assert!(check_percentage(0).is_ok() && check_percentage(100).is_ok());
        let error = check_percentage(150).unwrap_err();
        assert_eq!(error.message(), "percentage must be [0..100] (was 150)");
    }
}

//! The fields of a report: the elements of the classic document, in its order.

use std::collections::BTreeSet;

use clap::ValueEnum;

/// What can be reported of an operating system. The names are those of the XML elements and of the keys in JSON, and the
/// order is that of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Field {
    /// Its root filesystem
    Root,
    /// Type, as linux or windows
    Name,
    /// Processor
    Arch,
    /// Distribution
    Distro,
    /// Name with version, as the system calls itself
    ProductName,
    /// Variant of the product, of a Windows
    ProductVariant,
    /// First number of the version
    MajorVersion,
    /// Second number of the version
    MinorVersion,
    /// Kind of its packages, as deb or rpm
    PackageFormat,
    /// Its tool for packages, as apt or dnf
    PackageManagement,
    /// Directory of a Windows
    WindowsSystemroot,
    /// Control set that a Windows uses
    WindowsCurrentControlSet,
    /// Does a Windows have a group policy?
    WindowsGroupPolicy,
    /// Host name
    Hostname,
    /// Build number or image version
    BuildId,
    /// Short ID of libosinfo
    Osinfo,
    /// Which filesystem is mounted where
    Mountpoints,
    /// Filesystems with type, label and UUID
    Filesystems,
    /// Drive letters of a Windows
    DriveMappings,
    /// Directory of the root filesystem that it runs from, if not /
    Deployment,
    /// Snapshots of its root
    Snapshots,
    /// Installed packages
    Applications,
    /// Logo
    Icon,
}

impl Field {
    /// The name of the element and key.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::Root => "root",
            Field::Name => "name",
            Field::Arch => "arch",
            Field::Distro => "distro",
            Field::ProductName => "product_name",
            Field::ProductVariant => "product_variant",
            Field::MajorVersion => "major_version",
            Field::MinorVersion => "minor_version",
            Field::PackageFormat => "package_format",
            Field::PackageManagement => "package_management",
            Field::WindowsSystemroot => "windows_systemroot",
            Field::WindowsCurrentControlSet => "windows_current_control_set",
            Field::WindowsGroupPolicy => "windows_group_policy",
            Field::Hostname => "hostname",
            Field::BuildId => "build_id",
            Field::Osinfo => "osinfo",
            Field::Mountpoints => "mountpoints",
            Field::Filesystems => "filesystems",
            Field::DriveMappings => "drive_mappings",
            Field::Deployment => "deployment",
            Field::Snapshots => "snapshots",
            Field::Applications => "applications",
            Field::Icon => "icon",
        }
    }

    /// Does it take reading files of the guest, beyond what inspection reads?
    pub(crate) fn needs_files(self) -> bool {
        matches!(self, Field::Applications | Field::Icon)
    }

    /// All of them.
    pub(crate) fn all() -> BTreeSet<Field> {
        Field::value_variants().iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_elements_have_the_same_names() {
        for field in Field::value_variants() {
            assert_eq!(field.to_possible_value().unwrap().get_name(), field.name());
        }
    }
}

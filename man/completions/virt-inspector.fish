complete -c virt-inspector -s a -l add -d 'Add a disk image or block device of the guest' -r
complete -c virt-inspector -l blocksize -d 'Sector size of the disks added after this option' -r
complete -c virt-inspector -s c -l connect -d 'libvirt connection to find guests at' -r
complete -c virt-inspector -s d -l domain -d 'Add all disks of a libvirt guest, by name or UUID' -r
complete -c virt-inspector -l fields -d 'Report only these fields' -r -f -a "root\t'Its root filesystem'
name\t'Type, as linux or windows'
arch\t'Processor'
distro\t'Distribution'
product_name\t'Name with version, as the system calls itself'
product_variant\t'Variant of the product, of a Windows'
major_version\t'First number of the version'
minor_version\t'Second number of the version'
package_format\t'Kind of its packages, as deb or rpm'
package_management\t'Its tool for packages, as apt or dnf'
windows_systemroot\t'Directory of a Windows'
windows_current_control_set\t'Control set that a Windows uses'
windows_group_policy\t'Does a Windows have a group policy?'
hostname\t'Host name'
build_id\t'Build number or image version'
osinfo\t'Short ID of libosinfo'
mountpoints\t'Which filesystem is mounted where'
filesystems\t'Filesystems with type, label and UUID'
drive_mappings\t'Drive letters of a Windows'
deployment\t'Directory of the root filesystem that it runs from, if not /'
snapshots\t'Snapshots of its root'
applications\t'Installed packages'
icon\t'Logo'"
complete -c virt-inspector -l format -d 'Image format of the disks added after this option' -r
complete -c virt-inspector -l key -d 'Key of an encrypted device (LUKS, BitLocker)' -r
complete -c virt-inspector -s P -d 'How many guests are examined at a time, at most' -r
complete -c virt-inspector -l sbom -d 'Print a software bill of materials, a line for each guest' -r -f -a "cyclonedx\t'CycloneDX 1.6, JSON'
spdx\t'SPDX 2.3, JSON'"
complete -c virt-inspector -l xpath -d 'Print what an XPath query finds in the XML' -r
complete -c virt-inspector -l echo-keys -d 'Show passphrases while they are typed'
complete -c virt-inspector -l help -d 'Show this help'
complete -c virt-inspector -l json -d 'Print JSON, a line for each guest'
complete -c virt-inspector -l keys-from-stdin -d 'Read passphrases from standard input, one a line'
complete -c virt-inspector -l long-options -d 'List the long options, for shell completion'
complete -c virt-inspector -l no-applications -d 'Do not report applications'
complete -c virt-inspector -l no-icon -d 'Do not report the icon'
complete -c virt-inspector -l short-options -d 'List the short options, for shell completion'
complete -c virt-inspector -s v -l verbose -d 'Print on standard error what goes on'
complete -c virt-inspector -s V -l version -d 'Show the version'
complete -c virt-inspector -s x -d 'Print on standard error each call of the library and its result'

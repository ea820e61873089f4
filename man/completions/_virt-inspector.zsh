#compdef virt-inspector

autoload -U is-at-least

_virt-inspector() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'*-a+[Add a disk image or block device of the guest]:FILE|URI:_default' \
'*--add=[Add a disk image or block device of the guest]:FILE|URI:_default' \
'*--blocksize=[Sector size of the disks added after this option]::512|4096:_default' \
'-c+[libvirt connection to find guests at]:URI:_default' \
'--connect=[libvirt connection to find guests at]:URI:_default' \
'*-d+[Add all disks of a libvirt guest, by name or UUID]:GUEST:_default' \
'*--domain=[Add all disks of a libvirt guest, by name or UUID]:GUEST:_default' \
'*--fields=[Report only these fields]:FIELD:((root\:"Its root filesystem"
name\:"Type, as linux or windows"
arch\:"Processor"
distro\:"Distribution"
product_name\:"Name with version, as the system calls itself"
product_variant\:"Variant of the product, of a Windows"
major_version\:"First number of the version"
minor_version\:"Second number of the version"
package_format\:"Kind of its packages, as deb or rpm"
package_management\:"Its tool for packages, as apt or dnf"
windows_systemroot\:"Directory of a Windows"
windows_current_control_set\:"Control set that a Windows uses"
windows_group_policy\:"Does a Windows have a group policy?"
hostname\:"Host name"
build_id\:"Build number or image version"
osinfo\:"Short ID of libosinfo"
mountpoints\:"Which filesystem is mounted where"
filesystems\:"Filesystems with type, label and UUID"
drive_mappings\:"Drive letters of a Windows"
deployment\:"Directory of the root filesystem that it runs from, if not /"
snapshots\:"Snapshots of its root"
applications\:"Installed packages"
icon\:"Logo"))' \
'*--format=[Image format of the disks added after this option]::FMT:_default' \
'*--key=[Key of an encrypted device (LUKS, BitLocker)]:SELECTOR:_default' \
'-P+[How many guests are examined at a time, at most]:NR_THREADS:_default' \
'(--fields --no-applications --xpath)--sbom=[Print a software bill of materials, a line for each guest]:FORM:((cyclonedx\:"CycloneDX 1.6, JSON"
spdx\:"SPDX 2.3, JSON"))' \
'--xpath=[Print what an XPath query finds in the XML]:QUERY:_default' \
'--echo-keys[Show passphrases while they are typed]' \
'--help[Show this help]' \
'(--sbom --xpath)--json[Print JSON, a line for each guest]' \
'--keys-from-stdin[Read passphrases from standard input, one a line]' \
'--long-options[List the long options, for shell completion]' \
'--no-applications[Do not report applications]' \
'--no-icon[Do not report the icon]' \
'--short-options[List the short options, for shell completion]' \
'*-v[Print on standard error what goes on]' \
'*--verbose[Print on standard error what goes on]' \
'-V[Show the version]' \
'--version[Show the version]' \
'-x[Print on standard error each call of the library and its result]' \
'*::operands -- Disk images, each a guest of its own:_default' \
&& ret=0
}

(( $+functions[_virt-inspector_commands] )) ||
_virt-inspector_commands() {
    local commands; commands=()
    _describe -t commands 'virt-inspector commands' commands "$@"
}

if [ "$funcstack[1]" = "_virt-inspector" ]; then
    _virt-inspector "$@"
else
    compdef _virt-inspector virt-inspector
fi

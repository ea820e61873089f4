#compdef virt-ls

autoload -U is-at-least

_virt-ls() {
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
'--checksum=[Show a checksum of each regular file'\''s content (with -lR)]::TYPE:(crc md5 sha1 sha224 sha256 sha384 sha512)' \
'-c+[libvirt connection to find guests at]:URI:_default' \
'--connect=[libvirt connection to find guests at]:URI:_default' \
'*-d+[Add all disks of a libvirt guest, by name or UUID]:GUEST:_default' \
'*--domain=[Add all disks of a libvirt guest, by name or UUID]:GUEST:_default' \
'*--format=[Image format of the disks added after this option]::FMT:_default' \
'*--key=[Key of an encrypted device (LUKS, BitLocker)]:SELECTOR:_default' \
'*-m+[Mount a filesystem by hand, instead of all that the guest mounts itself]:DEV[:MNT[:OPTS[:FSTYPE]]]:_default' \
'*--mount=[Mount a filesystem by hand, instead of all that the guest mounts itself]:DEV[:MNT[:OPTS[:FSTYPE]]]:_default' \
'--csv[Print comma-separated values (with -lR)]' \
'--echo-keys[Show passphrases while they are typed]' \
'--extra-stats[Show device, inode number, number of links, number of a special file, and blocks (with -lR)]' \
'--help[Show this help]' \
'-h[Show sizes with a unit, as in 1.5K (with -lR)]' \
'--human-readable[Show sizes with a unit, as in 1.5K (with -lR)]' \
'(--csv -h --human-readable)--json[Print JSON, in every mode]' \
'--keys-from-stdin[Read passphrases from standard input, one a line]' \
'-l[Long listing, as of ls -la; with -R, one record an entry]' \
'--long[Long listing, as of ls -la; with -R, one record an entry]' \
'--long-options[List the long options, for shell completion]' \
'-R[List what is in the directories below, too]' \
'--recursive[List what is in the directories below, too]' \
'--short-options[List the short options, for shell completion]' \
'--times[Show times of last access, last modification and last change of status (with -lR)]' \
'--time-days[Show times as whole days before now (with -lR)]' \
'--time-relative[Show times as seconds before now (with -lR)]' \
'--time-t[Show times as seconds since 1970 (with -lR)]' \
'--uids[Show numeric owners and groups (with -lR)]' \
'*-v[Print on standard error what goes on]' \
'*--verbose[Print on standard error what goes on]' \
'-V[Show the version]' \
'--version[Show the version]' \
'-x[Print on standard error each call of the library and its result]' \
'*::directories -- Directories of the guest, with their full paths:_default' \
&& ret=0
}

(( $+functions[_virt-ls_commands] )) ||
_virt-ls_commands() {
    local commands; commands=()
    _describe -t commands 'virt-ls commands' commands "$@"
}

if [ "$funcstack[1]" = "_virt-ls" ]; then
    _virt-ls "$@"
else
    compdef _virt-ls virt-ls
fi

#compdef virt-cat

autoload -U is-at-least

_virt-cat() {
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
'*--format=[Image format of the disks added after this option]::FMT:_default' \
'*--key=[Key of an encrypted device (LUKS, BitLocker)]:SELECTOR:_default' \
'*-m+[Mount a filesystem by hand, instead of all that the guest mounts itself]:DEV[:MNT[:OPTS[:FSTYPE]]]:_default' \
'*--mount=[Mount a filesystem by hand, instead of all that the guest mounts itself]:DEV[:MNT[:OPTS[:FSTYPE]]]:_default' \
'--echo-keys[Show passphrases while they are typed]' \
'--help[Show this help]' \
'--keys-from-stdin[Read passphrases from standard input, one a line]' \
'--long-options[List the long options, for shell completion]' \
'--short-options[List the short options, for shell completion]' \
'*-v[Print on standard error what goes on]' \
'*--verbose[Print on standard error what goes on]' \
'-V[Show the version]' \
'--version[Show the version]' \
'-x[Print on standard error each call of the library and its result]' \
'*::files -- Files of the guest, with their full paths:_default' \
&& ret=0
}

(( $+functions[_virt-cat_commands] )) ||
_virt-cat_commands() {
    local commands; commands=()
    _describe -t commands 'virt-cat commands' commands "$@"
}

if [ "$funcstack[1]" = "_virt-cat" ]; then
    _virt-cat "$@"
else
    compdef _virt-cat virt-cat
fi

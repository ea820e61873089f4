#compdef virt-df

autoload -U is-at-least

_virt-df() {
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
'-P+[How many guests are examined at a time, at most]:NR_THREADS:_default' \
'--csv[Print comma-separated values]' \
'--echo-keys[Show passphrases while they are typed]' \
'--help[Show this help]' \
'-h[Show sizes with a unit, as in 1.5G]' \
'--human-readable[Show sizes with a unit, as in 1.5G]' \
'-i[Show inodes, not blocks]' \
'--inodes[Show inodes, not blocks]' \
'(--csv -h --human-readable)--json[Print JSON]' \
'--keys-from-stdin[Read passphrases from standard input, one a line]' \
'--long-options[List the long options, for shell completion]' \
'--one-per-guest[Does nothing, for scripts that have it]' \
'--separate[Take each disk for a guest of its own]' \
'--short-options[List the short options, for shell completion]' \
'--uuid[Show UUIDs instead of names, of libvirt guests]' \
'*-v[Print on standard error what goes on]' \
'*--verbose[Print on standard error what goes on]' \
'-V[Show the version]' \
'--version[Show the version]' \
'-x[Print on standard error each call of the library and its result]' \
'*::operands -- Disk images, in the old style:_default' \
&& ret=0
}

(( $+functions[_virt-df_commands] )) ||
_virt-df_commands() {
    local commands; commands=()
    _describe -t commands 'virt-df commands' commands "$@"
}

if [ "$funcstack[1]" = "_virt-df" ]; then
    _virt-df "$@"
else
    compdef _virt-df virt-df
fi

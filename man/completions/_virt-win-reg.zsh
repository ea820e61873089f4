#compdef virt-win-reg

autoload -U is-at-least

_virt-win-reg() {
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
'--backup=[Keep the old hive and its logs when a merge writes a new one]::SUFFIX:_default' \
'*--blocksize=[Sector size of the disks added after this option]::512|4096:_default' \
'-c+[libvirt connection to find guests at]:URI:_default' \
'--connect=[libvirt connection to find guests at]:URI:_default' \
'*-d+[Add all disks of a libvirt guest, by name or UUID]:GUEST:_default' \
'*--domain=[Add all disks of a libvirt guest, by name or UUID]:GUEST:_default' \
'--encoding=[How strings are stored by a merge]:UTF-16LE|ASCII:_default' \
'*--format=[Image format of the disks added after this option]:FMT:_default' \
'(-a --add --blocksize -d --domain --format --root)--hive=[Work on a hive file, with no guest around it]:FILE:_files' \
'*--key=[Key of an encrypted device (LUKS, BitLocker)]:SELECTOR:_default' \
'--max-depth=[Print at most so many levels of keys]:LEVELS:_default' \
'--prefix=[What keys of the hive file of --hive begin with]:PREFIX:_default' \
'--root=[Which system, if there are several with Windows]:DEVICE:_default' \
'--debug[The same as -v]' \
'--echo-keys[Show passphrases while they are typed]' \
'--help[Show this help]' \
'(--unsafe-printable-strings)--json[Print JSON]' \
'--keys-from-stdin[Read passphrases from standard input, one a line]' \
'--long-options[List the long options, for shell completion]' \
'(--json --max-depth --unsafe-printable-strings)--merge[Merge .reg files into the registry]' \
'--short-options[List the short options, for shell completion]' \
'--unsafe-printable-strings[Print strings as text, not in hexadecimal]' \
'*-v[Print on standard error what goes on]' \
'*--verbose[Print on standard error what goes on]' \
'-V[Show the version]' \
'--version[Show the version]' \
'-x[Print on standard error each call of the library and its result]' \
'*::operands -- The disk, if there is no -a; the key; the value:_default' \
&& ret=0
}

(( $+functions[_virt-win-reg_commands] )) ||
_virt-win-reg_commands() {
    local commands; commands=()
    _describe -t commands 'virt-win-reg commands' commands "$@"
}

if [ "$funcstack[1]" = "_virt-win-reg" ]; then
    _virt-win-reg "$@"
else
    compdef _virt-win-reg virt-win-reg
fi

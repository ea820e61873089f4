#compdef libguestfs-make-fixed-appliance

autoload -U is-at-least

_libguestfs-make-fixed-appliance() {
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
'--help[Show this help]' \
'--long-options[List the long options, for shell completion]' \
'--short-options[List the short options, for shell completion]' \
'-V[Show the version]' \
'--version[Show the version]' \
'--xz[Make a compressed archive in the current directory]' \
'::directory -- Directory for the appliance:_files' \
&& ret=0
}

(( $+functions[_libguestfs-make-fixed-appliance_commands] )) ||
_libguestfs-make-fixed-appliance_commands() {
    local commands; commands=()
    _describe -t commands 'libguestfs-make-fixed-appliance commands' commands "$@"
}

if [ "$funcstack[1]" = "_libguestfs-make-fixed-appliance" ]; then
    _libguestfs-make-fixed-appliance "$@"
else
    compdef _libguestfs-make-fixed-appliance libguestfs-make-fixed-appliance
fi

_libguestfs__make__fixed__appliance() {
    local i cur prev opts cmd
    COMPREPLY=()
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        cur="$2"
    else
        cur="${COMP_WORDS[COMP_CWORD]}"
    fi
    prev="$3"
    cmd=""
    opts=""

    for i in "${COMP_WORDS[@]:0:COMP_CWORD}"
    do
        case "${cmd},${i}" in
            ",$1")
                cmd="libguestfs__make__fixed__appliance"
                ;;
            *)
                ;;
        esac
    done

    case "${cmd}" in
        libguestfs__make__fixed__appliance)
            opts="-V --help --long-options --short-options --version --xz"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 1 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _libguestfs__make__fixed__appliance -o nosort -o bashdefault -o default libguestfs-make-fixed-appliance
else
    complete -F _libguestfs__make__fixed__appliance -o bashdefault -o default libguestfs-make-fixed-appliance
fi

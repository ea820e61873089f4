#!/bin/bash
# Makes the arrays of the fixtures. Runs inside the appliance (see make.sh), which tells the six disks apart by their sizes.
exec 2>&1
udevadm control --exit || echo "no udev"
for m in linear raid0 raid1 raid10 raid456; do modprobe $m || echo "no $m"; done

# Every sector says whose it is.
fill() { # DEVICE NAME [SEEK COUNT]
    n=${4:-$(blockdev --getsz $1)}
    gawk -v n="$2" -v s=$n 'BEGIN { for (i = 0; i < s; i++) printf "%-511s\n", n ":" i }' |
        dd of=$1 bs=64k seek=${3:-0} iflag=fullblock conv=notrunc,fsync 2>/dev/null
}

letters=()
for d in /sys/block/sd*; do
    n=$((($(cat $d/size) - 98304) / 128))
    [ $n -ge 1 ] && [ $n -le 6 ] && letters[n - 1]=${d##*/sd}
done
echo "disks: ${letters[*]}"

declare -A md part
line=0
make() { # NAME SIZES OPTIONS...
    name=$1 sizes=$2 node=/dev/md$line
    shift 2
    members=() journal= offset=64
    IFS=, read -ra each <<<"$sizes"
    for d in "${!each[@]}"; do
        [ "${each[d]}" = 0 ] && continue
        p=/dev/sd${letters[d]}$line
        case " $* " in
        *" OFFSETS "*) members+=($p:$offset); offset=$((offset + 32)) ;;
        *" JOURNAL "*) [ -z "$journal" ] && journal=$p || members+=($p) ;;
        *) members+=($p) ;;
        esac
    done
    options=()
    spares=0
    for o in "$@"; do
        case $o in
        OFFSETS) ;;
        JOURNAL) options+=(--write-journal=$journal) ;;
        -x*) spares=${o#-x}; options+=($o) ;;
        *) options+=($o) ;;
        esac
    done
    case " $* " in *" -e0.90 "*) ;; *) options+=(--name=$name --homehost=host) ;; esac
    mdadm --create $node --run --assume-clean "${options[@]}" -n $((${#members[@]} - spares)) "${members[@]}" >/tmp/out 2>&1 ||
        { echo "NO $name:"; cat /tmp/out; return; }
    md[$name]=$node
    part[$name]="${members[*]%:*}"
    fill $node $name
}
while read -r name sizes options; do
    case $name in "#"*) continue ;; esac
    line=$((line + 1))
    make $name $sizes $options
done </tmp/arrays.txt

member() { set -- ${part[$1]} "$2"; eval "echo \${$(($# == 0 ? 1 : ${!#} + 1))}"; }
sys() { echo /sys/block/${md[$1]#/dev/}/md; }

# Members that went away, and what was written since.
away() { # NAME MEMBER
    mdadm ${md[$1]} --fail $(member $1 $2) && mdadm ${md[$1]} --remove $(member $1 $2)
    fill ${md[$1]} $1:without:$2 1 200
}
away stale1 2
away stale5 1
away stale6 1
away stale6 3
away stale10 0
# A spare that took over.
for a in rebuilt5 rebuilt090; do
    mdadm ${md[$a]} --fail $(member $a 0)
    sleep 2
    mdadm --wait ${md[$a]}
    mdadm ${md[$a]} --remove $(member $a 0)
    fill ${md[$a]} $a:later 2 200
done
# One that has not finished, and one that is to replace a member.
echo 512 >$(sys partial5)/sync_max
mdadm ${md[partial5]} --fail $(member partial5 1)
echo 256 >$(sys replace5)/sync_max
mdadm ${md[replace5]} --replace $(member replace5 0)
sleep 3
fill ${md[partial5]} partial5:later 2 200
# Blocks of the first member that can't be read.
b=$(member badblocks 0)
echo 100 8 >$(sys badblocks)/dev-${b#/dev/}/bad_blocks
cat $(sys badblocks)/dev-${b#/dev/}/bad_blocks
fill ${md[badblocks]} badblocks:later 4 64

# An array of arrays.
mdadm --create /dev/md100 --run --assume-clean -e1.2 -l0 -c4 --data-offset=64 --name=outer --homehost=host -n2 ${md[inner1]} ${md[inner5]} && fill /dev/md100 outer

sync
sleep 2
cat /proc/mdstat
mdadm --stop /dev/md100
for name in "${!md[@]}"; do mdadm --stop ${md[$name]} || echo "NOT STOPPED $name"; done
# Both halves of a mirror went their own ways.
for m in 0 1; do
    mdadm --assemble --run ${md[split1]} $(member split1 $m)
    fill ${md[split1]} split1:$m 1 100
    [ $m = 1 ] && fill ${md[split1]} split1:$m 2 100
    sleep 1
    mdadm --stop ${md[split1]}
done
for m in 0 1; do mdadm --examine $(member split1 $m) | grep -i 'event\|array state'; done
echo DONE

#!/bin/bash
# Makes the volume groups of the LVM2 fixtures. Runs inside the appliance (see make.sh), where the disks are
# sda sdb sdc (plain), sdd (ring), sde sdf sdg sdh (fancy). Prints what lvm and the kernel say of them.
exec 2>&1
export LVM_SUPPRESS_FD_WARNINGS=1
mkdir -p /etc/lvm
for m in dm-mod dm-mirror dm-snapshot dm-thin-pool dm-raid raid1 raid456 dm-cache dm-cache-smq dm-log; do
    modprobe $m || echo "no $m"
done

# No udev here to make the nodes, no thin_check or cache_check to run.
cfg='global { thin_check_executable="" cache_check_executable="" thin_repair_executable="" } activation { udev_sync=0 udev_rules=0 monitoring=0 } devices { use_devicesfile=0 }'
L() { cmd=$1; shift; lvm "$cmd" --config "$cfg" "$@" >/tmp/lvm.out 2>&1 || { echo "lvm $cmd $*:"; cat /tmp/lvm.out; return 1; }; }

# Every sector says whose it is.
fill() { # VG/LV [FIRST COUNT]
    lvm vgmknodes --config "$cfg" >/dev/null 2>&1 || true
    size=$(blockdev --getsz /dev/$1)
    gawk -v n="${3:-$1}" -v s=$size 'BEGIN { for (i = 0; i < s; i++) printf "%-511s\n", n ":" i }' |
        dd of=/dev/$1 bs=64k iflag=fullblock conv=notrunc,fsync 2>/dev/null
}

# --- plain: linear, several segments, stripes, flags; two, one and no metadata areas a volume
L pvcreate --metadatasize 64k --metadatacopies 2 /dev/sda
L pvcreate --metadatasize 64k /dev/sdb
L pvcreate --metadatacopies 0 /dev/sdc
L vgcreate -s 64k plain /dev/sda /dev/sdb /dev/sdc
L pvchange --addtag 'pvtag' /dev/sdb
L vgchange --addtag vgtag1 --addtag 'vg+tag/2' plain
L vgchange -p 9 -l 40 plain
L lvcreate -y -an -Zn -L 512k -n first plain /dev/sda
L lvcreate -y -Wn -L 512k -n linear plain /dev/sda
L lvcreate -y -Wn -L 256k -n other plain /dev/sda
L lvextend -L 1m plain/linear /dev/sda
L lvextend -L 1536k plain/linear /dev/sdc
L lvremove -y plain/first
L lvextend -L 1792k plain/linear /dev/sda
L lvcreate -y -Wn -i 2 -I 4k -l 16 -n stripe2 plain /dev/sda /dev/sdb
L lvcreate -y -Wn -i 3 -I 16k -l 12 -n stripe3 plain
L lvextend -i 2 -I 64k -l +4 plain/stripe3 /dev/sdb /dev/sdc
L lvcreate -y -Wn -L 128k -n with-dash_and.dot plain --addtag lvtag
L lvcreate -y -Wn -L 128k -n skipped plain
L lvcreate -y -Wn -L 128k -n readonly plain
L lvcreate -y -Wn -L 128k -n manual plain
L lvcreate -y -Wn -L 128k -n fixedminor plain --persistent y --major 253 --minor 77
L lvcreate -y -Wn -L 128k -n contig -C y plain
for lv in linear other stripe2 stripe3 with-dash_and.dot skipped readonly manual fixedminor contig; do fill plain/$lv; done
L lvchange -ky plain/skipped
L lvchange -pr plain/readonly
L lvchange --setautoactivation n plain/manual || echo "no setautoactivation"

# --- ring: a group with a long history
L pvcreate --metadatasize 16k /dev/sdd
L vgcreate -s 64k ring /dev/sdd
L lvcreate -y -Wn -L 256k -n data ring
L lvcreate -y -Wn -L 192k -n more ring
fill ring/data
fill ring/more
for i in $(seq 200); do
    L lvchange --addtag "tag$i" ring/data
    [ $i -gt 12 ] && L lvchange --deltag "tag$((i - 12))" ring/data
done

# --- fancy: everything that is not a plain mapping
L vgcreate -s 64k fancy /dev/sde /dev/sdf /dev/sdg /dev/sdh
L lvcreate -y -Wn -L 1m -n lin fancy
L lvcreate -y -Wn -L 1m -n origin fancy
fill fancy/origin
L lvcreate -y -s -c 4k -L 512k -n snap fancy/origin
L lvcreate -y -s -c 8k -L 512k -n snap2 fancy/origin
gawk 'BEGIN { for (i = 0; i < 64; i++) printf "%-511s\n", "snap:changed:" i }' | dd of=/dev/fancy/snap bs=4k seek=17 conv=notrunc,fsync 2>/dev/null
gawk 'BEGIN { for (i = 0; i < 64; i++) printf "%-511s\n", "origin:changed:" i }' | dd of=/dev/fancy/origin bs=4k seek=31 conv=notrunc,fsync 2>/dev/null
fill fancy/lin
for k in "raid1 --type raid1 -m 1 -L 1m" "mirror --type mirror -m 1 --mirrorlog core -L 1m" "mirrorlog --type mirror -m 1 --mirrorlog disk -L 1m" "raid5 --type raid5 -i 2 -I 4k -l 32" \
    "raid10 --type raid10 -i 2 -m 1 -I 4k -l 16" "raid0 --type raid0 -i 2 -I 8k -l 8" "raid0m --type raid0_meta -i 2 -I 8k -l 8" "raid4 --type raid4 -i 2 -I 4k -l 16"; do
    set -- $k; n=$1; shift
    L lvcreate -y -Wn "$@" -n $n fancy && fill fancy/$n || echo "NO $n"
done
L lvcreate -y -Wn -L 512k -n plainzero fancy
# Allocated but failing: a volume of type error, and one of zeros.
L lvcreate -y --type zero -L 256k -n zeros fancy || echo "NO zero"
L lvcreate -y --type error -L 256k -n errors fancy || echo "NO error"
# Thin pool with a volume, its snapshot, and a volume with an external origin.
L lvcreate -y --type thin-pool -L 4m -c 64k --poolmetadatasize 2m --poolmetadataspare n -n pool fancy && {
    L lvcreate -y --type thin -V 2m --thinpool pool -n thin fancy
    fill fancy/thin
    L lvcreate -y -s -kn -n thinsnap fancy/thin
    gawk 'BEGIN { for (i = 0; i < 64; i++) printf "%-511s\n", "thinsnap:" i }' | dd of=/dev/fancy/thinsnap bs=64k seek=5 conv=notrunc,fsync 2>/dev/null || echo "NO thinsnap node"
    gawk 'BEGIN { for (i = 0; i < 64; i++) printf "%-511s\n", "thin:" i }' | dd of=/dev/fancy/thin bs=64k seek=7 conv=notrunc,fsync 2>/dev/null
    L lvcreate -y --type thin -V 3m --thinpool pool -n thinholes fancy
    gawk 'BEGIN { for (i = 0; i < 128; i++) printf "%-511s\n", "thinholes:" i }' | dd of=/dev/fancy/thinholes bs=64k seek=20 conv=notrunc,fsync 2>/dev/null
    L lvcreate -y -s -n thinskip fancy/thin
} || echo "NO thin"
# Cached volume, written back lazily.
L lvcreate -y -Wn -L 2m -n cached fancy && fill fancy/cached && L lvcreate -y --type cache-pool -L 2m -c 64k --poolmetadatasize 2m --poolmetadataspare n -n cpool fancy &&
    L lvconvert -y --type cache --cachepool cpool --cachemode writeback fancy/cached && {
    for i in 1 2 3 4 5 6; do dd if=/dev/fancy/cached of=/dev/null bs=64k iflag=direct 2>/dev/null; done
    gawk 'BEGIN { for (i = 0; i < 1024; i++) printf "%-511s\n", "cached:changed:" i }' | dd of=/dev/fancy/cached bs=64k seek=3 conv=notrunc oflag=direct iflag=fullblock 2>/dev/null
} || echo "NO cache"
sync
sleep 2
lvm lvs --config "$cfg" -a -o lv_name,sync_percent,segtype fancy
echo "DONE"

#!/bin/bash
# Makes wrapped.img.xz: a physical volume whose metadata text runs over the end of its area. Needs root, lvm2, xz-utils;
# no device-mapper, as nothing is activated.
set -e
here=$(cd "$(dirname "$0")" && pwd)
image=${1:?usage: make-wrapped.sh NEW-FILE}
truncate -s 4M "$image"
loop=$(losetup --find --show "$image")
trap 'losetup --detach $loop' EXIT
L() {
    cmd=$1; shift
    lvm "$cmd" --driverloaded n --config "devices { use_devicesfile=0 filter=[\"a|^$loop\$|\",\"r|.*|\"] } activation { udev_sync=0 udev_rules=0 } backup { backup=0 archive=0 }" "$@" >/dev/null 2>&1
}
L pvcreate --metadatasize 32k --dataalignment 4k "$loop"
L vgcreate -s 64k wrapped "$loop"
L lvcreate -y -an -Zn -Wn -l 3 -n data wrapped
for i in $(seq 100); do
    L lvchange --addtag "tag$i" wrapped/data
    # In the header of the metadata area at 4096: its size at 32; at 40 and 48 place and length of the text.
    set -- $(od -An -v -tu8 -w24 -j $((4096 + 32)) -N 24 "$loop")
    if [ $(($2 + $3)) -gt "$1" ]; then echo "wrapped with tag$i: $*"; break; fi
done
sync
xz -9 -c "$image" >"$here/wrapped.img.xz"

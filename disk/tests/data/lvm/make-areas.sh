#!/bin/bash
# Makes foreign.img.xz, a volume group that belongs to another host, and ignored1.img.xz and ignored2.img.xz, of which
# the first has a metadata area that is out of use. Needs root, lvm2, xz-utils; no device-mapper, as nothing is
# activated. Shows what lvm reports.
set -e
here=$(cd "$(dirname "$0")" && pwd)
directory=$(mktemp -d)
loops=
trap 'losetup --detach $loops; rm -r "$directory"' EXIT
attach() { truncate -s 4M "$directory/$1"; losetup --find --show "$directory/$1"; }
L() {
    cmd=$1; shift
    lvm "$cmd" --driverloaded n --config "devices { use_devicesfile=0 filter=[\"a/^($foreign|$ignored1|$ignored2)\$/\",\"r|.*|\"] } activation { udev_sync=0 udev_rules=0 } backup { backup=0 archive=0 }" "$@" 2>/dev/null
}
foreign=$(attach foreign); ignored1=$(attach ignored1); ignored2=$(attach ignored2)
loops="$foreign $ignored1 $ignored2"
L pvcreate -q --metadatasize 32k --dataalignment 4k --metadataignore y "$ignored1"
L pvcreate -q --metadatasize 64k --dataalignment 4k "$ignored2"
L vgcreate -q -s 64k ignored "$ignored1" "$ignored2"
L pvcreate -q --metadatasize 32k --dataalignment 4k "$foreign"
L vgcreate -q -s 64k foreign "$foreign"
L lvcreate -q -y -an -Zn -Wn -l 3 -n data foreign
L vgchange -q -y --systemid another-host foreign
L pvs --units b -o pv_name,vg_name,pv_mda_count,pv_mda_free
L vgs --units b -o vg_name,vg_mda_count,vg_mda_free
L lvs
sync
for name in foreign ignored1 ignored2; do xz -9 -c "$directory/$name" >"$here/$name.img.xz"; done

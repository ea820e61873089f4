#!/bin/bash
# Makes the fixtures of software RAID anew: disk*.img.xz and expected.json. Needs guestfish (libguestfs-tools), sfdisk,
# xz-utils and python3; nothing here runs in tests. Debian's kernel and mdadm do it, inside guestfish's appliance.
#
# Each line of arrays.txt is an array. Line n has partition n of the disks.
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=${1:?usage: make.sh EMPTY-DIRECTORY}
export LIBGUESTFS_BACKEND=${LIBGUESTFS_BACKEND:-direct}
cd "$work"
disks=(disk1.img disk2.img disk3.img disk4.img disk5.img disk6.img)
for d in 0 1 2 3 4 5; do
    rm -f "${disks[d]}"
    # By their sizes the appliance tells them apart: kernels name disks in any order.
    truncate -s $((48 * 1024 + 64 * (d + 1)))K "${disks[d]}"
    grep -v '^#' "$here/arrays.txt" | awk -v d=$((d + 1)) 'BEGIN { print "label: gpt"; print "table-length: 128"; at = 2048 } {
        n = split($2, size, ","); if (d > n || size[d] == 0) next
        print NR ": start=" at ", size=" size[d] * 2 ", name=" $1; at += size[d] * 2 + (-(size[d] * 2)) % 8 + 8 }' |
        sfdisk -q "${disks[d]}"
done
drives() { for d in "${disks[@]}"; do echo -a "$d"; done; }
guestfish --format=raw $(drives) <<END | tee make.log
run
debug-upload $here/in-appliance.sh /tmp/make.sh 0755
debug-upload $here/arrays.txt /tmp/arrays.txt 0644
debug sh "/tmp/make.sh"
END
grep -q '^DONE' make.log
guestfish --ro --format=raw $(drives) >report.log <<END
run
debug-upload $here/report.sh /tmp/report.sh 0755
debug sh "/tmp/report.sh"
echo @@list-md-devices
list-md-devices
echo @@list-filesystems
list-filesystems
echo @@end
END
python3 "$here/expected.py" make.log report.log "${disks[@]}" >"$here/expected.json"
xz -6 -c "${disks[@]}" >"$here/disks.img.xz"
ls -l "$here"

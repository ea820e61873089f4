#!/bin/bash
# Makes the LVM2 fixtures anew: *.img.xz and expected.json. Needs guestfish (libguestfs-tools), xz-utils and python3;
# nothing here runs in tests. Everything that needs device-mapper happens inside guestfish's appliance.
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=${1:?usage: make.sh EMPTY-DIRECTORY}
export LIBGUESTFS_BACKEND=${LIBGUESTFS_BACKEND:-direct}
cd "$work"
names=(plain1 plain2 plain3 ring fancy1 fancy2 fancy3 fancy4)
for n in "${names[@]}"; do rm -f $n.img; truncate -s 8M $n.img; done
for n in fancy1 fancy2 fancy3 fancy4; do truncate -s 16M $n.img; done
drives() { for n in "${names[@]}"; do echo -a $n.img; done; }
guestfish --format=raw $(drives) <<EOF | tee make.log
run
debug-upload $here/in-appliance.sh /tmp/make.sh 0755
debug sh "/tmp/make.sh"
EOF
grep -q '^DONE' make.log
guestfish --ro --format=raw $(drives) >report.log <<EOF
run
debug-upload $here/report.sh /tmp/report.sh 0755
debug sh "/tmp/report.sh"
echo @@pvs-full
pvs-full
echo @@vgs-full
vgs-full
echo @@lvs-full
lvs-full
echo @@lvs-call
lvs
echo @@end
EOF
python3 "$here/expected.py" report.log >"$here/expected.json"
for n in "${names[@]}"; do xz -9e -c $n.img >"$here/$n.img.xz"; done
ls -l "$here"

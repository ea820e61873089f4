#!/bin/bash
# Reports on the fixtures' arrays as guestfish's appliance put them together. Runs inside the appliance (see make.sh).
exec 2>&1
echo @@disks
grep . /sys/block/sd*/size
echo @@mdstat
cat /proc/mdstat
ls -l /dev/md/ /dev/md*
for d in /sys/block/md*; do
    n=${d##*/}
    [ "$(cat $d/size)" = 0 ] && { echo "@@none $n"; continue; }
    echo "@@array $n"
    echo size=$(blockdev --getsize64 /dev/$n)
    echo sha256=$(sha256sum </dev/$n | cut -d' ' -f1)
    echo state=$(cat $d/md/array_state) degraded=$(cat $d/md/degraded 2>/dev/null)
    echo @@detail
    mdadm --detail --export /dev/$n
done
dmesg | grep -i 'md[0-9]\|md:' | tail -50
echo @@report-end

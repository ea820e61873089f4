#!/bin/bash
# crash_image.sh OUT SIZE MOUNT_OPTIONS SEED COMMITS FLAGS MKFS...   (as root)
#
# Makes OUT, an image of SIZE with a filesystem that was cut off in the middle of work: MKFS makes it, it is mounted on
# a loop device with MOUNT_OPTIONS, churn.py works on it with SEED, and after about COMMITS commits the filesystem's own
# shutdown ioctl stops it. FLAGS "-f" writes the journal's current transaction first, "" does not.
# CHURN names another script than churn.py.
# Needs: xfsprogs (xfs_io), python3, util-linux.
set -euo pipefail
out=$1 size=$2 options=$3 seed=$4 commits=$5 flags=$6
shift 6
here=$(cd "$(dirname "$0")" && pwd)
mnt=$(mktemp -d)
rm -f "$out" "$out.commits"
truncate -s "$size" "$out"
"$@" "$out" >/dev/null
mount -o "loop,$options" "$out" "$mnt"
trap 'umount -l "$mnt" 2>/dev/null; rmdir "$mnt" 2>/dev/null' EXIT

# Something that is there for sure, and has left the journal.
python3 "$here/${CHURN:-churn.py}" "$mnt" "$seed" 1 >/dev/null
sync -f "$mnt"

workers=()
for n in 1 2; do
    python3 "$here/${CHURN:-churn.py}" "$mnt" "$((seed + n))" 1000 >>"$out.commits" 2>/dev/null &
    workers+=($!)
done
for _ in $(seq 600); do
    [ "$(stat -c %s "$out.commits" 2>/dev/null || echo 0)" -ge "$commits" ] && break
    sleep 0.05
done
# shellcheck disable=SC2086 # no flags at all, or one
xfs_io -x -c "shutdown $flags" "$mnt"
kill -KILL "${workers[@]}" 2>/dev/null || true
wait "${workers[@]}" 2>/dev/null || true
for _ in $(seq 50); do
    umount "$mnt" 2>/dev/null && break
    sleep 0.1
done
rmdir "$mnt"
[ "$(stat -c %s "$out.commits")" -ge "$commits" ]   # else the churn failed
rm "$out.commits"
trap - EXIT

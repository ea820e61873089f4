#!/bin/bash
# Makes the samples beside it: superblocks and what else probing reads of filesystems whose programs are not installed
# for tests. Needs root, xz-utils, python3 and apfsprogs bcache-tools cryptsetup-bin erofs-utils genromfs gfs2-utils
# hfsutils jfsutils makefs nilfs-tools ocfs2-tools reiser4progs reiserfsprogs udftools zfs-fuse.
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"
mkdir tree; echo hi >tree/a
sample() { # name, size, command: makes $F
    export F=$1.img
    truncate -s "$2" "$F"
    bash -c "$3" >/dev/null 2>&1 </dev/null
    python3 "$here/reduce.py" "$F" | xz -9e -c >"$here/$1.xz"
    echo "$1: $(blkid -p -o udev "$F" | grep -v _ENC | tr '\n' ' ')"
    rm "$F"
}
sample apfs 600M 'mkapfs -L apfsl $F'
sample bcache 16M 'make-bcache -B $F'
sample erofs 0 'mkfs.erofs $F tree'
sample gfs2 300M 'mkfs.gfs2 -O -p lock_dlm -t clus:gfslabel -j 1 -J 8 $F'
sample hfs 4M 'hformat -l "HFS vol" $F'
sample jfs 16M 'mkfs.jfs -q -L jfslabel $F'
sample nilfs2 160M 'mkfs.nilfs2 -q -L nilfslabel $F'
sample ocfs2 400M 'mkfs.ocfs2 -q -F -M local -L ocfslabel -N 2 $F'
sample reiser4 40M 'mkfs.reiser4 -f -y -L r4label $F'
sample reiserfs 40M 'mkfs.reiserfs -q -f -f -l rlabel $F'
sample reiserfs35 40M 'mkfs.reiserfs -q -f -f --format 3.5 $F'
sample romfs 0 'genromfs -d tree -V romlabel -f $F; truncate -s 4k $F'
sample udf 8M 'mkudffs --label="UDF label" --uuid=0123456789abcdef $F'
sample udf102 8M 'mkudffs --label=old --media-type=hd --udfrev=1.02 $F'
sample udf260 8M 'mkudffs --label=old --media-type=bdr --udfrev=2.60 $F'
sample udf4k 8M 'mkudffs --utf8 --label=UDFé -b 4096 $F'
sample udfu16 8M 'mkudffs --utf8 --label=Ж☃ $F'
sample ufs1 0 'rm $F; makefs -t ffs -o version=1 -s 4m $F tree'
sample ufs2 0 'rm $F; makefs -t ffs -o version=2 -s 4m $F tree'
sample ufs2be 0 'rm $F; makefs -t ffs -B be -o version=2 -s 4m $F tree'
sample verity 4M 'truncate -s 1M data; veritysetup format data $F'
sample zfs 80M 'zfs-fuse -n & sleep 3; zpool create -m none -O canmount=off zpoolx $PWD/$F; zpool export zpoolx; kill %1'

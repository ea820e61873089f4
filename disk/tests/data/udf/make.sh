#!/bin/sh
# make.sh: makes the images here again. Needs udftools, genisoimage, libguestfs-tools and xz-utils. Linux fills those that
# it can write to in guestfish's appliance (fill.sh); the listings are to be recorded again then: see udf.rs.
set -eu
cd "$(dirname "$0")"
export LC_ALL=C.UTF-8 LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mk() { # NAME KIB OPTION...
    image=$scratch/$1.img
    truncate -s "$2K" "$image"
    name=$1
    shift 2
    mkudffs --label="Label $name" --uuid=0123456789abcdef "$@" "$image" >"$scratch/layout"
    # The table of a virtual partition is in the last block.
    last=$(sed -n 's/^vatblock=//p' "$scratch/layout")
    [ -z "$last" ] || truncate -s $((2048 * (last + 1))) "$image"
}
mk cdr150 4000 -m cdr -r 1.50
mk cdr201 4000 -m cdr -r 2.01
mk bdr250 8000 -m bdr -r 2.50
mkdir "$scratch/tool" "$scratch/written"
cp fill.sh "$scratch/tool"
truncate -s 4M "$scratch/tool.img"
mke2fs -q -F -t ext2 -d "$scratch/tool" "$scratch/tool.img"
mv "$scratch"/?dr???.img "$scratch/written"
mk hd201-512 4000 -m hd -r 2.01 -b 512
mk hd102-2048 5000 -m hd -r 1.02 -b 2048
mk hd150-1024 4000 -m hd -r 1.50 -b 1024 --ad=short
mk hd201-4096 8000 -m hd -r 2.01 -b 4096 --ad=long
mk hd200-table 5000 -m hd -r 2.00 -b 2048 --space=unalloctable
mk cdrw201 16000 -m cdrw -r 2.01
for image in "$scratch"/hd*.img "$scratch"/cdrw*.img; do
    guestfish <<END
add-drive $image format:raw
add-drive-ro $scratch/tool.img
run
mount /dev/sdb /
debug sh "cp /sysroot/fill.sh /fill.sh"
umount /
mount /dev/sda /
debug sh "cd /sysroot; sh /fill.sh"
umount /
END
    mv "$image" "$scratch/written"
done

tree=$scratch/tree
mkdir -p "$tree/sources" "$tree/boot" "$tree/efi/boot" "$tree/many"
printf 'MSWIM\0\0\0' >"$tree/sources/install.wim"
yes 'a line of an image to boot' | head -c 300000 >"$tree/sources/boot.wim"
echo x >"$tree/bootmgr"
printf MZ >"$tree/efi/boot/bootx64.efi"
echo 'This disc contains a "UDF" file system.' >"$tree/README.TXT"
for i in $(seq 200); do echo "$i" >"$tree/many/a name of some length $i.txt"; done
echo a >"$tree/many/täst日本.txt"
touch -d '2025-03-04 05:06:07.89 UTC' "$tree/bootmgr"
genisoimage -quiet -udf -J -iso-level 3 -input-charset utf-8 -V WINDOWS -hide sources -hide efi -hide many -hide bootmgr \
    -o "$scratch/written/bridge.img" "$tree"
for image in "$scratch"/written/*.img; do
    xz -9e -c "$image" >"$(basename "$image").xz"
done

#!/bin/sh
# appliance_view.sh IMAGES LISTINGS: what Debian's kernel shows of filesystems that the kernel here may not know.
#
# Mounts each IMAGES/NAME.img read-only in the appliance of Debian's guestfish, as `guestfish -a NAME.img run : mount-ro`
# does, and writes the listing of the example `walk mounted` to LISTINGS/NAME.listing; IMAGES/NAME.4k.img on a disk with
# sectors of 4096 bytes. A filesystem that cannot be mounted gives the line "no mount". Needs libguestfs-tools.
set -eu
images=$1 listings=$2
here=$(dirname "$0")
export LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg LC_ALL=C.UTF-8
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cargo build --quiet --manifest-path "$here/../../Cargo.toml" --example walk
mkdir "$scratch/tool" "$listings" 2>/dev/null || mkdir -p "$listings"
strip -o "$scratch/tool/walk" "${CARGO_TARGET_DIR:-$here/../../../target}/debug/examples/walk"
truncate -s 24M "$scratch/tool.img"
mke2fs -q -F -t ext2 -d "$scratch/tool" "$scratch/tool.img"

{
    echo "add-drive-ro $scratch/tool.img"
    for image in "$images"/*.img; do
        case $image in
            *.4k.img) echo "add-drive $image readonly:true format:raw blocksize:4096" ;;
            *) echo "add-drive $image readonly:true format:raw" ;;
        esac
    done
    echo run
    echo "mount-ro /dev/sda /"
    echo 'debug sh "cp /sysroot/walk /walk"'
    echo "umount /"
    nr=1
    for image in "$images"/*.img; do
        device=$(printf '%b' "\\$(printf %o $((97 + nr)))")
        # A line that begins with "-" may fail.
        echo "-mount-ro /dev/sd$device /"
        echo "-debug sh \"if mountpoint -q /sysroot; then /walk mounted /sysroot; else echo no mount; fi\" | cat > $listings/$(basename "$image" .img).listing"
        echo "-umount /"
        nr=$((nr + 1))
    done
} > "$scratch/script"
guestfish < "$scratch/script"

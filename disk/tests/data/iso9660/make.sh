#!/bin/sh
# make.sh: makes the images of compressed files here again. Needs zisofs-tools, genisoimage, xorriso and xz-utils. Their
# listings are to be recorded again then: see iso9660.rs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
mkdir tree tree/directory
python3 - <<'END'
pattern = bytes((at % 251) ^ (at >> 9 & 255) for at in range(400_000))
for name, content in [
    ("zeros", bytes(200_000)), ("pattern", pattern), ("blocks", pattern[: 128 << 10]), ("holes", b"a" * 100_000 + bytes(100_000) + b"b" * 70_000),
    ("one more", pattern[: (64 << 10) + 1]), ("small", b"small"), ("empty", b""), ("directory/below", pattern[:50_000]),
]:
    open(f"tree/{name}", "wb").write(content)
END
find tree -exec touch -h -d '2026-11-21 13:14:15 UTC' {} +
mkzftree tree compressed
genisoimage -quiet -R -z -o mkzftree.img compressed
compressed() { # NAME OPTIONS: by xorriso
    xorriso -zisofs "$2" -outdev "$1.img" -map tree / -set_filter_r --zisofs / -- -commit >/dev/null 2>&1
}
compressed zisofs-64k level=9:block_size=64k
compressed zisofs-128k level=1:block_size=128k
# The second version, which Linux does not know.
compressed zisofs-2 version_2=on:block_size_v2=128k
for image in *.img; do
    xz -9e -c "$image" >"$here/${image}.xz"
done

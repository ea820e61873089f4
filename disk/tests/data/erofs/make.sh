#!/bin/sh
# Makes the images here: of what mkfs.erofs 1.5 of Debian 12 cannot make. Made with 1.8.6 of Debian 13.
# Usage: make.sh [MKFS]
set -e
mkfs=${1:-mkfs.erofs}
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir "$work/tree"
(cd "$work/tree" && python3 - <<'P'
import os
import random

random.seed(1)
noise = random.randbytes(6_000)
words = [random.randbytes(random.randrange(2, 9)).hex() for _ in range(40)]


def text(size):
    return b" ".join(random.choice(words).encode() for _ in range(size // 8))[:size]


long = text(60_000)
files = {
    "text": long,
    "noise": noise,
    "zeros": bytes(300_000),
    # The same content at other places, with other content around it.
    "shifted": noise[:1_234] + long[:50_001] + noise[4_000:],
    "again": long[17:40_000] + b"an end of its own",
    "tail": text(4_096 * 3) + b"a short end",
    "mixed": b"".join(random.choice([noise[:5_000], bytes(20_000), long[:20_000]]) for _ in range(8)),
    "empty": b"",
}
for i in range(12):
    files[f"small{i}"] = text(i * 97)
for name, content in files.items():
    with open(name, "wb") as f:
        f.write(content)
os.setxattr("text", "user.prefixed.one", b"1")
os.setxattr("text", "user.prefixed.two", b"2" * 100)
os.setxattr("noise", "user.other", b"3")
os.setxattr("small3", "trusted.prefixed.two", b"2" * 100)
P
)
make() {
    name=$1
    shift
    "$mkfs" --quiet -T1700000000 --all-root -U2ff8d3a4-4c0a-4a7b-9a53-ad1c2a64cd6d "$@" "$work/image" "$work/tree"
    xz -9e <"$work/image" >"$name.img.xz"
    rm "$work/image"
}
make deflate -zdeflate,level=9 -C16384
make zstd -zzstd,level=19 -C65536 -Eztailpacking
make lzma -zlzma,level=9 -C262144
make two-compressors -zlz4hc:zstd -C16384
make fragments -zlz4hc -C16384 -Efragments
make all-fragments -zlzma,level=9 -C131072 -Eall-fragments,fragdedupe=inode
make dedupe -zlz4hc -Ededupe
make dedupe-fragments -zlz4hc -C65536 -Eall-fragments,dedupe
make prefixes -Eall-fragments -zlz4hc --xattr-prefix=user.prefixed. --xattr-prefix=trusted.prefixed.
make prefixes-plain --xattr-prefix=user.prefixed. --xattr-prefix=trusted.prefixed.
make blocks-of-512 -b512 -zlz4hc
make chunk-dedupe --chunksize=4096 -Ededupe

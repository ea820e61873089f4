"""Fills an NTFS that ntfs-3g mounted at argv[1] with files compressed by LZNT1: units that are packed, plain and holes, in one
piece and in several."""
import os
import random
import struct
import sys

os.chdir(sys.argv[1])
random.seed(6)
COMPRESSED = 0x800
UNIT = 65536

words = [random.randbytes(random.randint(1, 4)).hex().encode() for _ in range(40)]


def text(size):
    return b' '.join(random.choices(words, [1 / (i + 1) for i in range(40)], k=size // 2))[:size]


os.mkdir('packed')
os.setxattr('packed', 'system.ntfs_attrib', struct.pack('<I', COMPRESSED))
some = text(UNIT + 7000)
for size in 1, 900, 4096, 4097, 30000, UNIT, UNIT + 1, UNIT + 7000:
    with open(f'packed/{size}', 'wb') as file:
        file.write(some[:size])
with open('packed/mixed', 'wb') as file:
    for part in some[:20000], random.randbytes(5000), bytes(100000), some, random.randbytes(4096 * 2), some[:9]:
        file.write(part)
with open('packed/holes', 'wb') as file:
    for offset in 0, 5 * UNIT, 9 * UNIT + 100:
        file.seek(offset)
        file.write(some[:9000])
    file.truncate(20 * UNIT)
# Written in turns, so that each is in many pieces.
writers = [open(f'packed/turn {i}', 'wb', buffering=0) for i in range(3)]
for _ in range(6):
    for writer in writers:
        writer.write(some[:random.randint(1, UNIT) // 4])

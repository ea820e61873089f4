#!/usr/bin/env python3
"""Reduces an image to the sectors at its start and end that are not zeros: its size, then number and bytes of each."""
import struct, sys
SECTOR, START, END = 512, 1200 << 10, 600 << 10
with open(sys.argv[1], "rb") as image:
    size = image.seek(0, 2)
    sectors = -(-size // SECTOR)
    start = min(sectors, START // SECTOR)
    image.seek(0)
    out = [struct.pack("<Q", size)]
    for first, count in ((0, start), (max(start, sectors - END // SECTOR), END // SECTOR)):
        image.seek(first * SECTOR)
        for number in range(first, min(sectors, first + count)):
            bytes_ = image.read(SECTOR)
            if bytes_.strip(b"\0"):
                out.append(struct.pack("<Q", number) + bytes_.ljust(SECTOR, b"\0"))
sys.stdout.buffer.write(b"".join(out))

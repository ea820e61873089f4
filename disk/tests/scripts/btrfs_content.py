"""Fills a directory of a mounted btrfs with files in every form that it stores content in.

Usage: btrfs_content.py DIR
"""
import ctypes
import fcntl
import os
import random
import struct
import sys

os.chdir(sys.argv[1])
rnd = random.Random(7)
libc = ctypes.CDLL(None, use_errno=True)
FICLONERANGE = 0x4020940D
FIDEDUPERANGE = 0xC0189436
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 0x10
WORDS = [rnd.randbytes(rnd.randrange(2, 12)).hex().encode() for _ in range(500)]


def text(size):
    """Bytes that compress to about a third."""
    words = []
    while sum(map(len, words[-200:])) and len(words) * 12 < size or len(words) < 300:
        words += rnd.choices(WORDS, k=300)
    out = b" ".join(words)
    while len(out) < size:
        out += out
    return out[:size]


def mixed(size):
    """Pieces that compress well, badly, and not at all."""
    out = bytearray()
    while len(out) < size:
        n = rnd.randrange(1, 90_000)
        out += rnd.choice([text, rnd.randbytes, bytes, lambda n: b"ab" * (n // 2)])(n)
    return bytes(out[:size])


def write(name, content):
    with open(name, "wb") as f:
        f.write(content)


def fallocate(f, mode, offset, length):
    if libc.fallocate(f.fileno(), mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), f"fallocate {mode} {offset} {length}")


def clone(source, offset, length, target, at):
    fcntl.ioctl(target, FICLONERANGE, struct.pack("=qQQQ", source.fileno(), offset, length, at))


# Sizes around what is stored inline (2048 by default), sectors, and compressed extents.
for size in (0, 1, 2, 100, 1000, 2047, 2048, 2049, 3000, 3800, 4040, 4074, 4075, 4095, 4096, 4097, 6000, 8191, 8193, 65535,
             131071, 131072, 131073, 262145, 400_000):
    write(f"text{size}", text(size))
    write(f"random{size}", rnd.randbytes(size))
    write(f"zeros{size}", bytes(size))
write("large_text", text(3_000_000))
write("large_random", rnd.randbytes(2_500_000))
write("large_mixed", mixed(4_000_000))
os.sync()

# Parts of extents.
for name in ("large_text", "large_mixed", "large_random"):
    with open(name, "r+b") as f:
        for _ in range(30):
            f.seek(rnd.randrange(2_400_000))
            f.write(mixed(rnd.randrange(1, 30_000)))
        os.fsync(f.fileno())
        f.seek(2_000_000)
        f.write(text(50_000))
with open("large_text", "rb") as a, open("large_random", "rb") as b, open("clones", "wb") as f:
    f.write(text(200_000))
    f.flush()
    clone(a, 0, 0, f, 0)
    for _ in range(20):
        source = rnd.choice([a, b])
        length = 4096 * rnd.randrange(1, 60)
        clone(source, 4096 * rnd.randrange(500), length, f, 4096 * rnd.randrange(900))
    os.fsync(f.fileno())
    f.seek(1_000_001)
    f.write(b"over a clone")
with open("text4097", "rb") as a, open("tail_clone", "wb") as f:
    f.write(text(30_000))
    f.flush()
    clone(a, 0, 0, f, 28_672 + 4096)
with open("same", "w+b") as a, open("same_too", "w+b") as b:
    content = mixed(500_000)
    a.write(content)
    b.write(content)
    a.flush()
    b.flush()
    os.sync()
    fcntl.ioctl(a, FIDEDUPERANGE, struct.pack("=QQHHIqQQiI", 0, 409_600, 1, 0, 0, b.fileno(), 0, 0, 0, 0))

# Space that was reserved, holes of both kinds, ends past the last extent and extents past the end.
with open("reserved", "wb") as f:
    fallocate(f, 0, 0, 1 << 20)
    os.pwrite(f.fileno(), text(100_000), 300_001)
# Its inode does not say that space was reserved: the kernel finds no holes then.
os.sync()
with open("reserved", "rb") as a, open("reserved_clone", "wb") as f:
    clone(a, 0, 0, f, 0)
with open("reserved_past_the_end", "wb") as f:
    f.write(text(10_000))
    f.flush()
    fallocate(f, KEEP_SIZE, 8192, 1 << 20)
with open("punched", "wb") as f:
    f.write(mixed(1_000_000))
    f.flush()
    os.fsync(f.fileno())
    fallocate(f, KEEP_SIZE | PUNCH_HOLE, 100_001, 300_000)
    fallocate(f, KEEP_SIZE | PUNCH_HOLE, 500_000, 4096)
    fallocate(f, ZERO_RANGE, 600_123, 100_000)
with open("sparse", "wb") as f:
    for at in (0, 4096, 300_000, 4_000_000, 1 << 33):
        f.seek(at)
        f.write(text(rnd.randrange(1, 20_000)))
write("hole_at_end", text(150_000))
os.truncate("hole_at_end", 900_000)
with open("only_a_hole", "wb") as f:
    f.truncate(5_000_001)
write("cut", text(300_000))
os.sync()
os.truncate("cut", 150_001)
write("cut_inline", text(1500))
os.sync()
os.truncate("cut_inline", 700)
write("cut_and_grown", text(1500))
os.sync()
os.truncate("cut_and_grown", 700)
os.truncate("cut_and_grown", 100_000)
write("inline_grown", text(1500))
os.sync()
with open("inline_grown", "ab") as f:
    f.write(text(9000))
with open("pieces", "wb", 0) as f:
    for size in (100, 5000, 70_000, 3, 4096, 4096, 200_000):
        f.write(text(size))
        os.fsync(f.fileno())
with open("every_other", "wb") as f:
    for i in range(0, 300, 2):
        os.pwrite(f.fileno(), rnd.randbytes(4096), i * 4096)
    f.truncate(301 * 4096 + 17)
os.sync()

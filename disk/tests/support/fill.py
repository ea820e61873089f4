"""Fills a directory of a mounted filesystem with one of everything that a reader gets wrong.

Usage: fill.py DIR NAMES. NAMES is how many names the largest directory gets. What the filesystem cannot take (long
links, many or large attributes, times beyond its range) is left out.
"""
import os
import random
import socket
import stat
import subprocess
import sys

top, names = sys.argv[1], int(sys.argv[2])
rnd = random.Random(1)
os.chdir(top)


def attempt(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except OSError as error:
        print(call.__name__, str(args)[:60], error)


def write(name, content):
    with open(name, "wb") as f:
        f.write(content)


# Contents: large, sparse, reserved but not written, in pieces.
write("large", rnd.randbytes(9 << 20))
with open("sparse", "wb") as f:
    for i in range(24):
        f.seek(i * 777_777 + i * 4096 * 13)
        f.write(rnd.randbytes(5000))
    f.truncate(60_000_000)
with open("hole", "wb") as f:
    f.truncate(64 << 20)
with open("far", "wb") as f:
    for power in (16, 20, 25, 30, 33, 36, 40):
        attempt(os.pwrite, f.fileno(), b"far away", (1 << power) - 3)
with open("reserved", "wb") as f:
    attempt(os.posix_fallocate, f.fileno(), 0, 3 << 20)
    os.pwrite(f.fileno(), b"x" * 70_000, 1 << 20)
with open("pieces_a", "wb", 0) as a, open("pieces_b", "wb", 0) as b:
    for i in range(200):
        a.write(rnd.randbytes(4096))
        b.write(rnd.randbytes(4096))
        if i % 4 == 0:
            os.fsync(a.fileno())
            os.fsync(b.fileno())
with open("every_other", "wb") as f:
    for i in range(0, 1600, 2):
        os.pwrite(f.fileno(), rnd.randbytes(4096), i * 4096)
    f.truncate(1601 * 4096 + 17)
for size in (0, 1, 10, 59, 60, 61, 100, 150, 200, 1000, 1023, 1024, 1025, 2048, 4095, 4096, 4097, 65535, 65536, 65537):
    write(f"size{size}", rnd.randbytes(size))
write("grown", b"small")
os.truncate("grown", 3000)
write("shrunk", rnd.randbytes(9000))
os.truncate("shrunk", 20)

# Names.
os.mkdir("many")
for i in range(names):
    write(f"many/file_{i:05d}_{'n' * (i % 40)}", b"%d\n" % i * (i % 7) if i % 10 == 0 else b"")
os.mkdir("thinned")
for i in range(names // 4):
    write(f"thinned/{i:x}", b"")
for i in range(names // 4):
    if i % 7:
        os.unlink(f"thinned/{i:x}")
os.mkdir("few")
for i in range(5):
    write(f"few/{i}", b"few")
os.mkdir("high")
for i in range(300):
    write(b"high/" + b"\xff\x80%d\xfe\xc3\xa9" % i * 3, b"")
write("L" * 255, b"long name")
os.makedirs("d1/" + "D" * 250 + "/d3")
write("d1/" + "D" * 250 + "/d3/leaf", b"leaf")
os.mkdir("parent_of_many")
for i in range(70):
    os.mkdir(f"parent_of_many/{i}")
for name in ("unicode_\u00e9\u4e2d\U0001F600".encode(), b"not_utf8_\xff\xfe\x80", b"new\nline", b" ", b"back\\slash"):
    write(name, name)

# Links.
attempt(os.symlink, "short", "link_short")
for length in (1, 58, 59, 60, 61, 80, 140, 1000, 1023, 1024, 4000, 4095):
    attempt(os.symlink, ("a/" * 2100)[:length], f"link_{length}")
attempt(os.symlink, b"\xff\xfetarget", "link_not_utf8")
write("hard1", b"hard" * 100)
os.link("hard1", "hard2")
os.link("hard1", "d1/hard3")

# Special files, modes, owners, times.
os.mknod("block", 0o660 | stat.S_IFBLK, os.makedev(8, 17))
os.mknod("char", 0o620 | stat.S_IFCHR, os.makedev(5, 1))
os.mknod("char_zero", 0o620 | stat.S_IFCHR, os.makedev(0, 0))
os.mknod("char_large", 0o620 | stat.S_IFCHR, os.makedev(300, 70000))
os.mkfifo("fifo", 0o600)
with socket.socket(socket.AF_UNIX) as s:
    s.bind("socket")
write("suid", b"s")
os.chmod("suid", 0o6755)
os.mkdir("sticky")
os.chmod("sticky", 0o1777)
write("owner", b"o")
os.chown("owner", 70_000, 4_000_000_000)
for name, seconds in (("old", -1_000_000_000), ("oldest", -(1 << 31)), ("epoch", 0), ("y2038", 1 << 31), ("future", 5 << 30)):
    write(name, b"t")
    attempt(os.utime, name, ns=(seconds * 10**9 + 123_456_789, seconds * 10**9 + 5))

# Extended attributes.
write("attributes", b"x")
os.mkdir("dir_attributes")
attributes = {
    "user.a": b"1", "user.bin": bytes(range(256)), "user.empty": b"", "user.large": b"B" * 700,
    "user.larger": b"C" * 3000, "user.largest": b"D" * 30_000, "trusted.t": b"tt", "security.foo": b"sf",
}
for name, value in attributes.items():
    attempt(os.setxattr, "attributes", name, value)
    attempt(os.setxattr, "dir_attributes", name, value)
attempt(os.setxattr, "many", "user.dir", b"on a directory")
attempt(os.setxattr, "link_short", "trusted.link", b"on a link", follow_symlinks=False)
attempt(os.setxattr, "link_80", "trusted.link", b"on a link", follow_symlinks=False)
attempt(os.setxattr, "char", "trusted.node", b"on a device" * 30)
attempt(os.setxattr, "size60", "user.small", b"s")
attempt(os.setxattr, "size0", "user.small", b"s" * 60)
write("many_attributes", b"x")
for i in range(40):
    attempt(os.setxattr, "many_attributes", f"user.attribute{i:03d}", b"v" * 50)
for name in ("shared1", "shared2"):
    write(name, b"")
    attempt(os.setxattr, name, "user.same", b"same" * 100)
write("acl", b"acl")
subprocess.run(["setfacl", "-m", "u:1234:rw,g:77:r", "acl"], check=True)
os.mkdir("acl_dir")
subprocess.run(["setfacl", "-d", "-m", "u:1234:rwx,u:4000000000:r,g:5:x", "acl_dir"], check=True)
subprocess.run(["setfacl", "-m", "u:7:---", "acl_dir"], check=True)
write("acl_dir/inherits", b"")
write("capability", b"c")
attempt(os.setxattr, "capability", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))

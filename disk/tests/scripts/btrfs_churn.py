#!/usr/bin/env python3
"""btrfs_churn.py DIR SEED: works on a btrfs until it is killed, with many calls of fsync, which fill the log.

Prints a dot for every fsync. Everything that a log can say happens: new, changed and replaced contents, inline and not,
holes, reserved space, clones; names made, taken away, renamed over one another and exchanged, in directories that are
new, renamed or known; many hard links; attributes set and taken away; unnamed files that get names; removed trees.
"""
import ctypes
import errno
import fcntl
import os
import random
import shutil
import struct
import sys

top, seed = sys.argv[1], int(sys.argv[2])
rnd = random.Random(seed)
os.chdir(top)
libc = ctypes.CDLL(None, use_errno=True)
FICLONERANGE = 0x4020940D
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 0x10
RENAME_EXCHANGE = 2
AT_FDCWD = -100
AT_SYMLINK_FOLLOW = 0x400
TEXT = b"some text that can be compressed "
files, dirs, held = [], ["."], []
counter = 0


def name(kind):
    global counter
    counter += 1
    return f"{kind}{counter}" + "_" * rnd.choice([0, 0, 0, 30, 150])


def place(kind):
    return os.path.join(rnd.choice(dirs[-12:] + dirs[:1]), name(kind))


def fsync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    os.write(1, b".")


def content(size):
    return rnd.choice([rnd.randbytes, lambda n: (TEXT * (n // len(TEXT) + 1))[:n]])(size)


def size():
    return rnd.choice([0, 1, 50, 1000, 2048, 2049, 4095, 4096, 5000, 9000, 40_000, 140_000])


def create():
    path = place("f")
    with open(path, "wb") as f:
        f.write(content(size()))
    files.append(path)
    return path


def overwrite():
    path = rnd.choice(files)
    with open(path, "r+b") as f:
        for _ in range(rnd.randrange(1, 4)):
            f.seek(rnd.randrange(200_000))
            f.write(content(size()))
    return path


def append():
    path = rnd.choice(files)
    with open(path, "ab") as f:
        f.write(content(size()))
    return path


def truncate():
    path = rnd.choice(files)
    os.truncate(path, rnd.choice([0, 1, 100, 4096, 5000, 50_000, 150_001, 400_000]))
    return path


def reserve():
    path = rnd.choice(files)
    with open(path, "r+b") as f:
        mode = rnd.choice([0, KEEP_SIZE, KEEP_SIZE, KEEP_SIZE | PUNCH_HOLE, KEEP_SIZE | PUNCH_HOLE, ZERO_RANGE])
        start, length = rnd.randrange(200_000), rnd.randrange(1, 200_000)
        if libc.fallocate(f.fileno(), mode, ctypes.c_long(start), ctypes.c_long(length)) != 0:
            raise OSError(ctypes.get_errno(), "fallocate")
    return path


def clone():
    a, b = rnd.choice(files), rnd.choice(files)
    with open(a, "rb") as source, open(b, "r+b") as target:
        length = os.path.getsize(a) // 4096 * 4096
        # Two names of one inode would overlap.
        if not os.path.samefile(a, b) and length:
            start = rnd.randrange(length // 4096) * 4096
            at = rnd.randrange(40) * 4096
            fcntl.ioctl(target, FICLONERANGE, struct.pack("=qQQQ", source.fileno(), start, length - start, at))
    return b


def pieces():
    """A file of many extents, some of them written again."""
    path = place("p")
    with open(path, "wb") as f:
        for _ in range(rnd.randrange(5, 60)):
            os.pwrite(f.fileno(), rnd.randbytes(4096), rnd.randrange(120) * 4096)
            if rnd.random() < .1:
                os.fsync(f.fileno())
    files.append(path)
    return path


def rename():
    old = rnd.choice(files)
    new = place("r")
    os.rename(old, new)
    files.remove(old)
    files.append(new)
    return new


def rename_over():
    old, new = rnd.choice(files), rnd.choice(files)
    if old != new:
        os.rename(old, new)
        # Two names of one inode: nothing happens.
        if not os.path.lexists(old):
            files.remove(old)
    return new


def exchange():
    a, b = rnd.choice(files), rnd.choice(files + dirs[1:])
    if a != b and not a.startswith(b + "/"):
        if libc.renameat2(AT_FDCWD, a.encode(), AT_FDCWD, b.encode(), RENAME_EXCHANGE) != 0:
            raise OSError(ctypes.get_errno(), "renameat2")
        if b in dirs:
            forget_directory(b)
            dirs.append(a)
            files.remove(a)
            files.append(b)
    return a


def take_name():
    """Another file gets the name of one that was renamed or deleted."""
    old = files.pop(rnd.randrange(len(files)))
    if rnd.random() < .5:
        os.unlink(old)
    else:
        new = place("t")
        os.rename(old, new)
        files.append(new)
    with open(old, "wb") as f:
        f.write(content(size()))
    files.append(old)
    return old


def link():
    new = place("l")
    os.link(rnd.choice(files), new)
    files.append(new)
    return new


def many_links():
    path = create()
    where = os.path.dirname(path)
    for _ in range(rnd.choice([5, 120])):
        new = os.path.join(where, name("m"))
        os.link(path, new)
        files.append(new)
    for _ in range(4):
        victim = files.pop()
        os.unlink(victim)
    return path


def unlink():
    path = files.pop(rnd.randrange(len(files)))
    if rnd.random() < .2:
        held.append(os.open(path, os.O_RDONLY))
        if len(held) > 5:
            os.close(held.pop(0))
    os.unlink(path)
    return os.path.dirname(path)


def unlink_and_fsync_held():
    """An inode without names is fsynced."""
    path = create()
    fd = os.open(path, os.O_RDWR)
    os.fsync(fd)
    os.unlink(path)
    files.remove(path)
    os.write(fd, b"more")
    os.fsync(fd)
    os.close(fd)
    return "."


def unnamed():
    fd = os.open(rnd.choice(dirs), os.O_TMPFILE | os.O_RDWR)
    os.write(fd, content(size()))
    if rnd.random() < .5:
        os.fsync(fd)
    path = place("u")
    if rnd.random() < .7:
        if libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, path.encode(), AT_SYMLINK_FOLLOW) != 0:
            raise OSError(ctypes.get_errno(), "linkat")
        files.append(path)
    else:
        path = "."
    os.fsync(fd)
    held.append(fd)
    if len(held) > 5:
        os.close(held.pop(0))
    return path


def mkdir():
    path = place("d")
    os.mkdir(path)
    dirs.append(path)
    return path


def forget_directory(path):
    below = path + "/"
    files[:] = [f for f in files if not f.startswith(below)]
    dirs[:] = [d for d in dirs if d != path and not d.startswith(below)]


def rmtree():
    if len(dirs) < 6:
        return "."
    path = rnd.choice(dirs[1:])
    shutil.rmtree(path)
    forget_directory(path)
    return os.path.dirname(path)


def rename_directory():
    if len(dirs) < 4:
        return "."
    old = rnd.choice(dirs[1:])
    new = os.path.join(rnd.choice(dirs[:3]), name("e"))
    if new.startswith(old + "/"):
        return "."
    os.rename(old, new)
    for paths in (files, dirs):
        paths[:] = [new + p[len(old):] if p == old or p.startswith(old + "/") else p for p in paths]
    return new


def symlink():
    path = place("s")
    os.symlink("x" * rnd.choice([1, 60, 1500]), path)
    return os.path.dirname(path)


def node():
    path = place("n")
    rnd.choice([lambda: os.mkfifo(path), lambda: os.mknod(path, 0o020600, os.makedev(5, 1))])()
    return os.path.dirname(path)


def attributes():
    path = rnd.choice(files + dirs)
    for _ in range(rnd.randrange(1, 4)):
        which = f"user.a{rnd.randrange(6)}"
        try:
            if rnd.random() < .6:
                os.setxattr(path, which, rnd.randbytes(rnd.choice([0, 1, 40, 900, 3000])))
            else:
                os.removexattr(path, which)
        except OSError as error:
            # There is none, or no room for it in a tree block.
            if error.errno not in (errno.ENODATA, errno.ENOSPC):
                raise
    return path


def inode():
    path = rnd.choice(files + dirs)
    os.chmod(path, rnd.choice([0o700, 0o755, 0o4755]))
    os.chown(path, rnd.randrange(3000), rnd.randrange(3000))
    os.utime(path, ns=(rnd.randrange(10**18), rnd.randrange(10**18)))
    return path


def several():
    """A directory with many changes."""
    where = rnd.choice(dirs)
    new = [os.path.join(where, name("v")) for _ in range(rnd.randrange(2, 40))]
    for path in new:
        with open(path, "wb") as f:
            f.write(content(rnd.choice([0, 10, 5000])))
    for path in rnd.sample(new, len(new) // 3):
        os.unlink(path)
        new.remove(path)
    files.extend(new)
    return rnd.choice([where] + new)


ACTIONS = [(create, 8), (overwrite, 6), (append, 6), (truncate, 6), (reserve, 6), (clone, 4), (pieces, 2), (rename, 6),
           (rename_over, 4), (exchange, 3), (take_name, 5), (link, 6), (many_links, 1), (unlink, 7), (unnamed, 2),
           (unlink_and_fsync_held, 1), (mkdir, 4), (rmtree, 1), (rename_directory, 2), (symlink, 2), (node, 1), (attributes, 6), (inode, 3),
           (several, 2)]


def step(rate):
    if len(files) < 15:
        create()
    action = rnd.choices([a for a, _ in ACTIONS], [w for _, w in ACTIONS])[0]
    path = action()
    if rnd.random() < rate:
        fsync(rnd.choice([path, path, path, rnd.choice(files + dirs)]) or ".")
    while len(files) > 300:
        os.unlink(files.pop(rnd.randrange(len(files))))


# What is there for sure.
for _ in range(150):
    step(0)
os.sync()
while True:
    # Between two transactions: some steps with many fsyncs, or few.
    rate = rnd.choice([.1, .3, .6])
    for _ in range(rnd.randrange(5, 120)):
        step(rate)
    if rnd.random() < .5:
        os.sync()

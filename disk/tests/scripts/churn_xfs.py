#!/usr/bin/env python3
"""churn_xfs.py DIR SEED ROUNDS: works on an XFS filesystem until it is done, or the filesystem is shut down under it.

Prints a dot for every fsync. Does what churn.py does and what XFS has besides: clones of files and of ranges, punched
and collapsed ranges, preallocation, files of many extents, attributes in the inode, in leaves and of blocks of their
own, directories of every form that shrink again, whole chunks of inodes that come and go, exchanged names.
"""
import ctypes
import errno
import fcntl
import os
import random
import shutil
import struct
import sys

top, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rnd = random.Random(seed)
os.chdir(top)
prefix = f'{seed}_'
live, held = [], []
libc = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH, COLLAPSE, ZERO, INSERT = 1, 3, 8, 16, 32
FICLONERANGE = 0x4020940D
BLOCK = os.statvfs('.').f_frsize
# What some kernels and options do not have.
ALLOWED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSPC, errno.ENOTTY)


def allowed(call):
    try:
        call()
    except OSError as e:
        if e.errno not in ALLOWED:
            raise


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), 'fallocate')


def fsync(path):
    fd = os.open(path, os.O_RDWR)
    os.fsync(fd)
    os.close(fd)
    os.write(1, b'.')


def write(path, mode='wb', sizes=(0, 10, 60, 500, 5000, 40000, 150000)):
    with open(path, mode) as f:
        f.write(rnd.randbytes(rnd.choice(sizes)))


def ranges(path):
    fd = os.open(path, os.O_RDWR)
    at = rnd.randrange(20) * BLOCK
    length = rnd.randrange(1, 12) * BLOCK
    mode = rnd.choice([0, KEEP_SIZE, PUNCH, PUNCH, COLLAPSE, ZERO, INSERT])
    allowed(lambda: fallocate(fd, mode, at, length))
    os.close(fd)


def clone(source, target):
    a, b = os.open(source, os.O_RDONLY), os.open(target, os.O_RDWR | os.O_CREAT)
    at, length = rnd.choice([(0, 0), (BLOCK, 3 * BLOCK)])
    allowed(lambda: fcntl.ioctl(b, FICLONERANGE, struct.pack('qQQQ', a, at, length, rnd.randrange(4) * BLOCK)))
    if rnd.random() < .5:
        os.pwrite(b, rnd.randbytes(3000), rnd.randrange(30000))
    os.close(a)
    os.close(b)


def many_extents(path):
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    for i in range(rnd.choice([30, 150, 400])):
        os.pwrite(fd, b'x' * BLOCK, i * 3 * BLOCK)
    os.fsync(fd)
    os.write(1, b'.')
    if rnd.random() < .5:
        os.ftruncate(fd, rnd.randrange(1 << 20))
    os.close(fd)


def directory(path, count):
    os.makedirs(path, exist_ok=True)
    names = [f'{path}/{"n" * rnd.choice([1, 20, 90])}{i}' for i in range(count)]
    for i, name in enumerate(names):
        if i % 3:
            os.link(live[i % len(live)], name)
        else:
            open(name, 'wb').close()
    return names


def step(rd, i):
    a = rnd.random()
    if a < .30 or len(live) < 20:
        d = f'{prefix}r{rd}/d{i % 13}'
        os.makedirs(d, exist_ok=True)
        write(f'{d}/f{i}')
        live.append(f'{d}/f{i}')
    elif a < .37:
        write(rnd.choice(live), 'ab')
    elif a < .48:
        os.unlink(live.pop(rnd.randrange(len(live))))
    elif a < .55:
        old, new = live.pop(rnd.randrange(len(live))), f'{prefix}r{rd}_renamed{i}'
        os.rename(old, new)
        live.append(new)
    elif a < .61:
        os.truncate(rnd.choice(live), rnd.randrange(120000))
    elif a < .64:
        new = f'{prefix}r{rd}_link{i}'
        os.link(rnd.choice(live), new)
        live.append(new)
    elif a < .67:
        os.symlink('x' * rnd.choice([5, 59, 300, 1000]), f'{prefix}r{rd}_symlink{i}')
    elif a < .69:
        os.mkfifo(f'{prefix}r{rd}_fifo{i}')
    elif a < .73:
        path = rnd.choice(live)
        os.chmod(path, rnd.choice([0o600, 0o644, 0o4755]))
        os.chown(path, i, rd)
    elif a < .80:
        size = rnd.choice([1, 40, 300, 900, 3000, 20000])
        allowed(lambda: os.setxattr(rnd.choice(live), f'user.x{i % 9}', rnd.randbytes(size)))
    elif a < .82:
        path = rnd.choice(live)
        for name in os.listxattr(path)[:3]:
            os.removexattr(path, name)
    elif a < .84:
        # Deleted, but open until this process ends.
        path = live.pop(rnd.randrange(len(live)))
        held.append(os.open(path, os.O_RDONLY))
        os.unlink(path)
        if len(held) > 6:
            os.close(held.pop(0))
    elif a < .86:
        many_extents(f'{prefix}sparse{rnd.randrange(3)}')
    elif a < .91:
        ranges(rnd.choice(live))
    elif a < .96:
        new = f'{prefix}r{rd}_clone{i}'
        clone(rnd.choice(live), new)
        live.append(new)
    else:
        fsync(rnd.choice(live))


for rd in range(rounds):
    for i in range(300):
        step(rd, i)
    names = directory(f'{prefix}big{rd % 2}', rnd.choice([20, 200, 900]))
    fsync(rnd.choice(live))
    rnd.shuffle(names)
    for name in names[:rnd.choice([len(names), len(names) // 2])]:
        os.unlink(name)
    if rnd.random() < .7:
        shutil.rmtree(f'{prefix}big{rd % 2}')
    for j in range(30):
        write(f'{prefix}reuse{rd}_{j}', sizes=(12000,))
    fsync(rnd.choice(live))
    # Keep within a small disk.
    while len(live) > 250:
        os.unlink(live.pop(rnd.randrange(len(live))))
    if rd >= 2:
        for j in range(30):
            os.unlink(f'{prefix}reuse{rd - 2}_{j}')
        shutil.rmtree(f'{prefix}r{rd - 2}')
        live = [path for path in live if os.path.lexists(path)]

#!/usr/bin/env python3
"""churn.py DIR SEED ROUNDS: works on a filesystem until it is done, or the filesystem is shut down under it.

Prints a dot for every fsync, which is about as often as the journal commits.

Creates, appends, overwrites, truncates, renames, links, deletes, changes attributes and extended attributes, makes and
removes directories (whose blocks are then revoked in the journal and used again), keeps deleted files open (orphans),
and calls fsync now and then, so that the journal holds many small transactions.
"""
import os
import random
import shutil
import sys

top, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rnd = random.Random(seed)
os.chdir(top)
prefix = f'{seed}_'
live, held = [], []


def fsync(path):
    fd = os.open(path, os.O_RDWR)
    os.fsync(fd)
    os.close(fd)
    os.write(1, b'.')


def punch_and_truncate(path):
    """Truncates a file of many extents: in a small journal that takes several transactions."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    for i in range(120):
        os.pwrite(fd, b'x' * 4096, i * 12288)
    os.fsync(fd)
    os.write(1, b'.')
    os.ftruncate(fd, rnd.randrange(1 << 20))
    os.close(fd)


def write(path, mode='wb'):
    with open(path, mode) as f:
        f.write(rnd.randbytes(rnd.choice([0, 10, 60, 500, 5000, 40000, 150000])))
        if rnd.random() < .05:
            # What looks like a block of the journal must be escaped there (data=journal).
            f.write(b'\xc0\x3b\x39\x98' * 1024)


def step(rd, i):
    a = rnd.random()
    if a < .40 or len(live) < 20:
        d = f'{prefix}r{rd}/d{i % 13}'
        os.makedirs(d, exist_ok=True)
        write(f'{d}/f{i}')
        live.append(f'{d}/f{i}')
    elif a < .48:
        write(rnd.choice(live), 'ab')
    elif a < .60:
        os.unlink(live.pop(rnd.randrange(len(live))))
    elif a < .68:
        old, new = live.pop(rnd.randrange(len(live))), f'{prefix}r{rd}_renamed{i}'
        os.rename(old, new)
        live.append(new)
    elif a < .76:
        os.truncate(rnd.choice(live), rnd.randrange(120000))
    elif a < .80:
        new = f'{prefix}r{rd}_link{i}'
        os.link(rnd.choice(live), new)
        live.append(new)
    elif a < .83:
        os.symlink('x' * rnd.choice([5, 59, 60, 200]), f'{prefix}r{rd}_symlink{i}')
    elif a < .87:
        path = rnd.choice(live)
        os.chmod(path, rnd.choice([0o600, 0o644, 0o4755]))
        os.chown(path, i, rd)
    elif a < .93:
        try:
            os.setxattr(rnd.choice(live), f'user.x{i % 5}', rnd.randbytes(rnd.choice([1, 40, 300, 900])))
        except OSError as e:
            if e.errno != 28:  # ENOSPC: no room for attributes in this inode
                raise
    elif a < .95:
        # Deleted, but open until this process ends: an orphan.
        path = live.pop(rnd.randrange(len(live)))
        held.append(os.open(path, os.O_RDONLY))
        os.unlink(path)
        if len(held) > 6:
            os.close(held.pop(0))
    elif a < .96:
        punch_and_truncate(f'{prefix}sparse')
    else:
        fsync(rnd.choice(live))


for rd in range(rounds):
    for i in range(300):
        step(rd, i)
    os.makedirs(f'{prefix}tmp{rd}/a/b')
    for i in range(60):
        open(f'{prefix}tmp{rd}/a/b/{"n" * 30}{i}', 'wb').close()
    fsync(rnd.choice(live))
    shutil.rmtree(f'{prefix}tmp{rd}')
    for j in range(30):
        with open(f'{prefix}reuse{rd}_{j}', 'wb') as f:
            f.write(b'\xc0\x3b\x39\x98' + rnd.randbytes(12000))
    fsync(rnd.choice(live))
    # Keep within a small disk.
    while len(live) > 250:
        os.unlink(live.pop(rnd.randrange(len(live))))
    if rd >= 2:
        for j in range(30):
            os.unlink(f'{prefix}reuse{rd - 2}_{j}')

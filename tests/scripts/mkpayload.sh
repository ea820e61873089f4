#!/bin/bash
# mkpayload.sh DIR [small]   (as root)
#
# Fills directory DIR of a mounted Unix filesystem with one of everything: big, sparse, preallocated, fragmented and
# compressible files, many entries in one directory, long and non-UTF-8 names, long links, hard links, devices, odd times,
# extended attributes, ACLs, capabilities. The content is the same at every run. "small" makes 12 MB of it instead of 480.
# What a filesystem cannot hold is named on standard output and left out.
set -e
dir=$1 size=${2:-full}
mkdir -p "$dir/payload"
cd "$dir/payload"
python3 - "$size" <<'EOF'
import os, random, socket, stat, sys

small = sys.argv[1] == 'small'
rnd = random.Random(1)
MIB = 1 << 20

def attempt(what, do):
    try:
        do()
    except OSError as e:
        print(f'left out: {what}: {e.strerror}')

def write(name, data=b'x'):
    with open(name, 'wb') as f:
        f.write(data)

# Sizes: large, and around every limit of inline data, blocks and extents.
with open('big.bin', 'wb') as f:
    for _ in range(3 if small else 300):
        f.write(rnd.randbytes(MIB))
for size in (1, 10, 59, 60, 61, 100, 150, 1000, 2047, 2048, 4095, 4096, 4097, 65535, 65536, 65537, 131073, MIB):
    write(f'size-{size}', rnd.randbytes(size))
write('empty', b'')
write('text.txt', b''.join(b'line %d of a very compressible file\n' % i for i in range(2000 if small else 200000)))
write('zeros.bin', bytes(MIB if small else 5 * MIB))
with open('half-random.bin', 'wb') as f:
    for _ in range(4 if small else 64):
        f.write(rnd.randbytes(32768) + b'A' * 98304)

# Holes, unwritten extents, fragments.
fd = os.open('sparse.bin', os.O_CREAT | os.O_RDWR, 0o640)
for i in range(40):
    os.pwrite(fd, rnd.randbytes(5000), i * 777777 + i * 4096 * 13)
os.ftruncate(fd, 200_000_000)
os.close(fd)
fd = os.open('all-hole.bin', os.O_CREAT | os.O_RDWR, 0o600)
os.ftruncate(fd, 64 * MIB)
os.close(fd)
fd = os.open('preallocated.bin', os.O_CREAT | os.O_RDWR, 0o600)
attempt('fallocate', lambda: os.posix_fallocate(fd, 0, MIB if small else 8 * MIB))
os.pwrite(fd, b'x' * 70000, 512 * 1024)
os.close(fd)
with open('fragments-a.bin', 'wb', 0) as a, open('fragments-b.bin', 'wb', 0) as b:
    for i in range(60 if small else 600):
        a.write(rnd.randbytes(4096))
        b.write(rnd.randbytes(4096))
        if i % 4 == 0:
            os.fsync(a.fileno())
            os.fsync(b.fileno())
fd = os.open('every-other-block.bin', os.O_CREAT | os.O_RDWR, 0o644)
blocks = 700 if small else 3000
for i in range(0, blocks, 2):
    os.pwrite(fd, rnd.randbytes(4096), i * 4096)
os.ftruncate(fd, (blocks + 1) * 4096 + 17)
os.close(fd)

# Directories and names.
os.mkdir('many')
for i in range(1500 if small else 20000):
    write('many/file_%05d_%s' % (i, 'n' * (i % 40)), b'%d\n' % i * (i % 7) if i % 10 == 0 else b'')
attempt('xattr on a directory', lambda: os.setxattr('many', 'user.dir', b'onadir'))
os.mkdir('emptied')
for i in range(300):
    write('emptied/%0100d' % i, b'')
for i in range(300):
    if i != 150:
        os.unlink('emptied/%0100d' % i)
write('L' * 255, b'longname')
os.makedirs('d1/' + 'D' * 250 + '/d3')
write('d1/' + 'D' * 250 + '/d3/leaf', b'leaf')
write('unicode_\u00e9\u4e2d\U0001F600', b'u')
attempt('name not in UTF-8', lambda: write(b'nonutf8_\xff\xfe\x80', b'n'))
attempt('newline in a name', lambda: write(b'newline\nname', b'n'))

# Links.
os.symlink('short', 'link-short')
for length in (58, 59, 60, 61, 81, 255, 1000):
    attempt(f'link of {length}', lambda: os.symlink('l' * length, f'link-{length}'))
attempt('link of 4001', lambda: os.symlink('/' + 'p/' * 2000, 'link-4001'))
attempt('link not in UTF-8', lambda: os.symlink(b'\xff\xfetarget', 'link-nonutf8'))
write('hard-1', b'hard' * 100)
os.link('hard-1', 'hard-2')
os.link('hard-1', 'd1/hard-3')

# Special files, modes, owners, times.
os.mknod('block', 0o660 | stat.S_IFBLK, os.makedev(8, 17))
os.mknod('char', 0o620 | stat.S_IFCHR, os.makedev(5, 1))
os.mknod('char-big', 0o620 | stat.S_IFCHR, os.makedev(300, 70000))
os.mkfifo('fifo', 0o600)
with socket.socket(socket.AF_UNIX) as s:
    s.bind('socket')
write('setuid')
os.chmod('setuid', 0o6755)
os.mkdir('sticky')
os.chmod('sticky', 0o1777)
write('owner')
os.chown('owner', 70000, 4000000000)
for name, atime, mtime in (
    ('before-1970', -1_000_000_123, -86400 * 10**9 * 365 * 30 + 5),
    ('before-1902', -2_200_000_000 * 10**9, -2_147_483_649 * 10**9 + 1),
    ('after-2038', 2_147_483_648 * 10**9 + 999_999_999, 4_294_967_296 * 10**9 + 1),
    ('after-2106', 5_000_000_000 * 10**9 + 1, 5_000_000_000 * 10**9 + 123456789),
):
    write(name)
    attempt(f'times of {name}', lambda: os.utime(name, ns=(atime, mtime)))

# Extended attributes: none of value, binary, in the inode, in a block, in inodes of their own.
write('attributes')
for name, value in (
    ('user.a', b'1'), ('user.binary', bytes(range(256))), ('user.empty', b''), ('user.big', b'B' * 600),
    ('user.huge', b'H' * 3000), ('user.enormous', b'E' * 20000), ('trusted.t', b'tt'), ('security.foo', b'sf'),
):
    attempt(f'attribute {name}', lambda: os.setxattr('attributes', name, value))
write('many-attributes')
for i in range(40):
    try:
        os.setxattr('many-attributes', f'user.attr{i:03}', b'v' * 50)
    except OSError as e:
        print(f'left out: attribute {i} of one file: {e.strerror}')
        break
write('shared-attribute-1')
write('shared-attribute-2')
for name in ('shared-attribute-1', 'shared-attribute-2'):
    attempt('shared attribute block', lambda: os.setxattr(name, 'user.shared', b's' * 500))
EOF
echo acl > acl-file
setfacl -m u:1234:rw,g:77:r acl-file || echo 'left out: ACL'
mkdir acl-directory
setfacl -d -m u:1234:rwx acl-directory || echo 'left out: default ACL'
cp /bin/ls capabilities
setcap cap_net_raw+ep capabilities || echo 'left out: capabilities'

"""Fills an NTFS that ntfs-3g mounted at argv[1] with one of everything, and a directory of argv[2] names."""
import os
import random
import socket
import struct
import sys

os.chdir(sys.argv[1])
names = int(sys.argv[2])
random.seed(1)

# Tags of reparse points: [MS-FSCC], section 2.1.2.1.
MOUNT_POINT, SYMLINK, LX_SYMLINK = 0xA0000003, 0xA000000C, 0xA000001D
COMPRESSED = 0x800
CLUSTER = 4096


def write(path, content=b''):
    with open(path, 'wb') as file:
        file.write(content)


def text(size):
    """Something that can be compressed."""
    words = [random.randbytes(random.randint(1, 9)).hex() for _ in range(40)]
    content = ''
    while len(content) < size:
        content += ' '.join(random.choices(words, k=50))
    return content[:size].encode()


def reparse(path, tag, data, is_directory=False):
    if is_directory:
        os.mkdir(path)
    else:
        write(path)
    os.setxattr(path, 'system.ntfs_reparse_data', struct.pack('<IHH', tag, len(data), 0) + data)


def junction(path, target):
    target = target.encode('utf-16le')
    data = struct.pack('<HHHH', 0, len(target), len(target) + 2, 0) + target + bytes(4)
    reparse(path, MOUNT_POINT, data, True)


def symlink(path, target, relative, is_directory):
    target = target.encode('utf-16le')
    reparse(path, SYMLINK, struct.pack('<HHHHI', 0, len(target), 0, 0, relative) + target, is_directory)


os.makedirs('d/sub')
os.makedirs('d/E')
os.makedirs('Users/Ann')
os.makedirs('Users/B')
write('a.txt', b'hello\n')
write('Q')
os.link('a.txt', 'd/hard.txt')

for size in 0, 1, 700, 4096, 65535, 65536, 65537, 1000003:
    write(f'plain{size}', random.randbytes(size))
with open('sparse', 'wb') as file:
    for offset in 0, 1 << 20, (5 << 20) + 77:
        file.seek(offset)
        file.write(random.randbytes(5000))
    file.truncate(9 << 20)

# New files in such a directory are compressed, where clusters have at most 4 KiB.
os.mkdir('comp')
os.setxattr('comp', 'system.ntfs_attrib', struct.pack('<I', COMPRESSED))
for size in 0, 5, 3000, 4097, 65536, 65537, 200000, 1234567:
    write(f'comp/t{size}', text(size))
write('comp/random', random.randbytes(300000))
write('comp/mix', random.randbytes(70000) + text(100000) + bytes(300000) + text(7) + random.randbytes(66000))
with open('comp/hole', 'wb') as file:
    for offset, size in (0, 70000), (1 << 20, 5), (3 << 20, 100001):
        file.seek(offset)
        file.write(text(size))

os.mkdir('names')
for name in ('é', 'É', 'ß', '日本', '😀 smile', 'a' * 255, '日' * 85, '.hidden', 'UPPER', 'upper', 'x y', 'a;b',
             'z\u0301', '𝒳' * 60):
    write('names/' + name, name.encode())
for name in b'lone\xed\xa0\x80', b'\xed\xb0\x80x':
    write(b'names/' + name)

# Names of DOS beside those of Windows: not listed.
for long, short in ('A long name.text', 'ALONGN~1.TEX'), ('Programs and more', 'PROGRA~1'):
    write('names/' + long, b'long')
    os.setxattr('names/' + long, 'system.ntfs_dos_name', short.encode())

# Files in many pieces: written in turns, between each other and new names, so that the table of files is in pieces too.
os.mkdir('many')
os.mkdir('pieces')
writers = [open(f'pieces/{i}', 'wb', buffering=0) for i in range(6)]
for i in range(names):
    name = f'many/{"File" if i % 3 else "file"} number {i}'
    write(name, text(1500) if i % 5 == 0 else b'%d' % i)
    for writer in writers:
        writer.write(random.randbytes(CLUSTER * random.randint(1, 2)))
for i in 1, 3, 5:
    os.unlink(f'pieces/{i}')
with open('pieces/holes', 'wb') as file:
    for i in range(400):
        file.seek(i * 3 * CLUSTER * 16)
        file.write(b'%d' % i)
for i in range(0, names, 3):
    os.unlink(f'many/file number {i}')
write('pieces/last', random.randbytes(5000000))

VOLUME = '\\??\\Volume{01234567-89ab-cdef-0123-456789abcdef}'
for i, target in enumerate((
        '\\??\\C:\\USERS\\ann', '\\??\\C:\\nothing\\x', VOLUME + '\\', '\\??\\D:\\', '\\??\\C:\\a.txt', 'C:\\users',
        '\\??\\C:\\junction0\\x\\Y', '\\??\\C:\\', '\\??\\UNC\\srv\\x', VOLUME + '\\x\\y', VOLUME, '\\??\\C:',
        '\\??\\c:\\users\\b', '\\??\\c:\\users\\b\\', '\\??\\c:\\d\\e', '\\??\\c:\\D', '\\\\?\\C:\\USERS',
        '\\??\\c:\\nope\\')):
    junction(f'junction{i}', target)
for i, (target, relative, is_directory) in enumerate((
        ('USERS\\ANN', 1, 1), ('..\\A.TXT', 1, 0), ('A.TXT', 1, 0), ('\\USERS\\ANN', 1, 1), ('C:\\USERS\\ANN', 1, 1),
        ('\\??\\C:\\USERS\\ANN', 0, 1), ('\\??\\C:\\A.TXT', 0, 0), ('nothing\\Here', 1, 0), ('\\\\srv\\share', 0, 0),
        ('junction0\\ABC\\d', 1, 0), ('.\\D\\..\\USERS\\.\\ANN', 1, 1), ('..\\..\\users', 1, 1), ('\\', 1, 1),
        ('C:\\nothing\\Q', 1, 1), ('\\nothing\\Q', 1, 1), ('\\??\\D:\\users\\ann', 0, 1), ('users\\ann\\', 1, 1),
        ('a.txt', 0, 0), ('D:\\USERS\\ANN', 1, 1), ('D', 1, 1), ('q', 1, 0), ('users\\b', 1, 1), ('\\D', 1, 1),
        ('\\users\\b', 1, 1), ('.', 1, 1), ('..', 1, 1), ('.\\', 1, 1), ('d\\..', 1, 1), ('d\\.', 1, 1),
        ('a.txt\\', 1, 0), ('a.txt\\x', 1, 0), ('a\\b', 0, 0), ('\\??\\C:\\A.TXT', 1, 0), ('d\\\\e', 1, 1),
        ('junction0', 1, 1), ('JUNCTION0', 1, 0))):
    symlink(f'symlink{i}', target, relative, is_directory)
for i, (target, is_directory) in enumerate((
        ('..\\USERS\\ANN', 1), ('SUB', 1), ('HARD.TXT', 0), ('SUB', 0), ('..\\..\\a.txt', 0), ('..', 1))):
    symlink(f'd/symlink{i}', target, 1, is_directory)
reparse('lx symlink', LX_SYMLINK, struct.pack('<I', 2) + b'/etc/passwd')
# Of Hyper-V, of deduplication, of OneDrive: not known to ntfs-3g without its plugins.
for tag in 0x80001234, 0x80000013, 0x9000001A:
    reparse(f'unknown {tag:x}', tag, b'abcd')
reparse('unknown directory', 0x9000001A, b'abcd', True)

# Of Interix, or of the Linux subsystem of Windows, as the mount says.
os.symlink('users/ann', 'interix symlink')
os.symlink('ä/😀', 'interix symlink 2')
os.mkfifo('fifo')
os.mknod('block', 0o60600, os.makedev(8, 300))
os.mknod('character', 0o20600, os.makedev(5, 1))
socket.socket(socket.AF_UNIX).bind('socket')

os.setxattr('a.txt', 'user.Zone.Identifier', b'[ZoneTransfer]')
os.setxattr('a.txt', 'user.large', b'q' * 60000)
os.setxattr('d', 'user.empty', b'')
# So many that they need a list of attributes.
write('streams', b'x')
for i in range(40):
    os.setxattr('streams', f'user.stream {i}', b'v' * (i * 37))

for i, seconds in enumerate((0, 10**9 + 5, -5, -10**10, 4 * 10**9)):
    write(f'time{i}')
    accessed = seconds * 10**9 + (123456700 if seconds > 0 else 0)
    os.utime(f'time{i}', ns=(accessed, seconds * 10**9))

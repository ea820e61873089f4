"""Files compressed by WOF, with the chunks that wimlib makes: a resource of a WIM image is stored as WOF's stream is.

Needs wimtools. Run by itself it makes tests/data/ntfs/wof.img: `wof_ntfs.py IMAGE MOUNTPOINT`.
"""
import hashlib
import os
import random
import struct
import subprocess
import sys
import tempfile

# Name, number of the method (FILE_PROVIDER_COMPRESSION_*), wimlib's name, bytes of a chunk.
METHODS = (('xpress4k', 0, 'XPRESS', 4096), ('lzx', 1, 'LZX', 32768),
           ('xpress8k', 2, 'XPRESS', 8192), ('xpress16k', 3, 'XPRESS', 16384))
TAG = 0x80000017
COMPRESSED = 4


def resources(contents, method, chunk):
    """What wimlib makes of each of `contents`: the table of chunks and the chunks; None if it is not smaller."""
    with tempfile.TemporaryDirectory() as scratch:
        source, image = os.path.join(scratch, 'source'), os.path.join(scratch, 'image')
        os.mkdir(source)
        for i, content in enumerate(contents):
            with open(os.path.join(source, str(i)), 'wb') as file:
                file.write(content)
        subprocess.run(['wimlib-imagex', 'capture', source, image, f'--compress={method}', f'--chunk-size={chunk}',
                        '--no-acls', '--threads=1'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(image, 'rb') as file:
            wim = file.read()

    def header(at):
        size, offset, whole = struct.unpack_from('<QQQ', wim, at)
        return size & (1 << 56) - 1, size >> 56, offset, whole

    size, _, offset, _ = header(0x30)
    found = {}
    for at in range(offset, offset + size, 50):
        packed, flags, place, whole = header(at)
        found[wim[at + 30:at + 50]] = (wim[place:place + packed], flags, whole)
    result = []
    for content in contents:
        packed, flags, whole = found[hashlib.sha1(content).digest()]
        assert whole == len(content)
        result.append(packed if flags & COMPRESSED else None)
    return result


def write(path, size, resource, number):
    """Makes a file of `size` bytes that WOF compressed, on a mount with `streams_interface=windows`."""
    with open(path, 'wb') as file:
        file.truncate(size)
    with open(f'{path}:WofCompressedData', 'wb') as file:
        file.write(resource)
    os.setxattr(path, 'system.ntfs_reparse_data', struct.pack('<IHHIIII', TAG, 16, 0, 1, 2, 1, number))


def contents():
    """Text, machine code with calls, runs, noise within what is compressed, and sizes about those of chunks."""
    random.seed(4)
    words = [random.randbytes(random.randint(1, 6)).hex() for _ in range(60)]
    text = ' '.join(random.choices(words, [1 / (i + 1) for i in range(60)], k=9000)).encode()[:26000]
    code = bytearray()
    targets = [random.randrange(0, 60000) for _ in range(9)]
    parts = [random.randbytes(random.randint(1, 9)) for _ in range(60)]
    while len(code) < 34000:
        code += random.choice(parts)
        if random.random() < .4:
            code += b'\xe8' + struct.pack('<i', random.choice(targets) - len(code) - 5)
        if random.random() < .01:
            code += b'\xe8' + random.choice((bytes(4), b'\xff' * 4, struct.pack('<i', 12000000 - len(code))))
    noise = random.randbytes(2500)
    found = {
        'text': text, 'code': bytes(code), 'runs': bytes(50000) + b'a' * 33000 + bytes(range(256)) * 70,
        'noise': text[:9000] + noise + bytes(30000) + noise * 2 + text[:9], 'short': b'short ' * 9,
    }
    for size in 4096, 4097, 8191, 16384, 32768, 32769, 65536:
        found[f'of {size}'] = (text[:1500] * 44)[:size]
    return found


def main():
    image, mount = sys.argv[1:]
    with open(image, 'wb') as file:
        file.truncate(4 << 20)
    subprocess.run(['mkntfs', '-q', '-F', '-Q', '-c', '1024', '-p', '0', '-H', '255', '-S', '63', image],
                   check=True, stderr=subprocess.DEVNULL)
    subprocess.run(['ntfs-3g', '-o', 'streams_interface=windows', image, mount], check=True)
    try:
        files = contents()
        sums = ''
        for name, number, method, chunk in METHODS:
            os.mkdir(os.path.join(mount, name))
            for (file, content), resource in zip(files.items(), resources(files.values(), method, chunk)):
                # What does not get smaller is a plain chunk.
                assert resource or len(content) < chunk, file
                write(os.path.join(mount, name, file), len(content), resource or content, number)
                sums += f'{hashlib.sha256(content).hexdigest()} {len(content)} {name}/{file}\n'
        with open(os.path.join(mount, 'sums'), 'w') as file:
            file.write(sums)
    finally:
        subprocess.run(['umount', mount], check=True)


if __name__ == '__main__':
    main()

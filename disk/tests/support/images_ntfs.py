"""Makes the images of data/ntfs, but for wof (see wof_ntfs.py), as .img.xz in the directory argv[1]. Needs ntfs-3g, xz."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# Name, bytes, options of mkntfs, program that fills it.
IMAGES = (
    ('small', 3 << 20, '-c 1024', 'small_ntfs.py'),
    ('sector4k', 8 << 20, '-s 4096', 'small_ntfs.py'),
    ('cluster2m', 512 << 20, '-c 2097152', 'small_ntfs.py'),
    ('crowded', 8 << 20, '-c 1024', 'crowd_ntfs.py'),
    ('compressed', 4 << 20, '-c 4096', 'compress_ntfs.py'),
)


def main():
    target = os.path.abspath(sys.argv[1])
    names = sys.argv[2:]
    for name, size, options, program in IMAGES:
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            image, mount = os.path.join(scratch, f'{name}.img'), os.path.join(scratch, 'mount')
            os.mkdir(mount)
            with open(image, 'wb') as file:
                file.truncate(size)
            format = ['mkntfs', '-q', '-F', '-Q', '-p', '0', '-H', '255', '-S', '63', '-L', name, *options.split(), image]
            subprocess.run(format, check=True, stderr=subprocess.DEVNULL)
            options = 'streams_interface=xattr,compression,noatime'
            subprocess.run(['ntfs-3g', '-o', options, image, mount], check=True)
            try:
                subprocess.run(['python3', os.path.join(HERE, program), mount], check=True)
            finally:
                subprocess.run(['umount', mount], check=True)
            packed = subprocess.run(['xz', '-6e', '-c', image], check=True, stdout=subprocess.PIPE).stdout
            with open(os.path.join(target, f'{name}.img.xz'), 'wb') as file:
                file.write(packed)


if __name__ == '__main__':
    main()

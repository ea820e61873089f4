"""Fills an NTFS that ntfs-3g mounted at argv[1] so that its table of files lies in many pieces."""
import errno
import os
import sys

os.chdir(sys.argv[1])
CLUSTER = 1024


def fill(prefix, content):
    """Makes files until there is no more room, and says how many."""
    count = 0
    try:
        while True:
            with open(f'{prefix}{count}', 'wb', buffering=0) as file:
                file.write(content)
            count += 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    return count


count = fill('large ', b'l' * 2 * CLUSTER)
for i in range(0, count, 2):
    os.unlink(f'large {i}')
count = fill('small ', b's')
# The table stays as it is; reading it need not take so long.
for i in range(count):
    if i % 9:
        os.unlink(f'small {i}')

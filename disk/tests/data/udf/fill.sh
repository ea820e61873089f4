#!/bin/sh
# fill.sh: makes one of everything in the UDF that is mounted on the current directory, as Linux writes it.
set -e
export LC_ALL=C.UTF-8
mkdir -p a/b/c many "empty directory"
echo in capitals > README.TXT
printf '' > empty
printf 'in the inode' > small
i=0; while [ $i -lt 60 ]; do printf '%0*d' $((i * 37)) $i > "many/file number $i.text"; i=$((i + 1)); done
for i in 3 7 11 30 31 59; do rm "many/file number $i.text"; done
echo new > "many/a name longer than those of before"
echo Unicode > "täst 日本 😀.txt"
echo Latin > "grün"
echo 127 > "$(printf '%0127d' 7)"
echo 126 > "$(printf '%0125d' 7)"日
echo ends > "ends with dot."
echo one > a/b/c/one; ln a/b/c/one "a/another name"; ln a/b/c/one a/b/third
for t in README.TXT / /etc/passwd ../a/./b/../c a//b/ "täst 日本" dangling ..; do n=$((n + 1)); ln -s "$t" "link$n"; done
ln -s "$(printf 'component/%.0s' 1 2 3 4 5 6 7 8 9 10 11 12)" long
mknod pipe p; mknod null c 1 3; mknod minor b 8 200
# Pieces: a file and another in turns, so that one has many extents.
i=0; while [ $i -lt 150 ]; do
    printf '%04d%4092s' $i x >> pieces; printf '%04d%4092s' $i y >> others; sync pieces; sync others; i=$((i + 1)); done
rm others
printf 'start' > holes; printf 'middle' | dd of=holes bs=1 seek=100000 conv=notrunc 2>/dev/null; truncate -s 300001 holes
head -c 200000 /dev/zero | tr '\0' 'z' > large
truncate -s 70000 large
printf 'reserved' > reserved; fallocate -l 20000 -n reserved 2>/dev/null || true
chmod 4711 README.TXT; chmod 1777 "empty directory"; chmod 0 empty; chmod 2750 small; chown 1000:100 large a/b; chown -h 7:8 long
touch -d '1970-01-01 UTC' empty; touch -d '1969-12-31 12:00 UTC' large; touch -d '2036-02-29 01:02:03.123456789 UTC' small
touch -h -d '2101-02-03 04:05:06.7 UTC' long; touch -d '2001-02-03 04:05:06 UTC' "empty directory"

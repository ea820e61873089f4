complete -c virt-ls -s a -l add -d 'Add a disk image or block device of the guest' -r
complete -c virt-ls -l blocksize -d 'Sector size of the disks added after this option' -r
complete -c virt-ls -l checksum -d 'Show a checksum of each regular file\'s content (with -lR)' -r -f -a "crc\t''
md5\t''
sha1\t''
sha224\t''
sha256\t''
sha384\t''
sha512\t''"
complete -c virt-ls -s c -l connect -d 'libvirt connection to find guests at' -r
complete -c virt-ls -s d -l domain -d 'Add all disks of a libvirt guest, by name or UUID' -r
complete -c virt-ls -l format -d 'Image format of the disks added after this option' -r
complete -c virt-ls -l key -d 'Key of an encrypted device (LUKS, BitLocker)' -r
complete -c virt-ls -s m -l mount -d 'Mount a filesystem by hand, instead of all that the guest mounts itself' -r
complete -c virt-ls -l csv -d 'Print comma-separated values (with -lR)'
complete -c virt-ls -l echo-keys -d 'Show passphrases while they are typed'
complete -c virt-ls -l extra-stats -d 'Show device, inode number, number of links, number of a special file, and blocks (with -lR)'
complete -c virt-ls -l help -d 'Show this help'
complete -c virt-ls -s h -l human-readable -d 'Show sizes with a unit, as in 1.5K (with -lR)'
complete -c virt-ls -l json -d 'Print JSON, in every mode'
complete -c virt-ls -l keys-from-stdin -d 'Read passphrases from standard input, one a line'
complete -c virt-ls -s l -l long -d 'Long listing, as of ls -la; with -R, one record an entry'
complete -c virt-ls -l long-options -d 'List the long options, for shell completion'
complete -c virt-ls -s R -l recursive -d 'List what is in the directories below, too'
complete -c virt-ls -l short-options -d 'List the short options, for shell completion'
complete -c virt-ls -l times -d 'Show times of last access, last modification and last change of status (with -lR)'
complete -c virt-ls -l time-days -d 'Show times as whole days before now (with -lR)'
complete -c virt-ls -l time-relative -d 'Show times as seconds before now (with -lR)'
complete -c virt-ls -l time-t -d 'Show times as seconds since 1970 (with -lR)'
complete -c virt-ls -l uids -d 'Show numeric owners and groups (with -lR)'
complete -c virt-ls -s v -l verbose -d 'Print on standard error what goes on'
complete -c virt-ls -s V -l version -d 'Show the version'
complete -c virt-ls -s x -d 'Print on standard error each call of the library and its result'

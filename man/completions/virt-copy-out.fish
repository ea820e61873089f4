complete -c virt-copy-out -s a -l add -d 'Add a disk image or block device of the guest' -r
complete -c virt-copy-out -l blocksize -d 'Sector size of the disks added after this option' -r
complete -c virt-copy-out -s c -l connect -d 'libvirt connection to find guests at' -r
complete -c virt-copy-out -s d -l domain -d 'Add all disks of a libvirt guest, by name or UUID' -r
complete -c virt-copy-out -l exclude -d 'Leave out what fits a wildcard' -r
complete -c virt-copy-out -l format -d 'Image format of the disks added after this option' -r
complete -c virt-copy-out -l key -d 'Key of an encrypted device (LUKS, BitLocker)' -r
complete -c virt-copy-out -s m -l mount -d 'Mount a filesystem by hand, instead of all that the guest mounts itself' -r
complete -c virt-copy-out -l echo-keys -d 'Show passphrases while they are typed'
complete -c virt-copy-out -l help -d 'Show this help'
complete -c virt-copy-out -s i -l inspector -d 'Inspect the guest, which is always done without -m (as of guestfish)'
complete -c virt-copy-out -l json -d 'Report what became of the copy as JSON, on standard output'
complete -c virt-copy-out -l keys-from-stdin -d 'Read passphrases from standard input, one a line'
complete -c virt-copy-out -l long-options -d 'List the long options, for shell completion'
complete -c virt-copy-out -l no-owner -d 'Do not keep owners and groups, though root'
complete -c virt-copy-out -l no-progress-bars -d 'Do not show progress'
complete -c virt-copy-out -l owner -d 'Keep owners and groups, though not root'
complete -c virt-copy-out -l progress-bars -d 'Show progress, which is always done on a terminal (as of guestfish)'
complete -c virt-copy-out -s r -l ro -d 'Only read the guest, which is always done (as of guestfish)'
complete -c virt-copy-out -l short-options -d 'List the short options, for shell completion'
complete -c virt-copy-out -s v -l verbose -d 'Print on standard error what goes on'
complete -c virt-copy-out -l verify -d 'Compare the copy with the guest, after it was made'
complete -c virt-copy-out -s V -l version -d 'Show the version'
complete -c virt-copy-out -s x -d 'Print on standard error each call of the library and its result'
complete -c virt-copy-out -l xattrs -d 'Keep extended attributes and ACLs'

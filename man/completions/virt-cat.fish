complete -c virt-cat -s a -l add -d 'Add a disk image or block device of the guest' -r
complete -c virt-cat -l blocksize -d 'Sector size of the disks added after this option' -r
complete -c virt-cat -s c -l connect -d 'libvirt connection to find guests at' -r
complete -c virt-cat -s d -l domain -d 'Add all disks of a libvirt guest, by name or UUID' -r
complete -c virt-cat -l format -d 'Image format of the disks added after this option' -r
complete -c virt-cat -l key -d 'Key of an encrypted device (LUKS, BitLocker)' -r
complete -c virt-cat -s m -l mount -d 'Mount a filesystem by hand, instead of all that the guest mounts itself' -r
complete -c virt-cat -l echo-keys -d 'Show passphrases while they are typed'
complete -c virt-cat -l help -d 'Show this help'
complete -c virt-cat -l keys-from-stdin -d 'Read passphrases from standard input, one a line'
complete -c virt-cat -l long-options -d 'List the long options, for shell completion'
complete -c virt-cat -l short-options -d 'List the short options, for shell completion'
complete -c virt-cat -s v -l verbose -d 'Print on standard error what goes on'
complete -c virt-cat -s V -l version -d 'Show the version'
complete -c virt-cat -s x -d 'Print on standard error each call of the library and its result'

complete -c virt-df -s a -l add -d 'Add a disk image or block device of the guest' -r
complete -c virt-df -l blocksize -d 'Sector size of the disks added after this option' -r
complete -c virt-df -s c -l connect -d 'libvirt connection to find guests at' -r
complete -c virt-df -s d -l domain -d 'Add all disks of a libvirt guest, by name or UUID' -r
complete -c virt-df -l format -d 'Image format of the disks added after this option' -r
complete -c virt-df -l key -d 'Key of an encrypted device (LUKS, BitLocker)' -r
complete -c virt-df -s P -d 'How many guests are examined at a time, at most' -r
complete -c virt-df -l csv -d 'Print comma-separated values'
complete -c virt-df -l echo-keys -d 'Show passphrases while they are typed'
complete -c virt-df -l help -d 'Show this help'
complete -c virt-df -s h -l human-readable -d 'Show sizes with a unit, as in 1.5G'
complete -c virt-df -s i -l inodes -d 'Show inodes, not blocks'
complete -c virt-df -l json -d 'Print JSON'
complete -c virt-df -l keys-from-stdin -d 'Read passphrases from standard input, one a line'
complete -c virt-df -l long-options -d 'List the long options, for shell completion'
complete -c virt-df -l one-per-guest -d 'Does nothing, for scripts that have it'
complete -c virt-df -l separate -d 'Take each disk for a guest of its own'
complete -c virt-df -l short-options -d 'List the short options, for shell completion'
complete -c virt-df -l uuid -d 'Show UUIDs instead of names, of libvirt guests'
complete -c virt-df -s v -l verbose -d 'Print on standard error what goes on'
complete -c virt-df -s V -l version -d 'Show the version'
complete -c virt-df -s x -d 'Print on standard error each call of the library and its result'

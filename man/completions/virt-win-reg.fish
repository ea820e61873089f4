complete -c virt-win-reg -s a -l add -d 'Add a disk image or block device of the guest' -r
complete -c virt-win-reg -l backup -d 'Keep the old hive and its logs when a merge writes a new one' -r
complete -c virt-win-reg -l blocksize -d 'Sector size of the disks added after this option' -r
complete -c virt-win-reg -s c -l connect -d 'libvirt connection to find guests at' -r
complete -c virt-win-reg -s d -l domain -d 'Add all disks of a libvirt guest, by name or UUID' -r
complete -c virt-win-reg -l encoding -d 'How strings are stored by a merge' -r
complete -c virt-win-reg -l format -d 'Image format of the disks added after this option' -r
complete -c virt-win-reg -l hive -d 'Work on a hive file, with no guest around it' -r -F
complete -c virt-win-reg -l key -d 'Key of an encrypted device (LUKS, BitLocker)' -r
complete -c virt-win-reg -l max-depth -d 'Print at most so many levels of keys' -r
complete -c virt-win-reg -l prefix -d 'What keys of the hive file of --hive begin with' -r
complete -c virt-win-reg -l root -d 'Which system, if there are several with Windows' -r
complete -c virt-win-reg -l debug -d 'The same as -v'
complete -c virt-win-reg -l echo-keys -d 'Show passphrases while they are typed'
complete -c virt-win-reg -l help -d 'Show this help'
complete -c virt-win-reg -l json -d 'Print JSON'
complete -c virt-win-reg -l keys-from-stdin -d 'Read passphrases from standard input, one a line'
complete -c virt-win-reg -l long-options -d 'List the long options, for shell completion'
complete -c virt-win-reg -l merge -d 'Merge .reg files into the registry'
complete -c virt-win-reg -l short-options -d 'List the short options, for shell completion'
complete -c virt-win-reg -l unsafe-printable-strings -d 'Print strings as text, not in hexadecimal'
complete -c virt-win-reg -s v -l verbose -d 'Print on standard error what goes on'
complete -c virt-win-reg -s V -l version -d 'Show the version'
complete -c virt-win-reg -s x -d 'Print on standard error each call of the library and its result'

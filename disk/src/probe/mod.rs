//! What a source holds: type, label and UUID of filesystems, volumes and encrypted containers, as `blkid -p` names them.

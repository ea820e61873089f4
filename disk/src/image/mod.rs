//! Disk image formats: what a virtual disk's bytes are, given the bytes of the image file(s) that hold it.

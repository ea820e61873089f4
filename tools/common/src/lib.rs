//! What the virt-* tools share: options, output, exit status.

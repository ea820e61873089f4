//! Does KVM work here? That `/dev/kvm` exists is not enough: on some hosts it refuses the processor's registers, or its
//! guests hang.

use std::path::Path;

use crate::handle::Settings;

/// Does a guest of this hypervisor run with KVM?
pub(super) fn works(_qemu: &Path, _settings: &Settings) -> bool {
    false
}

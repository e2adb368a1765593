//! The readiness that every socket is registered for.

use mio::Interest;

/// Out-of-band bytes, which Linux lets a peer send, end a read early and are reported as priority.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) const READ: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) const READ: Interest = Interest::READABLE;

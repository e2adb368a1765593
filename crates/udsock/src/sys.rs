//! The system's socket structures and calls, where rustix's own types do not fit: its addresses do not hold
//! every address, and its name queries do not survive every answer. Everything unsafe that is not about
//! credentials is in here.

#[cfg(target_vendor = "apple")]
#[path = "sys/apple.rs"]
mod platform;
#[cfg(target_os = "freebsd")]
#[path = "sys/freebsd.rs"]
mod platform;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "sys/linux.rs"]
mod platform;
mod readiness;
mod sockaddr;

pub(crate) use platform::{HAS_ABSTRACT_NAMES, accept, is_listening, socket};
pub(crate) use readiness::watch_readable;
pub(crate) use sockaddr::{PATH_CAPACITY, Sockaddr, local_name, peer_name};

/// A new stream socket, non-blocking and close-on-exec.
pub(crate) fn stream_socket() -> rustix::io::Result<std::os::fd::OwnedFd> {
    socket(rustix::net::SocketType::STREAM)
}

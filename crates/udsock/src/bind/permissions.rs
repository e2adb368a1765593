//! The mode of a socket file.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::PermissionsExt;

use super::file::SocketFile;
use crate::fault;

/// Linux makes the file with the socket's own permissions less the umask (`unix_bind_bsd` in the kernel), so it
/// is born with no bit more than asked.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn before_bind(socket: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    Ok(fault::call("fchmod", || rustix::fs::fchmod(socket, rustix::fs::Mode::from_raw_mode(mode)))?)
}

/// Elsewhere the socket's permissions are not the file's.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn before_bind(_socket: BorrowedFd<'_>, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Adds what the umask took away, before anybody can connect. The descriptor holds the very file: whatever
/// happens to its name, no other is changed, and no symbolic link is followed.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn after_bind(file: &SocketFile, mode: u32) -> io::Result<()> {
    use crate::error::errno;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;

    if file.permissions() == mode {
        return Ok(());
    }
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let held =
        fault::call("open", || fs::OpenOptions::new().read(true).custom_flags(flags).open(file.path()))?;
    if !file.is(&fault::call("fstat", || held.metadata())?) {
        return Err(errno(libc::ESTALE));
    }
    // fchmod(2) does not take such a descriptor; the kernel resolves this link to the file itself.
    let link = format!("/proc/self/fd/{}", held.as_raw_fd());
    match fault::call("chmod", || fs::set_permissions(link, Permissions::from_mode(mode))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(errno(libc::EOPNOTSUPP)),
        outcome => outcome,
    }
}

/// Elsewhere the file stands in a directory of our own, where the name cannot come to mean another file.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn after_bind(file: &SocketFile, mode: u32) -> io::Result<()> {
    if file.permissions() == mode {
        return Ok(());
    }
    fault::call("chmod", || fs::set_permissions(file.path(), Permissions::from_mode(mode)))
}

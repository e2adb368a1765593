//! The mode of a socket file.

use std::io;

use super::file::SocketFile;
use super::platform::Held;

const OWNER_WRITE: u32 = 0o200;

/// Adds the bits that the umask removed, before any client can connect.
pub(super) fn after_bind(file: &SocketFile, mode: u32) -> io::Result<()> {
    if file.permissions() == mode { Ok(()) } else { Held::open(file)?.set_mode(mode) }
}

/// The owner's write bit, added to a file that lacks it. Dropping this removes the bit.
pub(super) struct OwnerWrite {
    file: Held,
    before: u32,
}

impl OwnerWrite {
    /// Returns `None` if the file has the bit.
    pub(super) fn add(file: &SocketFile) -> io::Result<Option<Self>> {
        let before = file.mode();
        if before & OWNER_WRITE != 0 {
            return Ok(None);
        }
        let file = Held::open(file)?;
        file.set_mode(before | OWNER_WRITE)?;
        Ok(Some(Self { file, before }))
    }
}

impl Drop for OwnerWrite {
    fn drop(&mut self) {
        // If that fails, only the file's owner has one more right.
        let _ = self.file.set_mode(self.before);
    }
}

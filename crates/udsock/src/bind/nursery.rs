//! A private directory beside the path, in which a socket file gets its mode and its listener before it is
//! given its name: for systems on which a file cannot be born with fewer permissions. The name is a hard link,
//! because a rename would replace what has come there meanwhile.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::file::SocketFile;
use super::{Bound, create_then};
use crate::error::errno;
use crate::sys;

/// A directory of mode 0700 and its one file, both removed when dropped.
struct Nursery(PathBuf);

impl Nursery {
    fn beside(path: &Path) -> io::Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let directory = path.with_file_name(format!(".uds{:x}-{number:x}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Self(directory))
    }

    fn file(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        // What cannot be removed stays; there is nobody to tell.
        let _ = fs::remove_file(self.file());
        let _ = fs::remove_dir(&self.0);
    }
}

pub(super) fn create(path: &Path, mode: u32, backlog: i32) -> io::Result<Bound> {
    let nursery = Nursery::beside(path)?;
    let born = create_then(&nursery.file(), Some(mode), |socket| sys::listen(socket, backlog))?;
    match fs::hard_link(nursery.file(), path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(errno(libc::EADDRINUSE)),
        Err(error) => return Err(error),
    }
    let file = born.file.map(|file: SocketFile| file.moved_to(path));
    Ok(Bound { socket: born.socket, file })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

    use super::*;
    use crate::bind::FileState;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_socket_gets_its_name_last_and_leaves_no_directory() {
        let home = std::env::temp_dir().join(format!("us-nursery-{}", std::process::id()));
        fs::create_dir(&home).unwrap();
        let path = home.join("s");
        let bound = create(&path, 0o640, 4).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(bound.file.as_ref().unwrap().state().unwrap(), FileState::Own);
        UnixStream::connect(&path).unwrap();
        assert_eq!(create(&path, 0o640, 4).unwrap_err().raw_os_error(), Some(libc::EADDRINUSE));
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
        UnixStream::connect(&path).unwrap();
        fs::remove_dir_all(home).unwrap();
    }
}

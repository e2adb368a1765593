//! A private directory beside the path, in which a socket file gets its mode and its listener before it gets its name: for
//! systems that cannot create a socket file with fewer permissions. The name is a hard link, because a rename would replace a
//! file that was created there in the meantime.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::file::SocketFile;
use super::{BindOptions, Bound, create_then, listen};
use crate::error::errno;

/// A directory of mode 0700 and its one file, both removed when dropped.
struct StagingDir(PathBuf);

impl StagingDir {
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

impl Drop for StagingDir {
    fn drop(&mut self) {
        // A directory that cannot be removed stays; there is no caller to report it to.
        let _ = fs::remove_file(self.file());
        let _ = fs::remove_dir(&self.0);
    }
}

pub(super) fn create(path: &Path, options: &BindOptions) -> io::Result<Bound> {
    let staging_dir = StagingDir::beside(path)?;
    let staged = create_then(&staging_dir.file(), options, |socket| listen(socket, options))?;
    match fs::hard_link(staging_dir.file(), path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(errno(libc::EADDRINUSE)),
        Err(error) => return Err(error),
    }
    let file = staged.file.map(|file: SocketFile| file.moved_to(path));
    Ok(Bound { socket: staged.socket, file })
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
        let home = std::env::temp_dir().join(format!("us-staging-{}", std::process::id()));
        fs::create_dir(&home).unwrap();
        let path = home.join("s");
        let options = BindOptions::new(4).mode(0o640);
        let bound = create(&path, &options).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(bound.file.as_ref().unwrap().state().unwrap(), FileState::Own);
        UnixStream::connect(&path).unwrap();
        assert_eq!(create(&path, &options).unwrap_err().raw_os_error(), Some(libc::EADDRINUSE));
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
        UnixStream::connect(&path).unwrap();
        fs::remove_dir_all(home).unwrap();
    }
}

//! What descriptors are, and their duplicates.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::{FdFlags, fcntl_getfd};
use udsock::{DescriptorKind, close_on_exec, duplicate};

#[test]
fn each_kind_of_descriptor_has_its_name() -> io::Result<()> {
    let (read, write) = io::pipe()?;
    let (socket, _peer) = UnixStream::pair()?;
    assert_eq!(DescriptorKind::of(File::open(std::env::current_exe()?)?)?, DescriptorKind::File);
    assert_eq!(DescriptorKind::of(File::open("/")?)?, DescriptorKind::Directory);
    assert_eq!(DescriptorKind::of(&read)?, DescriptorKind::Pipe);
    assert_eq!(DescriptorKind::of(&write)?, DescriptorKind::Pipe);
    assert_eq!(DescriptorKind::of(&socket)?, DescriptorKind::Socket);
    assert_eq!(DescriptorKind::of(File::open("/dev/null")?)?, DescriptorKind::CharacterDevice);
    #[cfg(target_os = "linux")]
    {
        let events = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?;
        assert_eq!(DescriptorKind::of(&events)?, DescriptorKind::Other);
    }
    Ok(())
}

#[test]
fn a_duplicate_is_close_on_exec_and_no_standard_stream() -> io::Result<()> {
    let file = File::open("/dev/null")?;
    let copy = duplicate(&file)?;
    assert!(copy.as_raw_fd() > 2);
    assert_ne!(copy.as_raw_fd(), file.as_raw_fd());
    assert!(fcntl_getfd(&copy)?.contains(FdFlags::CLOEXEC));
    Ok(())
}

#[test]
fn close_on_exec_sets_the_flag() -> io::Result<()> {
    let file = OwnedFd::from(File::open("/dev/null")?);
    rustix::io::fcntl_setfd(&file, FdFlags::empty())?;
    close_on_exec(&file)?;
    assert!(fcntl_getfd(&file)?.contains(FdFlags::CLOEXEC));
    Ok(())
}

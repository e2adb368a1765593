//! What comes with the bytes of a stream, as far as the kernel says.

#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicBool;

use udsock::{
    Address, Ancillary, BindOptions, ConnectOptions, Passed, bind_with, refuse_rights, try_accept,
    try_connect_with,
};

/// A listening socket at a new path.
fn listener(name: &str, refuse_rights: bool) -> (OwnedFd, Address) {
    let path = std::env::temp_dir().join(format!("udsock-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let address = Address::try_from(path.as_path()).unwrap();
    let options = BindOptions::new(4).refuse_rights(refuse_rights);
    let bound = bind_with(&address, &options, &AtomicBool::new(false)).unwrap();
    (bound.socket, address)
}

/// Whether this kernel can refuse descriptors.
fn can_refuse() -> bool {
    Ancillary::of_new_socket(true).rights == Passed::Off
}

#[test]
fn both_ends_refuse_descriptors_as_their_options_say() {
    let (listener, address) = listener("refusing", true);
    let client = try_connect_with(&address, ConnectOptions::new().refuse_rights(true)).unwrap();
    let accepted = try_accept(&listener).unwrap();
    for socket in [listener.as_fd(), client.as_fd(), accepted.as_fd()] {
        assert_eq!(Ancillary::of(socket), Ancillary::of_new_socket(true));
        assert_eq!(Ancillary::of(socket).is_short_read_final(), can_refuse());
    }
    std::fs::remove_file(address.as_pathname().unwrap()).unwrap();
}

#[test]
fn without_them_they_take_what_comes_and_say_so() {
    let (listener, address) = listener("taking", false);
    let client = try_connect_with(&address, ConnectOptions::default()).unwrap();
    let accepted = try_accept(&listener).unwrap();
    let expected = if can_refuse() { Passed::On } else { Passed::Unknown };
    for socket in [listener.as_fd(), client.as_fd(), accepted.as_fd()] {
        assert_eq!(Ancillary::rights_of(socket), expected);
        assert_eq!(Ancillary::of(socket), Ancillary::of_new_socket(false));
    }
    assert_eq!(refuse_rights(&client).is_ok(), can_refuse());
    std::fs::remove_file(address.as_pathname().unwrap()).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_socket_that_passes_credentials_on_ends_reads_between_senders() {
    use rustix::net::sockopt::set_socket_passcred;
    let (listener, address) = listener("passing", true);
    set_socket_passcred(&listener, true).unwrap();
    let client = try_connect_with(&address, ConnectOptions::default()).unwrap();
    let accepted = try_accept(&listener).unwrap();
    for socket in [listener.as_fd(), accepted.as_fd()] {
        let ancillary = Ancillary::of(socket);
        assert!(ancillary.senders != Passed::Off && !ancillary.is_short_read_final(), "{ancillary:?}");
    }
    drop(client);
    std::fs::remove_file(address.as_pathname().unwrap()).unwrap();
}

//! Addresses as the kernel takes and returns them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixStream};

use common::Directory;
use udsock::{Address, MAX_PATHNAME, bind, try_connect};

#[test]
fn a_pathname_of_every_length_is_bound_and_reported_exactly() {
    let directory = Directory::new();
    let mut tested = 0;
    for length in 1..=MAX_PATHNAME {
        let Some(address) = directory.address_of_length(length) else { continue };
        let listener = bind(&address, 1).unwrap();
        assert_eq!(Address::local(&listener).unwrap(), address);
        assert!(address.as_pathname().unwrap().exists(), "the file has the whole name");
        let client = try_connect(&address).unwrap();
        assert_eq!(Address::peer(&client).unwrap(), address);
        assert!(Address::local(&client).unwrap().is_unnamed());
        tested += 1;
    }
    assert!(tested > 50, "the directory's name leaves room for the interesting lengths");
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_of_every_length_is_bound_and_reported_exactly() {
    for length in 0..=MAX_PATHNAME - 1 {
        // Unique in the namespace as far as the length allows.
        let unique = format!("{}\0address", std::process::id()).into_bytes();
        let name: Vec<u8> = unique.into_iter().cycle().take(length).collect();
        let address = Address::abstract_name(&name).unwrap();
        let listener = common::when_free(|| bind(&address, 1));
        assert_eq!(Address::local(&listener).unwrap(), address);
        let client = try_connect(&address).unwrap();
        assert_eq!(Address::peer(&client).unwrap(), address);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn abstract_names_that_differ_in_trailing_zeros_are_different() {
    let name = format!("zeros-{}", std::process::id());
    let short = Address::abstract_name(name.as_bytes()).unwrap();
    let long = Address::abstract_name(format!("{name}\0").as_bytes()).unwrap();
    let _listener = bind(&short, 1).unwrap();
    assert_eq!(try_connect(&long).unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
    let _other = bind(&long, 1).unwrap();
    assert_eq!(Address::peer(try_connect(&long).unwrap()).unwrap(), long);
}

#[test]
fn a_pair_is_unnamed_at_both_ends() {
    let (one, other) = UnixStream::pair().unwrap();
    for socket in [one, other] {
        assert!(Address::local(&socket).unwrap().is_unnamed());
        assert!(Address::peer(&socket).unwrap().is_unnamed());
    }
}

#[test]
fn what_has_no_such_address_is_an_error() {
    let number = |result: std::io::Result<Address>| result.unwrap_err().raw_os_error();
    let file = File::open("/dev/null").unwrap();
    assert_eq!(number(Address::local(&file)), Some(libc::ENOTSOCK));
    assert_eq!(number(Address::peer(&file)), Some(libc::ENOTSOCK));
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(number(Address::local(&tcp)), Some(libc::EAFNOSUPPORT));
    assert_eq!(number(Address::peer(UnixDatagram::unbound().unwrap())), Some(libc::ENOTCONN));
}

#[test]
fn a_file_that_was_renamed_keeps_its_address() {
    let directory = Directory::new();
    let (old, new) = (directory.address("old"), directory.address("new"));
    let listener = bind(&old, 1).unwrap();
    std::fs::rename(old.as_pathname().unwrap(), new.as_pathname().unwrap()).unwrap();
    assert_eq!(Address::local(&listener).unwrap(), old);
    assert_eq!(Address::peer(try_connect(&new).unwrap()).unwrap(), old);
}

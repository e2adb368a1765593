//! The address codec: whatever bytes a program passes, and whatever bytes a kernel answers with.
#![no_main]

use std::os::unix::ffi::OsStrExt;

use libfuzzer_sys::fuzz_target;
use udsock::{Address, MAX_PATHNAME};

/// What holds of every address, however it was made.
fn check(address: &Address) {
    let bytes = address.as_bytes();
    assert!(bytes.len() <= MAX_PATHNAME);
    let kinds = [address.as_pathname().is_some(), address.as_abstract_name().is_some(), address.is_unnamed()];
    assert_eq!(kinds.iter().filter(|&&kind| kind).count(), 1);
    if let Some(path) = address.as_pathname() {
        assert_eq!(path.as_os_str().as_bytes(), bytes);
        assert!(!bytes.contains(&0));
    }
    if let Some(name) = address.as_abstract_name() {
        assert_eq!([&[0], name].concat(), bytes);
    }
    if address.is_unnamed() {
        assert!(Address::from_bytes(bytes).is_err());
    } else {
        assert_eq!(Address::from_bytes(bytes).as_ref(), Ok(address));
    }
    assert!(!format!("{address:?}").is_empty());
}

fuzz_target!(|bytes: &[u8]| {
    match Address::from_bytes(bytes) {
        Ok(address) => {
            assert_eq!(address.as_bytes(), bytes);
            check(&address);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match udsock::fuzzing::from_kernel(bytes) {
        Ok(address) => {
            assert!(bytes.starts_with(address.as_bytes()));
            check(&address);
        }
        Err(error) => assert!(error.raw_os_error().is_some()),
    }
});

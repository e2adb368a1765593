#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's failure is a panic")]

use super::*;

/// `length` bytes without a zero, different at every position.
fn path_of(length: usize) -> Vec<u8> {
    (1..=length as u8).collect()
}

#[test]
fn pathnames_of_every_length_up_to_the_limit_are_accepted() {
    assert_eq!(Address::pathname([]), Err(AddressError::Empty));
    for length in 1..=MAX_PATHNAME {
        let path = path_of(length);
        let address = Address::pathname(&path).unwrap();
        assert_eq!(address.as_bytes(), path);
        assert_eq!(address.as_pathname().map(|path| path.as_os_str().len()), Some(length));
        assert_eq!(address.as_abstract_name(), None);
        assert_eq!(Address::from_bytes(&address.to_bytes()), Ok(address));
    }
    for length in MAX_PATHNAME + 1..=MAX_PATHNAME + 20 {
        let error = AddressError::TooLong { limit: MAX_PATHNAME, length };
        assert_eq!(Address::pathname(path_of(length)), Err(error));
        assert_eq!(Address::from_bytes(&path_of(length)), Err(error));
    }
}

#[test]
fn a_nul_is_refused_wherever_it_is() {
    for position in 0..MAX_PATHNAME + 20 {
        let mut path = path_of(MAX_PATHNAME + 20);
        path[position] = 0;
        assert_eq!(Address::pathname(path), Err(AddressError::ContainsNul { position }));
    }
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_names_of_every_length_up_to_the_limit_are_accepted() {
    for length in 0..=MAX_ABSTRACT_NAME {
        // Zero bytes count like any other.
        for name in [path_of(length), vec![0; length]] {
            let address = Address::abstract_name(&name).unwrap();
            assert_eq!(address.as_abstract_name(), Some(&name[..]));
            assert_eq!(address.as_pathname(), None);
            assert!(!address.is_unnamed());
            assert_eq!(address.as_bytes(), [&[0], &name[..]].concat());
            assert_eq!(Address::from_bytes(&address.to_bytes()), Ok(address.clone()));
            assert_eq!(Address::from_kernel(address.as_bytes()).unwrap(), address);
        }
    }
    for length in MAX_ABSTRACT_NAME + 1..=MAX_ABSTRACT_NAME + 20 {
        let error = AddressError::TooLong { limit: MAX_ABSTRACT_NAME, length };
        assert_eq!(Address::abstract_name(&path_of(length)), Err(error));
    }
}

#[test]
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_names_are_refused_where_there_are_none() {
    assert_eq!(Address::abstract_name(b"name"), Err(AddressError::AbstractUnsupported));
    assert_eq!(Address::from_bytes(b"\0name"), Err(AddressError::AbstractUnsupported));
}

#[test]
fn a_pathname_from_the_kernel_ends_at_its_terminator_or_with_its_bytes() {
    for length in 1..=MAX_PATHNAME {
        let path = path_of(length);
        for tail in [&b""[..], b"\0", b"\0\0\0", b"\0garbage"] {
            let address = Address::from_kernel(&[&path, tail].concat()).unwrap();
            assert_eq!(address, Address::pathname(&path).unwrap(), "{length} bytes, then {tail:?}");
        }
    }
    let error = Address::from_kernel(&path_of(MAX_PATHNAME + 1)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENAMETOOLONG));
}

#[test]
fn no_bytes_from_the_kernel_are_the_unnamed_address() {
    let address = Address::from_kernel(b"").unwrap();
    assert!(address.is_unnamed());
    assert_eq!(address.as_bytes(), b"");
    assert_eq!((address.as_pathname(), address.as_abstract_name()), (None, None));
    assert_eq!(Address::from_bytes(&address.to_bytes()), Err(AddressError::Empty));
}

#[test]
fn the_debug_form_names_the_kind() {
    assert_eq!(format!("{:?}", Address::pathname("/a\nb").unwrap()), r#""/a\nb" (pathname)"#);
    assert_eq!(format!("{:?}", Address::from_kernel(b"").unwrap()), "(unnamed)");
    #[cfg(any(target_os = "linux", target_os = "android"))]
    assert_eq!(format!("{:?}", Address::abstract_name(b"a\0b").unwrap()), r#""a\x00b" (abstract)"#);
}

#[test]
fn errors_say_what_is_wrong_and_have_numbers() {
    let cases = [
        (AddressError::Empty, libc::EINVAL, "empty"),
        (AddressError::ContainsNul { position: 7 }, libc::EINVAL, "position 7"),
        (
            AddressError::TooLong { limit: 108, length: 120 },
            libc::ENAMETOOLONG,
            "120 bytes, more than the 108",
        ),
        (AddressError::AbstractUnsupported, libc::EOPNOTSUPP, "no abstract"),
    ];
    for (error, number, text) in cases {
        assert_eq!(error.errno(), number);
        assert_eq!(io::Error::from(error).raw_os_error(), Some(number));
        assert!(error.to_string().contains(text), "{error}");
    }
}

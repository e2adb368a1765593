//! Bytes of every kind through the codec, from a generator that repeats itself, against a plain description of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's failure is a panic")]

use super::*;

const RUNS: u64 = if cfg!(miri) { 300 } else { 100_000 };

/// Numbers from 0 to below `limit` (xorshift64).
struct Generator(u64);

impl Generator {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// Lengths around both limits, and zero bytes in every place, more often than chance would have it.
    fn bytes(&mut self) -> Vec<u8> {
        let length = match self.below(4) {
            0 => self.below(4),
            1 => MAX_PATHNAME - 3 + self.below(8),
            _ => self.below(MAX_PATHNAME + 40),
        };
        let zeros = [0, 0, 1, 10, 100][self.below(5)];
        let is_abstract = self.below(3) == 0;
        (0..length)
            .map(|position| match position {
                0 if is_abstract => 0,
                _ if self.below(100) < zeros => 0,
                _ => self.below(256) as u8,
            })
            .collect()
    }
}

fn each(check: impl Fn(&[u8])) {
    for seed in 1..=RUNS {
        let mut generator = Generator(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        check(&generator.bytes());
    }
}

#[test]
fn bytes_are_an_address_or_an_error_that_says_why() {
    each(|bytes| {
        let nul = bytes.iter().position(|&byte| byte == 0);
        let expected = match (bytes.len(), nul) {
            (0, _) => Err(AddressError::Empty),
            (_, Some(0)) if !sys::HAS_ABSTRACT_NAMES => Err(AddressError::AbstractUnsupported),
            (length, Some(0)) if length > MAX_PATHNAME => {
                Err(AddressError::TooLong { limit: MAX_PATHNAME - 1, length: length - 1 })
            }
            (_, Some(0)) => Ok(()),
            (_, Some(position)) => Err(AddressError::ContainsNul { position }),
            (length, None) if length > MAX_PATHNAME => {
                Err(AddressError::TooLong { limit: MAX_PATHNAME, length })
            }
            (_, None) => Ok(()),
        };
        let address = Address::from_bytes(bytes);
        assert_eq!(address.as_ref().map(|_| ()).map_err(|&error| error), expected, "{bytes:?}");
        let Ok(address) = address else { return };
        assert_eq!(address.as_bytes(), bytes);
        assert_eq!(address.as_abstract_name(), (nul == Some(0)).then(|| &bytes[1..]));
        assert_eq!(address.as_pathname().is_some(), nul.is_none());
        // The kernel returns a pathname with its terminator, and an abstract name without one.
        let terminator: &[u8] = if nul.is_none() { &[0] } else { &[] };
        assert_eq!(Address::from_kernel(&[bytes, terminator].concat()).unwrap(), address);
    });
}

#[test]
fn whatever_the_kernel_says_is_an_address_or_an_error() {
    each(|bytes| {
        let expected = match bytes {
            [0, name @ ..] if sys::HAS_ABSTRACT_NAMES => Address::abstract_name(name).ok(),
            _ => match bytes.split(|&byte| byte == 0).next() {
                None | Some([]) => Some(Vec::new()),
                Some(path) => (path.len() <= MAX_PATHNAME).then(|| path.to_vec()),
            }
            .map(|bytes| Address { bytes: bytes.into() }),
        };
        match Address::from_kernel(bytes) {
            Ok(address) => assert_eq!(Some(address), expected, "{bytes:?}"),
            Err(error) => {
                assert_eq!((error.raw_os_error(), expected), (Some(libc::ENAMETOOLONG), None), "{bytes:?}")
            }
        }
    });
}

#[test]
fn addresses_are_ordered_and_equal_as_their_bytes_are() {
    let mut generator = Generator(7);
    for _ in 0..RUNS {
        let (one, other) = (generator.bytes(), generator.bytes());
        if let (Ok(left), Ok(right)) = (Address::from_bytes(&one), Address::from_bytes(&other)) {
            assert_eq!(left.cmp(&right), one.cmp(&other));
            assert_eq!(left == right, one == other);
        }
    }
}

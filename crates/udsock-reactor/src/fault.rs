//! Where system calls are made: with the feature `faults` they fail by rule, without it they are what they are.

#[cfg(feature = "faults")]
pub(crate) use udsock_faults::{call, owes_readiness, transfer};

#[cfg(not(feature = "faults"))]
mod off {
    #[inline(always)]
    pub(crate) fn call<T, E>(_site: &str, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        run()
    }

    #[inline(always)]
    pub(crate) fn transfer<T, E>(
        _site: &str,
        run: impl FnOnce(Option<usize>) -> Result<T, E>,
    ) -> Result<T, E> {
        run(None)
    }

    #[inline(always)]
    pub(crate) fn owes_readiness() -> bool {
        false
    }
}
#[cfg(not(feature = "faults"))]
pub(crate) use off::{call, owes_readiness, transfer};

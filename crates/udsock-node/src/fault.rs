//! Where system calls are made: with the feature `faults` they fail by rule, without it they are what they are.

#[cfg(feature = "faults")]
pub(crate) use udsock_faults::call;

#[cfg(not(feature = "faults"))]
#[inline(always)]
pub(crate) fn call<T, E>(_site: &str, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    run()
}

//! Panics: where they end, and where tests make them.
//!
//! A panic must not unwind into an event loop, a runtime or another language. [`catch_panic`] and [`catch_panic_of`] make it a
//! value, which fails the one thing that was being done. With the feature `panics`, which no release has, a test names a place
//! and [`reach`] panics there; without it nothing of that is compiled in.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// How long work that is done again after a panic pauses first: the panic may come back each time.
pub const PAUSE: Duration = Duration::from_millis(10);

/// A panic that was caught.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Panicked;

/// Does `work`, and makes a panic an error. State that `work` leaves half-changed must be good to go on with, as what is behind
/// poisonable locks and checked borrows is.
///
/// # Errors
///
/// [`Panicked`] if `work` panics.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// The same for a future, which a panic ends.
///
/// # Errors
///
/// [`Panicked`] if `work` panics.
///
/// # Cancel safety
///
/// That of `work`.
pub async fn catch_panic_of<F: Future>(work: F) -> Result<F::Output, Panicked> {
    use std::task::Poll;
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| match catch_panic(|| work.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// Panics if a test wants that here.
#[cfg(not(feature = "panics"))]
#[inline(always)]
pub fn reach(_place: &str) {}

#[cfg(feature = "panics")]
pub use on_demand::{reach, want, wanted};

#[cfg(feature = "panics")]
mod on_demand {
    use std::panic::resume_unwind;
    use std::sync::{Mutex, PoisonError};

    struct Wanted {
        place: String,
        times: u32,
    }

    static WANTED: Mutex<Option<Wanted>> = Mutex::new(None);

    /// Makes the next `times` calls of [`reach`] with `place` panic, in place of what an earlier call asked for.
    pub fn want(place: String, times: u32) {
        *WANTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Wanted { place, times });
    }

    /// Returns how many panics are still to come.
    pub fn wanted() -> u32 {
        WANTED.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |wanted| wanted.times)
    }

    fn is_wanted(place: &str) -> bool {
        match WANTED.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(wanted) if wanted.place == place && wanted.times > 0 => {
                wanted.times -= 1;
                true
            }
            _ => false,
        }
    }

    /// Panics if a test wants that here, without the message on standard error that other panics have.
    pub fn reach(place: &str) {
        if is_wanted(place) {
            resume_unwind(Box::new("a test wants this panic"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::resume_unwind;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(catch_panic(|| 1), Ok(1));
        assert_eq!(catch_panic(|| resume_unwind(Box::new(()))), Err::<(), _>(Panicked));
    }

    #[cfg(feature = "tokio")]
    #[tokio::test]
    async fn a_panic_of_a_future_is_an_error() {
        let late = async {
            tokio::task::yield_now().await;
            resume_unwind(Box::new(()))
        };
        assert_eq!(catch_panic_of(late).await, Err::<(), _>(Panicked));
        assert_eq!(catch_panic_of(async { 1 }).await, Ok(1));
    }
}

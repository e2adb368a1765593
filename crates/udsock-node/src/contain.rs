//! Where panics end: none reaches the event loop, Node-API or the runtime.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use udsock_reactor::{Errno, PANICKED};

/// What goes on after a panic rests so long first: the panic may be there to stay.
pub(crate) const REST: Duration = Duration::from_millis(10);

/// Does `work`. State that it leaves half-changed must be good to go on with, as what is behind locks and checked borrows here is.
///
/// # Errors
///
/// [`PANICKED`] if it panics.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Errno> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| PANICKED)
}

/// The same for a future, which a panic ends.
pub(crate) async fn contain_future<F: Future>(work: F) -> Result<F::Output, Errno> {
    let mut work = pin!(work);
    poll_fn(|context| match contain(|| work.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

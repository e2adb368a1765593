//! Connections as a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::net::UnixStream;

use super::Listener;

/// The connections of a [`Listener`], as a [`Stream`]. It never ends.
///
/// An item is an error in the cases in which [`Listener::accept`] fails; a listener that is shut down fails every time.
/// Dropping the stream closes the listener.
///
/// # Examples
///
/// ```
/// use std::future::poll_fn;
/// use std::pin::Pin;
///
/// use futures_core::Stream;
/// use udsock::{Address, Listener, connect};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("udsock-doc-incoming-{}", std::process::id()));
/// let address = Address::try_from(path.as_path())?;
/// let mut incoming = Listener::bind(&address, 4)?.incoming();
/// let _client = connect(&address, None).await?;
/// // `incoming.next().await` with `StreamExt` of tokio-stream or futures-util
/// let next = poll_fn(|context| Pin::new(&mut incoming).poll_next(context)).await;
/// assert!(matches!(next, Some(Ok(_server))));
/// # std::fs::remove_file(path)
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a stream accepts only while it is polled"]
pub struct Incoming(Listener);

impl Incoming {
    pub(super) fn new(listener: Listener) -> Self {
        Self(listener)
    }

    /// Returns the listener.
    pub fn into_inner(self) -> Listener {
        self.0
    }
}

impl AsRef<Listener> for Incoming {
    fn as_ref(&self) -> &Listener {
        &self.0
    }
}

impl Stream for Incoming {
    type Item = io::Result<UnixStream>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_accept(context).map(Some)
    }
}

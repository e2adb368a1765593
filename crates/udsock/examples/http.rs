//! An HTTP/1.1 server of hyper on a socket file, for clients of its own user.
//!
//! ```text
//! cargo run --example http -- /tmp/http.sock
//! curl --unix-socket /tmp/http.sock http://localhost/
//! ```

use std::convert::Infallible;
use std::io;
use std::path::Path;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use udsock::{Address, BindOptions, Listener, OnExisting, PeerCredentials, descriptor_closed};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let path = std::env::args_os().nth(1).ok_or_else(|| io::Error::other("usage: http PATH"))?;
    serve(listen(path.as_ref()).await?).await
}

/// Listens on a file that only this user may connect to, in the place of one that no process listens on any more.
pub async fn listen(path: &Path) -> io::Result<Listener> {
    let options = BindOptions::new(511).mode(0o600).on_existing(OnExisting::ReplaceStale);
    Listener::bind_with(&Address::try_from(path)?, &options).await
}

/// Answers the requests of every connection, each connection in a task of its own.
pub async fn serve(listener: Listener) -> io::Result<()> {
    loop {
        let stream = listener.accept().await?;
        let client = PeerCredentials::of(&stream)?;
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(client, request));
            let mut server = http1::Builder::new();
            let connection = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                eprintln!("http: {error}");
            }
            // A listener that paused because no descriptor was left goes on at once.
            descriptor_closed();
        });
    }
}

async fn answer(client: PeerCredentials, request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let path = request.uri().path();
    Ok(Response::new(format!("user {} asked for {path}\n", client.uid)))
}

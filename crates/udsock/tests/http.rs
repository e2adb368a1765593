//! The example that serves HTTP, asked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;
#[allow(dead_code, unreachable_pub, reason = "a program of its own, with a `main`")]
#[path = "../examples/http.rs"]
mod http;

use common::{Directory, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use udsock::connect;

#[tokio::test]
async fn hyper_answers_over_a_listener() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = soon(http::listen(address.as_pathname().unwrap())).await.unwrap();
    let server = tokio::spawn(http::serve(listener));
    let mut client = soon(connect(&address, None)).await.unwrap();
    client
        .write_all(b"GET /greeting HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let expected = format!("\r\n\r\nuser {} asked for /greeting\n", rustix::process::geteuid().as_raw());
    assert!(answer.ends_with(&expected), "{answer}");
    server.abort();
}

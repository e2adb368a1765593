//! An echo server and its client.
//!
//! ```text
//! cargo run --example echo -- serve /tmp/echo.sock
//! cargo run --example echo -- send /tmp/echo.sock hello
//! ```

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::time::Instant;
use udsock::{Address, Listener, PeerCredentials, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [command, path] if command == "serve" => serve(path.as_ref()).await,
        [command, path, text] if command == "send" => send(path.as_ref(), text.as_encoded_bytes()).await,
        _ => {
            eprintln!("usage: echo serve PATH | echo send PATH TEXT");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends everything back that clients send, each in a task of its own.
async fn serve(path: &Path) -> io::Result<()> {
    let listener = Listener::bind(&Address::try_from(path)?, 128)?;
    println!("listening on {:?}", listener.local_address()?);
    loop {
        let stream = listener.accept().await?;
        println!("accepted {:?}", PeerCredentials::of(&stream)?);
        tokio::spawn(async move {
            let (mut input, mut output) = split(stream);
            if let Err(error) = copy(&mut input, &mut output).await {
                eprintln!("echo: {error}");
            }
            // The process has a descriptor more, should the listener have waited for one.
            drop((input, output));
            udsock::descriptor_closed();
        });
    }
}

/// Sends one text and prints what comes back, having waited for a busy server up to five seconds.
async fn send(path: &Path, text: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut stream = connect(&Address::try_from(path)?, Some(deadline)).await?;
    stream.write_all(text).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    println!("{}", String::from_utf8_lossy(&answer));
    Ok(())
}

//! An IMAP server inside a tokio application: the application owns the runtime, the listener and the end.
//!
//! `cargo run --example embed_tokio`

use std::error::Error;
use std::sync::Arc;

use pillarbox::driver::{ListenerKind, Service};
use pillarbox::store::{Memory, StaticAccounts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let accounts = StaticAccounts::new().with("tim", "secret");
    let service = Service::builder(Arc::new(Memory::new()), Arc::new(accounts))
        .plaintext_login(true) // no certificate here: loopback only
        .build();

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(pillarbox::tokio::serve(
        listener,
        ListenerKind::Plain,
        service.clone(),
    ));

    // The application goes on with its own work; here it is a client.
    let mut client = TcpStream::connect(address).await?;
    client
        .write_all(b"a LOGIN tim secret\r\nb SELECT INBOX\r\nc LOGOUT\r\n")
        .await?;
    let mut said = String::new();
    client.read_to_string(&mut said).await?;
    print!("{said}");
    assert!(said.contains("b OK [READ-WRITE]"));

    // Every session is told `* BYE`, accepting ends, and the last octets leave.
    service.hub().shutdown();
    serving.await??;
    service.hub().drained().await;
    Ok(())
}

//! An IMAP server inside a smol application: the application owns the executor, the listener and the end.
//!
//! `cargo run --no-default-features --features runtime-smol --example embed_smol`

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use pillarbox::driver::{ListenerKind, Service};
use pillarbox::store::{Memory, StaticAccounts};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Executor};

fn main() -> Result<(), Box<dyn Error>> {
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(application(executor.clone())))
}

async fn application(executor: Arc<Executor<'static>>) -> Result<(), Box<dyn Error>> {
    let accounts = StaticAccounts::new().with("tim", "secret");
    let service = Service::builder(Arc::new(Memory::new()), Arc::new(accounts))
        .plaintext_login(true) // no certificate here: loopback only
        .build();

    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    let address = listener.get_ref().local_addr()?;
    let (on, serves) = (executor.clone(), service.clone());
    let serving = executor.spawn(async move {
        pillarbox::smol::serve(listener, ListenerKind::Plain, serves, &on).await
    });

    // The application goes on with its own work; here it is a client.
    let mut client = Async::<TcpStream>::connect(address).await?;
    client
        .write_all(b"a LOGIN tim secret\r\nb SELECT INBOX\r\nc LOGOUT\r\n")
        .await?;
    let mut said = String::new();
    client.read_to_string(&mut said).await?;
    print!("{said}");
    assert!(said.contains("b OK [READ-WRITE]"));

    // Every session is told `* BYE`, accepting ends, and the last octets leave.
    service.hub().shutdown();
    serving.await?;
    service.hub().drained().await;
    Ok(())
}

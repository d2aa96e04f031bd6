//! Delivery from code while sessions are open: what receives mail, by LMTP perhaps, stores it, and clients in IDLE hear of it.
//!
//! `cargo run --example deliver`

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use pillarbox::protocol::effect::ErrorKind;
use pillarbox::store::{Backend, Delivery, Memory, StaticAccounts};
use pillarbox::{Runtime, Server};

/// The answer to the last line of LMTP's DATA, for one recipient (RFC 2033 §4.2). It waits for the disk: not for an event loop, but for a thread that may, as
/// `spawn_blocking` of tokio has them.
fn receive(store: &dyn Backend, accounts: &StaticAccounts, to: &str, mail: &[u8]) -> &'static str {
    let Some(account) = accounts.id(to) else {
        return "550 5.1.1 There is no such user";
    };
    match Delivery::to(account).deliver(store, mail) {
        Ok(_) => "250 2.0.0 Delivered", // and durable
        Err(e) if e.kind == ErrorKind::UnknownCte => "554 5.6.0 The message holds NUL octets",
        Err(e) if e.kind == ErrorKind::OverQuota => "452 4.2.2 There is no room",
        Err(_) => "451 4.3.0 Try again later",
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(Memory::new());
    let accounts = Arc::new(StaticAccounts::new().with("tim", "secret"));
    let server = Server::builder(store.clone(), accounts.clone())
        .listen("127.0.0.1:0")
        .plaintext_login(true) // no certificate here: loopback only
        .build()?
        .start(Runtime::default())?;
    let mut client = TcpStream::connect(server.addresses()[0])?;
    client.write_all(b"a LOGIN tim secret\r\nb SELECT INBOX\r\nc IDLE\r\n")?;
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let mut until = |begin: &str| loop {
        let line = lines.next().ok_or("the server hung up")??;
        if line.starts_with(begin) {
            return Ok::<_, Box<dyn Error>>(line);
        }
    };
    until("+ ")?;

    let delivering = thread::spawn(move || {
        let mail = b"Subject: Hello\r\n\r\nText\r\n"; // lines end in CRLF, here as in LMTP
        let unknown = receive(&*store, &accounts, "eve", mail);
        let nul = receive(&*store, &accounts, "tim", b"\0");
        [unknown, nul, receive(&*store, &accounts, "tim", mail)]
    });

    println!("{}", until("* 1 EXISTS")?);
    client.write_all(b"DONE\r\nd FETCH 1 BODY[]\r\n")?;
    println!("{}", until("Subject: Hello")?);
    let answers = delivering.join().map_err(|_| "delivery panicked")?;
    assert_eq!(answers.map(|a| &a[..3]), ["550", "554", "250"]);
    server.stop()?;
    Ok(())
}

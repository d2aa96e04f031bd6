//! A server for the tests of a mail client: mailboxes are filled beforehand, and afterwards the test looks what the client did to them.
//!
//! `cargo run --example test_double`

use std::error::Error;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use pillarbox::driver::{Observer, Summary};
use pillarbox::protocol::effect::{Actor, Status};
use pillarbox::protocol::mailbox::MailboxName;
use pillarbox::protocol::session::Event;
use pillarbox::store::{Delivery, Memory, StaticAccounts, ask};
use pillarbox::{Runtime, Server};

/// Writes down which commands were answered, and how.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn event(&self, _: Option<SocketAddr>, event: &Event) {
        if let Event::Command { name, condition } = event {
            let mut heard = self.0.lock().expect("nobody panics with the lock");
            heard.push(format!("{name} {condition:?}"));
        }
    }

    fn closed(&self, _: Option<SocketAddr>, _: &Summary) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let accounts = StaticAccounts::new().with("tim", "secret");
    let tim = accounts.id("tim").expect("he was added");
    let (store, heard) = (Arc::new(Memory::new()), Arc::new(Heard::default()));
    let mail = b"Subject: Hello\r\n\r\nText\r\n";
    Delivery::to(tim).deliver(&*store, mail)?;
    Delivery::to(tim)
        .mailbox(MailboxName::new("Work/2026")?)
        .create()
        .flags("\\Seen $Done".parse()?)
        .deliver(&*store, mail)?;
    let server = Server::builder(store.clone(), Arc::new(accounts))
        .listen("127.0.0.1:0")
        .plaintext_login(true) // no certificate here: loopback only
        .observer(heard.clone())
        .build()?
        .start(Runtime::default())?;

    client_under_test(server.addresses()[0])?;

    let (actor, names) = (Actor { account: tim }, vec![MailboxName::inbox()]);
    let inbox = ask(&*store, Status { actor, names })?.pop().flatten();
    let inbox = inbox.expect("every account has one");
    assert_eq!((inbox.messages, inbox.unseen), (1, 0)); // `Open` and `Fetch` tell more
    server.stop()?; // a server that is dropped stops, too: a test that fails leaves none behind
    let heard = heard.0.lock().expect("nobody panics with the lock");
    assert_eq!(*heard, ["LOGIN Ok", "SELECT Ok", "STORE Ok", "LOGOUT Ok"]);
    Ok(())
}

fn client_under_test(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let mut client = TcpStream::connect(address)?;
    client.write_all(b"a LOGIN tim secret\r\nb SELECT INBOX\r\n")?;
    client.write_all(b"c STORE 1 +FLAGS (\\Seen)\r\nd LOGOUT\r\n")?;
    print!("{}", std::io::read_to_string(client)?);
    Ok(())
}

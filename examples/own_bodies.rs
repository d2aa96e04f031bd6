//! Bodies served from a place of the application's own: a backend around another one, which keeps what was read. A message never changes
//! under its mailbox and UID, so what is kept stays right.
//!
//! `cargo run --example own_bodies`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use pillarbox::protocol::effect::{Call, Effect, Fetch, MailboxRef, ReadBody, StoreError};
use pillarbox::protocol::id::Uid;
use pillarbox::store::{Backend, Job, Memory, Notices, StaticAccounts};
use pillarbox::{Runtime, Server};

/// Octets of a message from an offset on, at most so many.
type Kept = BTreeMap<(MailboxRef, Uid, u64, usize), bytes::Bytes>;

#[derive(Default)]
struct Bodies {
    inner: Memory,
    kept: Arc<Mutex<Kept>>,
}

const LOCK: &str = "nobody panics with the lock";

impl Backend for Bodies {
    fn submit(&self, job: Job) {
        let (inner, (effect, slot)) = (&self.inner, job.into_parts());
        let effect = match effect {
            // No body comes with its row: the session asks for each.
            Effect::Fetch(call) => call.map(|op| Fetch { inline: 0, ..op }).into(),
            Effect::ReadBody(call) => {
                let (op, answer) = call.into_parts();
                let (kept, window) = (self.kept.clone(), (op.mailbox, op.uid, op.offset, op.max));
                let found = kept.lock().expect(LOCK).get(&window).cloned();
                if let Some(octets) = found {
                    return slot.send(answer.answer(Ok(octets)));
                }
                return inner.submit(Job::new(Call::detached(op).into(), move |reply| {
                    let result = reply.into_result::<ReadBody>();
                    if let Some(Ok(octets)) = &result {
                        kept.lock().expect(LOCK).insert(window, octets.clone());
                    }
                    slot.send(answer.answer(result.unwrap_or_else(|| Err(StoreError::lost()))));
                }));
            }
            other => other,
        };
        inner.submit(Job::new(effect, |reply| slot.send(reply)));
    }

    fn subscribe(&self, notices: Notices) {
        self.inner.subscribe(notices);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let bodies = Bodies::default();
    let kept = bodies.kept.clone();
    let accounts = StaticAccounts::new().with("tim", "secret");
    let server = Server::builder(Arc::new(bodies), Arc::new(accounts))
        .listen("127.0.0.1:0")
        .plaintext_login(true) // no certificate here: loopback only
        .build()?
        .start(Runtime::default())?;
    let mut client = TcpStream::connect(server.addresses()[0])?;
    client.write_all(b"a LOGIN tim secret\r\nb APPEND INBOX {8+}\r\n\r\nText\r\n\r\n")?;
    client.write_all(b"c SELECT INBOX\r\nd FETCH 1 BODY[]\r\ne FETCH 1 BODY[]\r\nf LOGOUT\r\n")?;
    let said = std::io::read_to_string(client)?;
    print!("{said}");
    assert_eq!(said.matches("BODY[] {8}\r\n\r\nText\r\n").count(), 2);
    assert_eq!(kept.lock().expect(LOCK).len(), 1); // read once, served twice
    server.stop()?;
    Ok(())
}

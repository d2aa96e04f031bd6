//! Bodies served from a place of the application's own: a backend around another one, which keeps what was read. A message never changes
//! under its mailbox and UID, so what is kept stays right; whose it is, and whether it is still there, the store behind says each time.
//!
//! `cargo run --example own_bodies`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use pillarbox::protocol::effect::{Call, Effect, MailboxRef, ReadBody, StoreError};
use pillarbox::protocol::{id::Uid, limits::Limits};
use pillarbox::store::{Backend, Job, Memory, Notices, StaticAccounts};
use pillarbox::{Runtime, Server};

/// Octets of a message from an offset on, at most so many.
type Kept = BTreeMap<(MailboxRef, Uid, u64, usize), bytes::Bytes>;

/// The store behind, and what is kept before it.
#[derive(Default)]
pub struct Bodies {
    inner: Memory,
    kept: Arc<Mutex<Kept>>,
}

const LOCK: &str = "nobody panics with the lock";

impl Backend for Bodies {
    fn submit(&self, job: Job) {
        let (effect, slot) = job.into_parts();
        let Effect::ReadBody(call) = effect else {
            let job = Job::new(effect, |reply| slot.send(reply));
            return self.inner.submit(job);
        };
        let (op, answer) = call.into_parts();
        let (kept, window) = (self.kept.clone(), (op.mailbox, op.uid, op.offset, op.max));
        let found = kept.lock().expect(LOCK).get(&window).cloned();
        // Of what is kept no octet is read behind, but the question is asked.
        let max = found.as_ref().map_or(op.max, |_| 0);
        let asked = Call::detached(ReadBody { max, ..op });
        self.inner.submit(Job::new(asked.into(), move |reply| {
            let result = reply.into_result::<ReadBody>();
            let mut result = result.unwrap_or_else(|| Err(StoreError::lost()));
            match (&mut result, found) {
                (Ok(octets), Some(found)) => *octets = found,
                (Ok(octets), None) => drop(kept.lock().expect(LOCK).insert(window, octets.clone())),
                (Err(_), _) => {}
            }
            slot.send(answer.answer(result));
        }));
    }

    fn subscribe(&self, notices: Notices) {
        self.inner.subscribe(notices);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (bodies, mut limits) = (Bodies::default(), Limits::default());
    let kept = bodies.kept.clone();
    let accounts = StaticAccounts::new().with("tim", "secret");
    limits.inline_body = 0; // no body comes with its row: the session asks for each
    let server = Server::builder(Arc::new(bodies), Arc::new(accounts))
        .listen("127.0.0.1:0")
        .limits(limits)
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

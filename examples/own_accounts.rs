//! Accounts of the application's own: who signs in is decided by its code, on a thread of its own, and gets the mail of an account number
//! of its choice.
//!
//! `cargo run --example own_accounts`

use std::error::Error;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use pillarbox::protocol::effect::{Account, Authenticate, Effect, ErrorKind, StoreError};
use pillarbox::protocol::id::AccountId;
use pillarbox::store::{Accounts, Job, Memory};
use pillarbox::{Runtime, Server};

/// Hands each question to the thread that knows: a check may be slow, and must not hold up a connection.
struct Directory(Sender<Job>);

impl Accounts for Directory {
    fn authenticate(&self, job: Job) {
        // A job that nobody takes answers by itself: the request was lost.
        let _ = self.0.send(job);
    }
}

/// An unknown user and a wrong password are the same error, told after the same work.
fn check(question: &Authenticate) -> Result<Account, StoreError> {
    // Here the application would ask its database, or an LDAP server.
    match (question.user.as_str(), question.password.expose()) {
        ("ann@example.org", b"secret") => Ok(Account {
            id: AccountId(7001), // mail is kept under this number: it must stay the same
            name: question.user.as_str().into(),
        }),
        _ => Err(StoreError::new(
            ErrorKind::AuthenticationFailed,
            "The user name or the password is wrong",
        )),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (questions, asked) = channel::<Job>();
    thread::spawn(move || {
        for job in asked {
            let (effect, slot) = job.into_parts();
            if let Effect::Authenticate(call) = effect {
                let result = check(call.op());
                slot.send(call.answer(result));
            }
        }
    });
    let server = Server::builder(Arc::new(Memory::new()), Arc::new(Directory(questions)))
        .listen("127.0.0.1:0")
        .plaintext_login(true) // no certificate here: loopback only
        .build()?
        .start(Runtime::default())?;

    let mut client = TcpStream::connect(server.addresses()[0])?;
    client.write_all(
        b"a LOGIN ann@example.org guess\r\nb LOGIN ann@example.org secret\r\nc LOGOUT\r\n",
    )?;
    let said = std::io::read_to_string(client)?;
    print!("{said}");
    assert!(said.contains("a NO [AUTHENTICATIONFAILED]") && said.contains("b OK"));

    server.stop()?;
    Ok(())
}

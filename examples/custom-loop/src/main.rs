//! The core in an event loop of one's own: threads and channels of the standard library, no runtime, and no driver either.
//!
//! `cargo run -p custom-loop -- 127.0.0.1:1143 3` serves three connections, then ends. The user is `tim`, the password `secret`.

mod connection;
mod letter;

use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use letter::Letter;
use pillarbox_core::effect::{Effect, Reply};
use pillarbox_store::{Accounts, Backend, Job, Memory, StaticAccounts};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:1143".into());
    let count = arguments.next().map_or(Ok(usize::MAX), |n| n.parse())?;
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let store = Store::new();
    std::thread::scope(|scope| {
        for socket in listener.incoming().take(count) {
            let (socket, store) = (socket?, &store);
            scope.spawn(move || {
                let (letters, inbox) = channel();
                store.tell(letters.clone());
                // What is wrong with its socket ends a connection, and nothing else.
                let _ = connection::serve(store, &socket, &letters, &inbox);
                let _ = socket.shutdown(Shutdown::Both);
            });
        }
        Ok(())
    })
}

/// Mail, who may see it, and who hears of changes.
struct Store {
    memory: Memory,
    accounts: StaticAccounts,
    ears: Arc<Mutex<Vec<Sender<Letter>>>>,
}

impl Store {
    fn new() -> Self {
        let store = Self {
            memory: Memory::new(),
            accounts: StaticAccounts::new().with("tim", "secret"),
            ears: Arc::default(),
        };
        let ears = store.ears.clone();
        store.memory.subscribe(Arc::new(move |notice| {
            // To all: a session passes over mailboxes that it does not watch.
            let mut ears = ears.lock().unwrap_or_else(PoisonError::into_inner);
            ears.retain(|ear| ear.send(Letter::Notice(notice)).is_ok());
        }));
        store
    }

    /// Has a connection hear of changes until it is gone.
    fn tell(&self, letters: Sender<Letter>) {
        let mut ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner);
        ears.push(letters);
    }

    /// The reply comes as a letter: at once, or later from another thread.
    fn submit(&self, effect: Effect, letters: Sender<Letter>) {
        let reply = move |reply: Reply| {
            let _ = letters.send(Letter::Reply(reply));
        };
        match effect {
            Effect::Watch(call) => reply(call.answer(Ok(()))),
            Effect::Unwatch(call) => reply(call.answer(Ok(()))),
            Effect::Authenticate(_) => self.accounts.authenticate(Job::new(effect, reply)),
            effect => self.memory.submit(Job::new(effect, reply)),
        }
    }
}

//! Clients and a server in one thread, with no socket and no runtime: nothing waits, so a test never hangs.
//!
//! `cargo run --example in_process`

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pillarbox::driver::{Connection, ListenerKind, Service, Stream, SystemClock};
use pillarbox::store::{Memory, StaticAccounts};

/// Octets on their way.
type Way = Rc<RefCell<VecDeque<u8>>>;

/// The server's end.
#[derive(Clone, Default)]
struct Pipe {
    to_server: Way,
    to_client: Way,
}

impl Stream for Pipe {
    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.to_server.borrow_mut().read(buf) {
            Ok(0) => Poll::Pending,
            read => Poll::Ready(read),
        }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, b: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.to_client.borrow_mut().write_vectored(b))
    }
}

struct Client {
    pipe: Pipe,
    server: Connection<Pipe, SystemClock>,
}

impl Client {
    fn new(service: &Arc<Service>) -> Self {
        let (pipe, kind) = (Pipe::default(), ListenerKind::Plain);
        let server = Connection::new(
            service.clone(),
            kind,
            pipe.clone(),
            SystemClock::new(),
            None,
        );
        Self { pipe, server }
    }

    /// Sends octets, and gives all that the server says until it has nothing left to do.
    fn say(&mut self, octets: &str) -> String {
        self.pipe.to_server.borrow_mut().extend(octets.bytes());
        let mut context = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.server).poll(&mut context);
        let said: Vec<u8> = self.pipe.to_client.take().into();
        String::from_utf8_lossy(&said).into_owned()
    }
}

fn main() {
    let accounts = StaticAccounts::new().with("tim", "secret");
    let service = Service::builder(Arc::new(Memory::new()), Arc::new(accounts))
        .plaintext_login(true)
        .build();
    let (mut one, mut other) = (Client::new(&service), Client::new(&service));
    one.say("a LOGIN tim secret\r\nb SELECT INBOX\r\nc IDLE\r\n");
    other.say("a LOGIN tim secret\r\nb APPEND INBOX {8+}\r\nS: x\r\n\r\n\r\n");
    let heard = one.say("");
    assert!(heard.contains("* 1 EXISTS"), "{heard}");
    print!("{heard}{}", one.say("DONE\r\n"));
}

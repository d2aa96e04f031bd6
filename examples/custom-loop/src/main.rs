//! The server in an event loop of one's own: one thread, and `mio` for epoll, kqueue and the like. No async runtime is in this package's tree.
//!
//! `cargo run -p custom-loop -- 127.0.0.1:1143 3` serves three connections, then ends. The user is `tim`, the password `secret`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake};
use std::time::Instant;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use pillarbox_driver::{Connection, ListenerKind, NonBlocking, Service, SystemClock};
use pillarbox_store::{Memory, StaticAccounts};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:1143".into());
    let mut left: usize = arguments.next().map_or(Ok(usize::MAX), |n| n.parse())?;

    let accounts = StaticAccounts::new().with("tim", "secret");
    let service = Service::builder(Arc::new(Memory::new()), Arc::new(accounts))
        .plaintext_login(true) // no certificate here: loopback only
        .build();
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(address.parse()?)?;
    println!("listening on {}", listener.local_addr()?);
    let registry = poll.registry().try_clone()?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    // What other threads have for a connection, the store's answers above all, ends the wait.
    let waker = Arc::new(Poke(Waker::new(&registry, LETTER)?)).into();

    let clock = SystemClock::new();
    let mut connections: Vec<Connection<NonBlocking<TcpStream>, SystemClock>> = Vec::new();
    let mut events = Events::with_capacity(256);
    while left > 0 || !connections.is_empty() {
        let deadline = connections.iter().filter_map(Connection::deadline).min();
        let timeout = deadline.and_then(|tick| clock.instant(tick));
        let timeout = timeout.map(|at| at.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        while left > 0 {
            let (mut socket, peer) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            left -= 1;
            let all = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut socket, CONNECTION, all)?;
            let (service, kind, socket) =
                (service.clone(), ListenerKind::Plain, NonBlocking(socket));
            connections.push(Connection::new(service, kind, socket, clock, Some(peer)));
        }
        // Few enough to poll them all; a server with many keeps them by token, and a waker for each.
        let mut context = Context::from_waker(&waker);
        connections.retain_mut(|c| Pin::new(c).poll(&mut context).is_pending());
    }
    Ok(())
}

const LISTENER: Token = Token(0);
const LETTER: Token = Token(1);
const CONNECTION: Token = Token(2);

struct Poke(Waker);

impl Wake for Poke {
    fn wake(self: Arc<Self>) {
        // It fails when the loop is gone, and then nobody waits.
        let _ = self.0.wake();
    }
}

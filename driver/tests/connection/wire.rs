//! A wire in memory, a clock that is set by hand, and an executor of one future.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use pillarbox_core::now::{Now, Tick};
use pillarbox_driver::{Clock, Connection, Leave, ListenerKind, Service, Stream, Summary};

/// What both ends of a wire share.
#[derive(Default, Debug)]
pub struct Pipe {
    to_server: VecDeque<u8>,
    from_server: VecDeque<u8>,
    /// Octets the server may read at once; `None`: all.
    pub read_at_once: Option<usize>,
    /// Octets that may wait for the client to read them.
    pub window: usize,
    /// The client closed its side.
    pub eof: bool,
    /// Reading and writing fail.
    pub broken: bool,
    /// The server closed its side.
    pub closed: bool,
    /// Calls of the server that wrote something.
    pub writes: u64,
}

impl Pipe {
    /// The client sends this.
    pub fn put(&mut self, octets: &[u8]) {
        self.to_server.extend(octets);
    }

    /// The client takes what there is.
    pub fn take(&mut self) -> Vec<u8> {
        self.from_server.drain(..).collect()
    }
}

/// A stream in memory.
#[derive(Clone, Default, Debug)]
pub struct Wire(Arc<Mutex<Pipe>>);

impl Wire {
    /// Both ends.
    pub fn pipe(&self) -> MutexGuard<'_, Pipe> {
        self.0.lock().expect("no test panics with the lock")
    }
}

impl Stream for Wire {
    fn poll_read(&mut self, _cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.pipe();
        if pipe.broken {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        let most = pipe.read_at_once.unwrap_or(usize::MAX);
        let n = pipe.to_server.len().min(buf.len()).min(most);
        if n == 0 && !pipe.eof {
            return Poll::Pending;
        }
        for (to, octet) in buf.iter_mut().zip(pipe.to_server.drain(..n)) {
            *to = octet;
        }
        Poll::Ready(Ok(n))
    }

    fn poll_write(
        &mut self,
        _cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = self.pipe();
        if pipe.broken {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let room = pipe.window.saturating_sub(pipe.from_server.len());
        let octets: Vec<u8> = bufs.iter().flat_map(|b| b.iter().copied()).collect();
        let n = octets.len().min(room);
        if n == 0 {
            return Poll::Pending;
        }
        pipe.from_server.extend(&octets[..n]);
        pipe.writes += 1;
        Poll::Ready(Ok(n))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe().closed = true;
        Poll::Ready(Ok(()))
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone, Default, Debug)]
pub struct Hand(Arc<AtomicU64>);

impl Hand {
    /// Lets time pass.
    pub fn pass(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Now {
        Now {
            tick: Tick(self.0.load(Ordering::Relaxed)),
            unix: 1_700_000_000,
        }
    }

    fn poll_until(&mut self, _cx: &mut Context<'_>, tick: Tick) -> Poll<()> {
        if self.now().tick >= tick {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Whether the future was woken.
#[derive(Default)]
pub struct Bell(AtomicBool);

impl Bell {
    /// Whether it rang since it was asked.
    pub fn rang(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection and its client's end of the wire.
pub struct Client {
    connection: Option<Connection<Wire, Hand>>,
    wire: Wire,
    clock: Hand,
    bell: Arc<Bell>,
    /// Set once the connection ended.
    pub summary: Option<Summary>,
}

/// Where every client comes from.
pub const ADDRESS: ([u8; 4], u16) = ([192, 0, 2, 1], 4711);

impl Client {
    /// Connects to the service.
    pub fn connect(service: &Arc<Service>, kind: ListenerKind) -> Self {
        Self::new(service, kind, ADDRESS.into())
    }

    /// The same, polled by threads that may wait.
    pub fn with_leave(service: &Arc<Service>, kind: ListenerKind, leave: Option<Leave>) -> Self {
        let mut client = Self::connect(service, kind);
        let connection = client.connection.take();
        client.connection = connection.map(|connection| connection.with_leave(leave));
        client
    }

    /// Connects to a listener for plain text and has sent this before it is looked at.
    pub fn sending(service: &Arc<Service>, octets: &[u8]) -> Self {
        let client = Self::new(service, ListenerKind::Plain, ADDRESS.into());
        client.pipe().to_server.extend(octets);
        client
    }

    /// Connects to a listener for plain text from another address.
    pub fn connect_from(service: &Arc<Service>, address: IpAddr) -> Self {
        Self::new(service, ListenerKind::Plain, SocketAddr::new(address, 4711))
    }

    fn new(service: &Arc<Service>, kind: ListenerKind, peer: SocketAddr) -> Self {
        let (wire, clock) = (Wire::default(), Hand::default());
        wire.pipe().window = usize::MAX;
        let connection = Connection::new(
            service.clone(),
            kind,
            wire.clone(),
            clock.clone(),
            Some(peer),
        );
        Self {
            connection: Some(connection),
            wire,
            clock,
            bell: Arc::default(),
            summary: None,
        }
    }

    /// The wire, to set its bounds and faults.
    pub fn pipe(&self) -> MutexGuard<'_, Pipe> {
        self.wire.pipe()
    }

    /// Octets the server has not read.
    pub fn unread(&self) -> usize {
        self.pipe().to_server.len()
    }

    /// Polls the connection until it waits for something.
    pub fn run(&mut self) {
        loop {
            self.turn();
            if !self.woken() {
                return;
            }
        }
    }

    /// Polls the connection once, if it did not end.
    pub fn turn(&mut self) {
        self.bell.0.store(false, Ordering::Relaxed);
        let Some(connection) = &mut self.connection else {
            return;
        };
        let waker = Waker::from(self.bell.clone());
        let mut cx = Context::from_waker(&waker);
        if let Poll::Ready(summary) = Pin::new(connection).poll(&mut cx) {
            self.summary = Some(summary);
            self.connection = None;
        }
    }

    /// Whether something woke the connection since it ran.
    pub fn woken(&self) -> bool {
        self.bell.0.load(Ordering::Relaxed)
    }

    /// Sends octets and runs.
    pub fn send(&mut self, octets: &[u8]) {
        self.pipe().to_server.extend(octets);
        self.run();
    }

    /// Takes what the server said.
    pub fn octets(&mut self) -> Vec<u8> {
        self.run();
        self.pipe().from_server.drain(..).collect()
    }

    /// The same as text.
    pub fn said(&mut self) -> String {
        String::from_utf8(self.octets()).expect("the server speaks ASCII here")
    }

    /// Lets time pass and runs.
    pub fn wait(&mut self, millis: u64) {
        self.clock.pass(millis);
        self.run();
    }
}

//! A connection over a wire in memory, polled by hand, and a clock that is set.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pillarbox_core::now::{Now, Tick};
use pillarbox_driver::{Clock, Connection, ListenerKind, Service, Stream};

/// What both ends share.
#[derive(Debug, Default)]
struct Shared {
    to_server: Vec<u8>,
    from_server: Vec<u8>,
    tick: u64,
    writes: u64,
}

#[derive(Clone, Debug, Default)]
struct End(Rc<RefCell<Shared>>);

impl Stream for End {
    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut shared = self.0.borrow_mut();
        let n = buf.len().min(shared.to_server.len());
        if n == 0 {
            return Poll::Pending;
        }
        buf[..n].copy_from_slice(&shared.to_server[..n]);
        shared.to_server.drain(..n);
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut shared = self.0.borrow_mut();
        shared.writes += 1;
        for buf in bufs {
            shared.from_server.extend_from_slice(buf);
        }
        Poll::Ready(Ok(bufs.iter().map(|b| b.len()).sum()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Clock for End {
    fn now(&self) -> Now {
        Now {
            tick: Tick(self.0.borrow().tick),
            unix: 1_700_000_000,
        }
    }

    fn poll_until(&mut self, _: &mut Context<'_>, tick: Tick) -> Poll<()> {
        if self.now().tick < tick {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

/// The client's end of a wire, and the connection at the other end until it is dropped.
#[derive(Debug)]
pub struct Wire {
    shared: End,
    connection: Option<Pin<Box<Connection<End, End>>>>,
}

impl Wire {
    /// Connects to the service.
    #[must_use]
    pub fn connect(service: &Arc<Service>, kind: ListenerKind) -> Self {
        let shared = End::default();
        let connection =
            Connection::new(service.clone(), kind, shared.clone(), shared.clone(), None);
        Self {
            shared,
            connection: Some(Box::pin(connection)),
        }
    }

    /// Sends octets and takes what the server says to them.
    pub fn exchange(&mut self, octets: &[u8]) -> Vec<u8> {
        self.shared.0.borrow_mut().to_server.extend(octets);
        self.run();
        let mut shared = self.shared.0.borrow_mut();
        shared.to_server = Vec::new();
        std::mem::take(&mut shared.from_server)
    }

    /// Lets time pass and polls the connection.
    pub fn wait(&mut self, millis: u64) {
        self.shared.0.borrow_mut().tick += millis;
        self.run();
    }

    /// How often the server wrote.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.shared.0.borrow().writes
    }

    /// Ends the server's side at once; whether it was still there.
    pub fn cut(&mut self) -> bool {
        self.connection.take().is_some()
    }

    fn run(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        // The store answers before it returns, so that nothing is left to wake for; a second poll follows what ended for fairness.
        for _ in 0..2 {
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(&mut cx).is_ready()
            {
                self.connection = None;
            }
        }
    }
}

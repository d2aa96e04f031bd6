//! Accepting connections, the same on any runtime: which end at once, which errors are waited out, and when it stops.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pillarbox_core::now::Tick;

use crate::connection::Connection;
use crate::hub::{Change, Hub};
use crate::io::{Clock, Stream};
use crate::service::{ListenerKind, Service};

/// What a runtime has to offer to accept connections with.
pub trait Listener {
    /// A connection's stream.
    type Stream: Stream + Unpin;
    /// A connection's clock.
    type Clock: Clock + Unpin;

    /// Accepts a connection.
    fn poll_accept(&mut self, cx: &mut Context<'_>)
    -> Poll<io::Result<(Self::Stream, SocketAddr)>>;

    /// A clock that starts now.
    fn clock(&self) -> Self::Clock;

    /// Runs a connection to its end, beside all others.
    fn spawn(&mut self, connection: Connection<Self::Stream, Self::Clock>);
}

/// Accepts connections until the service's hub is told to stop. When the system gives no more descriptors, or fails otherwise, the service's
/// observer is told once and it is tried ten times a second.
///
/// # Errors
/// The listener is of no use.
pub async fn accept<L: Listener>(
    listener: L,
    kind: ListenerKind,
    service: Arc<Service>,
) -> io::Result<()> {
    let mut door = Door::new(listener, kind);
    let hub = service.hub().clone();
    let mut stopping = pin!(hub.stopping());
    poll_fn(|cx| match stopping.as_mut().poll(cx) {
        Poll::Pending => door.poll(cx, &service, |kind| kind).map(Err),
        Poll::Ready(()) => Poll::Ready(Ok(())),
    })
    .await
}

/// The same for listeners that come and go: these, and those of [`Hub::listen`], until [`Hub::close`]. `listen` brings one to the runtime.
///
/// # Errors
/// A listener is of no use, or one of these cannot be brought to the runtime.
pub async fn accept_all<L: Listener>(
    listeners: Vec<(TcpListener, ListenerKind)>,
    service: Arc<Service>,
    mut listen: impl FnMut(TcpListener) -> io::Result<L>,
) -> io::Result<()> {
    let mut doors = Vec::new();
    for (listener, kind) in listeners {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        doors.push((address, Door::new(listen(listener)?, kind)));
    }
    let hub = service.hub().clone();
    let mut stopping = pin!(hub.stopping());
    poll_fn(|cx| {
        if stopping.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        for (address, change) in hub.listeners(cx.waker()) {
            match change {
                Change::Comes(listener, kind) => match listen(listener) {
                    Ok(listener) => doors.push((address, Door::new(listener, kind))),
                    // The others go on.
                    Err(error) => service.observer.accept_failed(&error),
                },
                Change::Turns(kind) => {
                    let door = doors.iter_mut().find(|(at, _)| *at == address);
                    door.into_iter().for_each(|(_, door)| door.kind = kind);
                }
                Change::Goes => doors.retain(|(at, _)| *at != address),
            }
        }
        for (address, door) in &mut doors {
            let turned = |kind| hub.turned(*address, kind);
            if let Poll::Ready(error) = door.poll(cx, &service, turned) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Pending
    })
    .await
}

/// A listener that is being accepted from.
struct Door<L: Listener> {
    listener: L,
    kind: ListenerKind,
    clock: L::Clock,
    /// When it is tried again after an error.
    retry: Option<Tick>,
    /// The last attempt failed, and that was told.
    failing: bool,
}

impl<L: Listener> Door<L> {
    fn new(listener: L, kind: ListenerKind) -> Self {
        Self {
            clock: listener.clock(),
            listener,
            kind,
            retry: None,
            failing: false,
        }
    }

    /// Accepts what has come; ready when the listener is of no use. `turned` tells what the listener's kind has become meanwhile.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        service: &Arc<Service>,
        turned: impl Fn(ListenerKind) -> ListenerKind,
    ) -> Poll<io::Error> {
        for _ in 0..AT_ONCE {
            if let Some(tick) = self.retry {
                ready!(self.clock.poll_until(cx, tick));
                self.retry = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, peer)) => {
                    self.failing = false;
                    let (service, clock) = (service.clone(), self.listener.clock());
                    let kind = turned(self.kind);
                    let connection = Connection::new(service, kind, stream, clock, Some(peer));
                    self.listener.spawn(connection);
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    return Poll::Ready(error);
                }
                Err(error) if came_to_nothing(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        service.observer.accept_failed(&error);
                    }
                    self.retry = Some(self.clock.now().tick.after(RETRY));
                }
            }
        }
        // Others get their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Waits until no connection is left, for ten seconds at the most: behind [`Hub::shutdown`], before the runtime ends.
pub async fn drain<C: Clock + Unpin>(hub: &Hub, mut clock: C) {
    let until = clock.now().tick.after(GRACE);
    let mut drained = pin!(hub.drained());
    poll_fn(|cx| match drained.as_mut().poll(cx) {
        Poll::Pending => clock.poll_until(cx, until),
        ready => ready,
    })
    .await;
}

/// Whether the error is that of one connection, whose peer went away before it was accepted.
fn came_to_nothing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// Milliseconds before it is tried again to accept after an error: with no descriptor left, one is free when a connection ends.
const RETRY: u64 = 100;
/// Milliseconds that connections have to end after the service was told to stop.
const GRACE: u64 = 10_000;
/// Connections accepted before others get their turn.
const AT_ONCE: usize = 64;

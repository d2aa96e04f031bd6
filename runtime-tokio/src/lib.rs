//! Runs the Pillarbox IMAP server on tokio: sockets, a clock, accepting. Nothing of IMAP is here.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pillarbox_core::now::{Now, Tick};
use pillarbox_driver::{
    Clock, Connection, Leave, Listener, ListenerKind, Service, Stream, SystemClock, accept,
    accept_all, drain,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until};

/// Accepts connections until the service's hub is told to stop.
///
/// # Errors
/// The listener is of no use; a shortage of descriptors is waited out.
pub async fn serve(
    listener: TcpListener,
    kind: ListenerKind,
    service: Arc<Service>,
) -> io::Result<()> {
    let leave = None;
    accept(Accepting { listener, leave }, kind, service).await
}

/// A listener as the driver wants it.
struct Accepting {
    listener: TcpListener,
    leave: Option<Leave>,
}

impl Listener for Accepting {
    type Stream = Tcp;
    type Clock = TokioClock;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Tcp, SocketAddr)>> {
        let (stream, peer) = ready!(self.listener.poll_accept(cx))?;
        // Answers are written whole: waiting to fill packets only delays them.
        let _ = stream.set_nodelay(true);
        Poll::Ready(Ok((Tcp(stream), peer)))
    }

    fn clock(&self) -> TokioClock {
        TokioClock::new()
    }

    fn spawn(&mut self, connection: Connection<Tcp, TokioClock>) {
        tokio::spawn(connection.with_leave(self.leave.clone()));
    }
}

/// Runs a service on listeners of the standard library, and on those that its hub is given meanwhile, until its hub is told to stop and its connections have
/// ended; blocks. There is a thread for each core, and one more: one may wait for a disk.
///
/// # Errors
/// The runtime cannot be built, or a listener is of no use.
pub fn run(
    listeners: Vec<(std::net::TcpListener, ListenerKind)>,
    service: Arc<Service>,
) -> io::Result<()> {
    // One more than there are cores: one may wait for a disk.
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get() + 1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    // The others may be asleep, and who waits is the one who looks after the sockets.
    let woken = runtime.handle().clone();
    let leave = Leave::new(1, move || drop(woken.spawn(async {})));
    runtime.block_on(async {
        let listen = |listener| {
            let listener = TcpListener::from_std(listener)?;
            let leave = Some(leave.clone());
            Ok(Accepting { listener, leave })
        };
        accept_all(listeners, service.clone(), listen).await?;
        drain(service.hub(), TokioClock::new()).await;
        Ok(())
    })
}

/// A socket as the driver wants it.
#[derive(Debug)]
pub struct Tcp(pub TcpStream);

impl Stream for Tcp {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        Pin::new(&mut self.0)
            .poll_read(cx, &mut buf)
            .map_ok(|()| buf.filled().len())
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The system's clocks, with tokio's timer.
#[derive(Debug, Default)]
pub struct TokioClock {
    clock: SystemClock,
    sleep: Option<(Tick, Pin<Box<Sleep>>)>,
}

impl TokioClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, tick: Tick) -> Poll<()> {
        let Some(at) = self.clock.instant(tick).map(Instant::from_std) else {
            return Poll::Pending;
        };
        let (set, sleep) = self
            .sleep
            .get_or_insert_with(|| (tick, Box::pin(sleep_until(at))));
        if *set != tick {
            *set = tick;
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

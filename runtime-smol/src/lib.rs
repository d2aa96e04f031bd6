//! Runs the Pillarbox IMAP server on smol: sockets, a clock, accepting. Nothing of IMAP is here.

use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_io::{Async, Timer};
use futures_lite::{AsyncRead, AsyncWrite, future};
use pillarbox_core::now::{Now, Tick};
use pillarbox_driver::{
    Clock, Connection, Leave, Listener, ListenerKind, Service, Stream, SystemClock, accept,
    accept_all, drain,
};
use smol::Executor;

/// Accepts connections and runs them on `executor` until the service's hub is told to stop.
///
/// # Errors
/// The listener is of no use; a shortage of descriptors is waited out.
pub async fn serve(
    listener: Async<TcpListener>,
    kind: ListenerKind,
    service: Arc<Service>,
    executor: &Executor<'static>,
) -> io::Result<()> {
    let accepting = Accepting {
        listener,
        executor,
        leave: None,
    };
    accept(accepting, kind, service).await
}

/// A listener as the driver wants it.
struct Accepting<'a> {
    listener: Async<TcpListener>,
    executor: &'a Executor<'static>,
    leave: Option<Leave>,
}

impl Listener for Accepting<'_> {
    type Stream = Tcp;
    type Clock = SmolClock;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Tcp, SocketAddr)>> {
        loop {
            match self.listener.get_ref().accept() {
                Ok((stream, peer)) => {
                    // Answers are written whole: waiting to fill packets only delays them.
                    let _ = stream.set_nodelay(true);
                    return Poll::Ready(Ok((Tcp(Async::new(stream)?), peer)));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
            ready!(self.listener.poll_readable(cx))?;
        }
    }

    fn clock(&self) -> SmolClock {
        SmolClock::new()
    }

    fn spawn(&mut self, connection: Connection<Tcp, SmolClock>) {
        let connection = connection.with_leave(self.leave.clone());
        self.executor.spawn(connection).detach();
    }
}

/// Runs a service on listeners of the standard library, and on those that its hub is given meanwhile, until its hub is told to stop and its connections have
/// ended; blocks. There is a thread for each core, and one more: one may wait for a disk.
///
/// # Errors
/// A listener is of no use, or a thread cannot be started.
pub fn run(listeners: Vec<(TcpListener, ListenerKind)>, service: Arc<Service>) -> io::Result<()> {
    let executor = Arc::new(Executor::new());
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut running = Vec::new();
    for _ in 0..threads {
        let (executor, stopped) = (executor.clone(), stopped.clone());
        let thread = std::thread::Builder::new()
            .name(String::from("pillarbox-smol"))
            // The channel only ever closes: an error is the end.
            .spawn(move || {
                let _ = future::block_on(executor.run(stopped.recv()));
            })?;
        running.push(thread);
    }
    // Sockets have a thread of their own, which wakes one of the executor's that is free: nobody needs to be relieved.
    let leave = Leave::new(1, || {});
    let serving = serve_all(listeners, service, &executor, leave);
    let result = future::block_on(executor.run(serving));
    drop(stop);
    for thread in running {
        // A thread that panicked has said so.
        let _ = thread.join();
    }
    result
}

async fn serve_all(
    listeners: Vec<(TcpListener, ListenerKind)>,
    service: Arc<Service>,
    executor: &Executor<'static>,
    leave: Leave,
) -> io::Result<()> {
    let listen = |listener: TcpListener| -> io::Result<_> {
        let listener = Async::new(listener)?;
        Ok(Accepting {
            listener,
            executor,
            leave: Some(leave.clone()),
        })
    };
    accept_all(listeners, service.clone(), listen).await?;
    drain(service.hub(), SmolClock::new()).await;
    Ok(())
}

/// A socket as the driver wants it.
#[derive(Debug)]
pub struct Tcp(pub Async<TcpStream>);

impl Stream for Tcp {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.get_ref().shutdown(Shutdown::Write))
    }
}

/// The system's clocks, with smol's timer.
#[derive(Debug, Default)]
pub struct SmolClock {
    clock: SystemClock,
    timer: Option<(Tick, Timer)>,
}

impl SmolClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Clock for SmolClock {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, tick: Tick) -> Poll<()> {
        let Some(at) = self.clock.instant(tick) else {
            return Poll::Pending;
        };
        let (set, timer) = self.timer.get_or_insert_with(|| (tick, Timer::at(at)));
        if *set != tick {
            *set = tick;
            timer.set_at(at);
        }
        Pin::new(timer).poll(cx).map(|_| ())
    }
}

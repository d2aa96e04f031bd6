//! Runs the Pillarbox IMAP server on smol: sockets, a clock, accepting. Nothing of IMAP is here.

use std::future::Future;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::{AsyncRead, AsyncWrite, FutureExt, future};
use pillarbox_core::now::{Now, Tick};
use pillarbox_driver::{Clock, Connection, ListenerKind, Service, Stream, SystemClock};
use smol::Executor;

/// Connections have so long to end after the service was told to stop.
const GRACE: Duration = Duration::from_secs(10);

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
    let hub = service.hub().clone();
    loop {
        let accepted = async { Some(listener.accept().await) };
        let stopping = async {
            hub.stopping().await;
            None
        };
        match stopping.or(accepted).await {
            None => return Ok(()),
            Some(Ok((stream, peer))) => {
                // Answers are written whole: waiting to fill packets only delays them.
                let _ = stream.get_ref().set_nodelay(true);
                let connection = Connection::new(
                    service.clone(),
                    kind,
                    Tcp(stream),
                    SmolClock::new(),
                    Some(peer),
                );
                executor.spawn(connection).detach();
            }
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Some(Err(_)) => {
                Timer::after(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Runs a service on listeners of the standard library until its hub is told to stop and its connections have ended; blocks. There is a
/// thread for each core.
///
/// # Errors
/// A listener is of no use, or a thread cannot be started.
pub fn run(listeners: Vec<(TcpListener, ListenerKind)>, service: Arc<Service>) -> io::Result<()> {
    let executor = Arc::new(Executor::new());
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() - 1);
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
    let result = future::block_on(executor.run(accept(listeners, service, &executor)));
    drop(stop);
    for thread in running {
        // A thread that panicked has said so.
        let _ = thread.join();
    }
    result
}

async fn accept(
    listeners: Vec<(TcpListener, ListenerKind)>,
    service: Arc<Service>,
    executor: &Arc<Executor<'static>>,
) -> io::Result<()> {
    let mut tasks = Vec::new();
    for (listener, kind) in listeners {
        let listener = Async::new(listener)?;
        let (service, on) = (service.clone(), executor.clone());
        tasks.push(executor.spawn(async move { serve(listener, kind, service, &on).await }));
    }
    for task in tasks {
        task.await?;
    }
    let drained = service.hub().drained();
    let late = async {
        Timer::after(GRACE).await;
    };
    drained.or(late).await;
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

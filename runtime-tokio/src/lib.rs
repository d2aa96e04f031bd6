//! Runs the Pillarbox IMAP server on tokio: sockets, a clock, accepting. Nothing of IMAP is here.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pillarbox_core::now::{Now, Tick};
use pillarbox_driver::{Clock, Connection, ListenerKind, Service, Stream, SystemClock};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// Connections have so long to end after the service was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Accepts connections until the service's hub is told to stop.
///
/// # Errors
/// The listener is of no use; a shortage of descriptors is waited out.
pub async fn serve(
    listener: TcpListener,
    kind: ListenerKind,
    service: Arc<Service>,
) -> io::Result<()> {
    let hub = service.hub().clone();
    let stopping = hub.stopping();
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Answers are written whole: waiting to fill packets only delays them.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(Connection::new(service.clone(), kind, Tcp(stream), TokioClock::new(), Some(peer)));
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
        }
    }
}

/// Runs a service on listeners of the standard library until its hub is told to stop and its connections have ended; blocks.
///
/// # Errors
/// The runtime cannot be built, or a listener is of no use.
pub fn run(
    listeners: Vec<(std::net::TcpListener, ListenerKind)>,
    service: Arc<Service>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for (listener, kind) in listeners {
            listener.set_nonblocking(true)?;
            tasks.push(tokio::spawn(serve(
                TcpListener::from_std(listener)?,
                kind,
                service.clone(),
            )));
        }
        for task in tasks {
            task.await.map_err(io::Error::other)??;
        }
        let _ = tokio::time::timeout(GRACE, service.hub().drained()).await;
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

//! What a runtime has to offer: a stream of octets and a clock; and both for an event loop that has neither tasks nor wakers.

use std::io::{self, Read, Write};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use pillarbox_core::now::{Now, Tick};

/// A connected stream that never blocks.
pub trait Stream {
    /// Reads some octets; zero means that the peer closed its side.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes some octets of these buffers.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Closes the writing side, once; what the peer sends can be read until the stream is dropped. Without a word of one's own the writing side
    /// closes when the stream is dropped, and a peer that is still sending hears of the end some seconds later.
    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The time, and waiting for it.
pub trait Clock {
    /// The present.
    fn now(&self) -> Now;

    /// Ready at or after `tick`; a later call replaces the tick waited for.
    fn poll_until(&mut self, cx: &mut Context<'_>, tick: Tick) -> Poll<()>;
}

/// A stream that says `WouldBlock`, for an event loop that polls its connections when the system says that their sockets are ready: it
/// wakes nobody.
#[derive(Debug)]
pub struct NonBlocking<T>(pub T);

impl<T: Read + Write> Stream for NonBlocking<T> {
    fn poll_read(&mut self, _cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        settled(|| self.0.read(buf))
    }

    fn poll_write(
        &mut self,
        _cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        settled(|| self.0.write_vectored(bufs))
    }
}

/// Tries again what a signal interrupted.
fn settled(mut attempt: impl FnMut() -> io::Result<usize>) -> Poll<io::Result<usize>> {
    loop {
        match attempt() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            result => return Poll::Ready(result),
        }
    }
}

/// The system's clocks, counted from one instant; cheap to copy, and copies agree. As a [`Clock`] it wakes nobody: an event loop polls a
/// connection when its [`deadline`](crate::Connection::deadline) has passed.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// A clock whose tick 0 is now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// The first instant at which `tick` has surely passed; `None` if it is beyond what the system can tell.
    #[must_use]
    pub fn instant(&self, tick: Tick) -> Option<Instant> {
        // One more, since the present is rounded down.
        self.0
            .checked_add(Duration::from_millis(tick.0.saturating_add(1)))
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let tick = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        let unix = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs());
        Now {
            tick: Tick(tick),
            unix: i64::try_from(unix).unwrap_or(i64::MAX),
        }
    }

    fn poll_until(&mut self, _cx: &mut Context<'_>, tick: Tick) -> Poll<()> {
        if self.now().tick < tick {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

//! What a runtime has to offer: a stream of octets and a clock.

use std::io;
use std::task::{Context, Poll};

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

    /// Closes the writing side.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// The time, and waiting for it.
pub trait Clock {
    /// The present.
    fn now(&self) -> Now;

    /// Ready at or after `tick`; a later call replaces the tick waited for.
    fn poll_until(&mut self, cx: &mut Context<'_>, tick: Tick) -> Poll<()>;
}

//! When nothing moves any more: the server's connections run in this process, so it is known what each has taken, and whether it waits.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use pillarbox::driver::{Clock, Stream};
use pillarbox::protocol::now::{Now, Tick};
use pillarbox_sim::BEGINNING;

/// The connections of one run of a script, and its clock.
#[derive(Debug)]
pub struct Calm {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    now: Now,
    sleepers: Vec<Waker>,
    connections: Vec<Seen>,
}

/// What is known of a connection.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Its future is being polled.
    running: bool,
    /// Its future is to be polled.
    woken: bool,
    /// Its future has ended, and its socket is closed.
    over: bool,
    /// When it was polled last it found nothing more to read, and waits for more.
    reads: bool,
    /// When it was polled last the socket took no more.
    stuck: bool,
    /// Octets the client sent, and those the server took.
    sent: u64,
    taken: u64,
    /// The server closed its side.
    shut: bool,
    /// The client closed its side, and the server has seen that.
    ended: bool,
    end_taken: bool,
    /// Octets the server wrote.
    written: u64,
    /// Where the client's writes ended that the server has not taken: each is read alone.
    ends: VecDeque<u64>,
}

impl Seen {
    /// Nothing happens before the client, the clock or another connection does something.
    fn is_calm(&self) -> bool {
        let taken = self.sent == self.taken && self.ended == self.end_taken;
        self.over || !(self.running || self.woken || self.stuck || (self.reads && !taken))
    }
}

impl Calm {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                now: BEGINNING,
                sleepers: Vec::new(),
                connections: Vec::new(),
            }),
            changed: Condvar::new(),
        })
    }

    /// One more connection, whose future is about to be spawned.
    pub fn add(&self) -> usize {
        let mut state = self.state();
        state.connections.push(Seen {
            woken: true,
            ..Seen::default()
        });
        state.connections.len() - 1
    }

    /// The client is about to write so many octets.
    pub fn sending(&self, id: usize, octets: usize) {
        self.see(id, |seen| {
            seen.sent += octets as u64;
            seen.ends.push_back(seen.sent);
        });
    }

    /// The client is about to close its side.
    pub fn ending(&self, id: usize) {
        self.see(id, |seen| seen.ended = true);
    }

    pub fn is_over(&self, id: usize) -> bool {
        self.state().connections[id].over
    }

    /// The server closed its side, and waits for the client to do so.
    pub fn awaits_end(&self, id: usize) -> bool {
        let seen = &self.state().connections[id];
        seen.shut && !seen.over && !seen.ended
    }

    /// Lets time pass, and wakes all who wait for it.
    pub fn advance(&self, seconds: u64) {
        let sleepers = {
            let mut state = self.state();
            state.now.tick = state.now.tick.after(seconds * 1000);
            state.now.unix += i64::try_from(seconds).expect("scripts are not that long");
            std::mem::take(&mut state.sleepers)
        };
        sleepers.into_iter().for_each(Waker::wake);
    }

    /// Waits until no connection moves, or one has written more than was read of it: how much each has written.
    pub fn wait(&self, read: &[u64], deadline: Instant) -> Result<Vec<u64>, String> {
        let mut state = self.state();
        loop {
            let written: Vec<_> = state.connections.iter().map(|s| s.written).collect();
            if state.connections.iter().all(Seen::is_calm) || written != read {
                return Ok(written);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("it does not come to rest: {:?}", state.connections));
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.expect("nobody panics with the lock").0;
        }
    }

    fn see<T>(&self, id: usize, change: impl FnOnce(&mut Seen) -> T) -> T {
        let result = change(&mut self.state().connections[id]);
        self.changed.notify_all();
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the lock")
    }
}

/// A connection's future, looked at.
pub struct Watched<F> {
    calm: Arc<Calm>,
    id: usize,
    connection: Option<F>,
    alarm: Option<(Arc<Alarm>, Waker)>,
}

impl<F> Watched<F> {
    pub fn new(calm: Arc<Calm>, id: usize, connection: F) -> Self {
        Self {
            calm,
            id,
            connection: Some(connection),
            alarm: None,
        }
    }

    /// A waker around the runtime's, the same as long as that is: some reactors wake a waker that another one replaces.
    fn waker(&mut self, inner: &Waker) -> Waker {
        if let Some((alarm, waker)) = &self.alarm
            && alarm.inner.will_wake(inner)
        {
            return waker.clone();
        }
        let alarm = Arc::new(Alarm {
            calm: self.calm.clone(),
            id: self.id,
            inner: inner.clone(),
        });
        let waker = Waker::from(alarm.clone());
        self.alarm = Some((alarm, waker.clone()));
        waker
    }
}

impl<F: Future + Unpin> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (calm, id) = (self.calm.clone(), self.id);
        calm.see(id, |seen| {
            (seen.running, seen.woken) = (true, false);
            (seen.reads, seen.stuck) = (false, false);
        });
        let waker = self.waker(cx.waker());
        let polled = self
            .connection
            .as_mut()
            .map(|c| Pin::new(c).poll(&mut Context::from_waker(&waker)));
        let over = polled.is_none_or(|p| p.is_ready());
        if over {
            // The socket is closed before the connection counts as over.
            self.connection = None;
        }
        calm.see(id, |seen| (seen.running, seen.over) = (false, over));
        if over { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Notes that a connection is to be polled, before the runtime hears of it.
struct Alarm {
    calm: Arc<Calm>,
    id: usize,
    inner: Waker,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.calm.see(self.id, |seen| seen.woken = true);
        self.inner.wake_by_ref();
    }
}

/// A runtime's stream, counted; each of the client's writes is read alone.
#[derive(Debug)]
pub struct Counted<S> {
    pub calm: Arc<Calm>,
    pub id: usize,
    pub stream: S,
}

impl<S: Stream> Stream for Counted<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = self.calm.see(self.id, |seen| {
            while seen.ends.front().is_some_and(|end| *end <= seen.taken) {
                seen.ends.pop_front();
            }
            let next = seen.ends.front().map(|end| end - seen.taken);
            next.and_then(|n| usize::try_from(n).ok())
                .map_or(buf.len(), |n| n.min(buf.len()))
        });
        let result = self.stream.poll_read(cx, &mut buf[..room]);
        self.calm.see(self.id, |seen| {
            seen.reads = result.is_pending();
            if let Poll::Ready(Ok(n)) = result {
                seen.taken += n as u64;
                seen.end_taken |= n == 0;
            }
        });
        result
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = self.stream.poll_write(cx, bufs);
        self.calm.see(self.id, |seen| {
            seen.stuck = result.is_pending();
            if let Poll::Ready(Ok(n)) = result {
                seen.written += n as u64;
            }
        });
        result
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = self.stream.poll_close(cx);
        self.calm.see(self.id, |seen| seen.shut = result.is_ready());
        result
    }
}

/// The script's clock.
#[derive(Debug)]
pub struct ScriptClock(pub Arc<Calm>);

impl Clock for ScriptClock {
    fn now(&self) -> Now {
        self.0.state().now
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, tick: Tick) -> Poll<()> {
        let mut state = self.0.state();
        if state.now.tick >= tick {
            return Poll::Ready(());
        }
        if !state.sleepers.iter().any(|w| w.will_wake(cx.waker())) {
            state.sleepers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

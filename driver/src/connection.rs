//! The one event loop: a future that moves octets, effects and replies until the session ends.

#[cfg(not(any(feature = "tls", feature = "tls-ring")))]
mod plain;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
mod tls;

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use pillarbox_core::effect::{Effect, Notice, Reply};
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{
    Action, Bye, CloseReason, Config, Event, Peer, Switch, Switched, TlsFacts,
};
use pillarbox_store::{Job, Leave};

use crate::hub::Membership;
use crate::inbox::Inbox;
use crate::io::{Clock, Stream};
use crate::record::Record;
use crate::recording::RecordedSession;
use crate::service::{ListenerKind, Service, Summary};
#[cfg(not(any(feature = "tls", feature = "tls-ring")))]
use plain::Layer;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
use tls::Layer;

/// Octets read at once; the buffer lives on the stack, so that an idle connection holds none.
const READ: usize = 16 << 10;
/// Chunks handed over in one write.
const CHUNKS: usize = 64;
/// Rounds of the loop before other connections get their turn; and octets, both ways, and questions to the store, of which a round can make many.
const ROUNDS: usize = 64;
const OCTETS: u64 = 512 << 10;
const QUESTIONS: usize = 16;

/// One connection; polled to its end by any executor.
#[derive(Debug)]
pub struct Connection<S, C> {
    service: Arc<Service>,
    config: Arc<Config>,
    session: RecordedSession,
    layer: Layer,
    stream: S,
    clock: C,
    inbox: Arc<Inbox>,
    /// The transport failed: nothing is read or written any more.
    broken: bool,
    /// `None`: it was never let in, and ends without a word.
    membership: Option<Membership>,
    record: Record,
    /// Set when the session ended: the reason, and until when its last octets may take.
    ended: Option<(CloseReason, Tick)>,
    end: End,
    /// Set when the server ends the session: until when the command being answered may take.
    leave: Option<(Bye, Tick)>,
    /// Questions to the store that this turn may still put; none when the session is to give way.
    questions: usize,
    /// Leave for the threads that poll to wait for a disk; and whether it was used this turn.
    may_wait: Option<Leave>,
    waited: bool,
}

/// How far the stream's end has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// The writing side is open.
    Open,
    /// It is closed; so many more octets of the peer are thrown away.
    Closed(usize),
    /// Nothing is waited for any more.
    Over,
}

/// Whether a step of the loop moved anything.
type Moved = bool;

impl<S: Stream + Unpin, C: Clock + Unpin> Connection<S, C> {
    /// A connection just accepted. One that is too many is told so and ends.
    pub fn new(
        service: Arc<Service>,
        kind: ListenerKind,
        stream: S,
        clock: C,
        peer: Option<SocketAddr>,
    ) -> Self {
        let began = clock.now();
        let inbox = Arc::new(Inbox::default());
        let current = service.current();
        let peer = peer.map(|p| SocketAddr::new(p.ip().to_canonical(), p.port()));
        let address = peer.map(|p| p.ip());
        let membership = service.hub.enter(inbox.clone(), address, &current.settings);
        let config = current.config(kind == ListenerKind::Plain && service.has_tls());
        let mut facts = Peer::plain(address);
        if kind == ListenerKind::Tls {
            facts.tls = Some(TlsFacts::default());
        }
        let recording = membership.as_ref().and_then(|_| service.recording(peer));
        let session = RecordedSession::new(config.clone(), facts, [0; 32], began, recording);
        let tls = kind == ListenerKind::Tls;
        let record = Record::new(service.observer.clone(), peer, began.tick, tls);
        let mut connection = Self {
            service,
            config,
            session,
            layer: Layer::Plain,
            stream,
            clock,
            inbox,
            membership,
            broken: false,
            record,
            ended: None,
            end: End::Open,
            leave: None,
            questions: QUESTIONS,
            may_wait: None,
            waited: false,
        };
        if tls && !connection.begin_tls(&Bytes::new(), false) {
            connection.session.handle_shutdown(Bye::Shutdown);
        }
        connection
    }

    /// Polled by threads that may wait for a disk; see [`Leave`].
    #[must_use]
    pub fn with_leave(mut self, leave: Option<Leave>) -> Self {
        self.may_wait = leave;
        self
    }

    /// When the connection is to be polled again at the latest, on its clock; `None` when only octets or letters matter. A clock that wakes
    /// sees to it by itself.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        [self.session.deadline(), self.transport_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the handshake, or the last octets, have taken too long.
    fn transport_deadline(&self) -> Option<Tick> {
        let ended = self.ended.map(|(_, tick)| tick);
        let leave = self.leave.map(|(_, tick)| tick);
        [self.handshake_deadline(), ended, leave]
            .into_iter()
            .flatten()
            .min()
    }

    /// One round: letters, time, the session's actions, writing, reading.
    fn round(&mut self, cx: &mut Context<'_>, now: Now) -> io::Result<Moved> {
        let mut moved = self.letters(None, now);
        if self.broken {
            return Ok(moved | self.actions(now));
        }
        moved |= self.time(cx, now)?;
        moved |= self.actions(now);
        moved |= self.write(cx, now)?;
        moved |= self.read(cx)?;
        Ok(moved)
    }

    /// Hands over what has arrived; if nothing has, the next letter wakes the waker.
    fn letters(&mut self, waker: Option<&Waker>, now: Now) -> Moved {
        let Some(letters) = self.inbox.take(waker) else {
            return false;
        };
        for reply in letters.replies {
            self.session.handle_reply(reply);
        }
        for (mailbox, modseq) in letters.notices {
            self.session.handle_notice(Notice { mailbox, modseq });
        }
        if let Some(reason) = letters.bye {
            self.session.handle_shutdown(reason);
            // Nobody is told anything before the handshake: one that stands still would only hold up the end.
            let stands = reason == Bye::Shutdown && self.handshaking();
            let patience = if stands {
                0
            } else {
                self.config.limits.leave_millis
            };
            self.leave.get_or_insert((reason, now.tick.after(patience)));
        }
        true
    }

    fn time(&mut self, cx: &mut Context<'_>, now: Now) -> io::Result<Moved> {
        let Some(next) = self.deadline() else {
            return Ok(false);
        };
        if now.tick < next && self.clock.poll_until(cx, next).is_pending() {
            return Ok(false);
        }
        let tick = self.clock.now().tick.max(next);
        if self.transport_deadline().is_some_and(|d| d <= tick) {
            if self.end == End::Open {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.end = End::Over;
            return Ok(true);
        }
        self.session.handle_timeout(Now { tick, ..now });
        Ok(true)
    }

    fn actions(&mut self, now: Now) -> Moved {
        let mut moved = false;
        while self.questions > 0
            && let Some(action) = self.session.poll(now)
        {
            moved = true;
            match action {
                Action::Effect(effect) => self.submit(effect),
                Action::Switch(Switch::StartTls { residue }) if !self.begin_tls(&residue, true) => {
                    self.session.handle_switched(Switched::Failed, now);
                }
                Action::Event(event) => self.event(&event),
                Action::Yield => self.questions = 0,
                Action::Closed(reason) => {
                    let told = self.leave.take().map(|(bye, _)| CloseReason::Server(bye));
                    self.record.summary.reason = if self.broken { told } else { Some(reason) };
                    let until = now.tick.after(self.config.limits.linger_millis);
                    self.ended = Some((reason, until));
                }
                _ => {}
            }
            // A reply given at once is used at once.
            self.letters(None, now);
        }
        moved
    }

    fn submit(&mut self, effect: Effect) {
        self.questions -= 1;
        match effect {
            Effect::Watch(call) => {
                if let Some(membership) = &self.membership {
                    membership.watch(call.op().mailbox);
                }
                self.inbox.reply(call.answer(Ok(())));
            }
            Effect::Unwatch(call) => {
                if let Some(membership) = &self.membership {
                    membership.unwatch(call.op().mailbox);
                }
                self.inbox.reply(call.answer(Ok(())));
            }
            effect => {
                let inbox = self.inbox.clone();
                let sign_in = matches!(effect, Effect::Authenticate(_));
                // Once a turn: what is answered is to be sent before the next one waits.
                let commits = matches!(effect, Effect::UploadCommit(_));
                let waits = commits && !std::mem::replace(&mut self.waited, commits);
                let leave = self.may_wait.clone().filter(|_| waits);
                let job = Job::new(effect, move |reply: Reply| inbox.reply(reply));
                let job = job.with_leave(leave);
                if sign_in {
                    if let Some(membership) = &self.membership {
                        membership.signs_in();
                    }
                    self.service.accounts.authenticate(job)
                } else {
                    self.service.backend.submit(job)
                }
            }
        }
    }

    fn event(&mut self, event: &Event) {
        self.record.event(event);
        if let (Event::LoggedIn { account, .. }, Some(membership)) = (event, &self.membership) {
            let ended = membership.signed_in(account.id);
            let barred = !self.service.accounts.admits(account.id);
            if let Some(reason) = ended.or(barred.then_some(Bye::AccountDisabled)) {
                self.inbox.bye(reason);
            }
        }
    }

    fn write_plain(&mut self, cx: &mut Context<'_>, now: Now) -> io::Result<Moved> {
        let mut moved = false;
        loop {
            let mut transmit = self.session.transmit(now);
            if !transmit.has_remaining() {
                return Ok(moved);
            }
            let mut slices = [IoSlice::new(&[]); CHUNKS];
            let count = gather(transmit.chunks(), &mut slices);
            match self.stream.poll_write(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => {
                    transmit.advance(n);
                    self.record.summary.octets_out += n as u64;
                    moved = true;
                }
                Poll::Ready(Err(e)) => return Err(e),
                Poll::Pending => return Ok(moved),
            }
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<Moved> {
        if self.ended.is_some() && !self.handshaking() {
            return Ok(false);
        }
        let room = self
            .session
            .recv_slot()
            .map(|slot| slot.capacity().min(READ));
        let Some(room) = room.or_else(|| self.handshaking().then_some(READ)) else {
            return Ok(false);
        };
        let mut buffer = [0; READ];
        match self.stream.poll_read(cx, &mut buffer[..room]) {
            Poll::Ready(Ok(0)) => {
                if self.handshaking() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.session.handle_eof();
                Ok(true)
            }
            Poll::Ready(Ok(n)) => {
                self.record.summary.octets_in += n as u64;
                let received = self.received(&buffer[..n]);
                if received.is_err() {
                    self.alert(cx);
                }
                received.map(|()| true)
            }
            Poll::Ready(Err(e)) => Err(e),
            Poll::Pending => Ok(false),
        }
    }

    fn received_plain(&mut self, octets: &[u8]) {
        if let Some(mut slot) = self.session.recv_slot() {
            slot.put(octets);
        }
    }

    /// Everything is sent and the stream closed, or will never be.
    fn finished(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let Some((reason, _)) = self.ended else {
            return false;
        };
        if self.broken {
            return true;
        }
        if self.session.transmit(now).has_remaining() || !self.layer_closed() {
            return false;
        }
        if self.end == End::Open {
            match self.stream.poll_close(cx) {
                Poll::Ready(Ok(())) => self.end = End::Closed(self.config.limits.linger),
                Poll::Ready(Err(_)) => self.end = End::Over,
                Poll::Pending => return false,
            }
        }
        self.unheard(cx, reason);
        self.end == End::Over
    }

    /// Throws away what the peer still sends. A stream that is dropped with unread octets, or that gets some later, is reset, and a reset may
    /// take the last lines from a peer that has not read them yet (RFC 1122 §4.2.2.13). A peer that was not sending is not waited for.
    fn unheard(&mut self, cx: &mut Context<'_>, reason: CloseReason) {
        let (mut buffer, most) = ([0; READ], self.config.limits.linger);
        while let End::Closed(left) = self.end {
            self.end = match self.stream.poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(n)) if n > 0 && n < left => {
                    self.record.summary.octets_in += n as u64;
                    End::Closed(left - n)
                }
                Poll::Ready(_) => End::Over,
                Poll::Pending if self.session.is_cut() => return,
                Poll::Pending if is_still_sending(reason, left < most) => return,
                Poll::Pending => End::Over,
            };
        }
    }
}

/// Whether more octets are likely on their way; `heard`: some came after the end.
fn is_still_sending(reason: CloseReason, heard: bool) -> bool {
    match reason {
        CloseReason::TooBig | CloseReason::TooManyBad => true,
        // There may be very many of them: they hold no place any longer.
        CloseReason::Server(Bye::TooManyConnections) => false,
        _ => heard,
    }
}

/// Puts the first chunks into slices; how many there are.
fn gather<'a>(chunks: impl Iterator<Item = &'a [u8]>, slices: &mut [IoSlice<'a>; CHUNKS]) -> usize {
    let pairs = slices.iter_mut().zip(chunks);
    pairs
        .map(|(slice, chunk)| *slice = IoSlice::new(chunk))
        .count()
}

impl<S: Stream + Unpin, C: Clock + Unpin> Future for Connection<S, C> {
    type Output = Summary;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Summary> {
        let this = self.get_mut();
        if this.membership.is_none() {
            return Poll::Ready(this.record.forget());
        }
        this.questions = QUESTIONS;
        this.waited = false;
        let most = this.octets() + OCTETS;
        for _ in 0..ROUNDS {
            if this.questions == 0 || this.octets() >= most {
                break;
            }
            let now = this.clock.now();
            this.record.at(now.tick);
            let moved = match this.round(cx, now) {
                Ok(moved) => moved,
                Err(error) => this.broke(&error),
            };
            if this.finished(cx, now) {
                return Poll::Ready(this.record.ended());
            }
            if moved {
                continue;
            }
            // From here on a letter wakes this future; one that came meanwhile is read at once.
            if !this.letters(Some(cx.waker()), now) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: Stream + Unpin, C: Clock + Unpin> Connection<S, C> {
    /// Octets both ways so far.
    fn octets(&self) -> u64 {
        self.record.summary.octets_in + self.record.summary.octets_out
    }

    /// The transport failed: the session undoes what it began.
    fn broke(&mut self, error: &io::Error) -> Moved {
        self.broken = true;
        self.record.summary.error = Some(error.to_string().into());
        self.session.handle_reset();
        true
    }
}

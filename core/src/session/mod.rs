//! One IMAP session: octets and replies in; octets and effects out.

mod api;
mod begin;
mod finish;
mod run;
mod selected;
mod timer;

pub use crate::wire::taken::{Taken, TakenAs};
pub use api::{
    Action, Bye, CloseReason, Condition, Config, Event, Peer, Switch, Switched, TlsFacts,
};
pub(crate) use begin::bad;
pub(crate) use finish::{Done, refusal};
pub(crate) use run::{Input, Step, Task};
pub(crate) use selected::{Going, Selected, Telling, changed};

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::{Buf, Bytes};

use crate::effect::{Account, Actor, Call, Effect, Notice, Op, Outcome, Reply};
use crate::id::AccountId;
use crate::now::{Now, Tick};
use crate::schedule::Row;
use crate::view::Blocks;
use crate::wire::frame::{Bounds, Framer};
use crate::wire::output::Output;
use timer::Timers;

/// One IMAP session as a state machine.
///
/// Inputs are cheap and never fail; [`Session::poll`] does the work. Any order of calls is safe, a forgotten one only delays.
#[derive(Debug)]
pub struct Session {
    pub(crate) config: Arc<Config>,
    pub(crate) peer: Peer,
    input: Framer,
    pub(crate) out: Output,
    pub(crate) now: Now,
    pub(crate) account: Option<Account>,
    pub(crate) selected: Option<Box<Selected>>,
    pub(crate) enabled: Enabled,
    /// What `$` means (RFC 5182).
    pub(crate) saved: Blocks,
    current: Option<Current>,
    /// What is being told of changes, before anything else goes on.
    telling: Option<Box<Telling>>,
    task: Option<Box<dyn Task>>,
    waiting: Waiting,
    next_token: u64,
    actions: VecDeque<Action>,
    end: End,
    timers: Timers,
    bad_in_row: u32,
    failed_logins: u32,
    greeted: bool,
    frozen: bool,
}

/// What ENABLE, or a command that implies it, switched on (RFC 5161).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Enabled {
    pub rev2: bool,
    pub condstore: bool,
    pub qresync: bool,
}

/// The command being answered.
#[derive(Debug)]
pub(crate) struct Current {
    pub tag: Bytes,
    pub row: Row,
    /// Its outcome, once it is known: what is left is to tell changes and to write the tagged answer.
    pub done: Option<Done>,
    /// Changes were asked for and told.
    pub told: bool,
    /// The tagged answer is written up to its response code.
    pub begun: bool,
}

impl Current {
    fn new(tag: Bytes, row: Row, done: Option<Done>) -> Self {
        Self {
            tag,
            row,
            done,
            told: false,
            begun: false,
        }
    }
}

/// Whether a reply is waited for.
#[derive(Debug, Default)]
enum Waiting {
    #[default]
    Nothing,
    Reply(u64),
    Arrived(Outcome),
    Layer,
}

/// Whether and how the session ends.
#[derive(Debug, Default)]
struct End {
    eof: bool,
    shutdown: Option<Bye>,
    reason: Option<CloseReason>,
    closed: bool,
    /// The client was sending a command when the server ended the session.
    cut: bool,
}

impl Session {
    /// A new session; the first [`Session::poll`] queues its greeting, which is `* BYE` after a [`Session::handle_shutdown`]. `seed` is for what must not be guessed: nothing, so far.
    #[must_use]
    pub fn new(config: Arc<Config>, peer: Peer, _seed: [u8; 32], now: Now) -> Self {
        let timers = Timers::new(&config.limits, now);
        Self {
            config,
            peer,
            input: Framer::new(),
            out: Output::default(),
            now,
            account: None,
            selected: None,
            enabled: Enabled::default(),
            saved: Blocks::default(),
            current: None,
            telling: None,
            task: None,
            waiting: Waiting::Nothing,
            next_token: 1,
            actions: VecDeque::new(),
            end: End::default(),
            timers,
            bad_in_row: 0,
            failed_logins: 0,
            greeted: false,
            frozen: false,
        }
    }

    /// Room for octets from the peer, or `None` while none are to be read.
    pub fn recv_slot(&mut self) -> Option<RecvSlot<'_>> {
        let late = self.timers.rest_is_late(self.now);
        let stopped = self.end.closed || self.end.eof || self.frozen || late;
        let capacity = self
            .input_limit()
            .saturating_sub(self.input.len())
            .min(self.ahead());
        (!stopped && capacity > 0).then_some(RecvSlot {
            input: &mut self.input,
            capacity,
        })
    }

    /// Remembers from now on what the client's octets are taken for, for whoever writes sessions down and must know what is a secret:
    /// call [`Session::taken`] after each [`Session::poll`] then.
    pub fn note_taken(&mut self) {
        self.input.note_taken();
    }

    /// What octets were taken for since the last call; nothing without [`Session::note_taken`].
    pub fn taken(&mut self) -> Vec<Taken> {
        self.input.taken()
    }

    /// The peer closed its side; what came before is still answered.
    pub fn handle_eof(&mut self) {
        self.end.eof = true;
    }

    /// The transport broke: nothing can be sent any more. What was begun is undone, once the effect in flight is answered.
    pub fn handle_reset(&mut self) {
        self.close(CloseReason::PeerClosed);
    }

    /// An effect's outcome; one that is not waited for is ignored.
    pub fn handle_reply(&mut self, reply: Reply) {
        if matches!(self.waiting, Waiting::Reply(token) if token == reply.token) {
            self.waiting = Waiting::Arrived(reply.outcome);
        }
    }

    /// A watched mailbox moved on.
    pub fn handle_notice(&mut self, notice: Notice) {
        if let Some(selected) = self
            .selected
            .as_mut()
            .filter(|s| s.mailbox == notice.mailbox)
        {
            match notice.modseq {
                Some(modseq) => selected.heard(modseq),
                None => selected.deleted = true,
            }
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        if self.out.is_empty() {
            self.timers.wrote(&self.config.limits, now);
        }
        self.check_deadlines();
    }

    /// The layer asked for is in place, or failed: everything known before is forgotten (RFC 9051 §6.2.1).
    pub fn handle_switched(&mut self, switched: Switched, now: Now) {
        self.now = now;
        if !matches!(self.waiting, Waiting::Layer) {
            return;
        }
        self.waiting = Waiting::Nothing;
        self.frozen = false;
        match switched {
            Switched::Tls(facts) => self.peer.tls = Some(facts),
            Switched::Failed => self.close(CloseReason::SwitchFailed),
        }
    }

    /// The server ends this session with `* BYE`, after the command being answered; one that does not arrive whole in time
    /// ([`Limits::rest_millis`](crate::limits::Limits::rest_millis)) is given up, and nothing of it is kept.
    pub fn handle_shutdown(&mut self, reason: Bye) {
        self.end.shutdown.get_or_insert(reason);
    }

    /// Works; `None`: nothing to do until octets move, a reply lands or the deadline passes.
    pub fn poll(&mut self, now: Now) -> Option<Action> {
        self.now = now;
        if self.out.is_empty() {
            self.timers.wrote(&self.config.limits, now);
        }
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            if self.end.closed || !self.work() {
                self.rest();
                return self.actions.pop_front();
            }
        }
    }

    /// What is to be sent; advancing it says what was sent.
    pub fn transmit(&mut self, now: Now) -> Transmit<'_> {
        self.now = now;
        Transmit { session: self }
    }

    /// When [`Session::handle_timeout`] is to be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        // A session that ends waits for nothing but the effect in flight.
        let ends = self.end.reason.is_some();
        let next = || {
            let next = self.timers.next(!self.out.is_empty());
            let rest = self.wants_input().then(|| self.timers.rest(self.now));
            next.into_iter().chain(rest.flatten()).min()
        };
        (!ends).then(next).flatten()
    }

    /// Whether the server ended the session while the client was sending a command: more of it is likely on its way.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.end.cut
    }

    fn wants_input(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.wants_input())
    }

    /// The account that signed in.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Asks the store; the task's next step gets the reply.
    pub(crate) fn ask<O: Op>(&mut self, op: O) -> Step
    where
        Effect: From<Call<O>>,
    {
        let token = self.next_token;
        self.next_token += 1;
        self.waiting = Waiting::Reply(token);
        self.actions
            .push_back(Action::Effect(Call::new(token, op).into()));
        Step::Wait
    }

    pub(crate) fn actor(&self) -> Actor {
        // Commands that act need a login (schedule); account 0 owns nothing.
        Actor {
            account: self.account.as_ref().map_or(AccountId(0), |a| a.id),
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }

    /// Whether IDLE is on: it keeps middle boxes awake and has the time-out of silence.
    pub(crate) fn idling(&mut self, on: bool) {
        if on {
            self.timers.idling(&self.config.limits, self.now);
        } else {
            self.timers.not_idling();
        }
    }

    pub(crate) fn shutting_down(&self) -> bool {
        self.end.shutdown.is_some()
    }

    /// Takes no more octets until the layer asked for is in place.
    pub(crate) fn stop_reading(&mut self) {
        self.frozen = true;
    }

    pub(crate) fn close(&mut self, reason: CloseReason) {
        self.end.reason.get_or_insert(reason);
    }

    pub(crate) fn bounds(&self) -> Bounds {
        let l = &self.config.limits;
        if self.account.is_some() {
            Bounds {
                line: l.line,
                command: l.command,
                swallow: l.append,
                literals: l.append.saturating_mul(l.append_messages as u64),
                skip: l.skip as u64,
            }
        } else {
            Bounds {
                line: l.line_before_login,
                command: l.command_before_login,
                swallow: l.literal_minus,
                literals: l.skip as u64,
                skip: l.skip as u64,
            }
        }
    }

    pub(crate) fn high_water(&self) -> usize {
        if self.account.is_some() {
            self.config.limits.output_high_water
        } else {
            self.config.limits.output_before_login
        }
    }

    fn input_limit(&self) -> usize {
        // A client that does not read its answers is not read either.
        if self.out.len() >= self.high_water() {
            self.ahead()
        } else if self.current.is_none() || self.wants_input() {
            self.bounds().command.saturating_add(self.ahead())
        } else {
            self.ahead()
        }
    }

    fn ahead(&self) -> usize {
        if self.account.is_some() {
            READ
        } else {
            READ_BEFORE_LOGIN
        }
    }

    /// Nothing to do: hold no memory that is not needed.
    fn rest(&mut self) {
        self.input.relax();
        self.out.relax();
        if self.actions.is_empty() {
            self.actions.shrink_to_fit();
        }
    }

    pub(crate) fn store_failed(
        &mut self,
        operation: &'static str,
        error: &crate::effect::StoreError,
    ) {
        let error = error.to_string().into();
        self.event(Event::StoreFailed { operation, error });
    }
}

/// Octets taken at once, and ahead of the command being answered.
const READ: usize = 64 << 10;
/// The same before login.
const READ_BEFORE_LOGIN: usize = 8 << 10;

/// Room for octets from the peer.
#[derive(Debug)]
pub struct RecvSlot<'a> {
    input: &'a mut Framer,
    capacity: usize,
}

impl RecvSlot<'_> {
    /// Takes octets as they came. Give at most [`RecvSlot::capacity`] of them: more is kept all the same, since octets read must not be lost.
    pub fn put(&mut self, octets: &[u8]) {
        self.input.put(octets);
        self.capacity = self.capacity.saturating_sub(octets.len());
    }

    /// How many octets may be given now; at least one when the slot is fresh.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

/// Octets to be sent, as a [`Buf`] of several chunks.
#[derive(Debug)]
pub struct Transmit<'a> {
    session: &'a mut Session,
}

impl Transmit<'_> {
    /// The chunks in order, for a vectored write.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.session.out.chunks()
    }
}

impl Buf for Transmit<'_> {
    fn remaining(&self) -> usize {
        self.session.out.len()
    }

    fn chunk(&self) -> &[u8] {
        self.session.out.chunk()
    }

    fn advance(&mut self, cnt: usize) {
        let session = &mut *self.session;
        session.out.advance(cnt);
        session.timers.wrote(&session.config.limits, session.now);
    }
}

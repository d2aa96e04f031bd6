//! A server in one thread: sessions of the core, a store in memory, and nothing between them.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use crate::play::Server;
use crate::random::Random;
use crate::recordings::Sink;
use bytes::Buf;
use pillarbox_core::effect::{Effect, MailboxRef, Notice, Reply};
use pillarbox_core::limits::Limits;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Bye, CloseReason, Config, Peer, Switch, Switched, TlsFacts};
use pillarbox_driver::{RecordedSession, Recording};
use pillarbox_store::{Accounts, Backend, Job, Memory, StaticAccounts};

/// How octets are cut on their way to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chunking {
    /// As they come.
    Whole,
    /// One by one.
    Octets,
    /// Between CR and LF.
    AtCrLf,
    /// At places this seed decides.
    Random(u64),
}

impl Chunking {
    /// Cuts octets.
    #[must_use]
    pub fn cut(self, octets: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![octets],
            Self::Octets => octets.chunks(1).collect(),
            Self::AtCrLf => octets.split_inclusive(|b| *b == b'\r').collect(),
            Self::Random(seed) => random_cuts(octets, seed),
        }
    }
}

fn random_cuts(mut octets: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut random = Random::new(seed);
    let mut cuts = Vec::new();
    while !octets.is_empty() {
        let (head, tail) = octets.split_at((random.below(40) + 1).min(octets.len()));
        cuts.push(head);
        octets = tail;
    }
    cuts
}

/// What a script may set.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The session's bounds.
    pub limits: Limits,
    /// Passwords only come in under TLS.
    pub no_plaintext: bool,
    /// STARTTLS is offered.
    pub starttls: bool,
    /// Connections are under TLS from their first octet.
    pub tls: bool,
}

/// The first UIDVALIDITY that a script's store gives.
pub const UID_VALIDITY: u32 = 1_700_000_000;

/// When a script begins.
pub const BEGINNING: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};

/// Who can sign in to a script's server.
#[must_use]
pub fn accounts() -> StaticAccounts {
    StaticAccounts::new().with("tim", "pw").with("ann", "pw")
}

/// The server, with its connections by name.
pub struct Host {
    backend: Memory,
    accounts: StaticAccounts,
    config: Arc<Config>,
    sessions: BTreeMap<String, Connection>,
    notices: Arc<Mutex<Vec<Notice>>>,
    now: Now,
    peer: Peer,
    see: Option<Witness>,
    /// Where recordings go, by the connection's name; `None`: there are none.
    recordings: Option<BTreeMap<String, Sink>>,
}

/// Sees every effect.
type Witness = Box<dyn FnMut(&Effect)>;

struct Connection {
    session: RecordedSession,
    output: Vec<u8>,
    watched: Vec<MailboxRef>,
    closed: Option<CloseReason>,
    switch: Option<Switch>,
    stalled: bool,
}

impl Host {
    /// A server with the account `tim`, password `pw`, and an empty INBOX.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let backend = Memory::with_validity(UID_VALIDITY);
        let notices: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let to = notices.clone();
        backend.subscribe(Arc::new(move |notice| {
            to.lock().expect("nobody panics with the lock").push(notice)
        }));
        let mut config = Config::default();
        config.limits = options.limits.clone();
        config.plaintext_login = !options.no_plaintext;
        config.starttls = options.starttls;
        let mut peer = Peer::default();
        peer.tls = options.tls.then(TlsFacts::default);
        Self {
            backend,
            accounts: accounts(),
            config: Arc::new(config),
            sessions: BTreeMap::new(),
            notices,
            now: BEGINNING,
            peer,
            see: None,
            recordings: None,
        }
    }

    /// Records connections that begin from here on.
    pub fn record(&mut self) {
        self.recordings.get_or_insert_default();
    }

    /// Ends everything; the recordings, by the name of the connection.
    #[must_use]
    pub fn into_recordings(self) -> BTreeMap<String, String> {
        drop(self.sessions);
        let recordings = self.recordings.unwrap_or_default().into_iter();
        recordings.map(|(name, sink)| (name, sink.text())).collect()
    }

    /// Sends octets on a connection, which begins with the first of them, and runs everything until nothing moves.
    ///
    /// Returns how many octets the session took.
    pub fn send(&mut self, name: &str, octets: &[u8], chunking: Chunking) -> usize {
        self.connection(name);
        self.settle();
        let mut taken = 0;
        for chunk in chunking.cut(octets) {
            let mut rest = chunk;
            while !rest.is_empty() {
                let slot = self.sessions.get_mut(name).and_then(|c| {
                    c.session.recv_slot().map(|mut slot| {
                        let n = slot.capacity().min(rest.len());
                        slot.put(&rest[..n]);
                        n
                    })
                });
                let Some(n) = slot else { return taken };
                taken += n;
                rest = &rest[n..];
                self.settle();
            }
        }
        taken
    }

    /// The client reads nothing from now on, or reads again.
    pub fn stall(&mut self, name: &str, stalled: bool) {
        self.connection(name);
        if let Some(connection) = self.sessions.get_mut(name) {
            connection.stalled = stalled;
        }
        self.settle();
    }

    /// Octets a session has ready for a client that does not read.
    pub fn queued(&mut self, name: &str) -> usize {
        let now = self.now;
        self.sessions
            .get_mut(name)
            .map_or(0, |c| c.session.transmit(now).remaining())
    }

    /// Shows every effect that is asked for to `see`.
    pub fn on_effect(&mut self, see: impl FnMut(&Effect) + 'static) {
        self.see = Some(Box::new(see));
    }

    /// Why a session ended, if it did.
    #[must_use]
    pub fn close_reason(&self, name: &str) -> Option<CloseReason> {
        self.sessions.get(name).and_then(|c| c.closed)
    }

    /// When a session is to be woken at the latest.
    #[must_use]
    pub fn deadline(&self, name: &str) -> Option<Tick> {
        self.sessions.get(name).and_then(|c| c.session.deadline())
    }

    /// Begins a connection if there is none of this name, and takes what it said since.
    pub fn take_output(&mut self, name: &str) -> Vec<u8> {
        self.connection(name);
        self.settle();
        self.sessions
            .get_mut(name)
            .map(|c| std::mem::take(&mut c.output))
            .unwrap_or_default()
    }

    /// The connections there are.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.sessions.keys().cloned().collect()
    }

    /// Lets time pass.
    pub fn advance(&mut self, seconds: u64) {
        self.now.tick = self.now.tick.after(seconds * 1000);
        self.now.unix += i64::try_from(seconds).unwrap_or(0);
        for connection in self.sessions.values_mut() {
            connection.session.handle_timeout(self.now);
        }
        self.settle();
    }

    /// The client closes its side.
    pub fn end_input(&mut self, name: &str) {
        self.connection(name);
        if let Some(connection) = self.sessions.get_mut(name) {
            connection.session.handle_eof();
        }
        self.settle();
    }

    /// The server ends a session.
    pub fn shut_down(&mut self, name: &str, reason: Bye) {
        if let Some(connection) = self.sessions.get_mut(name) {
            connection.session.handle_shutdown(reason);
        }
        self.settle();
    }

    /// Puts TLS in place, if the session asked for it.
    pub fn begin_tls(&mut self, name: &str) -> bool {
        let Some(connection) = self.sessions.get_mut(name) else {
            return false;
        };
        let asked = connection.switch.take().is_some();
        if asked {
            connection
                .session
                .handle_switched(Switched::Tls(TlsFacts::default()), self.now);
        }
        self.settle();
        asked
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_closed(&self, name: &str) -> bool {
        self.close_reason(name).is_some()
    }

    fn connection(&mut self, name: &str) {
        let (config, peer, now) = (self.config.clone(), self.peer.clone(), self.now);
        let recordings = &mut self.recordings;
        let mut recording = || {
            let sink = recordings.as_mut()?.entry(name.to_owned()).or_default();
            Some(Recording::new(sink.clone()))
        };
        self.sessions
            .entry(name.to_owned())
            .or_insert_with(|| Connection {
                session: RecordedSession::new(config, peer, [0; 32], now, recording()),
                output: Vec::new(),
                watched: Vec::new(),
                closed: None,
                switch: None,
                stalled: false,
            });
    }

    /// Every session in turn until none has anything to do.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            let names = self.names();
            for name in &names {
                moved |= self.step(name);
            }
            let notices =
                std::mem::take(&mut *self.notices.lock().expect("nobody panics with the lock"));
            for notice in notices {
                for connection in self
                    .sessions
                    .values_mut()
                    .filter(|c| c.watched.contains(&notice.mailbox))
                {
                    connection.session.handle_notice(notice);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn step(&mut self, name: &str) -> bool {
        let Some(connection) = self.sessions.get_mut(name) else {
            return false;
        };
        let mut moved = false;
        while let Some(action) = connection.session.poll(self.now) {
            moved = true;
            match action {
                Action::Effect(effect) => {
                    if let Some(see) = &mut self.see {
                        see(&effect);
                    }
                    connection.submit(&self.backend, &self.accounts, effect);
                }
                Action::Switch(switch) => connection.switch = Some(switch),
                Action::Closed(reason) => connection.closed = Some(reason),
                _ => {}
            }
        }
        let mut transmit = connection.session.transmit(self.now);
        while transmit.has_remaining() && !connection.stalled {
            let chunk = transmit.chunk();
            connection.output.extend_from_slice(chunk);
            let n = chunk.len();
            transmit.advance(n);
            moved = true;
        }
        moved
    }
}

impl Connection {
    fn submit(&mut self, backend: &Memory, accounts: &StaticAccounts, effect: Effect) {
        match effect {
            Effect::Watch(call) => {
                self.watched.push(call.op().mailbox);
                self.session.handle_reply(call.answer(Ok(())));
            }
            Effect::Unwatch(call) => {
                let gone = call.op().mailbox;
                self.watched.retain(|m| *m != gone);
                self.session.handle_reply(call.answer(Ok(())));
            }
            effect => self
                .session
                .handle_reply(answered(backend, accounts, effect)),
        }
    }
}

/// What the store, or who checks passwords, answers to an effect.
#[must_use]
pub fn answered(backend: &Memory, accounts: &StaticAccounts, effect: Effect) -> Reply {
    let (token, (sender, receiver)) = (effect.token(), channel());
    let sign_in = matches!(effect, Effect::Authenticate(_));
    // The receiver is there as long as this function.
    let job = Job::new(effect, move |reply| drop(sender.send(reply)));
    if sign_in {
        accounts.authenticate(job);
    } else {
        backend.submit(job);
    }
    receiver.recv().unwrap_or_else(|_| Reply::lost(token))
}

/// The simulation as scripts speak to it: octets are cut in one way.
pub(crate) struct Simulated {
    pub host: Host,
    chunking: Chunking,
}

impl Simulated {
    pub(crate) fn new(options: &Options, chunking: Chunking) -> Self {
        let host = Host::new(options);
        Self { host, chunking }
    }
}

impl Server for Simulated {
    fn send(&mut self, name: &str, octets: &[u8]) -> Result<(), String> {
        // A session that is over takes no more, as a closed socket does not.
        let _ = self.host.send(name, octets, self.chunking);
        Ok(())
    }

    fn take_output(&mut self, name: &str) -> Result<Vec<u8>, String> {
        Ok(self.host.take_output(name))
    }

    fn names(&self) -> Vec<String> {
        self.host.names()
    }

    fn advance(&mut self, seconds: u64) -> Result<(), String> {
        self.host.advance(seconds);
        Ok(())
    }

    fn end_input(&mut self, name: &str) -> Result<(), String> {
        self.host.end_input(name);
        Ok(())
    }

    fn begin_tls(&mut self, name: &str) -> Result<(), String> {
        if self.host.begin_tls(name) {
            Ok(())
        } else {
            Err(format!("{name} did not ask for TLS"))
        }
    }

    fn is_closed(&mut self, name: &str) -> Result<bool, String> {
        Ok(self.host.is_closed(name))
    }
}

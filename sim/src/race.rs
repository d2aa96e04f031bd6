//! Several sessions on one store in memory, whose effects, replies, notices and octets move one at a time, in an order a seed decides.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Buf;
use pillarbox_core::effect::{Effect, MailboxRef, Notice, Reply};
use pillarbox_core::limits::Limits;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Bye, Config, Peer, Switched, TlsFacts};
use pillarbox_driver::{RecordedSession, Recording};
use pillarbox_store::{Backend, Memory, StaticAccounts};

use crate::model::{Counters, Deed};
use crate::random::Random;
use crate::recordings::Sink;
use crate::witness::Witness;

/// The store and the connections.
pub struct Race {
    store: Witness,
    config: Arc<Config>,
    links: Vec<Link>,
    told: Arc<Mutex<Vec<Notice>>>,
    unix: i64,
    tick: u64,
    /// Octets that moved, both ways.
    pub octets: u64,
    /// Of so many effects one fails; 0: none does.
    pub faults: usize,
    /// Where recordings go, one for each connection; `None`: there are none.
    recordings: Option<Vec<Sink>>,
}

/// One connection.
struct Link {
    session: RecordedSession,
    /// Asked for and not done yet, with the wall clock of the asking.
    asked: VecDeque<(Effect, i64)>,
    /// Done, and the session does not know yet.
    done: VecDeque<Reply>,
    /// Effects carried out, and polls in a row that asked for none and said nothing.
    effects: u64,
    vain: u32,
    /// TLS is waited for.
    switching: bool,
    notices: VecDeque<Notice>,
    watched: Vec<MailboxRef>,
    to_server: VecDeque<u8>,
    /// Octets the session took, octets it has ready that were looked at, and octets that arrived at the client.
    taken: u64,
    ready: usize,
    arrived: u64,
    stalled: bool,
    closed: bool,
}

/// How octets and steps are portioned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Portions {
    /// As much as there is.
    Whole,
    /// A few at a time.
    Few,
    /// One by one.
    Single,
}

impl Portions {
    fn of(self, random: &mut Random, most: usize) -> usize {
        match self {
            Self::Whole => most,
            Self::Few => (random.below(60) + 1).min(most),
            Self::Single => most.min(1),
        }
    }
}

impl Race {
    /// A store with these accounts, all with the password `pw`.
    #[must_use]
    pub fn new(users: &[&str], limits: Limits) -> Self {
        let backend = Memory::with_validity(1_700_000_000);
        let told: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let to = told.clone();
        backend.subscribe(Arc::new(move |notice| {
            to.lock().expect("nobody panics with the lock").push(notice)
        }));
        let mut config = Config::default();
        config.plaintext_login = true;
        config.limits = limits;
        let accounts = users
            .iter()
            .fold(StaticAccounts::new(), |a, user| a.with(user, "pw"));
        Self {
            store: Witness::new(backend, accounts),
            config: Arc::new(config),
            links: Vec::new(),
            told,
            unix: 1_700_000_000,
            tick: 0,
            octets: 0,
            faults: 0,
            recordings: None,
        }
    }

    /// Records connections that begin from here on.
    pub fn record(&mut self) {
        self.recordings.get_or_insert_default();
    }

    /// Ends everything; what was recorded of each connection.
    #[must_use]
    pub fn into_recordings(self) -> Vec<String> {
        drop(self.links);
        let sinks = self.recordings.unwrap_or_default();
        sinks.iter().map(Sink::text).collect()
    }

    fn now(&self) -> Now {
        Now {
            tick: Tick(self.tick),
            unix: self.unix,
        }
    }

    /// A new connection, by its number.
    pub fn connect(&mut self) -> usize {
        let recording = self.recordings.as_mut().map(|sinks| {
            let sink = Sink::default();
            sinks.push(sink.clone());
            Recording::new(sink)
        });
        let (config, now) = (self.config.clone(), self.now());
        self.links.push(Link {
            session: RecordedSession::new(config, Peer::default(), [0; 32], now, recording),
            asked: VecDeque::new(),
            done: VecDeque::new(),
            effects: 0,
            vain: 0,
            switching: false,
            notices: VecDeque::new(),
            watched: Vec::new(),
            to_server: VecDeque::new(),
            taken: 0,
            ready: 0,
            arrived: 0,
            stalled: false,
            closed: false,
        });
        self.links.len() - 1
    }

    /// Puts octets on the way to the server.
    pub fn send(&mut self, link: usize, octets: &[u8]) {
        self.links[link].to_server.extend(octets);
    }

    /// Octets on the way, and those taken.
    #[must_use]
    pub fn sent(&self, link: usize) -> u64 {
        let link = &self.links[link];
        link.taken + link.to_server.len() as u64
    }

    /// Octets the session took.
    #[must_use]
    pub fn taken(&self, link: usize) -> u64 {
        self.links[link].taken
    }

    /// Octets that arrived at the client.
    #[must_use]
    pub fn arrived(&self, link: usize) -> u64 {
        self.links[link].arrived
    }

    /// Whether the session is over.
    #[must_use]
    pub fn closed(&self, link: usize) -> bool {
        self.links[link].closed
    }

    /// The client is gone, and what it sent and did not arrive is lost; `reset`: nothing can be sent to it either.
    pub fn cut(&mut self, link: usize, reset: bool) {
        let link = &mut self.links[link];
        link.to_server.clear();
        link.stalled = false;
        if reset {
            link.session.handle_reset();
        } else {
            link.session.handle_eof();
        }
    }

    /// The client reads nothing, or reads again.
    pub fn stall(&mut self, link: usize, stalled: bool) {
        self.links[link].stalled = stalled;
    }

    /// Connections offer STARTTLS from here on.
    pub fn offer_tls(&mut self) {
        Arc::make_mut(&mut self.config).starttls = true;
    }

    /// Puts TLS in place if it is waited for: what came in plain text behind STARTTLS is no part of it.
    pub fn begin_tls(&mut self, link: usize) -> bool {
        let now = self.now();
        let link = &mut self.links[link];
        let waits = std::mem::take(&mut link.switching);
        if waits {
            link.to_server.clear();
            let switched = Switched::Tls(TlsFacts::default());
            link.session.handle_switched(switched, now);
        }
        waits
    }

    /// The account of this session was disabled.
    pub fn revoke(&mut self, link: usize) {
        self.links[link]
            .session
            .handle_shutdown(Bye::AccountDisabled);
    }

    /// Octets that a session holds for its client.
    pub fn held(&mut self, link: usize) -> usize {
        let now = self.now();
        self.links[link].session.transmit(now).remaining()
    }

    /// Polls in a row of which nothing came.
    #[must_use]
    pub fn in_vain(&self, link: usize) -> u32 {
        self.links[link].vain
    }

    /// What a session asked the store for so far.
    #[must_use]
    pub fn effects(&self, link: usize) -> u64 {
        self.links[link].effects
    }

    /// The wall clock jumps; nothing waits for it.
    pub fn jump(&mut self, seconds: i64) {
        self.unix += seconds;
    }

    /// Time passes.
    pub fn pass(&mut self, millis: u64) {
        self.tick += millis;
        self.unix += i64::try_from(millis / 1000).unwrap_or(0);
        let now = self.now();
        for link in &mut self.links {
            link.session.handle_timeout(now);
        }
    }

    /// What a session has ready since this was asked last, on its way or not.
    pub fn fresh(&mut self, link: usize) -> Vec<u8> {
        let now = self.now();
        let link = &mut self.links[link];
        let transmit = link.session.transmit(now);
        let mut seen = link.ready;
        let mut fresh = Vec::new();
        for chunk in transmit.chunks() {
            let skip = seen.min(chunk.len());
            seen -= skip;
            fresh.extend_from_slice(&chunk[skip..]);
        }
        link.ready += fresh.len();
        self.octets += fresh.len() as u64;
        fresh
    }

    /// The changes made in the store since this was asked last.
    pub fn deeds(&mut self) -> Vec<Deed> {
        std::mem::take(&mut self.store.deeds)
    }

    /// A mailbox's counters, from the store itself.
    #[must_use]
    pub fn counters(&self, account: u64, name: &str) -> Option<Counters> {
        self.store.counters(account, name)
    }

    /// Something moves on this connection; `false`: nothing could.
    pub fn step(&mut self, link: usize, random: &mut Random, portions: Portions) -> bool {
        let first = random.below(6);
        (0..6).any(|i| self.try_move((first + i) % 6, link, random, portions))
    }

    fn try_move(
        &mut self,
        what: usize,
        at: usize,
        random: &mut Random,
        portions: Portions,
    ) -> bool {
        let now = self.now();
        let link = &mut self.links[at];
        match what {
            0 => link.poll(now),
            1 => self.run_effect(at, random),
            2 => link.take_reply(),
            3 => link.take_notice(random),
            4 => {
                let n = link.read_some(random, portions);
                self.octets += n as u64;
                n > 0
            }
            _ => link.write_some(random, portions, now),
        }
    }

    fn run_effect(&mut self, at: usize, random: &mut Random) -> bool {
        let link = &mut self.links[at];
        let Some((effect, unix)) = link.asked.pop_front() else {
            return false;
        };
        let reply = match effect {
            Effect::Watch(call) => {
                link.watched.push(call.op().mailbox);
                call.answer(Ok(()))
            }
            Effect::Unwatch(call) => {
                let gone = call.op().mailbox;
                link.watched.retain(|m| *m != gone);
                call.answer(Ok(()))
            }
            effect => {
                let may = !matches!(effect, Effect::Authenticate(_) | Effect::UploadAbort(_));
                match may && self.faults > 0 && random.one_in(self.faults) {
                    true => self.store.fail(effect),
                    false => self.store.run(effect, unix),
                }
            }
        };
        self.links[at].effects += 1;
        self.links[at].done.push_back(reply);
        self.spread();
        true
    }

    fn spread(&mut self) {
        let notices = std::mem::take(&mut *self.told.lock().expect("nobody panics with the lock"));
        for notice in notices {
            for link in &mut self.links {
                if link.watched.contains(&notice.mailbox) {
                    link.notices.push_back(notice);
                }
            }
        }
    }
}

impl Link {
    fn poll(&mut self, now: Now) -> bool {
        let before = self.session.transmit(now).remaining();
        let action = self.session.poll(now);
        let said = self.session.transmit(now).remaining() > before;
        self.vain = match action {
            Some(Action::Effect(_)) | None => 0,
            _ if said => 0,
            _ => self.vain + 1,
        };
        match action {
            Some(Action::Effect(effect)) => self.asked.push_back((effect, now.unix)),
            Some(Action::Closed(_)) => self.closed = true,
            Some(Action::Switch(_)) => self.switching = true,
            Some(_) => {}
            // It may have written all the same.
            None => return self.session.transmit(now).remaining() > self.ready,
        }
        true
    }

    fn take_reply(&mut self) -> bool {
        let Some(reply) = self.done.pop_front() else {
            return false;
        };
        self.session.handle_reply(reply);
        true
    }

    /// Notices come late, and now and then twice.
    fn take_notice(&mut self, random: &mut Random) -> bool {
        let Some(&notice) = self.notices.front() else {
            return false;
        };
        if !random.one_in(4) {
            self.notices.pop_front();
        }
        self.session.handle_notice(notice);
        true
    }

    fn read_some(&mut self, random: &mut Random, portions: Portions) -> usize {
        let Some(mut slot) = self.session.recv_slot() else {
            return 0;
        };
        let most = self.to_server.len().min(slot.capacity());
        let n = portions.of(random, most);
        let octets: Vec<u8> = self.to_server.drain(..n).collect();
        slot.put(&octets);
        self.taken += n as u64;
        n
    }

    fn write_some(&mut self, random: &mut Random, portions: Portions, now: Now) -> bool {
        if self.stalled || self.ready == 0 {
            return false;
        }
        let mut transmit = self.session.transmit(now);
        let most = transmit.chunk().len().min(self.ready);
        let n = portions.of(random, most);
        transmit.advance(n);
        self.ready -= n;
        self.arrived += n as u64;
        n > 0
    }
}

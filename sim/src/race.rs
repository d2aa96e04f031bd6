//! Several sessions on one store in memory, whose effects, replies, notices and octets move one at a time, in an order a seed decides.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use bytes::Buf;
use pillarbox_core::effect::{Effect, MailboxRef, Notice, Reply};
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Config, Peer, Session};
use pillarbox_store::{Accounts, Backend, Job, Memory, StaticAccounts};

use crate::random::Random;

/// The store and the connections.
pub struct Race {
    backend: Arc<Memory>,
    accounts: StaticAccounts,
    config: Arc<Config>,
    links: Vec<Link>,
    told: Arc<Mutex<Vec<Notice>>>,
}

/// One connection.
struct Link {
    session: Session,
    /// Asked for and not done yet.
    asked: VecDeque<Effect>,
    /// Done, and the session does not know yet.
    done: VecDeque<Receiver<Reply>>,
    notices: VecDeque<Notice>,
    watched: Vec<MailboxRef>,
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    closed: bool,
}

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};

impl Race {
    /// A store with the account `tim`, password `pw`.
    #[must_use]
    pub fn new() -> Self {
        let backend = Arc::new(Memory::new());
        let told: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let to = told.clone();
        backend.subscribe(Arc::new(move |notice| {
            to.lock().expect("nobody panics with the lock").push(notice)
        }));
        let mut config = Config::default();
        config.plaintext_login = true;
        // Small windows: more places where another session may come between.
        config.limits.fetch_page = 200;
        config.limits.store_window = 2;
        config.limits.move_window = 2;
        config.limits.inline_body = 10;
        Self {
            backend,
            accounts: StaticAccounts::new().with("tim", "pw"),
            config: Arc::new(config),
            links: Vec::new(),
            told,
        }
    }

    /// A new connection, by its number.
    pub fn connect(&mut self) -> usize {
        self.links.push(Link {
            session: Session::new(self.config.clone(), Peer::default(), [0; 32], NOW),
            asked: VecDeque::new(),
            done: VecDeque::new(),
            notices: VecDeque::new(),
            watched: Vec::new(),
            to_server: VecDeque::new(),
            to_client: Vec::new(),
            closed: false,
        });
        self.links.len() - 1
    }

    /// Puts octets on the way to the server.
    pub fn send(&mut self, link: usize, octets: &[u8]) {
        self.links[link].to_server.extend(octets);
    }

    /// The client is gone; what its session asked for may still be done.
    pub fn drop_link(&mut self, link: usize) {
        self.links[link].session.handle_eof();
        self.links[link].to_server.clear();
    }

    /// Whole responses that arrived, their literals among them.
    pub fn responses(&mut self, link: usize) -> Vec<String> {
        let arrived = &mut self.links[link].to_client;
        let mut responses = Vec::new();
        while let Some(end) = response_end(arrived) {
            let response: Vec<u8> = arrived.drain(..end).collect();
            responses.push(String::from_utf8_lossy(&response).into_owned());
        }
        responses
    }

    /// Something moves on this connection; `false`: nothing could.
    pub fn step(&mut self, link: usize, random: &mut Random) -> bool {
        let first = random.below(6);
        (0..6).any(|i| self.try_move((first + i) % 6, link, random))
    }

    /// Everything moves until nothing can.
    pub fn settle(&mut self, random: &mut Random) {
        while (0..self.links.len()).any(|link| self.step(link, random)) {}
    }

    fn try_move(&mut self, what: usize, at: usize, random: &mut Random) -> bool {
        let link = &mut self.links[at];
        match what {
            0 => link.poll(),
            1 => self.run_effect(at),
            2 => link.take_reply(),
            3 => link.take_notice(random),
            4 => link.read_some(random),
            _ => link.write_some(random),
        }
    }

    fn run_effect(&mut self, at: usize) -> bool {
        let link = &mut self.links[at];
        let Some(effect) = link.asked.pop_front() else {
            return false;
        };
        let (sender, receiver) = channel();
        match effect {
            Effect::Watch(call) => {
                link.watched.push(call.op().mailbox);
                drop(sender.send(call.answer(Ok(()))));
            }
            Effect::Unwatch(call) => {
                let gone = call.op().mailbox;
                link.watched.retain(|m| *m != gone);
                drop(sender.send(call.answer(Ok(()))));
            }
            effect => {
                let sign_in = matches!(effect, Effect::Authenticate(_));
                let job = Job::new(effect, move |reply| drop(sender.send(reply)));
                if sign_in {
                    self.accounts.authenticate(job)
                } else {
                    self.backend.submit(job)
                }
            }
        }
        self.links[at].done.push_back(receiver);
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

impl Default for Race {
    fn default() -> Self {
        Self::new()
    }
}

impl Link {
    fn poll(&mut self) -> bool {
        match self.session.poll(NOW) {
            Some(Action::Effect(effect)) => self.asked.push_back(effect),
            Some(Action::Closed(_)) => self.closed = true,
            Some(_) => {}
            None => return false,
        }
        true
    }

    fn take_reply(&mut self) -> bool {
        let Some(reply) = self.done.pop_front() else {
            return false;
        };
        if let Ok(reply) = reply.recv() {
            self.session.handle_reply(reply);
        }
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

    fn read_some(&mut self, random: &mut Random) -> bool {
        let Some(mut slot) = self.session.recv_slot() else {
            self.to_server.clear();
            return false;
        };
        let n = (random.below(60) + 1)
            .min(self.to_server.len())
            .min(slot.capacity());
        let octets: Vec<u8> = self.to_server.drain(..n).collect();
        slot.put(&octets);
        n > 0
    }

    fn write_some(&mut self, random: &mut Random) -> bool {
        let mut transmit = self.session.transmit(NOW);
        let chunk = transmit.chunk();
        let n = (random.below(200) + 1).min(chunk.len());
        self.to_client.extend_from_slice(&chunk[..n]);
        transmit.advance(n);
        n > 0
    }
}

/// Where the first whole response ends.
fn response_end(octets: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let line = octets[from..].windows(2).position(|w| w == b"\r\n")? + from;
        let literal = octets[from..line].strip_suffix(b"}").and_then(|head| {
            let open = head.iter().rposition(|b| *b == b'{')?;
            std::str::from_utf8(&head[open + 1..])
                .ok()?
                .parse::<usize>()
                .ok()
        });
        match literal {
            Some(size) => from = line + 2 + size,
            None => return Some(line + 2),
        }
        if from > octets.len() {
            return None;
        }
    }
}

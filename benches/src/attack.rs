//! One session and a client that does its worst, with a count of what the session holds.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::channel;

use bytes::{Buf, Bytes};
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{
    Changes, ChangesSince, Committed, Copied, Effect, Fetch, FetchPage, FlagsSet, MailboxRef,
    MailboxRow, Moved, Reply, Row, SearchPage,
};
use pillarbox_core::flag::{Flags, Keywords, SystemFlags};
use pillarbox_core::id::{
    AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity, UploadId,
};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Config, Peer, Session};
use pillarbox_core::set::UidSet;
use pillarbox_store::{Accounts, Backend, Job, Memory, StaticAccounts, ask};

use crate::alloc::{in_use, most_in_use, octets};

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};

/// A session and a client that does its worst.
pub struct Attack {
    session: Session,
    backend: Arc<Memory>,
    accounts: StaticAccounts,
    /// Whether the client reads what it is told.
    pub reads: bool,
    closed: bool,
    base: i64,
    /// The most octets held at once.
    pub worst: i64,
    /// The most octets that the session and the store held at once.
    pub peak: i64,
    /// Whether long messages are stored; else they only seem to be.
    pub stores: bool,
    /// What was read.
    pub said: Vec<u8>,
    /// Whether what was read is kept.
    pub keeps: bool,
    /// The most ranges of UIDs that were named in one question for rows, changes of flags or a move.
    pub named: usize,
    /// What polls did since this was last cleared.
    pub polls: Polls,
    large: bool,
    /// What the store says that the account's names are, if it is asked to say so.
    pub names: Option<Vec<MailboxRow>>,
    next: Next,
    /// When flags of a large mailbox changed last.
    changed: ModSeq,
}

/// What a session did in its polls.
#[derive(Clone, Copy, Default, Debug)]
pub struct Polls {
    /// How many there were.
    pub count: u64,
    /// The most octets that one wrote for the client.
    pub told: usize,
    /// The most octets of memory that one asked for, given back or not, besides [`MEMORY_TOLD`] for each octet that it wrote.
    pub memory: u64,
}

/// Octets of memory asked for an octet of an answer: numbers and lines are worked out, and the output's buffer doubles as it grows.
pub const MEMORY_TOLD: u64 = 8;

impl Polls {
    /// Lets the session go on once.
    fn count(&mut self, session: &mut Session) -> Option<Action> {
        let before = session.transmit(NOW).remaining();
        let (memory, action) = octets(|| session.poll(NOW));
        let told = session.transmit(NOW).remaining() - before;
        self.count += 1;
        self.told = self.told.max(told);
        let besides = memory.saturating_sub(MEMORY_TOLD * told as u64);
        self.memory = self.memory.max(besides);
        action
    }
}

/// A store with a hundred messages in tim's INBOX.
///
/// # Panics
/// When the store does not take them.
#[must_use]
pub fn store() -> Arc<Memory> {
    let store = Arc::new(Memory::new());
    let mut filling = Attack::new(store.clone(), true);
    let message = "Subject: x\r\n\r\n".to_owned() + &"y".repeat(1000);
    let literal = format!(" {{{}+}}\r\n{message}", message.len());
    filling.send(b"a LOGIN tim pw\r\n");
    filling.send(format!("b APPEND INBOX{}\r\nc LOGOUT\r\n", literal.repeat(100)).as_bytes());
    assert!(filling.closed, "the store was not filled");
    store
}

impl Attack {
    /// A session on this store.
    #[must_use]
    pub fn new(backend: Arc<Memory>, reads: bool) -> Self {
        let mut config = Config::default();
        config.plaintext_login = true;
        let config = Arc::new(config);
        let accounts = StaticAccounts::new().with("tim", "pw");
        let base = in_use();
        most_in_use();
        Self {
            session: Session::new(config, Peer::default(), [0; 32], NOW),
            backend,
            accounts,
            reads,
            closed: false,
            base,
            worst: 0,
            peak: 0,
            stores: false,
            said: Vec::new(),
            keeps: false,
            named: 0,
            polls: Polls::default(),
            large: false,
            names: None,
            next: Next::Nothing,
            changed: ModSeq(0),
        }
    }

    /// Signed in, INBOX with a hundred messages selected.
    #[must_use]
    pub fn signed_in(reads: bool) -> Self {
        let mut attack = Self::new(store(), true);
        attack.send(b"a LOGIN tim pw\r\nb SELECT INBOX\r\n");
        attack.reads = reads;
        attack
    }

    /// Sends what the session takes; `false`: it takes no more.
    pub fn send(&mut self, octets: &[u8]) -> bool {
        let mut rest = octets;
        while !rest.is_empty() {
            self.settle();
            let Some(mut slot) = self.session.recv_slot().filter(|_| !self.closed) else {
                return false;
            };
            let (now, later) = rest.split_at(slot.capacity().min(rest.len()));
            slot.put(now);
            rest = later;
            self.settle();
        }
        true
    }

    /// Sends this over and over, at most so often; how often it was taken.
    pub fn flood(&mut self, octets: &[u8], times: u32) -> u32 {
        (0..times).take_while(|_| self.send(octets)).count() as u32
    }

    /// Octets held now.
    #[must_use]
    pub fn held(&self) -> i64 {
        in_use() - self.base
    }

    /// What is held from here on counts.
    pub fn begin(&mut self) {
        self.settle();
        self.base = in_use();
        most_in_use();
        self.worst = 0;
        self.peak = 0;
    }

    /// Octets that wait to be read.
    #[must_use]
    pub fn unread(&mut self) -> usize {
        self.session.transmit(NOW).remaining()
    }

    /// Takes so many octets of what waits, and lets the session go on.
    pub fn read(&mut self, octets: usize) {
        let mut transmit = self.session.transmit(NOW);
        let mut left = octets.min(transmit.remaining());
        while left > 0 {
            let n = left.min(transmit.chunk().len());
            if self.keeps {
                self.said.extend_from_slice(&transmit.chunk()[..n]);
            }
            transmit.advance(n);
            left -= n;
        }
        self.settle();
    }

    /// What the store tells when it is next asked what changed.
    pub fn happens(&mut self, next: Next) {
        self.next = next;
    }

    fn settle(&mut self) {
        loop {
            // What the poll before needed for a moment counts as well.
            let action = self.polls.count(&mut self.session);
            self.worst = self.worst.max(most_in_use() - self.base);
            self.peak = self.peak.max(self.worst);
            match action {
                Some(Action::Effect(effect)) => self.run(effect),
                Some(Action::Closed(_)) => self.closed = true,
                Some(_) => {}
                None if self.reads && self.session.transmit(NOW).has_remaining() => {
                    let mut transmit = self.session.transmit(NOW);
                    while transmit.has_remaining() {
                        let n = transmit.chunk().len();
                        if self.keeps {
                            self.said.extend_from_slice(transmit.chunk());
                        }
                        transmit.advance(n);
                    }
                }
                None => return,
            }
        }
    }

    /// INBOX seems to have very many messages from here on, with every other UID, once it is selected anew.
    pub fn enlarge(&mut self) {
        self.large = true;
        self.send(b"e SELECT INBOX\r\n");
    }

    fn changes(&mut self, op: &Changes) -> ChangesSince {
        let next = std::mem::take(&mut self.next);
        let to = ModSeq(op.since.0 + u64::from(next != Next::Nothing));
        let changed = match next {
            Next::Flags => FLAGS,
            _ => 0,
        };
        if changed > 0 {
            self.changed = to;
        }
        let mut flags = (1..=changed).filter_map(|n| Some((Uid::new(2 * n)?, to, seen())));
        let from = op.from.get().div_ceil(2);
        let last = match next {
            Next::Gone => MANY,
            _ => 0,
        };
        let mut gone = from..=last;
        let here = gone.by_ref().take(op.ranges).map(|n| (2 * n, 2 * n));
        let here: Vec<_> = here.collect();
        if !gone.is_empty() {
            self.next = next;
        }
        ChangesSince {
            fresh: UidSet::new(),
            flags: flags.by_ref().take(op.limit).collect(),
            resume: flags.next().map(|(uid, ..)| uid),
            gone: UidSet::from_ranges(here),
            more: gone.next().and_then(|n| Uid::new(2 * n)),
            gone_is_complement: false,
            keywords: keywords(),
            to,
            uid_next: UID_NEXT,
            recent_from: UID_NEXT,
            name: MailboxName::inbox(),
        }
    }

    /// Flags that changed, a page of them.
    fn fetch(&self, op: &Fetch, since: ModSeq) -> FetchPage {
        let first = op.uids.first().map_or(1, Uid::get);
        let uids = (first.div_ceil(2)..=FLAGS).filter_map(|n| Uid::new(2 * n));
        let mut uids = uids.filter(|_| since < self.changed);
        let most = op.budget / size_of::<Row>();
        let rows = uids.by_ref().take(most).map(|uid| Row {
            uid,
            modseq: self.changed,
            flags: seen(),
            size: 0,
            internal_date: DateTime {
                unix: 0,
                zone_minutes: 0,
            },
            save_date: 0,
            email_id: EmailId(1),
            thread_id: ThreadId(1),
            envelope: Bytes::new(),
            body: Bytes::new(),
            body_structure: Bytes::new(),
            structure: Bytes::new(),
            header: Bytes::new(),
            inline: None,
            damaged: None,
        });
        FetchPage {
            rows: rows.collect(),
            resume: uids.next(),
            keywords: keywords(),
        }
    }

    fn run(&mut self, effect: Effect) {
        self.ask(effect);
        // What the store needed for a moment is the store's.
        self.peak = self.peak.max(most_in_use() - self.base);
    }

    fn ask(&mut self, effect: Effect) {
        let named = match &effect {
            Effect::Fetch(call) => call.op().uids.ranges().len(),
            Effect::SetFlags(call) => call.op().uids.ranges().len(),
            Effect::Move(call) => call.op().uids.ranges().len(),
            _ => 0,
        };
        self.named = self.named.max(named);
        let reply: Reply = match effect {
            Effect::Open(call) if self.large => {
                let mut opened = ask(&*self.backend, call.op().clone()).expect("INBOX is there");
                opened.uids = every_other();
                opened.uid_next = UID_NEXT;
                opened.uid_validity = UidValidity(NonZeroU32::MAX);
                call.answer(Ok(opened))
            }
            Effect::Search(call) if self.large => {
                let page = SearchPage {
                    uids: call.op().uids.clone(),
                    highest_modseq: ModSeq(7),
                    resume: None,
                };
                call.answer(Ok(page))
            }
            // Those that were changed since, where that is asked for: since 0 all, since 1 every other one.
            Effect::SetFlags(call) if self.large && call.op().unchanged_since.is_some() => {
                let since = call.op().unchanged_since.map_or(0, |since| since.0);
                let step = 1 + usize::try_from(since).expect("it is small");
                let set = FlagsSet {
                    refused: call.op().uids.iter().step_by(step).collect(),
                    keywords: keywords(),
                    ..FlagsSet::default()
                };
                call.answer(Ok(set))
            }
            Effect::Mailboxes(call) if self.names.is_some() => {
                // Each with octets of its own, as a store's are.
                let names = self.names.iter().flatten().map(|row| {
                    let mut own = row.clone();
                    own.name = MailboxName::new(row.name.as_str()).expect("it is a name");
                    own
                });
                let mut names: Vec<_> = names.collect();
                names.shrink_to_fit();
                call.answer(Ok(names))
            }
            Effect::Copy(call) if self.large => {
                let copied = copied(call.op().mailbox, &call.op().uids);
                call.answer(Ok(copied))
            }
            Effect::Move(call) if self.large => {
                let moved = Moved {
                    copied: copied(call.op().mailbox, &call.op().uids),
                    modseq: Some(ModSeq(7)),
                };
                call.answer(Ok(moved))
            }
            Effect::UploadCommit(call) if self.large => {
                let count = call.op().messages.len();
                let committed = Committed {
                    mailbox: ELSEWHERE,
                    uid_validity: UidValidity(NonZeroU32::MAX),
                    uids: every_other().iter().take(count).collect(),
                };
                call.answer(Ok(committed))
            }
            Effect::SetFlags(call) if self.large => {
                let uids = &call.op().uids;
                let set = FlagsSet {
                    rows: uids.iter().map(|uid| (uid, ModSeq(7), seen())).collect(),
                    changed: uids.clone(),
                    keywords: keywords(),
                    modseq: Some(ModSeq(7)),
                    ..FlagsSet::default()
                };
                call.answer(Ok(set))
            }
            Effect::Changes(call) if self.large => {
                let changes = self.changes(&call.op().clone());
                call.answer(Ok(Box::new(changes)))
            }
            Effect::Fetch(call) if self.large && call.op().changed_since.is_some() => {
                let since = call.op().changed_since.unwrap_or_default();
                let page = self.fetch(call.op(), since);
                call.answer(Ok(page))
            }
            Effect::Watch(call) => call.answer(Ok(())),
            Effect::Unwatch(call) => call.answer(Ok(())),
            // Messages that only this attack sends are not kept.
            Effect::UploadBegin(call) if call.op().size > 10_000 && !self.stores => {
                call.answer(Ok(UploadId(7_777_777)))
            }
            Effect::UploadChunk(call) if call.op().upload == UploadId(7_777_777) => {
                call.answer(Ok(()))
            }
            effect => {
                let (sender, receiver) = channel();
                let sign_in = matches!(effect, Effect::Authenticate(_));
                let job = Job::new(effect, move |reply| drop(sender.send(reply)));
                if sign_in {
                    self.accounts.authenticate(job);
                } else {
                    self.backend.submit(job);
                }
                receiver.recv().expect("the store answers at once")
            }
        };
        self.session.handle_reply(reply);
    }
}

/// Messages of a mailbox that is large.
pub const MANY: u32 = 250_000;
const UID_NEXT: NonZeroU32 = NonZeroU32::new(2 * MANY + 2).expect("it is not zero");

fn every_other() -> UidSet {
    UidSet::from_ranges((1..=MANY).map(|n| (2 * n, 2 * n)))
}

/// A target of copies.
const ELSEWHERE: MailboxRef = MailboxRef {
    owner: AccountId(1),
    id: MailboxId(u64::MAX),
};

/// Nothing can be said of these copies in ranges.
fn copied(from: MailboxRef, uids: &UidSet) -> Copied {
    assert_ne!(from, ELSEWHERE);
    let mut pairs = Vec::with_capacity(uids.len() as usize);
    pairs.extend(uids.iter().map(|uid| (uid, uid)));
    Copied {
        target: ELSEWHERE,
        uid_validity: UidValidity(NonZeroU32::MAX),
        uids: pairs,
    }
}

fn keywords() -> Keywords {
    (0..128).map(|n| format!("{n:0255}").into()).collect()
}

fn seen() -> Flags {
    Flags {
        system: SystemFlags::SEEN,
        keywords: 1,
    }
}

/// What happened to a large mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Next {
    /// Nothing.
    #[default]
    Nothing,
    /// Flags of [`FLAGS`] messages changed.
    Flags,
    /// All messages are gone.
    Gone,
}

/// Messages whose flags change at once.
pub const FLAGS: u32 = 60_000;

//! What one hostile client can make a session hold: counted by the allocator, in octets, at its worst.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Buf;
use pillarbox_benches::alloc::{Counting, in_use, most_in_use};
use pillarbox_core::effect::{Effect, Reply};
use pillarbox_core::id::UploadId;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Config, Peer, Session};
use pillarbox_store::{Accounts, Backend, Job, Memory, StaticAccounts};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};

/// What a session may hold before login, whatever its client does.
const BEFORE_LOGIN: i64 = 256 << 10;
/// What it may hold after login.
const SIGNED_IN: i64 = 3 << 20;
/// What it may hold when nothing is going on.
const AT_REST: i64 = 8 << 10;

/// A session and a client that does its worst.
struct Attack {
    session: Session,
    backend: Arc<Memory>,
    accounts: StaticAccounts,
    reads: bool,
    closed: bool,
    base: i64,
    worst: i64,
}

/// A store with a hundred messages in tim's INBOX.
fn store() -> Arc<Memory> {
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
    fn new(backend: Arc<Memory>, reads: bool) -> Self {
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
        }
    }

    /// Signed in, INBOX selected.
    fn signed_in(reads: bool) -> Self {
        let mut attack = Self::new(store(), true);
        attack.send(b"a LOGIN tim pw\r\nb SELECT INBOX\r\n");
        attack.reads = reads;
        attack
    }

    /// Sends what the session takes; `false`: it takes no more.
    fn send(&mut self, octets: &[u8]) -> bool {
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
    fn flood(&mut self, octets: &[u8], times: u32) -> u32 {
        (0..times).take_while(|_| self.send(octets)).count() as u32
    }

    fn settle(&mut self) {
        loop {
            // What the poll before needed for a moment counts as well.
            let action = self.session.poll(NOW);
            self.worst = self.worst.max(most_in_use() - self.base);
            match action {
                Some(Action::Effect(effect)) => self.run(effect),
                Some(Action::Closed(_)) => self.closed = true,
                Some(_) => {}
                None if self.reads && self.session.transmit(NOW).has_remaining() => {
                    let n = self.session.transmit(NOW).remaining();
                    self.session.transmit(NOW).advance(n);
                }
                None => return,
            }
        }
    }

    fn run(&mut self, effect: Effect) {
        self.ask(effect);
        // What the store needed for a moment is the store's.
        most_in_use();
    }

    fn ask(&mut self, effect: Effect) {
        let reply: Reply = match effect {
            Effect::Watch(call) => call.answer(Ok(())),
            Effect::Unwatch(call) => call.answer(Ok(())),
            // Messages that only this attack sends are not kept.
            Effect::UploadBegin(call) if call.op().size > 10_000 => {
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

fn check(name: &str, attack: &Attack, bound: i64) {
    println!("{name}: {} KiB at worst", attack.worst >> 10);
    assert!(
        attack.worst < bound,
        "{name}: the session held {} octets, {bound} are allowed",
        attack.worst
    );
}

fn before_login(name: &str, reads: bool, octets: &[u8], times: u32) {
    let mut attack = Attack::new(store(), reads);
    attack.flood(octets, times);
    check(name, &attack, BEFORE_LOGIN);
}

fn after_login(name: &str, reads: bool, octets: &[u8], times: u32) {
    let mut attack = Attack::signed_in(reads);
    attack.flood(octets, times);
    check(name, &attack, SIGNED_IN);
}

/// A command with this word so many times.
fn many(head: &str, times: usize, word: &str, tail: &str) -> Vec<u8> {
    format!("{head}{}{tail}\r\n", word.repeat(times)).into_bytes()
}

/// One test: the allocator counts for the whole process.
/// Octets are counted for all threads: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_session_holds_what_its_limits_say() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let x = [b'x'; 1000];
    before_login("no end of a line", true, &x, 20_000);
    before_login(
        "no end of parentheses",
        true,
        b"a NOOP ((((((((((((((((((((",
        20_000,
    );
    before_login("no end of bare LF", true, b"a NOOP\n", 100_000);
    before_login(
        "lines too long",
        true,
        &[&[b'x'; 30_000][..], b"\r\n"].concat(),
        100,
    );
    before_login(
        "100,000 commands, answers unread",
        false,
        b"a NOOP\r\n",
        100_000,
    );
    before_login(
        "100,000 capabilities, answers unread",
        false,
        b"a CAPABILITY\r\n",
        100_000,
    );
    before_login(
        "a literal announced, silence",
        true,
        b"a LOGIN {1000000000}\r\n",
        1,
    );
    before_login("literals without end", true, b"a LOGIN {4000+}\r\n", 1);
    before_login("many small literals", true, b" {1+}\r\nx", 100_000);
    before_login(
        "AUTHENTICATE, given up",
        true,
        b"a AUTHENTICATE PLAIN\r\n*\r\nb NOOP\r\n",
        100_000,
    );
    let pair = format!("\"{}\" \"{}\"", "n".repeat(30), "v".repeat(700));
    let id = format!("a ID ({})\r\n", vec![pair; 30].join(" "));
    before_login("ID at its largest", false, id.as_bytes(), 1000);

    after_login("no end of a line", true, &x, 20_000);
    after_login(
        "100,000 commands, answers unread",
        false,
        b"a NOOP\r\n",
        100_000,
    );
    after_login(
        "100,000 FETCHes, answers unread",
        false,
        b"a FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)\r\n",
        100_000,
    );
    after_login(
        "bodies, unread",
        false,
        b"a FETCH 1:* BODY.PEEK[]\r\n",
        10_000,
    );
    after_login("LIST, unread", false, b"a LIST \"\" *\r\n", 100_000);
    after_login("SEARCH, unread", false, b"a SEARCH ALL\r\n", 100_000);
    after_login(
        "IDLE and DONE, unread",
        false,
        b"a IDLE\r\nDONE\r\n",
        100_000,
    );
    after_login(
        "a set of 60,000 numbers",
        true,
        &many("a UID FETCH 1", 60_000, ",3", " UID"),
        3,
    );
    after_login(
        "5,000 search keys",
        true,
        &many("a SEARCH ALL", 5_000, " UNSEEN", ""),
        3,
    );
    after_login(
        "5,000 search strings",
        true,
        &many("a SEARCH ALL", 5_000, " SUBJECT x", ""),
        3,
    );
    after_login("499 NOTs", true, &many("a SEARCH ", 499, "NOT ", "ALL"), 3);
    after_login(
        "7,000 FETCH items",
        true,
        &many("a FETCH 1 (UID", 7_000, " FLAGS", ")"),
        3,
    );
    after_login(
        "13,000 header names",
        true,
        &many("a FETCH 1 BODY.PEEK[HEADER.FIELDS (x", 13_000, " y", ")]"),
        3,
    );
    after_login(
        "60,000 keywords",
        true,
        &many("a STORE 1 +FLAGS (x", 60_000, " y", ")"),
        3,
    );
    after_login(
        "60,000 patterns",
        true,
        &many("a LIST \"\" (x", 60_000, " *", ")"),
        3,
    );
    after_login(
        "60,000 STATUS items",
        true,
        &many("a STATUS INBOX (MESSAGES", 60_000, " UNSEEN", ")"),
        3,
    );
    after_login(
        "20,000 names for ENABLE",
        true,
        &many("a ENABLE x", 20_000, " y", ""),
        3,
    );
    after_login(
        "a message of 100 MiB",
        true,
        b"a APPEND INBOX {104857600+}\r\n",
        1,
    );
    let mut attack = Attack::signed_in(true);
    attack.send(b"a APPEND INBOX {104857600+}\r\n");
    attack.flood(&x, 100_000);
    check("a message of 100 MiB, sent", &attack, 1 << 20);
    let mut attack = Attack::signed_in(true);
    attack.send(b"a APPEND INBOX");
    attack.flood(b" {2+}\r\n\r\n", 100_000);
    check("no end of messages in one APPEND", &attack, SIGNED_IN);

    let mut attack = Attack::signed_in(true);
    attack.send(&many("a SEARCH ALL", 5_000, " UNSEEN", ""));
    attack.send(b"b NOOP\r\n");
    let held = in_use() - attack.base;
    println!("at rest after all that: {held} octets");
    assert!(held < AT_REST, "at rest the session holds {held} octets");
}

/// 60,000 words that differ: work must not grow with their square.
#[test]
fn many_different_words_are_no_work() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let words: String = (0..60_000).map(|n| format!(" k{n}")).collect();
    for (head, tail) in [
        ("a STORE 1 +FLAGS (x", ")"),
        ("a LIST \"\" (x", ")"),
        ("a ENABLE x", ""),
        ("a FETCH 1 BODY.PEEK[HEADER.FIELDS (x", ")]"),
    ] {
        let begun = std::time::Instant::now();
        let mut attack = Attack::signed_in(true);
        attack.send(format!("{head}{words}{tail}\r\n").as_bytes());
        let took = begun.elapsed();
        println!("{head}: {took:?}");
        assert!(took.as_secs() < 3, "{head} with 60,000 words took {took:?}");
    }
}

//! INV-37: what one connection may do before others get their turn, counted and not timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pillarbox_driver::Service;
use pillarbox_store::{Backend, Job, Memory, Notices, StaticAccounts};

use crate::connect;
use crate::wire::Client;

/// A store that answers at once, and counts what it is asked.
struct Counting {
    store: Memory,
    asked: Arc<AtomicU64>,
}

impl Backend for Counting {
    fn submit(&self, job: Job) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.store.submit(job);
    }

    fn subscribe(&self, notices: Notices) {
        self.store.subscribe(notices);
    }
}

/// What a connection did in one turn.
#[derive(Clone, Copy, Default, Debug)]
struct Turn {
    octets_in: usize,
    octets_out: usize,
    asked: u64,
}

/// Octets each way, and questions to the store, of one turn.
const IN: usize = 512 << 10;
const OUT: usize = 1 << 20;
const ASKED: u64 = 16;

/// Of these clients each has its turn, one after the other, until the second is answered; how many turns the first took, and its largest.
fn turns(busy: &mut Client, asked: &AtomicU64, other: &mut Client) -> (usize, Turn) {
    let (mut count, mut largest) = (0, Turn::default());
    other.pipe().put(b"z NOOP\r\n");
    loop {
        let before = (busy.unread(), asked.load(Ordering::Relaxed));
        busy.pipe().take();
        busy.turn();
        let octets_out = busy.pipe().take().len();
        count += 1;
        largest = Turn {
            octets_in: largest.octets_in.max(before.0 - busy.unread()),
            octets_out: largest.octets_out.max(octets_out),
            asked: largest.asked.max(asked.load(Ordering::Relaxed) - before.1),
        };
        other.turn();
        if !other.pipe().take().is_empty() {
            return (count, largest);
        }
    }
}

/// Names that are tried with patterns which match them almost: no octet moves and nothing is asked of the store, and others have their turns.
#[test]
fn a_long_list_gives_way() {
    let store = Arc::new(Memory::with_validity(1));
    let accounts = StaticAccounts::new().with("tim", "pw");
    let service: Arc<Service> = Service::builder(store, Arc::new(accounts))
        .plaintext_login(true)
        .build();
    let mut busy = connect(&service);
    busy.send(b"a LOGIN tim pw\r\n");
    for n in 0..200 {
        busy.send(format!("b CREATE {n:03}{}\r\n", "a".repeat(900)).as_bytes());
    }
    busy.pipe().take();
    let turns = |busy: &mut Client, command: &str| {
        busy.pipe().put(command.as_bytes());
        let mut said = Vec::new();
        for turn in 1.. {
            busy.turn();
            said.extend(busy.pipe().take());
            if said.ends_with(b"c OK LIST completed\r\n") {
                return (turn, said.len());
            }
            assert!(busy.woken(), "it asks for its next turn");
        }
        unreachable!("it is answered")
    };
    let (few, all) = turns(&mut busy, "c LIST \"\" *\r\n");
    assert!(few <= 3 && all > 200 * 900, "{few} turns, {all} octets");
    let pattern = format!("%{}b", "a%".repeat(511));
    let patterns = [pattern.as_str(); 4].join(" ");
    let (many, none) = turns(&mut busy, &format!("c LIST \"\" ({patterns})\r\n"));
    println!("{many} turns for 200 names of 903 octets and four patterns");
    assert!(many > 20 && none < 100, "{many} turns, {none} octets");
}

/// With very much to do a connection gives way after a part of it, whatever it is.
#[test]
fn a_busy_connection_gives_way() {
    let asked: Arc<AtomicU64> = Arc::default();
    let store = Counting {
        store: Memory::with_validity(1),
        asked: asked.clone(),
    };
    let accounts = StaticAccounts::new().with("tim", "pw").with("ann", "pw");
    let service: Arc<Service> = Service::builder(Arc::new(store), Arc::new(accounts))
        .plaintext_login(true)
        .build();
    let mut other = connect(&service);
    other.send(b"a LOGIN ann pw\r\nb SELECT INBOX\r\n");
    other.pipe().take();
    let mut busy = connect(&service);
    let message = format!("Subject: x\r\n\r\n{}", "y".repeat(4000));
    let literal = format!(" {{{}+}}\r\n{message}", message.len());
    busy.send(b"a LOGIN tim pw\r\n");
    busy.send(
        format!("b APPEND INBOX{literal}\r\n")
            .repeat(200)
            .as_bytes(),
    );
    busy.send(b"c SELECT INBOX\r\n");
    assert!(busy.said().contains("* 200 EXISTS"));
    let flood = |line: &str| line.repeat(2 * IN / line.len());
    let work = [
        ("CAPABILITY", flood("x CAPABILITY\r\n")),
        ("STATUS", flood("x STATUS INBOX (MESSAGES)\r\n")),
        ("wrong commands", flood("x FETCH 0 FLAGS\r\n")),
        ("bodies", flood("x FETCH 1:* BODY.PEEK[]\r\n")),
        ("searches", flood("x SEARCH TEXT nowhere\r\n")),
        (
            "flags",
            flood("x STORE 1:* FLAGS (\\Seen)\r\nx STORE 1:* FLAGS ()\r\n"),
        ),
        ("messages", flood(&format!("x APPEND INBOX{literal}\r\n"))),
    ];
    for (what, octets) in work {
        busy.pipe().put(octets.as_bytes());
        let mut most = Turn::default();
        for _ in 0..4 {
            let (count, turn) = turns(&mut busy, &asked, &mut other);
            assert_eq!(count, 1, "{what}: others wait for more than one turn");
            most = Turn {
                octets_in: most.octets_in.max(turn.octets_in),
                octets_out: most.octets_out.max(turn.octets_out),
                asked: most.asked.max(turn.asked),
            };
        }
        println!("{what}: {most:?}");
        assert!(
            most.octets_in <= IN && most.octets_out <= OUT && most.asked <= ASKED,
            "{what}: {most:?}"
        );
        assert!(busy.unread() > 0, "{what}: it was not busy all the time");
        busy = connect(&service);
        busy.send(b"a LOGIN tim pw\r\nb SELECT INBOX\r\n");
        busy.pipe().take();
    }
}

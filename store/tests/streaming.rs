//! A message of 100 MB comes in, is scanned, searched and served in at most 1 MB, counted by the allocator.
#![cfg(feature = "sqlite")]

mod counting;

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Buf;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Config, Peer, Session};
use pillarbox_store::{Accounts, Backend, Embedded, Job, Options, StaticAccounts, rebuild};

const MB: usize = 1 << 20;
const LINES: usize = 1_400_000;
/// 57 octets each before base64.
const LINE: &str =
    "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
const HEAD: &str = "From: Ann <ann@example.org>\r\nTo: Tim <tim@example.org>\r\nSubject: A large one\r\nMessage-ID: <large@example.org>\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSee below.\r\n\
    --outer\r\nContent-Type: application/octet-stream; name=large.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n";
const MIDDLE: &str = "--outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner\r\nContent-Type: text/plain\r\n\r\n";
const TEXT: &str = "A line of text that goes on and on, and is the same as the one before it.\r\n";
const END: &str = "The very last line\r\n--outer--\r\n";

fn size() -> usize {
    HEAD.len() + MIDDLE.len() + END.len() + LINES / 2 * (LINE.len() + TEXT.len())
}

/// Hands the message over in pieces.
fn message(piece: &mut dyn FnMut(&[u8])) {
    piece(HEAD.as_bytes());
    (0..LINES / 2).for_each(|_| piece(LINE.as_bytes()));
    piece(MIDDLE.as_bytes());
    (0..LINES / 2).for_each(|_| piece(TEXT.as_bytes()));
    piece(END.as_bytes());
}

/// What the server said: its beginning, its end, and the first literal as a checksum.
#[derive(Default)]
struct Heard {
    head: Vec<u8>,
    /// Octets of the literal still to come, once its length was read.
    literal: Option<usize>,
    check: u32,
    octets: usize,
    tail: Vec<u8>,
}

impl Heard {
    fn hear(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            match self.literal {
                None => {
                    self.head.push(octets[0]);
                    octets = &octets[1..];
                    if self.head.ends_with(b"}\r\n") {
                        let open = self.head.iter().rposition(|b| *b == b'{').unwrap();
                        let digits = &self.head[open + 1..self.head.len() - 3];
                        let digits = std::str::from_utf8(digits).unwrap();
                        self.literal = Some(digits.parse().unwrap());
                    }
                }
                Some(0) => {
                    self.tail.extend_from_slice(octets);
                    return;
                }
                Some(left) => {
                    let now = left.min(octets.len());
                    self.check = crc32c::crc32c_append(self.check, &octets[..now]);
                    self.octets += now;
                    self.literal = Some(left - now);
                    octets = &octets[now..];
                }
            }
        }
    }

    fn ok(&self) -> bool {
        [&self.head, &self.tail].iter().any(|part| {
            String::from_utf8_lossy(part)
                .lines()
                .any(|line| line.starts_with("t OK"))
        })
    }
}

struct Client<'a> {
    session: Session,
    store: &'a Embedded,
    accounts: &'a StaticAccounts,
}

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};

impl<'a> Client<'a> {
    fn new(store: &'a Embedded, accounts: &'a StaticAccounts) -> Self {
        let mut config = Config::default();
        config.plaintext_login = true;
        let session = Session::new(config.into(), Peer::default(), [0; 32], NOW);
        let mut client = Self {
            session,
            store,
            accounts,
        };
        assert!(client.command("LOGIN tim pw").ok());
        client
    }

    /// Does all that can be done without more input.
    fn run(&mut self, heard: &mut Heard) {
        loop {
            let mut moved = false;
            while let Some(action) = self.session.poll(NOW) {
                moved = true;
                if let Action::Effect(effect) = action {
                    self.effect(effect);
                }
            }
            let mut transmit = self.session.transmit(NOW);
            while transmit.has_remaining() {
                let chunk = transmit.chunk();
                heard.hear(chunk);
                let n = chunk.len();
                transmit.advance(n);
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    fn effect(&mut self, effect: pillarbox_core::effect::Effect) {
        use pillarbox_core::effect::Effect;
        let effect = match effect {
            Effect::Watch(call) => return self.session.handle_reply(call.answer(Ok(()))),
            Effect::Unwatch(call) => return self.session.handle_reply(call.answer(Ok(()))),
            effect => effect,
        };
        let sign_in = matches!(effect, Effect::Authenticate(_));
        let (send, reply) = mpsc::sync_channel(1);
        let job = Job::new(effect, move |reply| drop(send.send(reply)));
        if sign_in {
            self.accounts.authenticate(job);
        } else {
            self.store.submit(job);
        }
        let reply = reply.recv_timeout(Duration::from_secs(120));
        self.session.handle_reply(reply.expect("an answer in time"));
    }

    fn send(&mut self, mut octets: &[u8], heard: &mut Heard) {
        while !octets.is_empty() {
            let mut slot = self.session.recv_slot().expect("the session reads");
            let n = slot.capacity().min(octets.len()).min(16 << 10);
            slot.put(&octets[..n]);
            octets = &octets[n..];
            self.run(heard);
        }
    }

    fn command(&mut self, line: &str) -> Heard {
        let mut heard = Heard::default();
        self.run(&mut heard);
        let mut heard = Heard::default();
        self.send(format!("t {line}\r\n").as_bytes(), &mut heard);
        heard
    }

    /// All that can be done while no octet of the answer leaves.
    fn ask_and_not_read(&mut self) {
        let line = b"t FETCH 1 BODY.PEEK[]\r\n";
        self.session.recv_slot().expect("it reads").put(line);
        while let Some(action) = self.session.poll(NOW) {
            if let Action::Effect(effect) = action {
                self.effect(effect);
            }
        }
        assert!(self.session.transmit(NOW).has_remaining());
    }

    fn append(&mut self, size: usize, message: impl Fn(&mut dyn FnMut(&[u8]))) -> Heard {
        let mut heard = Heard::default();
        let line = format!("t APPEND INBOX {{{size}+}}\r\n");
        self.send(line.as_bytes(), &mut heard);
        let mut kept = Vec::with_capacity(20_000);
        message(&mut |piece| {
            kept.extend_from_slice(piece);
            if kept.len() >= 16_000 {
                self.send(&kept, &mut heard);
                kept.clear();
            }
        });
        self.send(&kept, &mut heard);
        self.send(b"\r\n", &mut heard);
        heard
    }

    /// The same, with a bound on what it takes.
    fn bounded(&mut self, line: &str) -> Heard {
        bounded(line, || self.command(line))
    }
}

fn bounded<T>(what: &str, run: impl FnOnce() -> T) -> T {
    bounded_by(MB, what, run)
}

fn bounded_by<T>(bound: usize, what: &str, run: impl FnOnce() -> T) -> T {
    let before = counting::begin();
    let begun = std::time::Instant::now();
    let value = run();
    let most = counting::most().saturating_sub(before);
    println!("{what}: {} KB, {:?}", most >> 10, begun.elapsed());
    assert!(most <= bound, "{what} held {most} octets");
    value
}

/// Other messages, as one piece so many times, and what they may take: what is kept of a header to describe the message counts besides.
const SHAPES: &[(usize, &str, &str, usize)] = &[
    (MB, "one line", "all in one line ", 2_000_000),
    (MB, "many fields", "X-Field: of a header\r\n", 1_000_000),
    (MB, "a long field", "X-Field:.", 3_000_000),
    (MB, "empty lines", "\r\n", 10_000_000),
    (4 * MB, "a long subject", "Subject: ", 3_000_000),
    (4 * MB, "a folded subject", "Subject:\r\n and ", 2_000_000),
    (
        64 * MB,
        "addresses",
        "To: a@example.org,\r\n b@example.org,",
        800_000,
    ),
];

struct Temp(PathBuf);

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_message_of_100_mb_takes_1_mb() {
    assert!(size() > 100 * MB);
    let temp = std::env::temp_dir().join(format!("pillarbox-stream-{}", std::process::id()));
    let temp = Temp(temp);
    let store = Embedded::open(&temp.0, Options::default()).unwrap();
    let accounts = StaticAccounts::new().with("tim", "pw");
    let mut client = Client::new(&store, &accounts);

    let appended = bounded("APPEND", || client.append(size(), |piece| message(piece)));
    assert!(appended.ok(), "{}", String::from_utf8_lossy(&appended.head));
    assert!(client.command("SELECT INBOX").ok());

    let whole = client.bounded("FETCH 1 BODY.PEEK[]");
    let mut check = 0;
    message(&mut |piece| check = crc32c::crc32c_append(check, piece));
    assert!(whole.ok() && whole.octets == size());
    assert_eq!(whole.check, check);

    let half = LINES / 2;
    let sizes = [
        ("BODY.PEEK[2]", half * LINE.len() - 2),
        ("BINARY.PEEK[2]", half * 57),
        ("BODY.PEEK[3.TEXT]", half * TEXT.len() + 18),
        (
            "BODY.PEEK[TEXT]",
            size() - HEAD.find("\r\n\r\n").unwrap() - 4,
        ),
        ("BODY.PEEK[]<50000000.20000000>", 20_000_000),
    ];
    for (item, octets) in sizes {
        let part = client.bounded(&format!("FETCH 1 {item}"));
        assert!(part.ok(), "{item}");
        assert_eq!(part.octets, octets, "{item}");
    }
    let meta = client.bounded("FETCH 1 (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER] BINARY.SIZE[2])");
    assert!(meta.ok());
    for (key, found) in [
        ("BODY \"the very last line\"", "* SEARCH 1\r\n"),
        ("TEXT \"nowhere at all\"", "* SEARCH\r\n"),
    ] {
        let searched = client.bounded(&format!("SEARCH {key}"));
        let said = String::from_utf8_lossy(&searched.head).into_owned();
        assert!(searched.ok() && said.contains(found), "{key}: {said}");
    }
    assert!(client.bounded("COPY 1 INBOX").ok());
    // One that does not read what it asked for: no more is made.
    bounded("a client that does not read", || client.ask_and_not_read());
    drop(client);
    drop(store);
    bounded("rebuild", || rebuild(&temp.0)).unwrap();
    let store = Embedded::open(&temp.0, Options::default()).unwrap();
    let mut client = Client::new(&store, &accounts);
    for (bound, what, line, times) in SHAPES {
        let appended = bounded_by(*bound, what, || {
            client.append(line.len() * times, |piece| {
                (0..*times).for_each(|_| piece(line.as_bytes()));
            })
        });
        assert!(appended.ok(), "{what}");
    }
}

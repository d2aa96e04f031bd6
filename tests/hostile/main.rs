//! What a hostile client may send, as a table: to the core alone, and to the real binary on each runtime, in plain text and under TLS, cut in several
//! ways. The answers are the same octets everywhere and the ones they must be; sessions are in step or closed with a word; others do not notice; memory,
//! descriptors and log lines are where they were.
#![cfg(all(feature = "cli", feature = "sqlite", target_os = "linux"))]

mod alone;
mod answer;
#[path = "../clients/demo.rs"]
#[allow(dead_code)] // What only clients need.
mod demo;
mod faults;
mod mail;
mod mails;
mod rows;
mod server;
mod turns;
mod wire;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use answer::{Answer, plain};
use rows::{Place, Row};
use server::{PASSWORD, Server};
use wire::{Chunking, Client, End};

/// What another session's NOOP may take meanwhile at the most, on a machine that has nothing else to do: see [`Wait`].
const UNNOTICED: Duration = Duration::from_secs(1);
/// And mostly.
const MOSTLY: Duration = Duration::from_millis(50);
/// Echoes of one octet between two threads of this process, about one in two milliseconds, while the machine has room for them.
static ECHOES: AtomicU64 = AtomicU64::new(0);

/// How long somebody waited, and how many echoes there were meanwhile. On a machine that is busy with other things both are late; when only
/// the server stands still, the echoes go on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
struct Wait {
    took: Duration,
    echoes: u64,
}

impl Wait {
    fn of(run: impl FnOnce()) -> Self {
        let (since, before) = (Instant::now(), ECHOES.load(Ordering::Relaxed));
        run();
        Self {
            took: since.elapsed(),
            echoes: ECHOES.load(Ordering::Relaxed) - before,
        }
    }

    /// Whether it is more than this, of which the machine is not to blame: half of the echoes came.
    fn is_above(self, most: Duration) -> bool {
        self.took > most && u128::from(self.echoes) > most.as_millis() / 4
    }
}

/// Echoes until it is told to stop.
fn echo(stop: &AtomicBool) {
    let (mut here, mut there) = UnixStream::pair().expect("a pair of sockets can be made");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut octet = [0];
            while there.read_exact(&mut octet).is_ok() {
                if there.write_all(&octet).is_err() {
                    return;
                }
            }
        });
        while !stop.load(Ordering::Relaxed) {
            here.write_all(b"x").expect("the other side is there");
            here.read_exact(&mut [0]).expect("the other side is there");
            ECHOES.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(2));
        }
        drop(here);
    });
}

/// Tells threads to stop, whatever happens.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connections at a time.
const WORKERS: usize = 6;

/// Signs in, stores two messages and selects their mailbox.
fn sign_in(user: &str, password: &str) -> String {
    let message = |n: usize| {
        let text = format!(
            "Subject: {n}\r\nFrom: Ann <ann@example.org>\r\nMessage-ID: <{n}@x>\r\n\r\nLorem ipsum\r\n"
        );
        format!(
            " \" 1-Feb-2024 10:00:00 +0000\" {{{}+}}\r\n{text}",
            text.len()
        )
    };
    let messages = message(1) + &message(2);
    format!("l LOGIN {user} {password}\r\nm APPEND INBOX{messages}\r\ns SELECT INBOX\r\n")
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    // The first octet leads to the few places that matter.
    let (first, rest) = wanted.split_first()?;
    let mut from = 0;
    while let Some(at) = octets[from..].iter().position(|b| b == first) {
        if octets[from + at + 1..].starts_with(rest) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// The table, with what the core answers to each row.
fn table() -> &'static [(Row, Vec<u8>)] {
    static TABLE: OnceLock<Vec<(Row, Vec<u8>)>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let rows = rows::all().into_iter();
        rows.map(|row| {
            let said = plain(&alone::run(&row, Chunking::Whole).said);
            (row, said)
        })
        .collect()
    })
}

/// One row on its way to a server.
#[derive(Clone, Copy)]
struct Shot {
    row: &'static Row,
    core: &'static [u8],
    chunking: Chunking,
    tls: bool,
}

/// What is sent over a wire: each cut that differs from the whole, as far as that takes no time.
fn shots() -> Vec<Shot> {
    let mut shots = Vec::new();
    for (row, core) in table() {
        for tls in [false, true] {
            let here = match row.place {
                Place::Everywhere => true,
                Place::Plain => !tls,
                Place::Tls => tls,
                Place::Core => false,
            };
            let cuts = Chunking::ALL.into_iter().filter(|_| here);
            shots.extend(
                cuts.filter(|c| is_cheap(row, *c, tls))
                    .map(|chunking| Shot {
                        row,
                        core,
                        chunking,
                        tls,
                    }),
            );
        }
    }
    shots
}

fn is_cheap(row: &Row, chunking: Chunking, tls: bool) -> bool {
    let writes = chunking.cut(&row.octets).len();
    let large = row.octets.len() > 128 << 10;
    chunking == Chunking::Whole
        || writes > 1 && writes <= if tls { 400 } else { 2000 } && !(tls && large)
}

fn fire(shot: Shot, server: &Server, account: usize) -> Answer {
    let (address, config) = match shot.tls {
        true => (server.tls, Some(&server.client)),
        false => (server.plain, None),
    };
    let mut client = Client::connect(address, config);
    if shot.row.selected {
        let begin = sign_in(&format!("u{account}"), PASSWORD);
        client.send(begin.as_bytes(), Chunking::Whole);
        assert_eq!(client.read_until(b"\r\ns OK"), End::Alive);
        client.read_until(b"SELECT completed\r\n");
    }
    client.said.clear();
    client.send(&shot.row.octets, shot.chunking);
    let end = client.noop();
    let said = std::mem::take(&mut client.said);
    let noop = Wait::of(|| {
        if end == End::Alive {
            // The tags are in step: nothing else is left to be said.
            assert_eq!(client.noop(), End::Alive, "{}", shot.row.name);
            assert_eq!(
                client.said, b"zz OK NOOP completed\r\n",
                "{}",
                shot.row.name
            );
        }
    });
    Answer { said, end, noop }
}

fn try_shot(shot: Shot, server: &Server, account: usize) -> Result<Wait, String> {
    let answer = fire(shot, server, account);
    let row = shot.row;
    let checked = answer
        .check(row)
        .and_then(|()| answer.compare(row, shot.core));
    let (chunking, tls) = (shot.chunking, shot.tls);
    checked.map(|()| answer.noop).map_err(|what| {
        let said = wire::text(&answer.said);
        format!("{} ({chunking:?}, TLS {tls}) {what}: {said}\n", row.name)
    })
}

/// Another session that sends NOOPs until it is told to stop; how long each took, in order of length.
fn bystander(server: &Server, account: usize, stop: &AtomicBool) -> Vec<Wait> {
    let mut client = Client::connect(server.plain, None);
    client.send(
        sign_in(&format!("u{account}"), PASSWORD).as_bytes(),
        Chunking::Whole,
    );
    assert_eq!(client.read_until(b"\r\ns OK"), End::Alive);
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        client.said.clear();
        took.push(Wait::of(|| assert_eq!(client.noop(), End::Alive)));
        std::thread::sleep(Duration::from_millis(2));
    }
    took.sort();
    took
}

/// Everything in the queue, several at a time; what went wrong, and how long the NOOPs behind the rows took.
fn fire_all(shots: Vec<Shot>, server: &Server) -> (Vec<String>, Vec<Wait>) {
    let accounts = AtomicUsize::new(1);
    let queue = Mutex::new(VecDeque::from(shots));
    let results = Mutex::new((Vec::new(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let shot = queue.lock().expect("nothing panics here").pop_front();
                    let Some(shot) = shot else { return };
                    let account = accounts.fetch_add(1, Ordering::Relaxed);
                    let tried = try_shot(shot, server, account);
                    let mut results = results.lock().expect("nothing panics here");
                    match tried {
                        Ok(took) => results.1.push(took),
                        Err(failure) => results.0.push(failure),
                    }
                }
            });
        }
    });
    results.into_inner().expect("nothing panics here")
}

fn table_on(runtime: &str) {
    let shots = shots();
    let (count, warm) = (shots.len(), 40);
    let server = Server::start(&format!("hostile-{runtime}"), runtime, count + warm + 2);
    // Everything that is made once is made now.
    let (mut failures, _) = fire_all(shots[..warm].to_vec(), &server);
    let before = server.resources();
    let stop = AtomicBool::new(false);
    let (took, noops) = std::thread::scope(|scope| {
        scope.spawn(|| echo(&stop));
        let bystander = scope.spawn(|| bystander(&server, 0, &stop));
        let end = Stop(&stop);
        let (more, noops) = fire_all(shots, &server);
        failures.extend(more);
        drop(end);
        (bystander.join().expect("the bystander is answered"), noops)
    });
    assert!(
        failures.is_empty(),
        "{}\n{}",
        failures.len(),
        failures.join("\n")
    );
    let most = took.last().copied().unwrap_or_default();
    let median = took[took.len() / 2];
    println!("{count} connections; another session waited {median:?}, {most:?} at most");
    let noticed = took.iter().find(|wait| wait.is_above(UNNOTICED));
    assert_eq!(noticed, None, "another session waited");
    assert!(
        !median.is_above(MOSTLY),
        "another session waited {median:?} each time"
    );
    let mut noops = noops;
    noops.sort();
    let median = noops[noops.len() / 2];
    assert!(
        !median.is_above(MOSTLY),
        "a NOOP behind a row took {median:?}"
    );
    server.gives_back_descriptors(before.descriptors + 2);
    let grown = server.resources().memory.saturating_sub(before.memory);
    println!("memory grew by {} KiB", grown >> 10);
    assert!(grown < 64 << 20, "memory grew by {grown} octets");
    server.terminate();
}

#[test]
fn table_on_tokio() {
    table_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn table_on_smol() {
    table_on("smol");
}

/// The core alone, cut in every way.
#[test]
fn table_on_the_core() {
    let mut failures = Vec::new();
    for (row, core) in table() {
        let cuts = Chunking::ALL.into_iter();
        for chunking in cuts.filter(|c| c.cut(&row.octets).len() <= 40_000) {
            let mut answer = alone::run(row, chunking);
            if row.place == Place::Plain {
                // No layer ends it.
                answer.end = End::Closed;
            }
            let checked = answer.check(row).and_then(|()| answer.compare(row, core));
            if let Err(what) = checked {
                let said = wire::text(&answer.said);
                failures.push(format!("{} ({chunking:?}) {what}: {said}\n", row.name));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{}\n{}",
        failures.len(),
        failures.join("\n")
    );
}

//! No row's turn is long: on a server that has one processor, whatever one connection does there is what all others wait for.

use std::time::{Duration, Instant};

use crate::rows::Place;
use crate::server::{PASSWORD, Server};
use crate::wire::{Chunking, Client, End};
use crate::{Shot, sign_in, table, try_shot};

/// What another session may wait while a row is answered, without optimisation: besides the time in which one of the server's threads, or
/// the one that waits, was ready to run and others had the processor. The least of some tries counts.
const TURN: Duration = Duration::from_millis(150);

const TRIES: usize = 3;

/// The processors that this process may use, the first and the last.
fn processors() -> [String; 2] {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells of a process");
    let mut lines = status.lines();
    let list = lines.find_map(|l| l.strip_prefix("Cpus_allowed_list:"));
    let mut numbers = list.expect("it names them").trim().split([',', '-']);
    let first = numbers.next().unwrap_or_default();
    [first, numbers.next_back().unwrap_or(first)].map(str::to_owned)
}

/// How long a thread stood ready to run; nothing for one that ended.
fn ready(schedstat: &str) -> Duration {
    let said = std::fs::read_to_string(schedstat).unwrap_or_default();
    let nanos = said.split(' ').nth(1).and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// The same of this thread and all of the server's.
fn ready_all(server: &Server) -> Duration {
    let theirs = server.threads().into_iter();
    let theirs = theirs.map(|thread| ready(&format!("{thread}/schedstat")));
    theirs.sum::<Duration>() + ready("/proc/thread-self/schedstat")
}

/// A row, and the longest that another session waited meanwhile.
fn longest(shot: Shot, server: &Server, account: usize, other: &mut Client) -> Duration {
    std::thread::scope(|scope| {
        let fired = scope.spawn(|| try_shot(shot, server, account));
        let mut most = Duration::ZERO;
        let mut before = ready_all(server);
        loop {
            // One more when the row has its answer: it may have begun before.
            let last = fired.is_finished();
            let since = Instant::now();
            other.said.clear();
            assert_eq!(other.noop(), End::Alive);
            let took = since.elapsed();
            let after = ready_all(server);
            most = most.max(took.saturating_sub(after.saturating_sub(before)));
            before = after;
            if last {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let answered = fired.join().expect("a row is answered");
        answered.unwrap_or_else(|what| panic!("{what}"));
        most
    })
}

/// Each row that is sent whole, once.
fn rows() -> Vec<Shot> {
    let shots = crate::shots().into_iter();
    // TLS has no part in what a row is answered.
    let shots = shots.filter(|s| !s.tls || s.row.place == Place::Tls);
    let shots: Vec<Shot> = shots.filter(|s| s.chunking == Chunking::Whole).collect();
    assert!(shots.len() * 10 > table().len() * 9, "nearly all are sent");
    shots
}

fn turns_on(runtime: &str, processor: &str) {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    assert_eq!(
        told.split(' ').count(),
        3,
        "Linux tells how long a thread stood ready: {told:?}"
    );
    let (name, shots) = (format!("turns-{runtime}"), rows());
    let server = Server::start_on(&name, runtime, TRIES * shots.len() + 1, Some(processor));
    let mut other = Client::connect(server.plain, None);
    other.send(sign_in("u0", PASSWORD).as_bytes(), Chunking::Whole);
    assert_eq!(other.read_until(b"\r\ns OK"), End::Alive);
    let mut account = 0;
    let mut waits: Vec<(Duration, &str)> = Vec::new();
    for shot in shots {
        let mut least = Duration::MAX;
        for _ in 0..TRIES {
            if least > TURN {
                account += 1;
                least = least.min(longest(shot, &server, account, &mut other));
            }
        }
        waits.push((least, shot.row.name));
    }
    waits.sort();
    waits.reverse();
    println!("{} rows; the longest: {:?}", waits.len(), &waits[..5]);
    waits.retain(|(wait, _)| *wait > TURN);
    assert!(waits.is_empty(), "others waited: {waits:?}");
    server.terminate();
}

#[test]
fn turns_on_tokio() {
    turns_on("tokio", &processors()[0]);
}

#[cfg(feature = "runtime-smol")]
#[test]
fn turns_on_smol() {
    turns_on("smol", &processors()[1]);
}

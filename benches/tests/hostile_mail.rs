//! Mail that anyone can send: whatever is asked of it is answered in a time and a memory that have bounds. One test: octets are counted for all threads.

use std::time::Duration;

use pillarbox_benches::alloc::Counting;
use pillarbox_benches::attack::Attack;
use pillarbox_benches::cpu::of_thread;

#[path = "../../tests/hostile/mails.rs"]
mod mails;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// CPU time of one command: 0.3 seconds; what is built without optimisation takes about ten times as long.
const TIME: Duration = Duration::from_millis(if cfg!(debug_assertions) { 3_000 } else { 300 });
/// Octets that the session and the store hold for it, besides the stored message.
const MEMORY: i64 = 32 << 20;

const FETCH: [&str; 25] = [
    "ENVELOPE",
    "BODY",
    "BODYSTRUCTURE",
    "RFC822.SIZE",
    "RFC822",
    "RFC822.HEADER",
    "RFC822.TEXT",
    "BODY.PEEK[]",
    "BODY.PEEK[]<0.100>",
    "BODY.PEEK[]<10000000.100>",
    "BODY.PEEK[HEADER]",
    "BODY.PEEK[HEADER.FIELDS (Subject To References)]",
    "BODY.PEEK[HEADER.FIELDS.NOT (Subject)]",
    "BODY.PEEK[TEXT]",
    "BODY.PEEK[1]",
    "BODY.PEEK[1.MIME]",
    "BODY.PEEK[1.HEADER]",
    "BODY.PEEK[1.TEXT]",
    "BODY.PEEK[1.1.1.1.1.1]",
    "BODY.PEEK[9999]",
    "BINARY.PEEK[]",
    "BINARY.PEEK[1]",
    "BINARY.PEEK[1]<10.10>",
    "BINARY.SIZE[]",
    "BINARY.SIZE[1]",
];

const SEARCH: [&str; 12] = [
    "SUBJECT nowhere",
    "FROM nowhere",
    "TO nowhere",
    "CC nowhere",
    "BCC nowhere",
    "HEADER References nowhere",
    "HEADER X-Nothing \"\"",
    "BODY nowhere",
    "TEXT nowhere",
    "SENTBEFORE 1-Jan-1990",
    "SENTSINCE 1-Jan-1990",
    "LARGER 1000000",
];

#[test]
fn mail_that_anyone_can_send_has_bounds() {
    let mut worst = (Duration::ZERO, String::new());
    let mut failures = Vec::new();
    for (name, octets) in mails::mails() {
        let mut attack = Attack::signed_in(true);
        attack.stores = true;
        let head = format!("a APPEND INBOX {{{}+}}\r\n", octets.len());
        attack.send(&[head.as_bytes(), &octets, b"\r\nb NOOP\r\n"].concat());
        drop(octets);
        let fetches = FETCH.map(|item| format!("a UID FETCH 101 ({item})\r\n"));
        let searches = SEARCH.map(|key| format!("a UID SEARCH UID 101 {key}\r\n"));
        for command in fetches.iter().chain(&searches) {
            attack.begin();
            let begun = of_thread();
            let taken = attack.send(command.as_bytes());
            let took = of_thread() - begun;
            let what = format!("{name}: {}", command.trim_end());
            if took > worst.0 {
                worst = (took, what.clone());
            }
            let held = attack.peak;
            if !taken || took > TIME || held > MEMORY {
                failures.push(format!("{what}: {took:?}, {held} octets, taken {taken}"));
            }
        }
    }
    println!("the slowest: {worst:?}");
    assert!(failures.is_empty(), "{failures:#?}");
}

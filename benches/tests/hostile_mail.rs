//! Mail that anyone can send: whatever is asked of it is answered in a time and a memory that have bounds. One test: octets are counted for all threads.

use std::time::Duration;

use pillarbox_benches::alloc::Counting;
use pillarbox_benches::attack::Attack;
use pillarbox_benches::cpu::of_thread;

#[path = "../../tests/hostile/mails.rs"]
mod mails;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// CPU time of one command, however it is built. A busy machine slows what runs beside others: the least of three tries counts.
const TIME: Duration = Duration::from_millis(300);
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
    let mut note = |what: String, cost: Cost| {
        if cost.took > worst.0 {
            worst = (cost.took, what.clone());
        }
        if !cost.taken || cost.took > TIME || cost.held > MEMORY {
            failures.push(format!("{what}: {cost:?}"));
        }
    };
    for (name, octets) in mails::mails() {
        let head = format!("a APPEND INBOX {{{}+}}\r\n", octets.len());
        let append = [head.as_bytes(), &octets, b"\r\n"].concat();
        let stored = octets.len() as i64;
        drop(octets);
        let mut attack = Attack::signed_in(true);
        let mut stores = least(|| {
            attack = Attack::signed_in(true);
            attack.stores = true;
            cost(&mut attack, &append)
        });
        // The store in memory has it in pieces and whole for a moment.
        stores.held -= 2 * stored;
        note(format!("{name}: APPEND"), stores);
        drop(append);
        attack.send(b"b NOOP\r\n");
        let fetches = FETCH.map(|item| format!("a UID FETCH 101 ({item})\r\n"));
        let searches = SEARCH.map(|key| format!("a UID SEARCH UID 101 {key}\r\n"));
        for command in fetches.iter().chain(&searches) {
            let answers = least(|| cost(&mut attack, command.as_bytes()));
            note(format!("{name}: {}", command.trim_end()), answers);
        }
    }
    println!("the slowest: {worst:?}");
    assert!(failures.is_empty(), "{failures:#?}");
}

/// What a command costs.
#[derive(Debug)]
struct Cost {
    took: Duration,
    /// Octets.
    held: i64,
    taken: bool,
}

fn cost(attack: &mut Attack, command: &[u8]) -> Cost {
    attack.begin();
    let begun = of_thread();
    let taken = attack.send(command);
    let took = of_thread() - begun;
    let held = attack.peak;
    Cost { took, held, taken }
}

fn least(mut run: impl FnMut() -> Cost) -> Cost {
    let mut cost = run();
    for _ in 0..2 {
        if cost.took > TIME {
            cost = run();
        }
    }
    cost
}

//! Whatever a client sends, whatever others change meanwhile and however long it takes: the answers do not depend on how its octets are cut, they keep to
//! the grammar, and no other session notices.
//!
//! The first octet says whether it is signed in. The rest is sent as it is, but for two octets that no UTF-8 has: after `FF` the next one says what another
//! session of the account does, after `FE` how much time passes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::response::read_all;
use pillarbox_sim::{Chunking, Host, Options};

/// Signs in and brings two messages, so that there is something to fetch, search, copy and expunge.
const BEGINNING: &[u8] = b"a LOGIN tim pw\r\n\
    b APPEND INBOX (\\Seen Old) {45+}\r\nFrom: a@b\r\nSubject: x\r\n\r\none\r\ntwo\r\n12345678\r\n\r\n\
    c APPEND INBOX {36+}\r\nContent-Type: text/html\r\n\r\n<p>hi</p>\r\n\
    d CREATE Other\r\ne SELECT INBOX\r\n";

/// The other session of the account.
const OTHER: &[u8] = b"a LOGIN tim pw\r\nb ENABLE QRESYNC\r\nc SELECT INBOX\r\n";

/// What it does.
const DEEDS: [&str; 16] = [
    "APPEND INBOX {14+}\r\nSubject: d\r\n\r\n\r\n",
    "APPEND Other (New) {14+}\r\nSubject: d\r\n\r\n\r\n",
    "STORE 1 +FLAGS (\\Deleted)",
    "STORE * FLAGS (\\Seen New)",
    "STORE 1:* -FLAGS (\\Deleted Old)",
    "EXPUNGE",
    "UID EXPUNGE 2:*",
    "COPY 1 Other",
    "MOVE 1 Other",
    "CREATE Other/more",
    "DELETE Other",
    "RENAME Other More",
    "RENAME INBOX Away",
    "SUBSCRIBE Other",
    "SELECT Other",
    "SELECT INBOX",
];

/// Seconds that pass.
const PAUSES: [u64; 8] = [0, 1, 59, 60, 180, 600, 1799, 2100];

enum Step<'a> {
    Octets(&'a [u8]),
    Deed(&'static str),
    Pause(u64),
}

fuzz_target!(|octets: &[u8]| {
    let (signed_in, octets) = match octets.split_first() {
        Some((first, rest)) => (first % 4 != 0, rest),
        None => return,
    };
    let steps = steps(octets);
    let whole = converse(signed_in, &steps, Chunking::Whole);
    for chunking in [Chunking::Octets, Chunking::Random(octets.len() as u64 + 1)] {
        let cut = converse(signed_in, &steps, chunking);
        for (whole, cut) in whole.iter().zip(&cut) {
            assert_eq!(String::from_utf8_lossy(whole), String::from_utf8_lossy(cut));
        }
    }
    for said in &whole {
        if let Err(wrong) = read_all(said) {
            panic!("{wrong}");
        }
    }
});

fn steps(mut octets: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while let Some(at) = octets.iter().position(|b| *b >= 0xfe) {
        steps.push(Step::Octets(&octets[..at]));
        let number = octets.get(at + 1).map_or(0, |b| usize::from(*b));
        steps.push(match octets[at] {
            0xff => Step::Deed(DEEDS[number % DEEDS.len()]),
            _ => Step::Pause(PAUSES[number % PAUSES.len()]),
        });
        octets = octets.get(at + 2..).unwrap_or_default();
    }
    steps.push(Step::Octets(octets));
    steps
}

/// What the client and the other session were told.
fn converse(signed_in: bool, steps: &[Step<'_>], chunking: Chunking) -> [Vec<u8>; 2] {
    let mut host = Host::new(&Options::default());
    if signed_in {
        host.send("A", BEGINNING, Chunking::Whole);
        let said = host.take_output("A");
        assert!(
            said.windows(5).any(|w| w == b"e OK "),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
    host.send("B", OTHER, Chunking::Whole);
    for step in steps {
        match step {
            Step::Octets(octets) => {
                // A session that is over takes no more.
                let _ = host.send("A", octets, chunking);
            }
            Step::Deed(deed) => {
                let line = format!("d {deed}\r\n");
                let _ = host.send("B", line.as_bytes(), Chunking::Whole);
            }
            Step::Pause(seconds) => host.advance(*seconds),
        }
    }
    let said = [host.take_output("A"), host.take_output("B")];
    host.send(
        "C",
        b"z LOGIN ann pw\r\ny STATUS INBOX (MESSAGES)\r\n",
        Chunking::Whole,
    );
    let third = host.take_output("C");
    assert!(third.ends_with(b"y OK STATUS completed\r\n"));
    said
}

//! Whatever a client sends: the answers do not depend on how its octets are cut, they keep to the grammar, and another session does not notice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::response::read_all;
use pillarbox_sim::{Chunking, Host, Options};

/// Signs in and brings two messages, so that there is something to fetch, search, copy and expunge.
const BEGINNING: &[u8] = b"a LOGIN tim pw\r\n\
    b APPEND INBOX (\\Seen Old) {45+}\r\nFrom: a@b\r\nSubject: x\r\n\r\none\r\ntwo\r\n12345678\r\n\r\n\
    c APPEND INBOX {36+}\r\nContent-Type: text/html\r\n\r\n<p>hi</p>\r\n\
    d CREATE Other\r\ne SELECT INBOX\r\n";

fuzz_target!(|octets: &[u8]| {
    let (signed_in, octets) = match octets.split_first() {
        Some((first, rest)) => (first % 4 != 0, rest),
        None => return,
    };
    let whole = converse(signed_in, octets, Chunking::Whole);
    for chunking in [Chunking::Octets, Chunking::Random(octets.len() as u64 + 1)] {
        assert_eq!(
            String::from_utf8_lossy(&whole),
            String::from_utf8_lossy(&converse(signed_in, octets, chunking)),
        );
    }
    if let Err(wrong) = read_all(&whole) {
        panic!("{wrong}");
    }
});

fn converse(signed_in: bool, octets: &[u8], chunking: Chunking) -> Vec<u8> {
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
    host.send("A", octets, chunking);
    let said = host.take_output("A");
    host.send(
        "B",
        b"z LOGIN ann pw\r\ny STATUS INBOX (MESSAGES)\r\n",
        Chunking::Whole,
    );
    let other = host.take_output("B");
    assert!(other.ends_with(b"y OK STATUS completed\r\n"));
    said
}

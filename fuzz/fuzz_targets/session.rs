//! Whatever a client sends: the answers do not depend on how its octets are cut, they are whole lines and whole literals, and another session
//! does not notice.
#![no_main]

use libfuzzer_sys::fuzz_target;
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
    assert_whole(&whole);
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

/// Octets that a client can read: lines, and literals of the length they announce.
fn assert_whole(mut octets: &[u8]) {
    while !octets.is_empty() {
        let end = octets
            .windows(2)
            .position(|w| w == b"\r\n")
            .expect("a line ends with CRLF");
        let line = &octets[..end];
        assert!(!line.contains(&b'\r') && !line.contains(&b'\n') && !line.contains(&0));
        let literal = line
            .strip_suffix(b"}")
            .and_then(|l| l.rsplit(|b| *b == b'{').next())
            .and_then(|n| std::str::from_utf8(n).ok()?.parse::<usize>().ok());
        octets = &octets[end + 2..];
        // An echo of the client's text may look like a literal; only an answer with data has one.
        if let Some(size) = literal.filter(|_| line.starts_with(b"* ") || line.starts_with(b" ")) {
            assert!(size <= octets.len(), "a literal is shorter than it says");
            octets = &octets[size..];
        }
    }
}

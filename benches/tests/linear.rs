//! Work grows as what is sent does: four times the octets take about four times the CPU time, not sixteen times.

use std::sync::Arc;
use std::time::Duration;

use pillarbox_benches::attack::{Attack, store};
use pillarbox_benches::cpu::of_thread;
use pillarbox_benches::fill::{ACTOR, fill};
use pillarbox_core::effect::{MailboxRow, Open, Purge, Status};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_store::{Memory, ask};

/// The lesser CPU time of two tries.
fn least(signed_in: bool, octets: &[u8]) -> Duration {
    let tries = (0..2).map(|_| {
        let mut attack = match signed_in {
            true => Attack::signed_in(true),
            false => Attack::new(store(), true),
        };
        let begun = of_thread();
        attack.send(octets);
        of_thread() - begun
    });
    tries.min().unwrap_or_default()
}

fn linear(what: &str, signed_in: bool, make: impl Fn(usize) -> Vec<u8>, times: usize) {
    let (few, many) = (make(times), make(4 * times));
    in_proportion(what, times, |n| {
        least(signed_in, if n == times { &few } else { &many })
    });
}

/// Four times as much takes at the most twice as long as is in proportion.
fn in_proportion(what: &str, times: usize, took: impl Fn(usize) -> Duration) {
    let what = format!("{what}: {times}, and four times as many");
    at_most(8, &what, || (took(times), took(4 * times)));
}

/// More takes at the most so many times as long, and a little for what is too short to measure. A busy machine slows what runs beside others: one of
/// some tries is enough.
fn at_most(factor: u32, what: &str, took: impl Fn() -> (Duration, Duration)) {
    const TRIES: usize = 4;
    let mut tries = Vec::new();
    while tries.len() < TRIES {
        let (few, many) = took();
        println!("{what}: {few:?}, {many:?}");
        if many < factor * few + Duration::from_millis(5) {
            return;
        }
        tries.push((few, many));
    }
    panic!("{what}: {tries:?}");
}

fn repeated(head: &str, word: &str, times: usize, tail: &str) -> Vec<u8> {
    format!("{head}{}{tail}\r\n", word.repeat(times)).into_bytes()
}

#[test]
fn work_is_linear_in_what_is_sent() {
    let literals = |n| repeated("a NOOP", " {0+}\r\n", n, "");
    linear("small literals", true, literals, 35_000);
    linear(
        "200,000 small literals and more, skipped",
        true,
        literals,
        200_000,
    );
    let texts = |n| repeated("a NOOP", " {1+}\r\nx", n, "");
    linear("small literals before login", false, texts, 20_000);
    linear(
        "LFs without CR",
        true,
        |n| repeated("a NOOP ", "x\n", n, ""),
        100_000,
    );
    linear(
        "CRs without LF",
        true,
        |n| repeated("a NOOP ", "x\r", n, ""),
        100_000,
    );
    linear(
        "braces",
        true,
        |n| repeated("a NOOP ", "{9}", n, ""),
        80_000,
    );
    linear("commands", true, |n| b"a NOOP\r\n".repeat(n), 5_000);
    linear("empty lines", true, |n| b"\r\na NOOP\r\n".repeat(n), 20_000);
    linear(
        "IDLE and DONE",
        true,
        |n| b"a IDLE\r\nDONE\r\n".repeat(n),
        3_000,
    );
    linear(
        "numbers",
        true,
        |n| repeated("a UID FETCH 1", ",3", n, " UID"),
        15_000,
    );
    linear(
        "search keys",
        true,
        |n| repeated("a SEARCH ALL", " UNSEEN", n, ""),
        1_000,
    );
    linear(
        "nested keys",
        true,
        |n| repeated("a SEARCH ", "NOT ", n, "ALL"),
        124,
    );
    linear(
        "header names",
        true,
        |n| repeated("a FETCH 1 BODY.PEEK[HEADER.FIELDS (x", " y", n, ")]"),
        4_000,
    );
    linear(
        "FETCH items",
        true,
        |n| repeated("a FETCH 1 (UID", " FLAGS", n, ")"),
        1_800,
    );
    linear(
        "flags",
        true,
        |n| repeated("a STORE 1 +FLAGS (x", " \\Seen", n, ")"),
        15_000,
    );
    linear(
        "messages",
        true,
        |n| repeated("a APPEND INBOX", " {1+}\r\nx", n, ""),
        240,
    );
}

/// The lesser CPU time of two tries to fetch an attachment, decoded, in pieces of 64 KB, as some clients download.
fn in_pieces(pieces: usize) -> Duration {
    let line = "QUJD".repeat(16) + "\r\n";
    let lines = line.repeat(pieces * 65_536 / 48);
    let message = format!(
        "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{lines}"
    );
    let literal = format!("{{{}+}}\r\n{message}", message.len());
    let fetches: String = (0..pieces)
        .map(|n| format!("c UID FETCH 1 BINARY.PEEK[1]<{}.65536>\r\n", n * 65_536))
        .collect();
    let tries = (0..2).map(|_| {
        let mut attack = Attack::new(Arc::new(Memory::new()), true);
        attack.stores = true;
        attack.send(b"a LOGIN tim pw\r\n");
        attack.send(format!("b APPEND INBOX {literal}\r\nb SELECT INBOX\r\n").as_bytes());
        attack.keeps = true;
        let begun = of_thread();
        attack.send(fetches.as_bytes());
        let took = of_thread() - begun;
        let decoded = attack.said.windows(3).filter(|w| w == b"ABC").count();
        assert!(decoded > (pieces * 65_536 - 2 * pieces) / 3 - pieces);
        took
    });
    tries.min().unwrap_or_default()
}

/// The lesser CPU time of two tries to list so many names that are as deep, all subscriptions, with the longest patterns that there may be; they match no
/// name, and its levels only almost.
fn list(names: usize, levels: usize) -> Duration {
    let rows: Vec<_> = (0..names)
        .map(|n| {
            let name = format!("{n:05}{}", "/d".repeat(levels - 1));
            let mut row = MailboxRow::new(MailboxName::new(&name).expect("it is a name"));
            row.subscribed = true;
            row
        })
        .collect();
    let pattern = format!("*{}b", "d*/*".repeat(255));
    let patterns = [&pattern[..1020]; 4].join("b ");
    let command = format!("a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" ({patterns}b %/d/%)\r\n");
    let tries = (0..2).map(|_| {
        let mut attack = Attack::signed_in(true);
        (attack.names, attack.keeps) = (Some(rows.clone()), true);
        let begun = of_thread();
        attack.send(command.as_bytes());
        let took = of_thread() - begun;
        let said = String::from_utf8_lossy(&attack.said);
        assert!(said.ends_with("a OK LIST completed\r\n"), "{said}");
        assert_eq!(said.matches("CHILDINFO").count(), names, "{said}");
        took
    });
    tries.min().unwrap_or_default()
}

/// The lesser CPU time of two tries to look for so many fields in a header that has as many, each of a name of its own.
fn fields(count: usize) -> Duration {
    let header: String = (0..count).map(|n| format!("k{n}: x\r\n")).collect();
    let keys: String = (0..count).map(|n| format!(" HEADER k{n} x")).collect();
    sought(&format!("{header}\r\n"), &keys)
}

/// The lesser CPU time of two tries to look for a long text in a message of many parts.
fn long_text(count: usize) -> Duration {
    let parts = "--b\r\nX: y\r\n\r\nz\r\n".repeat(count);
    let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    let text = "abcd".repeat(25 * count);
    let keys = format!(" NOT TEXT {{{}+}}\r\n{text}", text.len());
    sought(&format!("{head}{parts}--b--\r\n"), &keys)
}

/// The lesser CPU time of two tries to find a message.
fn sought(message: &str, keys: &str) -> Duration {
    let literal = format!("{{{}+}}\r\n{message}", message.len());
    let tries = (0..2).map(|_| {
        let mut attack = Attack::new(Arc::new(Memory::new()), true);
        attack.stores = true;
        attack.send(b"a LOGIN tim pw\r\n");
        attack.send(format!("b APPEND INBOX {literal}\r\nb SELECT INBOX\r\n").as_bytes());
        attack.keeps = true;
        let begun = of_thread();
        attack.send(format!("c UID SEARCH{keys}\r\n").as_bytes());
        let took = of_thread() - begun;
        let said = String::from_utf8_lossy(&attack.said);
        assert!(said.starts_with("* SEARCH 1\r\nc OK "), "{said}");
        took
    });
    tries.min().unwrap_or_default()
}

#[test]
fn a_text_to_look_for_is_linear_in_parts_and_in_its_length() {
    let count = 600;
    in_proportion("parts", count, long_text);
}

#[test]
fn fields_to_look_for_are_linear_in_those_there_are() {
    let count = 700;
    in_proportion("fields", count, fields);
}

#[test]
fn a_part_in_pieces_is_linear_in_its_size() {
    let pieces = 16;
    in_proportion("pieces", pieces, in_pieces);
}

#[test]
fn a_list_is_linear_in_the_octets_of_names() {
    let names = 100;
    in_proportion("names", names, |names| list(names, 16));
    in_proportion("levels", 16, |levels| list(names, levels));
}

/// The lesser CPU time of two purges of a mailbox in small steps, by a store that answers on the thread that asks.
fn purge(messages: usize) -> Duration {
    let tries = (0..2).map(|_| {
        let store = Memory::new();
        fill(&store, messages, 100).expect("the store takes mail");
        let begun = of_thread();
        let (actor, limit) = (ACTOR, 10);
        while ask(&store, Purge { actor, limit })
            .expect("it is purged")
            .more
        {}
        of_thread() - begun
    });
    tries.min().unwrap_or_default()
}

#[test]
fn a_purge_is_linear_in_what_goes() {
    let messages = 2_500;
    in_proportion("purge", messages, purge);
}

/// The lesser CPU time of two tries to ask for the counters of a mailbox very often, with ten messages that are recent or, unseen, with all of them.
fn status(messages: usize, seen: bool) -> Duration {
    let (actor, name) = (ACTOR, MailboxName::inbox());
    let store = Memory::new();
    fill(&store, messages, 100).expect("the store takes mail");
    if seen {
        let open = Open {
            actor,
            name: name.clone(),
            read_only: false,
        };
        ask(&store, open).expect("INBOX is there");
        fill(&store, 10, 100).expect("the store takes mail");
    }
    let recent = if seen { 10 } else { messages as u64 };
    let tries = (0..2).map(|_| {
        let begun = of_thread();
        for _ in 0..1000 {
            let names = vec![name.clone()];
            let counted = ask(&store, Status { actor, names }).expect("it is counted");
            assert_eq!(
                counted[0].as_ref().map(|status| status.recent),
                Some(recent)
            );
        }
        of_thread() - begun
    });
    tries.min().unwrap_or_default()
}

#[test]
fn counters_take_no_more_for_more_messages() {
    for seen in [true, false] {
        at_most(3, "STATUS with 500 messages, and with 8,000", || {
            (status(500, seen), status(8_000, seen))
        });
    }
}

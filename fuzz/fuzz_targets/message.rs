//! A message's structure does not depend on how it comes, lies within it, survives being kept, and is told in the grammar of the protocol. Of a mail without
//! a fault, which the octets spell, it is what mail-parser says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_core::message::{
    Decoder, Part, Scanner, Structure, decode_header, header_fields, select_fields, sent_date,
    thread_ids,
};
use pillarbox_sim::{Chunking, Host, Options};
use wire::Wire;

#[path = "../../core/tests/oracles/generate.rs"]
#[allow(dead_code, reason = "mails from a seed are the tests'")]
mod generate;
#[path = "../../core/tests/oracles/ours.rs"]
mod ours;
#[path = "../../core/tests/oracles/theirs.rs"]
mod theirs;
#[path = "../../core/tests/oracles/wire.rs"]
mod wire;

fuzz_target!(|message: &[u8]| {
    let structure = scan(message, |_| message.len().max(1));
    assert_eq!(structure, scan(message, |_| 1));
    let sizes = |at: usize| usize::from(message[at] % 61) + 1;
    assert_eq!(structure, scan(message, sizes));
    assert_eq!(
        Structure::decode(&structure.encode()).as_ref(),
        Some(&structure)
    );
    assert_eq!(slice(message, &structure, &[], Part::Whole), Some(message));
    let header = slice(message, &structure, &[], Part::Header).expect("there is a header");
    let text = slice(message, &structure, &[], Part::Text).expect("there is a text");
    assert_eq!([header, text].concat(), message);
    fields(header);
    assert_eq!(Wire::parse(&structure.envelope()).list().len(), 10);
    let (body, extended) = (structure.body(), structure.body_structure());
    message_body(message, &structure, &Wire::parse(&body), &[], false);
    message_body(message, &structure, &Wire::parse(&extended), &[], true);
    for part in structure.text_parts() {
        assert!(part.span.start <= part.span.end && part.span.end <= message.len() as u64);
    }
    let _ = (
        decode_header(message),
        sent_date(message),
        thread_ids(message),
    );
    if !message.is_empty() && !message.contains(&0) {
        over_the_wire(message);
    }
    let mail = generate::Generator::spelled(message).mail();
    assert_eq!(
        ours::ours(&mail),
        theirs::mail_parser_summary(&mail),
        "{}",
        String::from_utf8_lossy(&mail)
    );
});

fn scan(message: &[u8], size: impl Fn(usize) -> usize) -> Structure {
    let mut scanner = Scanner::new();
    let mut at = 0;
    while at < message.len() {
        let end = (at + size(at)).min(message.len());
        scanner.feed(&message[at..end]);
        at = end;
    }
    scanner.finish()
}

fn slice<'a>(
    message: &'a [u8],
    structure: &Structure,
    path: &[u32],
    part: Part,
) -> Option<&'a [u8]> {
    let span = structure.locate(path, part)?;
    Some(&message[span.start as usize..span.end as usize])
}

/// What is selected and what is left are all of the header; both have the blank line.
fn fields(header: &[u8]) {
    let names: Vec<&[u8]> = header_fields(header)
        .map(|(name, _)| name)
        .step_by(2)
        .collect();
    let (named, others) = (
        select_fields(header, &names, false),
        select_fields(header, &names, true),
    );
    let blank = [&b"\r\n"[..], b"\n"]
        .into_iter()
        .find(|end| header == *end || header.ends_with(&[b"\n", *end].concat()));
    assert_eq!(
        named.len() + others.len(),
        header.len() + blank.map_or(0, <[u8]>::len)
    );
}

fn message_body(message: &[u8], structure: &Structure, body: &Wire, path: &[u32], extended: bool) {
    match body.list()[0] {
        Wire::List(_) => part(message, structure, body, path, extended),
        _ => part(message, structure, body, &[path, &[1]].concat(), extended),
    }
}

fn part(message: &[u8], structure: &Structure, body: &Wire, path: &[u32], extended: bool) {
    let members = body.list();
    let children = members
        .iter()
        .take_while(|m| matches!(m, Wire::List(_)))
        .count();
    if children > 0 {
        assert_eq!(members.len(), children + if extended { 5 } else { 1 });
        for (number, child) in (1..).zip(&members[..children]) {
            let at = [path, &[number]].concat();
            part(message, structure, child, &at, extended);
            within(structure, path, &at);
        }
        return;
    }
    let name = |at: usize| members[at].text().expect("a name").to_ascii_lowercase();
    let is_message = name(0) == b"message" && [&b"rfc822"[..], b"global"].contains(&&name(1)[..]);
    let own = 7 + usize::from(name(0) == b"text") + 3 * usize::from(is_message);
    assert_eq!(members.len(), own + if extended { 4 } else { 0 });
    let Some(octets) = slice(message, structure, path, Part::Whole) else {
        // The body that stands for a message that was not looked into.
        assert_eq!(members[6], Wire::Number(0));
        return;
    };
    assert_eq!(members[6], Wire::Number(octets.len() as u64));
    if name(0) == b"text" {
        let lines = octets.split_inclusive(|b| *b == b'\n').count() as u64;
        assert_eq!(members[7], Wire::Number(lines));
    }
    if is_message {
        message_body(message, structure, &members[8], path, extended);
    }
    let leaf = structure.leaf(path).expect("it is no multipart");
    if let Some(strict) = Decoder::new(leaf.encoding).and_then(|d| decode(d, octets, 1)) {
        let lenient = Decoder::lenient(leaf.encoding).expect("the encoding is known");
        assert_eq!(decode(lenient, octets, 7).as_ref(), Some(&strict));
    }
}

fn within(structure: &Structure, parent: &[u32], child: &[u32]) {
    let of = |path: &[u32], part| structure.locate(path, part).expect("it was told");
    let inner = of(child, Part::Whole);
    // A multipart within a message has the message's number.
    let outer = match structure.locate(parent, Part::Text) {
        Some(text) => text,
        None => of(parent, Part::Whole),
    };
    assert!(outer.start <= inner.start && inner.end <= outer.end);
}

fn decode(mut decoder: Decoder, octets: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for chunk in octets.chunks(size) {
        decoder.feed(chunk, &mut out).ok()?;
    }
    decoder.finish(&mut out).ok()?;
    Some(out)
}

/// BODY[] is what was stored, in RFC822.SIZE octets; BINARY.SIZE is the size of BINARY, read in windows or with the row.
fn over_the_wire(message: &[u8]) {
    let mut answers = Vec::new();
    for window in [1 << 16, 5] {
        let mut options = Options::default();
        options.limits.inline_body = window;
        options.limits.body_window = window as usize;
        let mut host = Host::new(&options);
        let mut say = |octets: &[u8]| {
            host.send("A", octets, Chunking::Whole);
            host.take_output("A")
        };
        let head = format!(
            "l LOGIN tim pw\r\na APPEND INBOX {{{}+}}\r\n",
            message.len()
        );
        say(&[head.as_bytes(), message, b"\r\ns EXAMINE INBOX\r\n"].concat());
        answers.push(say(
            b"f FETCH 1 (RFC822.SIZE BODY.PEEK[] BINARY.SIZE[1] BINARY.PEEK[1] BODY.PEEK[HEADER.FIELDS.NOT (To)])\r\n",
        ));
        let found = say(b"s SEARCH OR TEXT xy OR HEADER To a SENTSINCE 1-Jan-1970\r\n");
        assert!(found.ends_with(b"s OK SEARCH completed\r\n"));
    }
    assert_eq!(answers[0], answers[1]);
    let size = message.len();
    let head = format!("* 1 FETCH (RFC822.SIZE {size} BODY[] {{{size}}}\r\n");
    let rest = answers[0]
        .strip_prefix(head.as_bytes())
        .expect("the size of BODY[]");
    let rest = rest.strip_prefix(message).expect("BODY[] is the message");
    let rest = String::from_utf8_lossy(rest.strip_prefix(b" BINARY.SIZE[1] ").expect("its size"));
    let (size, rest) = rest.split_once(' ').expect("BINARY behind it");
    let literal = [
        format!("BINARY[1] {{{size}}}"),
        format!("BINARY[1] ~{{{size}}}"),
    ];
    let is_nil = size == "0" && rest.starts_with("BINARY[1] NIL");
    assert!(
        is_nil || literal.iter().any(|l| rest.starts_with(l)),
        "{size} {rest}"
    );
}

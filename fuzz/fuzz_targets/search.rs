//! A search finds what a slow one finds in the whole text of a message, decoded, however few octets are read at once. The input: search keys,
//! a line feed, a message.
#![no_main]

use bytes::Bytes;
use candidate::Mail;
use libfuzzer_sys::fuzz_target;
use pillarbox_core::ast::{Command, SearchKey, SearchStep, SeqNumber, SequenceSet};
use pillarbox_core::flag::SystemFlags;
use pillarbox_core::limits::Limits;
use pillarbox_core::message::{
    Decoder, Encoding, Scanner, Structure, TextPart, decode_header, fold_case, header_fields,
    sent_date,
};
use pillarbox_core::parse::{Context, parse_command};
use pillarbox_core::search::{Leaf, Program, Step, When};
use pillarbox_core::set::UidSet;

#[path = "../../core/tests/candidate/mod.rs"]
mod candidate;

fuzz_target!(|input: &[u8]| {
    let Some(at) = input.iter().position(|b| *b == b'\n') else {
        return;
    };
    let line = Bytes::from([b"SEARCH ", &input[..at]].concat());
    let limits = Limits::default();
    let cx = Context {
        limits: &limits,
        authenticated: true,
    };
    let Ok(Command::Search { search, .. }) = parse_command(&line, 0, &cx) else {
        return;
    };
    let message = &input[at + 1..];
    let mut scanner = Scanner::new();
    scanner.feed(message);
    let structure = scanner.finish();
    let mut wanted = Vec::new();
    let mut steps = Vec::new();
    for step in search.keys {
        let (step, value) = match step {
            SearchStep::Key(key) => {
                let Some(leaf) = leaf(&key) else { return };
                let value = holds(&leaf, message, &structure);
                (Step::Test(leaf), value)
            }
            SearchStep::Not => (Step::Not, !pop(&mut wanted)),
            SearchStep::And => (Step::And, pop(&mut wanted) & pop(&mut wanted)),
            SearchStep::Or => (Step::Or, pop(&mut wanted) | pop(&mut wanted)),
        };
        steps.push(step);
        wanted.push(value);
    }
    let program = Program {
        steps,
        ..Program::default()
    };
    for most in [usize::MAX, 1, 7] {
        let mut mail = Mail {
            octets: Bytes::copy_from_slice(message),
            structure: &structure,
            most,
        };
        let found = program
            .matches(&mut mail)
            .expect("nothing fails to be read");
        assert_eq!(
            vec![found],
            wanted,
            "{program:?} with {most} octets at once"
        );
    }
});

fn pop(values: &mut Vec<bool>) -> bool {
    values
        .pop()
        .expect("the parser gives operators their operands")
}

/// What a session makes of a key, with one message of UID 1.
fn leaf(key: &SearchKey) -> Option<Leaf> {
    let text = |octets: &Bytes| std::str::from_utf8(octets).ok().map(String::from);
    Some(match key {
        SearchKey::All => Leaf::All,
        SearchKey::Sequence(set) | SearchKey::Uid(set) => Leaf::Uids(uids(set)?.into()),
        SearchKey::Flag(flag) => Leaf::Flag(*flag),
        SearchKey::Keyword(keyword) => Leaf::Keyword(keyword.clone()),
        SearchKey::Larger(n) => Leaf::Larger(*n),
        SearchKey::Smaller(n) => Leaf::Smaller(*n),
        SearchKey::Internal(when, date) => Leaf::Internal(*when, *date),
        SearchKey::Sent(when, date) => Leaf::Sent(*when, *date),
        SearchKey::Saved(when, date) => Leaf::Saved(*when, *date),
        SearchKey::Header(name, value) => Leaf::Header(text(name)?, text(value)?),
        SearchKey::Body(value) => Leaf::Body(text(value)?),
        SearchKey::Text(value) => Leaf::Text(text(value)?),
        SearchKey::ModSeq(modseq) => Leaf::ModSeq(*modseq),
        SearchKey::EmailId(Some(id)) => Leaf::EmailId(*id),
        SearchKey::ThreadId(Some(id)) => Leaf::ThreadId(*id),
        _ => return None,
    })
}

fn uids(set: &SequenceSet) -> Option<UidSet> {
    let SequenceSet::Ranges(ranges) = set else {
        return None;
    };
    let number = |n: &SeqNumber| match n {
        SeqNumber::Number(n) => n.get(),
        SeqNumber::Last => 1,
    };
    Some(UidSet::from_ranges(
        ranges.iter().map(|(a, b)| (number(a), number(b))),
    ))
}

/// The message of `candidate`: UID 1, \Seen, modseq 1, of 1 January 1970.
fn holds(leaf: &Leaf, message: &[u8], structure: &Structure) -> bool {
    let header = &message[..usize::try_from(structure.header_len()).expect("within the message")];
    let on = |when: &When, day: i64, date: i64| match when {
        When::Before => day < date,
        When::On => day == date,
        When::Since => day >= date,
    };
    let parts = || structure.text_parts();
    match leaf {
        Leaf::All => true,
        Leaf::Uids(set) => set.ranges().iter().any(|(a, b)| (*a..=*b).contains(&1)),
        Leaf::Flag(flag) => *flag == SystemFlags::SEEN,
        Leaf::Larger(n) => message.len() as u64 > *n,
        Leaf::Smaller(n) => (message.len() as u64) < *n,
        Leaf::Internal(when, date) | Leaf::Saved(when, date) => on(when, 0, date.to_days()),
        Leaf::Sent(when, date) => {
            sent_date(header).is_some_and(|day| on(when, day.to_days(), date.to_days()))
        }
        Leaf::Header(name, text) => lines(header)
            .iter()
            .any(|(n, value)| n.eq_ignore_ascii_case(name) && has(value, text)),
        Leaf::Body(wanted) => {
            wanted.is_empty()
                || parts()
                    .filter(|p| !p.header)
                    .any(|p| has(&text(&p, message), wanted))
        }
        Leaf::Text(wanted) => {
            let in_header = |header: &[u8]| {
                lines(header)
                    .iter()
                    .any(|(name, value)| has(&format!("{name}:{value}"), wanted))
            };
            let in_part = |p: TextPart| match p.header {
                true => in_header(part(&p, message)),
                false => has(&text(&p, message), wanted),
            };
            wanted.is_empty() || in_header(header) || parts().any(in_part)
        }
        Leaf::ModSeq(least) => least.0 <= 1,
        Leaf::EmailId(id) => id.0 == 1,
        Leaf::ThreadId(id) => id.0 == 1,
        _ => false,
    }
}

fn has(text: &str, wanted: &str) -> bool {
    fold_case(text).contains(&fold_case(wanted))
}

fn lines(header: &[u8]) -> Vec<(String, String)> {
    header_fields(header)
        .map(|(name, value)| {
            let space = if value.starts_with(b" ") || value.starts_with(b"\t") {
                " "
            } else {
                ""
            };
            let name = String::from_utf8_lossy(name).into_owned();
            (name, format!("{space}{}", decode_header(value)))
        })
        .collect()
}

fn part<'a>(part: &TextPart, message: &'a [u8]) -> &'a [u8] {
    &message[part.span.start as usize..part.span.end as usize]
}

fn text(p: &TextPart, message: &[u8]) -> String {
    let mut decoder = Decoder::lenient(p.encoding)
        .or_else(|| Decoder::lenient(Encoding::Identity))
        .expect("there is one that changes nothing");
    let mut octets = Vec::new();
    let _ = decoder.feed(part(p, message), &mut octets);
    let _ = decoder.finish(&mut octets);
    let label = p.charset.as_deref().unwrap_or("utf-8").trim();
    let charset = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes());
    let ascii = ["us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us"];
    let charset = charset.filter(|_| !ascii.contains(&label.to_ascii_lowercase().as_str()));
    let charset = charset.unwrap_or(encoding_rs::UTF_8);
    charset.decode_without_bom_handling(&octets).0.into_owned()
}

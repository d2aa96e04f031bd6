//! The fields of a header are its lines with what continues them; what is selected and what is left are all of it, once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_core::message::{Scanner, header_fields, select_fields, sent_date, thread_ids};

fuzz_target!(|octets: &[u8]| {
    let mut scanner = Scanner::new();
    scanner.feed(octets);
    let end = usize::try_from(scanner.finish().header_len()).expect("it is within the message");
    let header = &octets[..end];
    let (lines, blank) = slow(header);
    assert_eq!(lines.concat().len() + blank.len(), header.len());
    // FETCH holds no more of a line to find its name.
    if lines.iter().any(|line| line.len() >= 1000) {
        return;
    }
    let fields: Vec<_> = header_fields(header).collect();
    let mut slowly = Vec::new();
    for line in &lines {
        slowly.extend(name(line));
    }
    assert_eq!(fields, slowly);
    for pick in 0..4 {
        let names: Vec<&[u8]> = slowly
            .iter()
            .map(|(name, _)| *name)
            .skip(pick)
            .step_by(3)
            .collect();
        for not in [false, true] {
            let wanted: Vec<u8> = lines
                .iter()
                .filter(|line| {
                    let named =
                        |(name, _): (&[u8], _)| names.iter().any(|n| n.eq_ignore_ascii_case(name));
                    self::name(line).is_some_and(named) != not
                })
                .flat_map(|line| line.iter().copied())
                .chain(blank.iter().copied())
                .collect();
            assert_eq!(select_fields(header, &names, not), wanted);
        }
    }
    if let Some(date) = sent_date(header) {
        assert_eq!(
            pillarbox_core::date::Date::from_unix(date.to_days() * 86_400, 0),
            date
        );
    }
    let ids = thread_ids(header);
    assert!(ids.len() <= 20 && ids.iter().all(|id| !id.is_empty() && !id.contains(&b'>')));
});

/// Lines with what continues them, and the blank line.
fn slow(header: &[u8]) -> (Vec<Vec<u8>>, &[u8]) {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    for line in header.split_inclusive(|b| *b == b'\n') {
        if matches!(line, b"\n" | b"\r\n") {
            return (lines, &header[at..]);
        }
        at += line.len();
        match lines.last_mut() {
            Some(last) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                last.extend_from_slice(line);
            }
            _ => lines.push(line.to_vec()),
        }
    }
    (lines, &[])
}

/// The name before the colon, of printable ASCII in one line (RFC 5322 §3.6.8), and the value behind it.
fn name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = line.split(|b| *b == b'\n').next()?;
    let colon = first.iter().position(|b| *b == b':')?;
    let name = line[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic))
        .then_some((name, &line[colon + 1..]))
}

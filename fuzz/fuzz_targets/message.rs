//! A message's structure does not depend on how it comes, lies within it, and survives being kept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_core::message::{Part, Scanner, Structure, decode_header, sent_date, thread_ids};

fuzz_target!(|message: &[u8]| {
    let scan = |size: usize| {
        let mut scanner = Scanner::new();
        message.chunks(size).for_each(|chunk| scanner.feed(chunk));
        scanner.finish()
    };
    let structure = scan(message.len().max(1));
    assert_eq!(structure, scan(1));
    assert_eq!(
        Structure::decode(&structure.encode()).as_ref(),
        Some(&structure)
    );
    let whole = structure
        .locate(&[], Part::Whole)
        .expect("there is always the message");
    assert_eq!((whole.start, whole.end), (0, message.len() as u64));
    for path in [&[1][..], &[2], &[1, 1], &[1, 2, 1]] {
        for part in [Part::Whole, Part::Header, Part::Text, Part::Mime] {
            if let Some(span) = structure.locate(path, part) {
                assert!(span.start <= span.end && span.end <= whole.end);
            }
        }
    }
    let _ = (
        structure.body(),
        structure.body_structure(),
        decode_header(message),
        sent_date(message),
        thread_ids(message),
    );
});

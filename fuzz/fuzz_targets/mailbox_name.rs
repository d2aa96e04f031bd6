//! A mailbox name comes back from the wire as it went, and a LIST pattern matches what a simple matcher says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_core::mailbox::{MailboxName, Pattern};
use unicode_normalization::UnicodeNormalization;

fuzz_target!(|input: (&[u8], &str)| {
    let (octets, pattern) = input;
    for utf8 in [false, true] {
        let Ok(name) = MailboxName::from_wire(octets, utf8) else {
            continue;
        };
        for utf8 in [false, true] {
            let wire = name.to_wire(utf8).into_owned();
            assert_eq!(
                MailboxName::from_wire(wire.as_bytes(), utf8).as_ref(),
                Ok(&name)
            );
            assert!(utf8 || wire.is_ascii());
        }
        assert!(name.ancestors().all(|a| name.is_within(&a)));
        if pattern.len() <= 40
            && name.as_str().len() <= 80
            && let Ok(compiled) = Pattern::new(pattern)
        {
            assert_eq!(
                compiled.matches(name.as_str()),
                naive(pattern, name.as_str()),
                "{pattern:?} on {:?}",
                name.as_str()
            );
        }
    }
});

/// RFC 9051 §6.3.9: `*` matches anything, `%` anything without the hierarchy separator; INBOX is matched in any case. Names are composed
/// (NFC), and so is what is compared with them.
fn naive(pattern: &str, name: &str) -> bool {
    let inbox = name.split('/').next() == Some("INBOX");
    let name: Vec<char> = name.chars().collect();
    let same = |at: usize, p: char| {
        let c = name[at];
        c == p || (inbox && at < 5 && c.eq_ignore_ascii_case(&p))
    };
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for p in pattern.nfc() {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            match p {
                '*' => next[at] = reached[at] || (at > 0 && next[at - 1]),
                '%' => next[at] = reached[at] || (at > 0 && next[at - 1] && name[at - 1] != '/'),
                p => next[at] = at > 0 && reached[at - 1] && same(at - 1, p),
            }
        }
        reached = next;
    }
    reached[name.len()]
}

//! A LIST pattern matches what a slow matcher says. The input: a pattern, a line feed, a name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_core::mailbox::{MailboxName, Pattern};
use unicode_normalization::UnicodeNormalization;

fuzz_target!(|input: &str| {
    let (pattern, name) = input.split_once('\n').unwrap_or((input, "INBOX/x"));
    let (Ok(compiled), Ok(name)) = (Pattern::new(pattern), MailboxName::new(name)) else {
        return;
    };
    if pattern.chars().count() * name.as_str().chars().count() < 100_000 {
        assert_eq!(
            compiled.matches(name.as_str()),
            slow(pattern, name.as_str())
        );
    }
});

/// RFC 9051 §6.3.9: `*` matches anything, `%` anything without the hierarchy separator; INBOX is matched in any case. Names are composed
/// (NFC), and so is what is compared with them.
fn slow(pattern: &str, name: &str) -> bool {
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

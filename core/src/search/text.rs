//! Substring search without regard to case, over octets that come in windows.

use alloc::string::String;
use alloc::vec::Vec;

use memchr::memmem;

/// Folds case for comparison (RFC 9051 §6.4.4 asks for case-insensitive matching).
pub(super) fn fold(text: &str) -> String {
    crate::message::fold_case(text)
}

/// Folds a text that comes in pieces.
#[derive(Default)]
pub(super) struct Folded {
    /// The last characters, which marks to come may still join.
    held: String,
}

impl Folded {
    /// The next piece folded; what might change with the next one waits.
    pub(super) fn feed(&mut self, text: &str) -> String {
        if self.held.is_empty() && text.is_ascii() {
            return fold(text);
        }
        self.held.push_str(text);
        let mut cut = self.held.len();
        if self.held.len() < HELD + text.len() {
            // Up to the last ASCII character that another follows: nothing combines across it.
            cut = last_ascii(&self.held);
        }
        let rest = self.held.split_off(cut);
        fold(&core::mem::replace(&mut self.held, rest))
    }

    /// What waited.
    pub(super) fn finish(&mut self) -> String {
        fold(&core::mem::take(&mut self.held))
    }
}

/// Octets that wait for what joins them, at most.
const HELD: usize = 1024;

/// The place of the last ASCII character, which begins anew whatever comes before it; 0 if there is none.
fn last_ascii(text: &str) -> usize {
    text.bytes().rposition(|b| b.is_ascii()).unwrap_or(0)
}

/// Looks for one text in folded pieces; memory is twice the text's length.
pub(super) struct Needle<'a> {
    /// It is made once: there may be thousands of parts, and the text may be long.
    text: memmem::Finder<'a>,
    /// The end of what went before, shorter than the text.
    kept: Vec<u8>,
    found: bool,
}

impl<'a> Needle<'a> {
    /// A text that is folded.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            // Every message contains the empty text.
            found: text.is_empty(),
            text: memmem::Finder::new(text.as_bytes()),
            kept: Vec::new(),
        }
    }

    /// What comes next is not joined to what went before.
    pub(super) fn begin(&mut self) {
        self.kept.clear();
    }

    pub(super) fn found(&self) -> bool {
        self.found
    }

    pub(super) fn feed(&mut self, folded: &[u8]) {
        if self.found {
            return;
        }
        let overlap = self.text.needle().len() - 1;
        self.kept
            .extend_from_slice(&folded[..folded.len().min(overlap)]);
        self.found = self.text.find(&self.kept).is_some() || self.text.find(folded).is_some();
        if folded.len() > overlap {
            self.kept.clear();
            self.kept
                .extend_from_slice(&folded[folded.len() - overlap..]);
        } else {
            let excess = self.kept.len().saturating_sub(overlap);
            self.kept.drain(..excess);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(pieces: &[&str], wanted: &str) -> bool {
        let wanted = fold(wanted);
        let mut needle = Needle::new(&wanted);
        let mut folded = Folded::default();
        for piece in pieces {
            needle.feed(folded.feed(piece).as_bytes());
        }
        needle.feed(folded.finish().as_bytes());
        needle.found()
    }

    #[test]
    fn finds_across_every_split_and_in_any_case() {
        let text = "Grüße aus KÖLN, e\u{301}\u{323}, morgen";
        for (cut, _) in text.char_indices() {
            for (more, _) in text.char_indices().filter(|(i, _)| *i >= cut) {
                let pieces = [&text[..cut], &text[cut..more], &text[more..]];
                for wanted in [
                    "grÜßE",
                    "GRÜSSE",
                    "köln, \u{1EB9}\u{301}",
                    "e\u{323}\u{301}, M",
                    "",
                ] {
                    assert!(
                        contains(&pieces, wanted),
                        "{wanted} cut at {cut} and {more}"
                    );
                }
                assert!(!contains(&pieces, "bonn"));
            }
        }
    }

    #[test]
    fn a_text_that_never_comes_to_rest_is_not_held() {
        let mut folded = Folded::default();
        let marks = "\u{301}".repeat(600);
        let given: usize = (0..100).map(|_| folded.feed(&marks).len()).sum();
        assert!(given >= 98 * marks.len() && folded.held.len() <= 2 * marks.len());
    }
}

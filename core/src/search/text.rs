//! Substring search without regard to case, over octets that come in windows.

use alloc::string::String;
use alloc::vec::Vec;

use memchr::memmem;

/// Folds case for comparison (RFC 9051 §6.4.4 asks for case-insensitive matching).
pub(super) fn fold(text: &str) -> String {
    crate::message::fold_case(text)
}

/// Looks for one text in a stream of octets; memory is one window plus the text's length.
pub(super) struct Finder {
    needle: Vec<u8>,
    kept: Vec<u8>,
    partial: Vec<u8>,
    found: bool,
}

impl Finder {
    pub(super) fn new(text: &str) -> Self {
        let needle = fold(text).into_bytes();
        Self {
            found: needle.is_empty(),
            needle,
            kept: Vec::new(),
            partial: Vec::new(),
        }
    }

    pub(super) fn feed(&mut self, octets: &[u8]) -> bool {
        if self.found {
            return true;
        }
        self.partial.extend_from_slice(octets);
        let cut = self.partial.len() - unfinished(&self.partial);
        let rest = self.partial.split_off(cut);
        let folded = fold(&String::from_utf8_lossy(&self.partial));
        self.partial = rest;
        self.kept.extend_from_slice(folded.as_bytes());
        self.found = memmem::find(&self.kept, &self.needle).is_some();
        let keep = (self.needle.len() - 1).min(self.kept.len());
        self.kept.drain(..self.kept.len() - keep);
        self.found
    }
}

/// How many octets at the end begin a UTF-8 character that may go on in the next window.
fn unfinished(octets: &[u8]) -> usize {
    for back in 1..=octets.len().min(3) {
        let width = match octets[octets.len() - back] {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if width > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_across_every_split_and_in_any_case() {
        let text = "Grüße aus KÖLN, morgen".as_bytes();
        for cut in 0..=text.len() {
            let mut finder = Finder::new("grÜSSE".replace("SS", "ß").as_str());
            finder.feed(&text[..cut]);
            assert!(finder.feed(&text[cut..]), "cut at {cut}");
            let mut finder = Finder::new("köln, M");
            finder.feed(&text[..cut]);
            assert!(finder.feed(&text[cut..]), "cut at {cut}");
            let mut finder = Finder::new("bonn");
            finder.feed(&text[..cut]);
            assert!(!finder.feed(&text[cut..]));
        }
    }
}

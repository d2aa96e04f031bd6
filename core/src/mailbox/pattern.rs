//! LIST patterns, matched as a set of places reached, 64 places to a word.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use unicode_normalization::UnicodeNormalization;

use super::{NameError, decode};

const MAX_OCTETS: usize = 1024;

/// A LIST pattern: `*` is anything, `%` anything within a level (RFC 9051 §6.3.9).
///
/// INBOX at the head of a name is matched in any case.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// How many places there are; the last is the end.
    places: usize,
    /// The places where a character is awaited.
    literals: BTreeMap<char, Bits>,
    stars: Bits,
    percents: Bits,
}

type Bits = Box<[u64]>;

impl Pattern {
    /// A pattern as sent, after its reference name.
    ///
    /// # Errors
    /// The pattern is too long, or not in the encoding it should be in.
    pub fn from_wire(reference: &[u8], pattern: &[u8], utf8: bool) -> Result<Self, NameError> {
        let mut text = decode(reference, utf8)?;
        text.push_str(&decode(pattern, utf8)?);
        Self::new(&text)
    }

    /// A pattern in UTF-8.
    ///
    /// # Errors
    /// The pattern is too long.
    pub fn new(pattern: &str) -> Result<Self, NameError> {
        let text: String = collapse(pattern)?.nfc().collect();
        let places = text.chars().count() + 1;
        let none = || vec![0; places.div_ceil(64)].into_boxed_slice();
        let (mut literals, mut stars, mut percents) = (BTreeMap::new(), none(), none());
        for (at, c) in text.chars().enumerate() {
            let bits = match c {
                '*' => &mut stars,
                '%' => &mut percents,
                c => literals.entry(c).or_insert_with(none),
            };
            bits[at / 64] |= 1 << (at % 64);
        }
        Ok(Self {
            places,
            literals,
            stars,
            percents,
        })
    }

    /// Whether the name matches, in time pattern × name at worst.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let inbox = name.split('/').next() == Some("INBOX");
        let mut reached = vec![0; self.stars.len()];
        reached[0] = 1;
        self.pass_wildcards(&mut reached);
        for (at, c) in name.chars().enumerate() {
            let other_case = (inbox && at < 5).then(|| c.to_ascii_lowercase());
            self.advance(&mut reached, c, other_case);
            if reached.iter().all(|word| *word == 0) {
                return false;
            }
        }
        let end = self.places - 1;
        reached[end / 64] >> (end % 64) & 1 == 1
    }

    /// Reads one character: literals lead one place on, wildcards stay where they are.
    fn advance(&self, reached: &mut [u64], c: char, other_case: Option<char>) {
        let literal = self.literals.get(&c);
        let other = other_case.and_then(|c| self.literals.get(&c));
        let mut carry = 0;
        for (at, word) in reached.iter_mut().enumerate() {
            let awaited = literal.map_or(0, |bits| bits[at]) | other.map_or(0, |bits| bits[at]);
            let stay = self.stars[at] | if c == '/' { 0 } else { self.percents[at] };
            let moved = *word & awaited;
            *word = (*word & stay) | moved << 1 | carry;
            carry = moved >> 63;
        }
        self.pass_wildcards(reached);
    }

    /// A wildcard may stand for nothing. Once is enough: no two stand side by side.
    fn pass_wildcards(&self, reached: &mut [u64]) {
        let mut carry = 0;
        for (at, word) in reached.iter_mut().enumerate() {
            let passed = *word & (self.stars[at] | self.percents[at]);
            *word |= passed << 1 | carry;
            carry = passed >> 63;
        }
    }
}

/// Makes one of each run of wildcards.
fn collapse(pattern: &str) -> Result<String, NameError> {
    let mut out = String::new();
    for c in pattern.chars() {
        match (out.chars().next_back(), c) {
            (Some('*'), '*' | '%') | (Some('%'), '%') => continue,
            (Some('%'), '*') => {
                out.pop();
            }
            _ => {}
        }
        out.push(c);
        if out.len() > MAX_OCTETS {
            return Err(NameError::PatternTooLong);
        }
    }
    Ok(out)
}

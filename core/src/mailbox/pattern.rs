//! LIST patterns, matched as a set of places reached, 64 places to a word.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use unicode_normalization::UnicodeNormalization;

use super::{NameError, decode};

const MAX_OCTETS: usize = 1024;

/// A LIST pattern: `*` is anything, `%` anything within a level (RFC 9051 §6.3.9).
///
/// INBOX at the head of a name is matched in any case.
#[derive(Clone, Debug)]
pub struct Pattern {
    octets: usize,
    /// How many places there are; the last is the end.
    places: usize,
    /// The places where a character is awaited, in the order of characters and words: a pattern of many different ones is no longer than others.
    literals: Box<[Literal]>,
    /// Where `*` stands, and where any wildcard does.
    stars: Bits,
    wild: Bits,
}

type Bits = Box<[u64]>;

/// A character, and where in a word of places it is awaited.
#[derive(Clone, Copy, Debug)]
struct Literal {
    c: char,
    word: u16,
    places: u64,
}

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
        let (mut literals, mut stars, mut wild) = (Vec::new(), none(), none());
        for (at, c) in text.chars().enumerate() {
            let (word, place) = (at / 64, 1 << (at % 64));
            match c {
                '*' => {
                    stars[word] |= place;
                    wild[word] |= place;
                }
                '%' => wild[word] |= place,
                c => literals.push(Literal {
                    c,
                    word: word as u16,
                    places: place,
                }),
            }
        }
        literals.sort_by_key(|l| (l.c, l.word));
        literals.dedup_by(|next, l| {
            let same = (next.c, next.word) == (l.c, l.word);
            l.places |= if same { next.places } else { 0 };
            same
        });
        Ok(Self {
            octets: text.len(),
            places,
            literals: literals.into(),
            stars,
            wild,
        })
    }

    /// Its octets in UTF-8, runs of wildcards as one.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Whether the name matches, in time pattern × name at worst.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut reached = Reached::new(self);
        let inbox = is_inbox(name);
        let mut chars = name.chars().enumerate();
        chars.all(|(at, c)| reached.read(c, inbox && at < INBOX)) && reached.is_end()
    }

    /// Which levels of a name match, all in one reading: bit 0 is its first level, and so on; levels beyond the 64th are left out.
    pub(crate) fn levels(&self, name: &str) -> u64 {
        let (mut reached, inbox) = (Reached::new(self), is_inbox(name));
        let (mut levels, mut level) = (0, 1);
        for (at, c) in name.chars().enumerate() {
            if c == '/' {
                levels |= if reached.is_end() { level } else { 0 };
                level <<= 1;
            }
            if !reached.read(c, inbox && at < INBOX) {
                return levels;
            }
        }
        levels | if reached.is_end() { level } else { 0 }
    }

    /// Where this character is awaited, from this word on.
    fn awaited(&self, c: char, from: usize) -> &[Literal] {
        let before = |l: &Literal| (l.c, usize::from(l.word)) < (c, from);
        let literals = &self.literals[self.literals.partition_point(before)..];
        &literals[..literals.partition_point(|l| l.c == c)]
    }

    /// Steps that matching a name takes at the most.
    pub(crate) fn steps(&self, name: &str) -> usize {
        name.len() * self.stars.len()
    }
}

/// Where a character is awaited in this word: the words are looked at one after the other.
fn next_word(literals: &mut &[Literal], word: usize) -> u64 {
    match literals.split_first() {
        Some((next, rest)) if usize::from(next.word) == word => {
            *literals = rest;
            next.places
        }
        _ => 0,
    }
}

/// INBOX at the head of a name is matched in any case (RFC 9051 §5.1).
fn is_inbox(name: &str) -> bool {
    name.split('/').next() == Some("INBOX")
}

/// Octets of INBOX.
const INBOX: usize = 5;

/// The places of a pattern that what was read so far may lead to.
struct Reached<'a> {
    pattern: &'a Pattern,
    places: Bits,
    /// The words that may have such places: the first, and the one behind the last.
    from: usize,
    to: usize,
}

impl<'a> Reached<'a> {
    fn new(pattern: &'a Pattern) -> Self {
        let mut places = vec![0; pattern.stars.len()].into_boxed_slice();
        // A wildcard may stand for nothing.
        places[0] = 1 | (1 & (pattern.wild[0])) << 1;
        Self {
            pattern,
            places,
            from: 0,
            to: 1,
        }
    }

    /// Reads one character: literals lead one place on, wildcards stay where they are, or stand for nothing; once is enough, since no two stand side by
    /// side. `false`: no place is left.
    fn read(&mut self, c: char, any_case: bool) -> bool {
        let pattern = self.pattern;
        let mut literals = pattern.awaited(c, self.from);
        let mut others = match any_case {
            true => pattern.awaited(c.to_ascii_lowercase(), self.from),
            false => &[],
        };
        let stay = match c {
            '/' => &pattern.stars,
            _ => &pattern.wild,
        };
        let (mut carry, mut passed_on) = (0, 0);
        let (mut from, mut to) = (usize::MAX, 0);
        let first = self.from.min(self.places.len());
        let words = self.places[first..].iter_mut().zip(&stay[first..]);
        for (at, ((word, stay), wild)) in (first..).zip(words.zip(&pattern.wild[first..])) {
            if at >= self.to && carry | passed_on == 0 {
                break;
            }
            let awaited = next_word(&mut literals, at) | next_word(&mut others, at);
            let moved = *word & awaited;
            let led = (*word & stay) | moved << 1 | carry;
            let passed = led & wild;
            *word = led | passed << 1 | passed_on;
            (carry, passed_on) = (moved >> 63, passed >> 63);
            if *word != 0 {
                (from, to) = (from.min(at), at + 1);
            }
        }
        (self.from, self.to) = (from, to);
        to > 0
    }

    /// Whether what was read matches as it is.
    fn is_end(&self) -> bool {
        let end = self.pattern.places - 1;
        self.places[end / 64] >> (end % 64) & 1 == 1
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

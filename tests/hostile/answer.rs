//! What was said to a row: whether it is what the row asks for, and its form without what differs from store to store.

use crate::Wait;
use crate::rows::{Place, Row};
use crate::wire::{End, text};

/// What became of a row that was sent.
pub struct Answer {
    /// What was said, the NOOP behind it included.
    pub said: Vec<u8>,
    /// Whether the session lives.
    pub end: End,
    /// How long the NOOP took that follows an answered row.
    pub noop: Wait,
}

impl Answer {
    /// Whether it is what the row asks for.
    pub fn check(&self, row: &Row) -> Result<(), String> {
        if self.end != row.end {
            return Err(format!("is to leave the session {:?}", row.end));
        }
        let mut rest = &self.said[..];
        for wanted in row.says {
            let at = crate::find(rest, wanted.as_bytes());
            let at = at.ok_or(format!("is to be answered {wanted:?}"))?;
            rest = &rest[at + wanted.len()..];
        }
        match crate::find(&self.said, row.never.as_bytes()) {
            Some(_) => Err(format!("must not be answered {:?}", row.never)),
            None => Ok(()),
        }
    }

    /// Whether it is, octet for octet, what the core says by itself.
    pub fn compare(&self, row: &Row, core: &[u8]) -> Result<(), String> {
        let mut said = plain(&self.said);
        if row.place == Place::Plain {
            // TLS has the last word.
            said.truncate(core.len());
        }
        if said == core {
            return Ok(());
        }
        let same = said.iter().zip(core).take_while(|(a, b)| a == b).count();
        let near =
            |octets: &[u8]| text(&octets[same.saturating_sub(60)..octets.len().min(same + 200)]);
        Err(format!(
            "is answered otherwise than by the core, from octet {same} on: {:?}, and not {:?}",
            near(&said),
            near(core)
        ))
    }
}

/// Words followed by what each store chooses for itself.
const CHOSEN: [&str; 10] = [
    "UIDVALIDITY ",
    "APPENDUID ",
    "COPYUID ",
    "MAILBOXID (",
    "EMAILID (",
    "THREADID (",
    "SAVEDATE \"",
    "INTERNALDATE \"",
    "MODSEQ (",
    "HIGHESTMODSEQ ",
];

/// What was said without what each store chooses for itself.
pub fn plain(said: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(said.len());
    let mut rest = said;
    while !rest.is_empty() {
        let word = CHOSEN.iter().find(|w| rest.starts_with(w.as_bytes()));
        let Some(word) = word else {
            plain.push(rest[0]);
            rest = &rest[1..];
            continue;
        };
        plain.extend_from_slice(word.as_bytes());
        rest = &rest[word.len()..];
        let end = if word.ends_with('"') {
            rest.iter().position(|b| *b == b'"')
        } else {
            rest.iter().position(|b| !b.is_ascii_alphanumeric())
        };
        plain.push(b'?');
        rest = &rest[end.unwrap_or(rest.len())..];
    }
    plain
}

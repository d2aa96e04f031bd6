//! SEARCH (RFC 9051 §6.4.4): what each key says of a message, where it can be said.

use super::command::SetArg;
use super::flags::{FlagSet, Flags};
use super::mailbox::{Message, Version};

/// Yes, no, or not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Truth {
    /// It matches.
    Yes,
    /// It does not.
    No,
    /// The model cannot say.
    Maybe,
}

impl Truth {
    /// What is known, if it is.
    #[must_use]
    pub fn of(known: Option<bool>) -> Self {
        match known {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Maybe,
        }
    }

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Maybe,
        }
    }
}

/// A search key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// ALL.
    All,
    /// A flag that is set, by its bit.
    Flag(FlagSet),
    /// One that is not.
    NoFlag(FlagSet),
    /// A sequence set.
    Numbers(SetArg),
    /// UID and a set.
    Uids(SetArg),
    /// LARGER.
    Larger(u64),
    /// SMALLER.
    Smaller(u64),
    /// SUBJECT.
    Subject(String),
    /// TEXT.
    Text(String),
    /// ON, a day of January 2001.
    On(u32),
    /// MODSEQ.
    ModSeq(u64),
    /// RECENT, NEW or OLD: nobody can say which messages those are.
    Recent(&'static str),
    /// NOT.
    Not(Box<Key>),
    /// OR.
    Or(Box<Key>, Box<Key>),
    /// Both.
    And(Box<Key>, Box<Key>),
}

impl Key {
    /// Whether sequence numbers occur in it.
    #[must_use]
    pub fn has_numbers(&self) -> bool {
        match self {
            Self::Numbers(_) => true,
            Self::Not(key) => key.has_numbers(),
            Self::Or(a, b) | Self::And(a, b) => a.has_numbers() || b.has_numbers(),
            _ => false,
        }
    }

    /// Whether MODSEQ occurs in it, so that the answer has one too (RFC 7162 §3.1.5).
    #[must_use]
    pub fn has_modseq(&self) -> bool {
        match self {
            Self::ModSeq(_) => true,
            Self::Not(key) => key.has_modseq(),
            Self::Or(a, b) | Self::And(a, b) => a.has_modseq() || b.has_modseq(),
            _ => false,
        }
    }

    /// Every set of it, and whether it is one of numbers.
    pub fn sets<'a>(&'a self, see: &mut impl FnMut(&'a SetArg, bool)) {
        match self {
            Self::Numbers(set) => see(set, true),
            Self::Uids(set) => see(set, false),
            Self::Not(key) => key.sets(see),
            Self::Or(a, b) | Self::And(a, b) => {
                a.sets(see);
                b.sets(see);
            }
            _ => {}
        }
    }

    /// Whether this version of a message matches; `inside` says whether it is in a set.
    pub fn matches(
        &self,
        message: &Message,
        version: &Version,
        inside: &impl Fn(&SetArg, bool) -> Truth,
    ) -> Truth {
        let size = message.content.octets.len() as u64;
        match self {
            Self::All => Truth::Yes,
            Self::Flag(bit) => Truth::of(Some(version.flags & bit != 0)),
            Self::NoFlag(bit) => Truth::of(Some(version.flags & bit == 0)),
            Self::Numbers(set) => inside(set, true),
            Self::Uids(set) => inside(set, false),
            Self::Larger(n) => Truth::of(Some(size > *n)),
            Self::Smaller(n) => Truth::of(Some(size < *n)),
            Self::Subject(text) => Truth::of(Some(message.content.subject.contains(text))),
            Self::Text(text) => {
                let found = |w: &[u8]| w == text.as_bytes();
                let octets = &message.content.octets;
                Truth::of(Some(octets.windows(text.len()).any(found)))
            }
            Self::On(day) => Truth::of(Some(on(message, *day))),
            Self::ModSeq(n) => Truth::of(match n.checked_sub(1) {
                Some(below) => version.modseq.above(below),
                None => Some(true),
            }),
            Self::Recent(_) => Truth::Maybe,
            Self::Not(key) => key.matches(message, version, inside).not(),
            Self::And(a, b) => {
                let a = a.matches(message, version, inside);
                a.and(b.matches(message, version, inside))
            }
            Self::Or(a, b) => {
                let a = a.matches(message, version, inside).not();
                a.and(b.matches(message, version, inside).not()).not()
            }
        }
    }
}

fn on(message: &Message, day: u32) -> bool {
    let first = super::command::FIRST_DAY + i64::from(day - 1) * 86_400;
    (first..first + 86_400).contains(&message.date)
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |bit: &FlagSet| Flags::names(*bit);
        match self {
            Self::All => f.write_str("ALL"),
            Self::Flag(bit) if bit & Flags::KEYWORDS != 0 => write!(f, "KEYWORD {}", name(bit)),
            Self::NoFlag(bit) if bit & Flags::KEYWORDS != 0 => write!(f, "UNKEYWORD {}", name(bit)),
            Self::Flag(bit) => f.write_str(&name(bit)[1..].to_ascii_uppercase()),
            Self::NoFlag(bit) => write!(f, "UN{}", name(bit)[1..].to_ascii_uppercase()),
            Self::Numbers(set) => write!(f, "{set}"),
            Self::Uids(set) => write!(f, "UID {set}"),
            Self::Larger(n) => write!(f, "LARGER {n}"),
            Self::Smaller(n) => write!(f, "SMALLER {n}"),
            Self::Subject(text) => write!(f, "SUBJECT {text}"),
            Self::Text(text) => write!(f, "TEXT {text}"),
            Self::On(day) => write!(f, "ON {day}-Jan-2001"),
            Self::ModSeq(n) => write!(f, "MODSEQ {n}"),
            Self::Recent(word) => f.write_str(word),
            Self::Not(key) => write!(f, "NOT {key}"),
            Self::Or(a, b) => write!(f, "OR {a} {b}"),
            Self::And(a, b) => write!(f, "({a} {b})"),
        }
    }
}

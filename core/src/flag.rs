//! System flags as bits and a mailbox's keywords as an append-only table of at most 128 (RFC 9051 §2.3.2).

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The system flags of a message, as bits; \Recent is not among them, since it belongs to a session.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SystemFlags(pub u8);

impl SystemFlags {
    /// \Seen.
    pub const SEEN: Self = Self(1);
    /// \Answered.
    pub const ANSWERED: Self = Self(2);
    /// \Flagged.
    pub const FLAGGED: Self = Self(4);
    /// \Deleted.
    pub const DELETED: Self = Self(8);
    /// \Draft.
    pub const DRAFT: Self = Self(16);
    /// Every flag with its wire name, in the order they are written.
    pub const TABLE: [(Self, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// Whether every flag of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flag of this wire name in any case, `\Recent` and unknown names excepted.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE
            .iter()
            .find(|(_, n)| n.eq_ignore_ascii_case(name))
            .map(|(f, _)| *f)
    }
}

/// How many keywords one mailbox may have.
pub const MAX_KEYWORDS: usize = 128;

/// How many octets one keyword may have: a mailbox's keywords are told with each message that has them.
pub const MAX_KEYWORD_OCTETS: usize = 255;

/// A mailbox's keywords: bit `i` of [`Flags::keywords`] stands for entry `i`. Entries are added, never moved or taken away.
pub type Keywords = Arc<[Arc<str>]>;

/// The flags of one message, to be read with the keyword table of its mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Flags {
    /// System flags.
    pub system: SystemFlags,
    /// Keywords, one bit each.
    pub keywords: u128,
}

impl Flags {
    /// The keywords' names.
    pub fn names(self, table: &[Arc<str>]) -> impl Iterator<Item = &str> {
        table
            .iter()
            .enumerate()
            .filter(move |(i, _)| *i < MAX_KEYWORDS && self.keywords >> i & 1 == 1)
            .map(|(_, name)| &**name)
    }
}

/// Flags as a client names them, not yet tied to a mailbox's table.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FlagNames {
    /// System flags.
    pub system: SystemFlags,
    /// Keywords in the case they were sent; compared without case.
    pub keywords: Vec<String>,
}

/// Finds a keyword in a table, case ignored (RFC 9051 §9: flag keywords are case-insensitive).
#[must_use]
pub fn find_keyword(table: &[Arc<str>], name: &str) -> Option<usize> {
    table.iter().position(|k| k.eq_ignore_ascii_case(name))
}

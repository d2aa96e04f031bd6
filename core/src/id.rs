//! Identifiers of the protocol and of the store, each a type of its own so that none is taken for another.

use core::fmt;
use core::num::NonZeroU32;

/// A message's unique identifier within its mailbox (RFC 9051 §2.3.1.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(NonZeroU32);

impl Uid {
    /// The least UID there is.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The greatest UID there is.
    pub const MAX: Self = Self(NonZeroU32::MAX);

    /// A UID, or `None` for zero, which names no message.
    #[must_use]
    pub const fn new(n: u32) -> Option<Self> {
        match NonZeroU32::new(n) {
            Some(n) => Some(Self(n)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl From<NonZeroU32> for Uid {
    fn from(n: NonZeroU32) -> Self {
        Self(n)
    }
}

impl From<Uid> for NonZeroU32 {
    fn from(uid: Uid) -> Self {
        uid.0
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A mailbox's validity value: changes when its UIDs no longer mean what they did (RFC 9051 §2.3.1.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UidValidity(pub NonZeroU32);

/// A modification sequence, 63 bits, given to every change of a mailbox (RFC 7162 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ModSeq(pub u64);

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{:x}"), self.0)
            }
        }
    };
}

object_id!(
    /// An account: the owner of mailboxes; never given twice.
    AccountId, "A"
);
object_id!(
    /// A mailbox, stable over RENAME and never given twice (RFC 8474 §4).
    MailboxId, "F"
);
object_id!(
    /// A message's content, the same for its copies (RFC 8474 §5.1).
    EmailId, "M"
);
object_id!(
    /// A conversation, fixed when the message is stored (RFC 8474 §5.2).
    ThreadId, "T"
);
object_id!(
    /// An upload in progress, meaningful to the store that began it.
    UploadId, "U"
);

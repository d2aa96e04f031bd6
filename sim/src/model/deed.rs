//! What the store did for a command, as the simulation saw it do it: the order of changes, and the numbers the store is free to choose.

/// What is wrong, in words, the invariant's number first.
pub type Wrong = String;

/// One change in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deed {
    /// The account it was done for.
    pub account: u64,
    /// The store's number of the mailbox that is selected, where one is concerned.
    pub mailbox: Option<u64>,
    /// What it was; `None`: refused.
    pub outcome: Option<Outcome>,
    /// Wall clock, seconds since 1970.
    pub unix: i64,
    /// The store was made to fail, whatever it was asked.
    pub fault: bool,
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Flags of these UIDs, where they are there, but for those refused.
    Flags {
        /// The messages the store was asked to change.
        asked: Vec<u32>,
        /// Those refused for UNCHANGEDSINCE.
        refused: Vec<u32>,
    },
    /// New messages.
    Append(Vec<u32>),
    /// (source, copy); `true`: moved.
    Copy(Vec<(u32, u32)>, bool),
    /// Removed.
    Expunge(Vec<u32>),
    /// A mailbox was made, or more.
    Create,
    /// One was deleted.
    Delete,
    /// Names changed; the UIDs in the new mailbox when it was INBOX's.
    Rename(Vec<u32>),
    /// A subscription changed.
    Subscribe,
}

/// A mailbox's counters right after a deed, as the store gives them for STATUS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counters {
    /// The store's number of it.
    pub id: u64,
    /// MESSAGES.
    pub messages: u64,
    /// UNSEEN.
    pub unseen: u64,
    /// DELETED.
    pub deleted: u64,
    /// SIZE.
    pub size: u64,
    /// UIDNEXT.
    pub uid_next: u32,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// HIGHESTMODSEQ.
    pub highest: u64,
}

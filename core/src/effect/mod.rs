//! The storage contract: what a session asks of the store, what the store answers, and how it fails.
//!
//! Each operation is a struct with its reply type. A session hands one out as a [`Call`]; answering the call consumes it
//! and yields the [`Reply`] for [`Session::handle_reply`](crate::session::Session::handle_reply), so that a second,
//! forged or wrong-typed answer does not compile. Operations hold UIDs only, never sequence numbers.
//!
//! Rules every backend keeps:
//! - After a reply the effect survives a crash, and no other session hears of it before it is durable.
//! - UIDs and modification sequences of a mailbox only grow, across crashes too; visible order is number order.
//! - Every arrival, flag change and expunge takes a modseq above the mailbox's HIGHESTMODSEQ before it.
//! - An account's mailboxes are there for that account alone: to another actor they are [`ErrorKind::NonExistent`], whatever the operation.
//! - "Cannot read" is an error, never "empty".

mod call;
mod change;
mod error;
mod names;
mod view;
mod watch;

pub use call::{Answer, Call, Effect, Op, Outcome, Reply};
pub use change::{
    Absent, Committed, Copied, Copy, Expunge, Expunged, FlagOp, FlagsSet, Move, Moved, NewMessage,
    SetFlags, UploadAbort, UploadBegin, UploadChunk, UploadCommit,
};
pub use error::{ErrorKind, StoreError};
pub use names::{
    Account, Authenticate, Create, Delete, MailboxRow, MailboxStatus, Mailboxes, Purge, Purged,
    Rename, SpecialUse, Status, Subscribe,
};
pub use view::{Fetch, FetchPage, Fields, Open, Opened, ReadBody, Row, Search, SearchPage};
pub use watch::{Changes, ChangesSince, Notice, Unwatch, Watch};

use crate::id::{AccountId, MailboxId};

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Actor {
    /// The account that signed in.
    pub account: AccountId,
}

/// Which mailbox, by identity: it survives RENAME.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MailboxRef {
    /// Whose it is.
    pub owner: AccountId,
    /// Which one.
    pub id: MailboxId,
}

//! Operations that change messages or bring new ones.

use alloc::vec::Vec;
use bytes::Bytes;

use super::{Actor, MailboxRef};
use crate::date::DateTime;
use crate::flag::{FlagNames, Flags, Keywords};
use crate::id::{ModSeq, Uid, UidValidity, UploadId};
use crate::mailbox::MailboxName;
use crate::set::UidSet;

/// How flags change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlagOp {
    /// FLAGS: these and no others.
    Replace,
    /// +FLAGS.
    Add,
    /// -FLAGS.
    Remove,
}

/// Changes flags in one transaction; messages whose flags stay as they are keep their modseq.
#[derive(Clone, Debug)]
pub struct SetFlags {
    /// Who asks.
    pub actor: Actor,
    /// Which mailbox.
    pub mailbox: MailboxRef,
    /// Which messages; the session asks for at most 2,000 at once.
    pub uids: UidSet,
    /// How.
    pub op: FlagOp,
    /// Which flags; keywords not in the table yet are added to it, or the whole is [`ErrorKind::Limit`](super::ErrorKind::Limit).
    pub flags: FlagNames,
    /// Only messages with at most this modseq; the others are [`FlagsSet::refused`] (RFC 7162 §3.1.3).
    pub unchanged_since: Option<ModSeq>,
}

/// The outcome of a flag change.
#[derive(Clone, Debug, Default)]
pub struct FlagsSet {
    /// Every message asked for and there and not refused, ascending, with its flags now and its modseq.
    pub rows: Vec<(Uid, ModSeq, Flags)>,
    /// Of those, the ones that really changed.
    pub changed: UidSet,
    /// Messages changed after `unchanged_since`.
    pub refused: UidSet,
    /// Messages not there any more.
    pub gone: UidSet,
    /// The mailbox's keywords now.
    pub keywords: Keywords,
    /// The modseq of this change, if anything changed.
    pub modseq: Option<ModSeq>,
}

/// Copies messages, all or none, in ascending order of UID, with flags and INTERNALDATE (RFC 9051 §6.4.7).
#[derive(Clone, Debug)]
pub struct Copy {
    /// Who asks.
    pub actor: Actor,
    /// From this mailbox.
    pub mailbox: MailboxRef,
    /// These messages.
    pub uids: UidSet,
    /// What is done when some are not there any more.
    pub absent: Absent,
    /// To this one.
    pub to: MailboxName,
    /// Now, seconds since 1970: SAVEDATE where they arrive (RFC 8514 §3).
    pub now: i64,
}

/// What a copy or a move does when messages are not there any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absent {
    /// They are left out: UIDs that do not exist are no error (RFC 9051 §6.4.9).
    Ignore,
    /// Nothing is done, and the answer is [`ErrorKind::ExpungeIssued`](crate::effect::ErrorKind::ExpungeIssued): they were named by number (RFC 2180 §4.4).
    Refuse,
}

/// Where copies went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copied {
    /// The target.
    pub target: MailboxRef,
    /// Its validity.
    pub uid_validity: UidValidity,
    /// (source, copy), ascending in both.
    pub uids: Vec<(Uid, Uid)>,
}

/// Moves messages; at no instant is one in neither mailbox, nor after it in both (RFC 6851). The session asks for at most 1,000 at once.
#[derive(Clone, Debug)]
pub struct Move {
    /// Who asks.
    pub actor: Actor,
    /// From this mailbox.
    pub mailbox: MailboxRef,
    /// These messages.
    pub uids: UidSet,
    /// What is done when some are not there any more.
    pub absent: Absent,
    /// To this one, which may be the same.
    pub to: MailboxName,
    /// Now, seconds since 1970: SAVEDATE where they arrive (RFC 8514 §3).
    pub now: i64,
}

/// Where messages moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Where they are now.
    pub copied: Copied,
    /// The modseq of their going, if any went.
    pub modseq: Option<ModSeq>,
}

/// Removes messages for good: those of `uids` that have \Deleted.
#[derive(Clone, Debug)]
pub struct Expunge {
    /// Who asks.
    pub actor: Actor,
    /// Which mailbox.
    pub mailbox: MailboxRef,
    /// Among these.
    pub uids: UidSet,
}

/// What was removed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Expunged {
    /// The messages.
    pub uids: UidSet,
    /// The modseq of their going, if any went.
    pub modseq: Option<ModSeq>,
}

/// Says that a message for this mailbox is about to come, before the client is asked for it.
#[derive(Clone, Debug)]
pub struct UploadBegin {
    /// Who asks, and whose mailbox.
    pub actor: Actor,
    /// Where it is to go; not there is [`ErrorKind::NonExistent`](super::ErrorKind::NonExistent).
    pub name: MailboxName,
    /// Its octets, exactly.
    pub size: u64,
}

/// The next octets of an upload.
#[derive(Clone, Debug)]
pub struct UploadChunk {
    /// Which upload.
    pub upload: UploadId,
    /// The octets.
    pub data: Bytes,
}

/// Stores uploads, all or none, in this order (RFC 3502).
#[derive(Clone, Debug)]
pub struct UploadCommit {
    /// Who asks, and whose mailbox.
    pub actor: Actor,
    /// Where they go.
    pub name: MailboxName,
    /// The messages, in order.
    pub messages: Vec<NewMessage>,
    /// Now, seconds since 1970: SAVEDATE, and INTERNALDATE where none is given.
    pub now: i64,
}

/// A message whose octets are uploaded.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its octets.
    pub upload: UploadId,
    /// Its flags.
    pub flags: FlagNames,
    /// INTERNALDATE, if the client gave one.
    pub internal_date: Option<DateTime>,
}

/// What an append gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The mailbox.
    pub mailbox: MailboxRef,
    /// Its validity.
    pub uid_validity: UidValidity,
    /// The messages' UIDs, in order, ascending.
    pub uids: Vec<Uid>,
}

/// Gives up an upload; never fails for one that is not there.
#[derive(Clone, Debug)]
pub struct UploadAbort {
    /// Which upload.
    pub upload: UploadId,
}

//! What changed, and hearing of it.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::{Actor, MailboxRef};
use crate::flag::{Flags, Keywords};
use crate::id::{ModSeq, Uid};
use crate::mailbox::MailboxName;
use crate::set::UidSet;

/// The difference between a mailbox at a modseq and now, in one snapshot: the one mechanism under NOOP, IDLE and QRESYNC.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Who asks.
    pub actor: Actor,
    /// Which mailbox; deleted is [`ErrorKind::NonExistent`](super::ErrorKind::NonExistent).
    pub mailbox: MailboxRef,
    /// What is known already.
    pub since: ModSeq,
    /// UIDs below this are known already: a change of theirs is no arrival.
    pub known_below: NonZeroU32,
    /// Whether arrivals are claimed as \Recent for this session.
    pub claim_recent: bool,
}

/// What changed.
#[derive(Clone, Debug)]
pub struct ChangesSince {
    /// Messages that are there and were not known.
    pub fresh: UidSet,
    /// Known messages whose flags changed, ascending.
    pub flags: Vec<(Uid, ModSeq, Flags)>,
    /// UIDs expunged since; may name some that were never known.
    pub gone: UidSet,
    /// `gone` goes back further than the log of expunges: it names every UID below UIDNEXT that is not there.
    pub gone_is_complement: bool,
    /// The mailbox's keywords now.
    pub keywords: Keywords,
    /// The state this brings one to.
    pub to: ModSeq,
    /// Above every UID ever given.
    pub uid_next: NonZeroU32,
    /// Fresh messages from this UID on are \Recent to this session.
    pub recent_from: NonZeroU32,
    /// The mailbox's name now.
    pub name: MailboxName,
}

/// Asks for [`Notice`]s of a mailbox.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Who asks.
    pub actor: Actor,
    /// Which mailbox.
    pub mailbox: MailboxRef,
}

/// Asks for no more notices of a mailbox.
#[derive(Clone, Debug)]
pub struct Unwatch {
    /// Which mailbox.
    pub mailbox: MailboxRef,
}

/// A mailbox is at this modseq, or gone; notices may be merged, repeated or late.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Which mailbox.
    pub mailbox: MailboxRef,
    /// Where it is; `None`: it was deleted.
    pub modseq: Option<ModSeq>,
}

//! Operations that look at a mailbox.

use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::num::NonZeroU32;

use super::{Actor, MailboxRef, StoreError};
use crate::date::DateTime;
use crate::flag::{Flags, Keywords};
use crate::id::{EmailId, ModSeq, ThreadId, Uid, UidValidity};
use crate::mailbox::MailboxName;
use crate::search::Program;
use crate::set::UidSet;

/// Opens a mailbox for SELECT or EXAMINE.
#[derive(Clone, Debug)]
pub struct Open {
    /// Who asks, and whose mailbox.
    pub actor: Actor,
    /// Which one.
    pub name: MailboxName,
    /// EXAMINE: claims no \Recent.
    pub read_only: bool,
}

/// A mailbox at one instant.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Which mailbox.
    pub mailbox: MailboxRef,
    /// Its name now.
    pub name: MailboxName,
    /// Whether it can only be read, whatever was asked.
    pub read_only: bool,
    /// Its validity.
    pub uid_validity: UidValidity,
    /// Above every UID ever given.
    pub uid_next: NonZeroU32,
    /// Its highest modification sequence.
    pub highest_modseq: ModSeq,
    /// Every message.
    pub uids: UidSet,
    /// Its keywords.
    pub keywords: Keywords,
    /// The least UID without \Seen.
    pub first_unseen: Option<Uid>,
    /// Messages from this UID on are \Recent to this session.
    pub recent_from: NonZeroU32,
}

/// What a fetched row is to carry besides UID, modseq and flags.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Fields(pub u16);

impl Fields {
    /// INTERNALDATE, size, SAVEDATE, EMAILID, THREADID.
    pub const META: Self = Self(1);
    /// ENVELOPE in wire form.
    pub const ENVELOPE: Self = Self(2);
    /// BODY without extension data, in wire form.
    pub const BODY: Self = Self(4);
    /// BODYSTRUCTURE in wire form.
    pub const BODY_STRUCTURE: Self = Self(8);
    /// The encoded [`Structure`](crate::message::Structure).
    pub const STRUCTURE: Self = Self(16);
    /// The octets of the header, blank line included; of one longer than [`Fetch::inline`] the structure instead.
    pub const HEADER: Self = Self(32);
    /// The octets of the message, when it is no longer than [`Fetch::inline`].
    pub const INLINE: Self = Self(64);

    /// Whether all fields of `other` are wanted.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The fields of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A window of messages, ascending by UID.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Who asks.
    pub actor: Actor,
    /// Which mailbox.
    pub mailbox: MailboxRef,
    /// Which messages; expunged ones give a row for the view grace, so that those not yet told can read them, and none after it.
    pub uids: UidSet,
    /// Only messages changed after this (RFC 7162 §3.1.4.1).
    pub changed_since: Option<ModSeq>,
    /// What each row carries.
    pub fields: Fields,
    /// Messages of at most so many octets are read with the row.
    pub inline: u64,
    /// Stop after about so many octets of rows: `size_of::<Row>()` for each, and what it brings. At least one is given if there is any.
    pub budget: usize,
}

/// Rows of a fetch, and where to go on.
#[derive(Clone, Debug, Default)]
pub struct FetchPage {
    /// The rows, ascending by UID.
    pub rows: Vec<Row>,
    /// The first UID not looked at, when the budget ended the page.
    pub resume: Option<Uid>,
    /// The mailbox's keywords, for the rows' flags.
    pub keywords: Keywords,
}

/// One message; fields that were not asked for are empty.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its UID.
    pub uid: Uid,
    /// Its last change.
    pub modseq: ModSeq,
    /// Its flags.
    pub flags: Flags,
    /// Octets in all.
    pub size: u64,
    /// INTERNALDATE.
    pub internal_date: DateTime,
    /// When it came into this mailbox, seconds since 1970 (RFC 8514).
    pub save_date: i64,
    /// Its content's identity.
    pub email_id: EmailId,
    /// Its conversation.
    pub thread_id: ThreadId,
    /// ENVELOPE.
    pub envelope: Bytes,
    /// BODY.
    pub body: Bytes,
    /// BODYSTRUCTURE.
    pub body_structure: Bytes,
    /// The encoded structure.
    pub structure: Bytes,
    /// The header's octets.
    pub header: Bytes,
    /// The message's octets, if it was small enough.
    pub inline: Option<Bytes>,
    /// What could not be read: the message's content is damaged, its flags and sizes are good.
    pub damaged: Option<StoreError>,
}

/// Some octets of a message.
#[derive(Clone, Debug)]
pub struct ReadBody {
    /// Who asks.
    pub actor: Actor,
    /// Which mailbox.
    pub mailbox: MailboxRef,
    /// Which message; expunged ones stay readable to those not yet told for the view grace.
    pub uid: Uid,
    /// From this octet on.
    pub offset: u64,
    /// At most so many octets; fewer come only at the end of the message.
    pub max: usize,
}

/// Which of these messages match.
#[derive(Clone, Debug)]
pub struct Search {
    /// Who asks.
    pub actor: Actor,
    /// Which mailbox.
    pub mailbox: MailboxRef,
    /// Among these.
    pub uids: UidSet,
    /// What to look for.
    pub program: Arc<Program>,
}

/// Part of a search's result.
#[derive(Clone, Debug, Default)]
pub struct SearchPage {
    /// The messages that match.
    pub uids: UidSet,
    /// The greatest modseq among them.
    pub highest_modseq: ModSeq,
    /// The first UID not looked at, when work for one page ended.
    pub resume: Option<Uid>,
}

//! Operations on accounts and on mailboxes by name.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::Actor;
use crate::id::{AccountId, MailboxId, ModSeq, UidValidity};
use crate::mailbox::MailboxName;
use crate::sasl::Secret;

/// Checks a user's password. Unknown user and wrong password are one error, [`ErrorKind::AuthenticationFailed`](super::ErrorKind::AuthenticationFailed), after the same time.
#[derive(Debug)]
pub struct Authenticate {
    /// The name as the client gave it.
    pub user: String,
    /// The password; its `Debug` prints nothing.
    pub password: Secret,
    /// The client's address, for delays and the audit log.
    pub address: Option<core::net::IpAddr>,
}

/// An account that signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Its identity.
    pub id: AccountId,
    /// Its name, for logs.
    pub name: Arc<str>,
}

/// The account's mailboxes and subscriptions in name order (byte order of the UTF-8 form), all as they are at one instant: attributes such as
/// \HasChildren, and which names there are at all, come of several rows. A store bounds how many names an account has.
#[derive(Clone, Debug)]
pub struct Mailboxes {
    /// Who asks, and whose mailboxes.
    pub actor: Actor,
}

/// One name: a mailbox, a subscription to a mailbox that is not there, or both.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MailboxRow {
    /// Its name.
    pub name: MailboxName,
    /// `None`: only a subscription is left of it (\NonExistent).
    pub id: Option<MailboxId>,
    /// Whether the account subscribes to it.
    pub subscribed: bool,
    /// What it is for (RFC 6154).
    pub special_use: Option<SpecialUse>,
}

impl MailboxRow {
    /// A row with this name and nothing else known.
    #[must_use]
    pub fn new(name: MailboxName) -> Self {
        Self {
            name,
            id: None,
            subscribed: false,
            special_use: None,
        }
    }
}

/// A special-use attribute (RFC 6154 §2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum SpecialUse {
    /// \All.
    All,
    /// \Archive.
    Archive,
    /// \Drafts.
    Drafts,
    /// \Flagged.
    Flagged,
    /// \Junk.
    Junk,
    /// \Sent.
    Sent,
    /// \Trash.
    Trash,
}

impl SpecialUse {
    /// Every attribute with its wire name.
    pub const TABLE: [(Self, &'static str); 7] = [
        (Self::All, "\\All"),
        (Self::Archive, "\\Archive"),
        (Self::Drafts, "\\Drafts"),
        (Self::Flagged, "\\Flagged"),
        (Self::Junk, "\\Junk"),
        (Self::Sent, "\\Sent"),
        (Self::Trash, "\\Trash"),
    ];

    /// The attribute as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::TABLE
            .iter()
            .find(|(u, _)| *u == self)
            .map_or("", |(_, name)| name)
    }

    /// The attribute of this name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE
            .iter()
            .find(|(_, n)| n.eq_ignore_ascii_case(name))
            .map(|(u, _)| *u)
    }
}

/// The counters of mailboxes by name, all as they are at one instant (RFC 9051 §6.3.11, RFC 5819): for each name in its place what STATUS tells, or
/// nothing where there is no such mailbox.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who asks, and whose mailboxes.
    pub actor: Actor,
    /// Which ones; the session asks for at most [`Limits::status_page`](crate::limits::Limits::status_page) at once.
    pub names: Vec<MailboxName>,
}

/// What STATUS tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailboxStatus {
    /// The mailbox.
    pub id: MailboxId,
    /// Messages in it.
    pub messages: u64,
    /// Messages without \Seen.
    pub unseen: u64,
    /// Messages with \Deleted.
    pub deleted: u64,
    /// Messages that no session has claimed as \Recent.
    pub recent: u64,
    /// Octets of all messages.
    pub size: u64,
    /// Above every UID ever given.
    pub uid_next: NonZeroU32,
    /// Its validity.
    pub uid_validity: UidValidity,
    /// Its highest modification sequence.
    pub highest_modseq: ModSeq,
}

/// Makes a mailbox, and the parents it lacks (RFC 9051 §6.3.4).
#[derive(Clone, Debug)]
pub struct Create {
    /// Who asks, and whose mailbox it will be.
    pub actor: Actor,
    /// Its name.
    pub name: MailboxName,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
}

/// Deletes a mailbox and its messages; one that has children is refused with [`ErrorKind::HasChildren`](super::ErrorKind::HasChildren), INBOX with [`ErrorKind::Cannot`](super::ErrorKind::Cannot).
/// Its subscription stays (RFC 9051 §6.3.9).
#[derive(Clone, Debug)]
pub struct Delete {
    /// Who asks, and whose mailbox.
    pub actor: Actor,
    /// Which one.
    pub name: MailboxName,
}

/// Renames a mailbox and all below it at once, making the parents that the new name lacks. INBOX keeps its identity and its children:
/// its messages move to the new mailbox (RFC 9051 §6.3.6).
#[derive(Clone, Debug)]
pub struct Rename {
    /// Who asks, and whose mailbox.
    pub actor: Actor,
    /// The old name.
    pub from: MailboxName,
    /// The new name.
    pub to: MailboxName,
    /// Now, seconds since 1970: SAVEDATE of what moves out of INBOX (RFC 8514 §3).
    pub now: i64,
}

/// Adds or takes away a subscription; the mailbox need not exist.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Who asks.
    pub actor: Actor,
    /// Which name.
    pub name: MailboxName,
    /// Whether to subscribe.
    pub on: bool,
}

/// Deletes what an account has, in steps that hold up nobody for long: subscriptions, messages, mailboxes, and at last INBOX, which is made anew.
/// No session asks for it; the account must have none.
#[derive(Clone, Debug)]
pub struct Purge {
    /// Whose mail.
    pub actor: Actor,
    /// At most so many messages or subscriptions go in this step; at least one.
    pub limit: usize,
}

/// What went in one step of a purge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Purged {
    /// Messages.
    pub messages: u64,
    /// Mailboxes, INBOX among them.
    pub mailboxes: u64,
    /// Whether there is more to do.
    pub more: bool,
}

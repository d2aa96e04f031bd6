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
//! - "Cannot read" is an error, never "empty".

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::num::NonZeroU32;

use crate::date::DateTime;
use crate::flag::{FlagNames, Flags, Keywords};
use crate::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity, UploadId};
use crate::mailbox::MailboxName;
use crate::sasl::Secret;
use crate::search::Program;
use crate::set::UidSet;

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

/// An operation of the contract; sealed, since a session only asks for those of [`Effect`].
pub trait Op: Sized + private::Sealed {
    /// What the store answers when it succeeds.
    type Reply;
    #[doc(hidden)]
    fn outcome(result: Result<Self::Reply, StoreError>) -> Outcome;
    #[doc(hidden)]
    fn result(outcome: Outcome) -> Option<Result<Self::Reply, StoreError>>;
}

mod private {
    pub trait Sealed {}
}

/// One operation handed out by a session, to be answered once.
#[derive(Debug)]
#[must_use = "an unanswered call leaves its command waiting"]
pub struct Call<O> {
    token: u64,
    op: O,
}

impl<O: Op> Call<O> {
    pub(crate) fn new(token: u64, op: O) -> Self {
        Self { token, op }
    }

    /// A call of no session's, for those who use or test a store directly; its reply means nothing to a session.
    pub fn detached(op: O) -> Self {
        Self { token: 0, op }
    }

    /// The operation.
    pub fn op(&self) -> &O {
        &self.op
    }

    /// Takes the operation out, with what is needed to answer it.
    pub fn into_parts(self) -> (O, Answer<O>) {
        (
            self.op,
            Answer {
                token: self.token,
                op: core::marker::PhantomData,
            },
        )
    }

    /// The same call of a changed operation, for a backend that stands before another one.
    pub fn map(self, change: impl FnOnce(O) -> O) -> Self {
        Self {
            token: self.token,
            op: change(self.op),
        }
    }

    /// The outcome, for the session that handed the call out.
    pub fn answer(self, result: Result<O::Reply, StoreError>) -> Reply {
        Reply {
            token: self.token,
            outcome: O::outcome(result),
        }
    }

    /// Says that this backend has no such operation.
    pub fn unsupported(self) -> Reply {
        self.answer(Err(StoreError::new(
            ErrorKind::Unsupported,
            "This server cannot do that",
        )))
    }
}

/// The right to answer one call whose operation was taken out.
#[derive(Debug)]
#[must_use = "an unanswered call leaves its command waiting"]
pub struct Answer<O> {
    token: u64,
    op: core::marker::PhantomData<fn() -> O>,
}

impl<O: Op> Answer<O> {
    /// The outcome, for the session that handed the call out.
    pub fn answer(self, result: Result<O::Reply, StoreError>) -> Reply {
        Reply {
            token: self.token,
            outcome: O::outcome(result),
        }
    }
}

/// The outcome of one effect, for [`Session::handle_reply`](crate::session::Session::handle_reply).
#[derive(Debug)]
pub struct Reply {
    pub(crate) token: u64,
    pub(crate) outcome: Outcome,
}

impl Reply {
    /// The reply to the effect of this token ([`Effect::token`]) when the store dropped it unanswered: its command says `NO [SERVERBUG]`.
    #[must_use]
    pub fn lost(token: u64) -> Self {
        Self {
            token,
            outcome: Outcome::Lost,
        }
    }

    /// The same reply as a failure: for a store that finds, after it made the reply, that the effect is not durable.
    #[must_use]
    pub fn refuse(self, error: StoreError) -> Self {
        Self {
            token: self.token,
            outcome: self.outcome.refuse(error),
        }
    }

    /// What the reply to a call of this operation says; `None` if it answers another operation.
    #[must_use]
    pub fn into_result<O: Op>(self) -> Option<Result<O::Reply, StoreError>> {
        O::result(self.outcome)
    }
}

macro_rules! operations {
    ($($op:ident => $reply:ty),* $(,)?) => {
        /// A storage operation a session waits for.
        #[derive(Debug)]
        #[non_exhaustive]
        #[must_use = "an unanswered effect leaves its command waiting"]
        pub enum Effect {
            $(#[doc = concat!("See [`", stringify!($op), "`](struct@", stringify!($op), ").")] $op(Call<$op>),)*
        }

        impl Effect {
            /// The operation's name, for logs and metrics.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$op(_) => stringify!($op),)* }
            }

            /// Answers with an error, whatever the operation.
            pub fn fail(self, error: StoreError) -> Reply {
                match self { $(Self::$op(call) => call.answer(Err(error)),)* }
            }

            /// The token that ties the reply to the effect, for adapters that keep a table.
            #[must_use]
            pub fn token(&self) -> u64 {
                match self { $(Self::$op(call) => call.token,)* }
            }
        }

        #[doc(hidden)]
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Outcome { Lost, $($op(Result<$reply, StoreError>),)* }

        impl Outcome {
            fn refuse(self, error: StoreError) -> Self {
                match self {
                    Self::Lost => Self::Lost,
                    $(Self::$op(_) => Self::$op(Err(error)),)*
                }
            }
        }

        $(
            impl private::Sealed for $op {}
            impl Op for $op {
                type Reply = $reply;
                fn outcome(result: Result<Self::Reply, StoreError>) -> Outcome { Outcome::$op(result) }
                fn result(outcome: Outcome) -> Option<Result<Self::Reply, StoreError>> {
                    match outcome {
                        Outcome::$op(result) => Some(result),
                        Outcome::Lost => Some(Err(StoreError::lost())),
                        _ => None,
                    }
                }
            }
            impl From<Call<$op>> for Effect {
                fn from(call: Call<$op>) -> Self { Self::$op(call) }
            }
        )*
    };
}

operations! {
    Authenticate => Account,
    Mailboxes => Vec<MailboxRow>,
    Status => MailboxStatus,
    Create => MailboxId,
    Delete => (),
    Rename => (),
    Subscribe => (),
    Open => Box<Opened>,
    Fetch => FetchPage,
    ReadBody => Bytes,
    Search => SearchPage,
    SetFlags => FlagsSet,
    Copy => Copied,
    Move => Moved,
    Expunge => Expunged,
    UploadBegin => UploadId,
    UploadChunk => (),
    UploadCommit => Committed,
    UploadAbort => (),
    Changes => Box<ChangesSince>,
    Watch => (),
    Unwatch => (),
}

/// Checks a user's password. Unknown user and wrong password are one error, [`ErrorKind::AuthenticationFailed`], after the same time.
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

/// A page of the account's mailboxes and subscriptions in name order (byte order of the UTF-8 form).
#[derive(Clone, Debug)]
pub struct Mailboxes {
    /// Who asks, and whose mailboxes.
    pub actor: Actor,
    /// Only names after this one.
    pub after: Option<MailboxName>,
    /// At most so many rows; fewer means that there are no more.
    pub limit: usize,
    /// Whether rows carry [`MailboxRow::status`].
    pub status: bool,
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
    /// Its counters, when they were asked for and there is a mailbox.
    pub status: Option<MailboxStatus>,
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
            status: None,
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

/// The counters of one mailbox by name (RFC 9051 §6.3.11).
#[derive(Clone, Debug)]
pub struct Status {
    /// Who asks, and whose mailbox.
    pub actor: Actor,
    /// Which one.
    pub name: MailboxName,
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

/// Deletes a mailbox and its messages; one that has children is refused with [`ErrorKind::HasChildren`], INBOX with [`ErrorKind::Cannot`].
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
    /// Stop after about so many octets of rows; at least one row is given if there is any.
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
    /// Which flags; keywords not in the table yet are added to it, or the whole is [`ErrorKind::Limit`].
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
    /// These messages; those not there any more are left out.
    pub uids: UidSet,
    /// To this one.
    pub to: MailboxName,
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
    /// These messages; those not there any more are left out.
    pub uids: UidSet,
    /// To this one, which may be the same.
    pub to: MailboxName,
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
    /// Where it is to go; not there is [`ErrorKind::NonExistent`].
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

/// The difference between a mailbox at a modseq and now, in one snapshot: the one mechanism under NOOP, IDLE and QRESYNC.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Who asks.
    pub actor: Actor,
    /// Which mailbox; deleted is [`ErrorKind::NonExistent`].
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

/// Why the store did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{client}{}", detail.as_deref().map(|d| alloc::format!(" ({d})")).unwrap_or_default())]
pub struct StoreError {
    /// The class, which decides the response code.
    pub kind: ErrorKind,
    /// Text for the client: what happened, to what, what to do.
    pub client: Arc<str>,
    /// More, for the operator's log only.
    pub detail: Option<Arc<str>>,
}

impl StoreError {
    /// An error of this kind with text for the client.
    pub fn new(kind: ErrorKind, client: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            client: client.into(),
            detail: None,
        }
    }

    /// Adds text that only reaches the log.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Arc<str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The store dropped the job without an answer.
    #[must_use]
    pub fn lost() -> Self {
        Self::new(
            ErrorKind::ServerBug,
            "The server lost this request; try again, and tell the operator",
        )
    }
}

/// The classes of failure, each with its response code (RFC 5530, RFC 9051 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No such mailbox: `[NONEXISTENT]`, or `[TRYCREATE]` where the command could follow a CREATE.
    NonExistent,
    /// `[ALREADYEXISTS]`.
    AlreadyExists,
    /// `[HASCHILDREN]`.
    HasChildren,
    /// `[NOPERM]`.
    NoPerm,
    /// `[CANNOT]`: it can never be done.
    Cannot,
    /// `[LIMIT]`.
    Limit,
    /// `[OVERQUOTA]`: no room.
    OverQuota,
    /// `[TOOBIG]`.
    TooBig,
    /// `[UNAVAILABLE]`: not now.
    Unavailable,
    /// `[CORRUPTION]`: the stored data is damaged.
    Corruption,
    /// `[EXPUNGEISSUED]`: the message is gone and past its grace.
    ExpungeIssued,
    /// `[INUSE]`.
    InUse,
    /// `[AUTHENTICATIONFAILED]`.
    AuthenticationFailed,
    /// `[UNKNOWN-CTE]`.
    UnknownCte,
    /// `[CONTACTADMIN]`: the account is disabled.
    Disabled,
    /// The backend has no such operation: `[CANNOT]`.
    Unsupported,
    /// `[SERVERBUG]`.
    ServerBug,
}

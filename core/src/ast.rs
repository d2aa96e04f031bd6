//! Commands as the parser yields them: owned, flat values, with strings decoded and nothing looked up yet.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::num::NonZeroU32;

use crate::date::{Date, DateTime};
use crate::effect::{FlagOp, SpecialUse};
use crate::flag::{FlagNames, SystemFlags};
use crate::id::{EmailId, ModSeq, ThreadId};
use crate::sasl::Secret;

/// One command without its tag.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// CAPABILITY.
    Capability,
    /// NOOP.
    Noop,
    /// LOGOUT.
    Logout,
    /// ID (RFC 2971); the client's pairs, for the log.
    Id(Vec<(Bytes, Option<Bytes>)>),
    /// STARTTLS.
    StartTls,
    /// AUTHENTICATE with the mechanism in upper case and the initial response as sent (base64 or `=`).
    Authenticate {
        /// The mechanism, upper case.
        mechanism: String,
        /// The initial response, still base64, or `=` for an empty one.
        initial: Option<Bytes>,
    },
    /// LOGIN.
    Login {
        /// The user's octets.
        user: Bytes,
        /// The password.
        password: Secret,
    },
    /// ENABLE, names in upper case.
    Enable(Vec<String>),
    /// SELECT or EXAMINE.
    Select {
        /// Which mailbox, in wire form.
        mailbox: Bytes,
        /// EXAMINE.
        read_only: bool,
        /// Parameters.
        params: SelectParams,
    },
    /// CREATE.
    Create {
        /// The name, in wire form.
        mailbox: Bytes,
        /// USE attributes (RFC 6154); names that are not known are kept for the refusal.
        special_use: Vec<Result<SpecialUse, String>>,
    },
    /// DELETE.
    Delete(Bytes),
    /// RENAME.
    Rename {
        /// The old name.
        from: Bytes,
        /// The new name.
        to: Bytes,
    },
    /// SUBSCRIBE.
    Subscribe(Bytes),
    /// UNSUBSCRIBE.
    Unsubscribe(Bytes),
    /// LIST in all its forms.
    List(List),
    /// LSUB.
    Lsub {
        /// The reference.
        reference: Bytes,
        /// The pattern.
        pattern: Bytes,
    },
    /// NAMESPACE.
    Namespace,
    /// STATUS.
    Status {
        /// Which mailbox.
        mailbox: Bytes,
        /// What is asked.
        items: Vec<StatusItem>,
    },
    /// APPEND up to, not including, its first message literal; each message is an [`AppendMessage`].
    Append {
        /// The target.
        mailbox: Bytes,
    },
    /// IDLE.
    Idle,
    /// CHECK.
    Check,
    /// CLOSE.
    Close,
    /// UNSELECT.
    Unselect,
    /// EXPUNGE, or UID EXPUNGE with its set.
    Expunge(Option<SequenceSet>),
    /// SEARCH or UID SEARCH.
    Search {
        /// UID SEARCH.
        uid: bool,
        /// What to look for.
        search: Search,
    },
    /// FETCH or UID FETCH.
    Fetch {
        /// UID FETCH.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// What of them.
        items: Vec<FetchItem>,
        /// CHANGEDSINCE.
        changed_since: Option<ModSeq>,
        /// VANISHED (RFC 7162 §3.2.6).
        vanished: bool,
    },
    /// STORE or UID STORE.
    Store {
        /// UID STORE.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// UNCHANGEDSINCE.
        unchanged_since: Option<ModSeq>,
        /// FLAGS, +FLAGS or -FLAGS.
        op: FlagOp,
        /// .SILENT.
        silent: bool,
        /// Which flags; `\Recent` and unknown backslash names are refused by the parser.
        flags: FlagNames,
    },
    /// COPY, UID COPY, MOVE or UID MOVE.
    Copy {
        /// The UID form.
        uid: bool,
        /// MOVE.
        remove: bool,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        mailbox: Bytes,
    },
}

/// Parameters of SELECT and EXAMINE (RFC 7162 §3.1.8, §3.2.5).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SelectParams {
    /// CONDSTORE.
    pub condstore: bool,
    /// QRESYNC.
    pub qresync: Option<Box<Qresync>>,
}

/// What the client of QRESYNC still knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Qresync {
    /// The validity it knows.
    pub uid_validity: NonZeroU32,
    /// The modseq it knows.
    pub modseq: ModSeq,
    /// The UIDs it knows; no `*`.
    pub known_uids: Option<SequenceSet>,
    /// (sequence numbers, UIDs) it knows to belong together; no `*`.
    pub seq_match: Option<(SequenceSet, SequenceSet)>,
}

/// A number of a sequence set: `*` is the greatest in use (RFC 9051 §9 `seq-number`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeqNumber {
    /// A number.
    Number(NonZeroU32),
    /// `*`.
    Last,
}

/// A sequence set as sent: ranges are kept, in the order given (RFC 9051 §9 `sequence-set`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SequenceSet {
    /// Ranges, both ends included and in either order.
    Ranges(Vec<(SeqNumber, SeqNumber)>),
    /// `$`, the saved search result (RFC 5182).
    Saved,
}

/// LIST with its selection and return options (RFC 5258, RFC 9051 §6.3.9).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct List {
    /// Whether the extended form was used: options, or patterns in parentheses.
    pub extended: bool,
    /// SUBSCRIBED.
    pub select_subscribed: bool,
    /// REMOTE; we have none.
    pub select_remote: bool,
    /// RECURSIVEMATCH.
    pub recursive_match: bool,
    /// SPECIAL-USE as a selection.
    pub select_special_use: bool,
    /// The reference name.
    pub reference: Bytes,
    /// The patterns; at least one.
    pub patterns: Vec<Bytes>,
    /// RETURN (SUBSCRIBED).
    pub return_subscribed: bool,
    /// RETURN (CHILDREN).
    pub return_children: bool,
    /// RETURN (SPECIAL-USE).
    pub return_special_use: bool,
    /// RETURN (STATUS (…)).
    pub return_status: Option<Vec<StatusItem>>,
}

/// A STATUS item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StatusItem {
    /// MESSAGES.
    Messages,
    /// RECENT.
    Recent,
    /// UIDNEXT.
    UidNext,
    /// UIDVALIDITY.
    UidValidity,
    /// UNSEEN.
    Unseen,
    /// DELETED.
    Deleted,
    /// SIZE.
    Size,
    /// HIGHESTMODSEQ.
    HighestModSeq,
    /// MAILBOXID.
    MailboxId,
    /// APPENDLIMIT.
    AppendLimit,
}

/// What precedes the literal of one message of APPEND (RFC 9051 §9 `append-message`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AppendMessage {
    /// Its flags.
    pub flags: FlagNames,
    /// INTERNALDATE.
    pub date: Option<DateTime>,
}

/// SEARCH (RFC 9051 §6.4.4, RFC 4731, RFC 5182).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Search {
    /// RETURN options; `None`: the old form, answered by SEARCH (rev1) or ESEARCH ALL (rev2).
    pub result: Option<ReturnOptions>,
    /// CHARSET, upper case.
    pub charset: Option<String>,
    /// The keys in postfix order.
    pub keys: Vec<SearchStep>,
    /// Whether MODSEQ occurs.
    pub modseq: bool,
}

/// RETURN options of SEARCH.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReturnOptions {
    /// MIN.
    pub min: bool,
    /// MAX.
    pub max: bool,
    /// ALL; also what an empty list means.
    pub all: bool,
    /// COUNT.
    pub count: bool,
    /// SAVE.
    pub save: bool,
}

/// One step of a parsed search, as in [`search::Step`](crate::search::Step).
#[derive(Clone, PartialEq, Debug)]
pub enum SearchStep {
    /// A key.
    Key(SearchKey),
    /// Negates the topmost.
    Not,
    /// Both of the two topmost.
    And,
    /// Either of the two topmost.
    Or,
}

/// A search key whose strings are octets in the command's charset, and whose sets are not resolved.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum SearchKey {
    /// ALL, SAVEDATESUPPORTED.
    All,
    /// A sequence set.
    Sequence(SequenceSet),
    /// UID and a set.
    Uid(SequenceSet),
    /// ANSWERED, DELETED, DRAFT, FLAGGED, SEEN; the UN forms are followed by `Not`.
    Flag(SystemFlags),
    /// RECENT; NEW is RECENT UNSEEN, OLD is NOT RECENT.
    Recent,
    /// KEYWORD.
    Keyword(String),
    /// LARGER.
    Larger(u64),
    /// SMALLER.
    Smaller(u64),
    /// BEFORE, ON, SINCE.
    Internal(crate::search::When, Date),
    /// SENTBEFORE, SENTON, SENTSINCE.
    Sent(crate::search::When, Date),
    /// SAVEDBEFORE, SAVEDON, SAVEDSINCE.
    Saved(crate::search::When, Date),
    /// HEADER, and BCC, CC, FROM, SUBJECT, TO.
    Header(Bytes, Bytes),
    /// BODY.
    Body(Bytes),
    /// TEXT.
    Text(Bytes),
    /// MODSEQ.
    ModSeq(ModSeq),
    /// EMAILID; `None` for an identity that cannot be ours.
    EmailId(Option<EmailId>),
    /// THREADID; `None` for an identity that cannot be ours.
    ThreadId(Option<ThreadId>),
}

/// An item of FETCH; macros are expanded by the parser.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FetchItem {
    /// FLAGS.
    Flags,
    /// UID.
    Uid,
    /// INTERNALDATE.
    InternalDate,
    /// RFC822.SIZE.
    Size,
    /// ENVELOPE.
    Envelope,
    /// BODY.
    Body,
    /// BODYSTRUCTURE.
    BodyStructure,
    /// MODSEQ.
    ModSeq,
    /// SAVEDATE.
    SaveDate,
    /// EMAILID.
    EmailId,
    /// THREADID.
    ThreadId,
    /// BODY[…], BODY.PEEK[…], RFC822, RFC822.HEADER, RFC822.TEXT.
    Section {
        /// How it is named in the answer.
        name: SectionName,
        /// Which part.
        section: Section,
        /// Whether \Seen is left alone.
        peek: bool,
        /// `<offset.length>`; the length is not zero.
        partial: Option<(u64, u64)>,
    },
    /// BINARY[…], BINARY.PEEK[…].
    Binary {
        /// Which part; empty for the whole message.
        path: Vec<u32>,
        /// Whether \Seen is left alone.
        peek: bool,
        /// `<offset.length>`.
        partial: Option<(u64, u64)>,
    },
    /// BINARY.SIZE[…].
    BinarySize(Vec<u32>),
}

/// Under which name a section is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SectionName {
    /// `BODY[…]`.
    Body,
    /// `RFC822`.
    Rfc822,
    /// `RFC822.HEADER`.
    Rfc822Header,
    /// `RFC822.TEXT`.
    Rfc822Text,
}

/// A section (RFC 9051 §6.4.5.1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Section {
    /// Part numbers; empty for the message itself.
    pub path: Vec<u32>,
    /// What of that part.
    pub text: SectionText,
}

/// What of a part a section names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum SectionText {
    /// All of it.
    #[default]
    Whole,
    /// HEADER.
    Header,
    /// HEADER.FIELDS or, with `not`, HEADER.FIELDS.NOT; the names as sent.
    Fields {
        /// The field names.
        names: FieldNames,
        /// All but these.
        not: bool,
    },
    /// TEXT.
    Text,
    /// MIME.
    Mime,
}

/// Names of header fields as sent, in order (RFC 9051 §9 `header-list`); clones share their octets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldNames(Names);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Names {
    /// Atoms, a space between each two: as nearly all clients send them.
    Atoms(Bytes),
    Any(Arc<[Bytes]>),
}

impl FieldNames {
    pub(crate) fn atoms(spaced: Bytes) -> Self {
        Self(Names::Atoms(spaced))
    }

    pub(crate) fn any(names: Vec<Bytes>) -> Self {
        Self(Names::Any(names.into()))
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let (atoms, any) = match &self.0 {
            Names::Atoms(atoms) => (Some(atoms.split(|b| *b == b' ')), &[][..]),
            Names::Any(any) => (None, &any[..]),
        };
        atoms
            .into_iter()
            .flatten()
            .chain(any.iter().map(|n| &n[..]))
    }
}

//! Responses as values.

use super::fetch::Att;

/// Ranges of numbers, as sent.
pub type Set = Vec<(u32, u32)>;

/// OK, NO, BAD, PREAUTH or BYE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// OK.
    Ok,
    /// NO.
    No,
    /// BAD.
    Bad,
    /// PREAUTH.
    PreAuth,
    /// BYE.
    Bye,
}

/// resp-text: a code and words for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// The response code.
    pub code: Option<Code>,
    /// The words.
    pub words: String,
}

/// A response code (RFC 9051 §7.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Code {
    /// CAPABILITY.
    Capability(Vec<String>),
    /// PERMANENTFLAGS.
    PermanentFlags(Vec<String>),
    /// UIDNEXT.
    UidNext(u32),
    /// UIDVALIDITY.
    UidValidity(u32),
    /// UNSEEN (RFC 3501).
    Unseen(u32),
    /// HIGHESTMODSEQ.
    HighestModSeq(u64),
    /// MODIFIED.
    Modified(Set),
    /// APPENDUID: validity, UIDs.
    AppendUid(u32, Set),
    /// COPYUID: validity, sources, copies.
    CopyUid(u32, Set, Set),
    /// MAILBOXID.
    MailboxId(String),
    /// BADCHARSET.
    BadCharset(Vec<String>),
    /// Any other, upper case, without what it may carry.
    Other(String),
}

/// A LIST or LSUB line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListLine {
    /// Its attributes as sent.
    pub attributes: Vec<String>,
    /// The hierarchy's delimiter.
    pub delimiter: Option<char>,
    /// The name on the wire.
    pub name: String,
    /// CHILDINFO.
    pub child_info: Vec<String>,
    /// OLDNAME.
    pub old_name: Option<String>,
}

/// An ESEARCH line (RFC 4731 §3.1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Esearch {
    /// The tag it belongs to.
    pub tag: Option<String>,
    /// Its numbers are UIDs.
    pub uid: bool,
    /// MIN.
    pub min: Option<u32>,
    /// MAX.
    pub max: Option<u32>,
    /// ALL.
    pub all: Option<Set>,
    /// COUNT.
    pub count: Option<u32>,
    /// MODSEQ.
    pub modseq: Option<u64>,
}

/// One response.
#[derive(Clone, PartialEq, Debug)]
pub enum Response {
    /// `+`.
    Continue,
    /// A tagged one.
    Tagged(String, Condition, Text),
    /// An untagged condition.
    State(Condition, Text),
    /// CAPABILITY.
    Capability(Vec<String>),
    /// ENABLED.
    Enabled(Vec<String>),
    /// FLAGS.
    Flags(Vec<String>),
    /// LIST.
    List(ListLine),
    /// LSUB.
    Lsub(ListLine),
    /// SEARCH with its MODSEQ.
    Search(Vec<u32>, Option<u64>),
    /// ESEARCH.
    Esearch(Esearch),
    /// STATUS: the name on the wire, each item with its number, MAILBOXID.
    Status(String, Vec<(String, u64)>, Option<String>),
    /// EXISTS.
    Exists(u32),
    /// RECENT.
    Recent(u32),
    /// EXPUNGE.
    Expunge(u32),
    /// FETCH.
    Fetch(u32, Vec<Att>),
    /// VANISHED; `true`: EARLIER.
    Vanished(bool, Set),
    /// NAMESPACE.
    Namespace,
    /// ID.
    Id,
}

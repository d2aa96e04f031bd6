//! What SEARCH looks for, as a flat program in postfix order: no recursion to build, run or drop it.

mod eval;
mod header;
mod read;
mod text;

pub use eval::Candidate;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::date::Date;
use crate::flag::SystemFlags;
use crate::id::{EmailId, ModSeq, ThreadId};
use crate::limits::Limits;
use crate::set::UidSet;

/// A search program: leaves push a truth value, operators combine the topmost ones; one value is left at the end.
#[derive(Clone, PartialEq, Debug)]
pub struct Program {
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Octets looked through of each header ([`Limits::search_header`]).
    pub header: u64,
}

impl Default for Program {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            header: Limits::default().search_header,
        }
    }
}

/// One step of a program.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Pushes whether the leaf holds.
    Test(Leaf),
    /// Negates the topmost value.
    Not,
    /// Combines the two topmost values.
    And,
    /// Combines the two topmost values.
    Or,
}

/// How a date is compared with that of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// The message's date is earlier.
    Before,
    /// It is the same day.
    On,
    /// It is the same day or later.
    Since,
}

/// A test of one message (RFC 9051 §6.4.4). Texts are already decoded to UTF-8.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Leaf {
    /// Always true.
    All,
    /// The UID is in the set.
    Uids(Arc<UidSet>),
    /// The system flag is set.
    Flag(SystemFlags),
    /// The keyword is set.
    Keyword(String),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// INTERNALDATE, in its own time zone.
    Internal(When, Date),
    /// The Date field, its time zone disregarded.
    Sent(When, Date),
    /// SAVEDATE (RFC 8514).
    Saved(When, Date),
    /// A header field of this name exists and, decoded, contains the text; an empty text asks for the field only.
    Header(String, String),
    /// The decoded text of the body contains this.
    Body(String),
    /// The decoded header or body contains this.
    Text(String),
    /// The modseq is this or above (RFC 7162 §3.1.5).
    ModSeq(ModSeq),
    /// The content's identity.
    EmailId(EmailId),
    /// The conversation.
    ThreadId(ThreadId),
}

//! A reference model: what an account holds and what each command does to it, written from the RFCs and not from the server.
//!
//! The model is sequential. Its clock, [`Time`], counts the changes made to any account; nothing is forgotten, so that it can say what was so at any time
//! before. What the RFCs leave to the server (which UID, which modification sequence, which of the allowed refusals) is not computed but
//! taken from the [`Deed`] that the store did, after it is checked against what the RFCs demand.
//!
//! | command | effect on the account |
//! |---|---|
//! | CREATE (RFC 9051 §6.3.4) | a mailbox that was not there, and the superiors it lacks; a UIDVALIDITY no mailbox of that name ever had |
//! | DELETE (§6.3.5) | the mailbox and its messages are gone; not INBOX; not one with inferiors (the server may refuse those) |
//! | RENAME (§6.3.6) | the mailbox and all below it; INBOX instead moves its messages to a new mailbox and keeps its inferiors |
//! | | they keep UIDs and UIDVALIDITY, also under a name that a mailbox with a greater UIDVALIDITY had: it must be greater only where UIDs did not last (§2.3.1.1), and to a client of the name it is another |
//! | SUBSCRIBE, UNSUBSCRIBE (§6.3.7) | the set of names; a name need not exist, and stays when its mailbox goes |
//! | APPEND (§6.3.12, RFC 3502) | all messages or none, in order, with their flags and date; UIDs ascend |
//! | STORE (§6.4.6, RFC 7162 §3.1.3) | flags of the messages named; those changed after UNCHANGEDSINCE are refused and listed |
//! | COPY (§6.4.7) | all or none; octets, flags, INTERNALDATE and EMAILID are those of the source; UIDs ascend with the sources' |
//! | MOVE (§6.4.8, RFC 6851) | COPY and removal of the same messages at one instant, perhaps in several portions |
//! | EXPUNGE, UID EXPUNGE, CLOSE (§6.4.3, §6.4.9, §6.4.1) | removes what has \Deleted, of what the client knows of and names |
//! | FETCH without PEEK (§6.4.5) | adds \Seen |
//!
//! Every change of a message's flags, its arrival and its expunge has a modification sequence above the HIGHESTMODSEQ before it (RFC 7162 §3.1).

mod account;
pub(crate) mod command;
mod deed;
mod flags;
mod list;
mod mailbox;
mod search;

pub use account::{Account, BoxId, Meant};
pub use command::{
    Command, FetchItem, ListCommand, NewMail, Qresync, Return, Select, SetArg, Star, StoreOp,
    wire_name,
};
pub use deed::{Counters, Deed, Outcome, Wrong};
pub use flags::{FlagSet, Flags};
pub use list::ListAnswer;
pub use mailbox::{Content, Mailbox, Message, ModSeqs, Version};
pub use search::{Key, Truth};

/// How many changes were made so far.
pub type Time = u32;

pub(crate) use command::FIRST_DAY;

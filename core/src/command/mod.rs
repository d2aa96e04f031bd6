//! What each command does: small values stepped by the session, a file per command or family.

pub(crate) mod append;
mod auth;
mod basic;
mod copy;
mod expunge;
pub(crate) mod fetch;
mod idle;
mod list;
mod mailboxes;
mod search;
mod select;
pub(crate) mod skip;
mod status;
mod store;
mod walk;

use alloc::string::String;
use bytes::Bytes;

use crate::ast::{Command, SequenceSet};
use crate::effect::{Op, Outcome, StoreError};
use crate::mailbox::MailboxName;
use crate::session::{Done, Session, Step};
use crate::set::UidSet;

/// Starts a command whose state was found right.
pub(crate) fn start(s: &mut Session, command: Command) {
    let step = match command {
        Command::Capability => basic::capability(s),
        Command::Noop => Step::Done(Done::ok("NOOP completed")),
        Command::Check => Step::Done(Done::ok("CHECK completed")),
        Command::Logout => basic::logout(s),
        Command::Id(pairs) => basic::id(s, &pairs),
        Command::Namespace => basic::namespace(s),
        Command::Enable(names) => basic::enable(s, &names),
        Command::StartTls => basic::start_tls(s),
        Command::Login { user, password } => auth::login(s, &user, password),
        Command::Authenticate { mechanism, initial } => auth::authenticate(s, &mechanism, initial),
        Command::Select {
            mailbox,
            read_only,
            params,
        } => select::begin(s, &mailbox, read_only, params),
        Command::Close => select::close(s),
        Command::Unselect => select::unselect(s),
        Command::Create {
            mailbox,
            special_use,
        } => mailboxes::create(s, &mailbox, special_use),
        Command::Delete(mailbox) => mailboxes::delete(s, &mailbox),
        Command::Rename { from, to } => mailboxes::rename(s, &from, &to),
        Command::Subscribe(mailbox) => mailboxes::subscribe(s, &mailbox, true),
        Command::Unsubscribe(mailbox) => mailboxes::subscribe(s, &mailbox, false),
        Command::List(list) => list::list(s, list),
        Command::Lsub { reference, pattern } => list::lsub(s, &reference, &pattern),
        Command::Status { mailbox, items } => status::begin(s, &mailbox, items),
        // The framer hands APPEND over by its first literal; here it has none.
        Command::Append { .. } => Step::Done(Done::bad("Expected a message literal")),
        Command::Idle => idle::begin(s),
        Command::Expunge(set) => expunge::begin(s, set),
        Command::Search { uid, search } => search::begin(s, uid, search),
        Command::Fetch {
            uid,
            set,
            items,
            changed_since,
            vanished,
        } => fetch::begin(s, uid, &set, items, changed_since, vanished),
        Command::Store {
            uid,
            set,
            unchanged_since,
            op,
            silent,
            flags,
        } => store::begin(
            s,
            uid,
            &set,
            store::Change {
                unchanged_since,
                op,
                silent,
                flags,
            },
        ),
        Command::Copy {
            uid,
            remove,
            set,
            mailbox,
        } => copy::begin(s, uid, remove, &set, &mailbox),
    };
    s.first_step(step);
}

/// The reply to `O`; one to something else is a fault of the store.
pub(crate) fn reply<O: Op>(outcome: Outcome) -> Result<O::Reply, StoreError> {
    O::result(outcome).unwrap_or_else(|| Err(StoreError::lost()))
}

/// A mailbox name as sent, or the refusal.
pub(crate) fn name(s: &Session, wire: &Bytes) -> Result<MailboxName, Done> {
    let name = MailboxName::from_wire(wire, s.enabled.rev2)
        .map_err(|error| Done::no(alloc::format!("[CANNOT] {error}")))?;
    let limits = &s.config.limits;
    if name.as_str().len() > limits.mailbox_name {
        return Err(Done::no("[CANNOT] The mailbox name is too long"));
    }
    if name.ancestors().count() >= limits.mailbox_depth {
        return Err(Done::no("[CANNOT] The mailbox name has too many levels"));
    }
    Ok(name)
}

/// The UIDs a client's set means in the selected mailbox (RFC 9051 §6.4.8: numbers out of range are BAD, UIDs that are not there are ignored).
pub(crate) fn resolve(s: &Session, uid: bool, set: &SequenceSet) -> Result<UidSet, Done> {
    let Some(selected) = &s.selected else {
        return Ok(UidSet::new());
    };
    match set {
        SequenceSet::Saved => Ok(selected.view.intersect(&s.saved.to_set())),
        SequenceSet::Ranges(ranges) if uid => Ok(selected.view.resolve_uid(ranges)),
        SequenceSet::Ranges(ranges) => selected
            .view
            .resolve_seq(ranges)
            .map_err(|_| no_such_message()),
    }
}

/// The same as ranges of UIDs, not message by message: [`View::refill`](crate::view::View::refill) looks those up, some at a time.
pub(crate) fn spans(s: &Session, uid: bool, set: &SequenceSet) -> Result<UidSet, Done> {
    let Some(selected) = &s.selected else {
        return Ok(UidSet::new());
    };
    match set {
        SequenceSet::Saved => Ok(s.saved.to_set()),
        SequenceSet::Ranges(ranges) if uid => Ok(selected.view.spans_of_uid(ranges)),
        SequenceSet::Ranges(ranges) => selected
            .view
            .spans_of_seq(ranges)
            .map_err(|_| no_such_message()),
    }
}

pub(crate) fn no_such_message() -> Done {
    Done::bad("There is no message with that sequence number")
}

/// A name and "completed".
pub(crate) fn completed(uid: bool, name: &str) -> Done {
    let text: String = alloc::format!("{}{name} completed", if uid { "UID " } else { "" });
    Done::ok(text)
}

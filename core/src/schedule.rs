//! What each command needs and what may be told while it is answered: one row per command.

use crate::ast::{Command, SearchKey, SearchStep};

/// The state a command needs (RFC 9051 §3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Needs {
    /// Any.
    Nothing,
    /// Not authenticated.
    NotAuthenticated,
    /// Authenticated or selected.
    Authenticated,
    /// Selected.
    Selected,
}

/// What the client is told of other sessions' changes before the tagged answer (RFC 9051 §5.2, §7.5.1; RFC 2180).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tell {
    /// Nothing.
    Nothing,
    /// Arrivals and flags, not EXPUNGE: the command used sequence numbers.
    NoExpunge,
    /// Everything, if there is anything.
    All,
    /// Everything, and the store is asked whether there is anything.
    Fresh,
}

/// One row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    /// The name, for the tagged answer and events.
    pub name: &'static str,
    /// The state it needs.
    pub needs: Needs,
    /// What is told before its answer.
    pub tell: Tell,
}

const fn row(name: &'static str, needs: Needs, tell: Tell) -> Row {
    Row { name, needs, tell }
}

/// The row of a command.
pub(crate) fn of(command: &Command) -> Row {
    use Needs::{Authenticated, NotAuthenticated, Nothing as Any, Selected};
    use Tell::{All, Fresh, NoExpunge, Nothing};
    match command {
        Command::Capability => row("CAPABILITY", Any, All),
        Command::Noop => row("NOOP", Any, Fresh),
        Command::Logout => row("LOGOUT", Any, Nothing),
        Command::Id(_) => row("ID", Any, All),
        Command::StartTls => row("STARTTLS", NotAuthenticated, Nothing),
        Command::Authenticate { .. } => row("AUTHENTICATE", NotAuthenticated, Nothing),
        Command::Login { .. } => row("LOGIN", NotAuthenticated, Nothing),
        Command::Enable(_) => row("ENABLE", Authenticated, Nothing),
        Command::Select {
            read_only: false, ..
        } => row("SELECT", Authenticated, Nothing),
        Command::Select {
            read_only: true, ..
        } => row("EXAMINE", Authenticated, Nothing),
        Command::Create { .. } => row("CREATE", Authenticated, All),
        Command::Delete(_) => row("DELETE", Authenticated, All),
        Command::Rename { .. } => row("RENAME", Authenticated, All),
        Command::Subscribe(_) => row("SUBSCRIBE", Authenticated, All),
        Command::Unsubscribe(_) => row("UNSUBSCRIBE", Authenticated, All),
        Command::List(_) => row("LIST", Authenticated, All),
        Command::Lsub { .. } => row("LSUB", Authenticated, All),
        Command::Namespace => row("NAMESPACE", Authenticated, All),
        Command::Status { .. } => row("STATUS", Authenticated, All),
        Command::Append { .. } => row("APPEND", Authenticated, All),
        Command::Idle => row("IDLE", Authenticated, All),
        Command::Check => row("CHECK", Selected, Fresh),
        Command::Close => row("CLOSE", Selected, Nothing),
        Command::Unselect => row("UNSELECT", Selected, Nothing),
        Command::Expunge(None) => row("EXPUNGE", Selected, Fresh),
        Command::Expunge(Some(_)) => row("UID EXPUNGE", Selected, Fresh),
        Command::Search { uid: false, .. } => row("SEARCH", Selected, NoExpunge),
        Command::Search { uid: true, search } => {
            let by_number = search
                .keys
                .iter()
                .any(|k| matches!(k, SearchStep::Key(SearchKey::Sequence(_))));
            row(
                "UID SEARCH",
                Selected,
                if by_number { NoExpunge } else { All },
            )
        }
        Command::Fetch { uid: false, .. } => row("FETCH", Selected, NoExpunge),
        Command::Fetch { uid: true, .. } => row("UID FETCH", Selected, All),
        Command::Store { uid: false, .. } => row("STORE", Selected, NoExpunge),
        Command::Store { uid: true, .. } => row("UID STORE", Selected, All),
        Command::Copy {
            uid: false,
            remove: false,
            ..
        } => row("COPY", Selected, All),
        Command::Copy {
            uid: true,
            remove: false,
            ..
        } => row("UID COPY", Selected, All),
        Command::Copy {
            uid: false,
            remove: true,
            ..
        } => row("MOVE", Selected, Fresh),
        Command::Copy {
            uid: true,
            remove: true,
            ..
        } => row("UID MOVE", Selected, Fresh),
    }
}

//! How the store fails.

use alloc::sync::Arc;

use crate::mailbox::MailboxName;

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

    /// There is no mailbox of this name.
    #[must_use]
    pub fn no_mailbox(name: &MailboxName) -> Self {
        let text = alloc::format!("There is no mailbox {}", name.as_str());
        Self::new(ErrorKind::NonExistent, text)
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

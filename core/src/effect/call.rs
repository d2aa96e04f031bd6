//! Operations as calls: each is answered once, by a reply of its own type.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;

use super::{
    Account, Authenticate, Changes, ChangesSince, Committed, Copied, Copy, Create, Delete,
    ErrorKind, Expunge, Expunged, Fetch, FetchPage, FlagsSet, MailboxRow, MailboxStatus, Mailboxes,
    Move, Moved, Open, Opened, Purge, Purged, ReadBody, Rename, Search, SearchPage, SetFlags,
    Status, StoreError, Subscribe, Unwatch, UploadAbort, UploadBegin, UploadChunk, UploadCommit,
    Watch,
};
use crate::id::{MailboxId, UploadId};

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

    /// The token of the effect it answers.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token
    }

    /// What it says, for whoever writes it down.
    #[doc(hidden)]
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
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
    Status => Vec<Option<MailboxStatus>>,
    Create => MailboxId,
    Delete => (),
    Rename => (),
    Subscribe => (),
    Purge => Purged,
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

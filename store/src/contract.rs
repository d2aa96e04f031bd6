//! The two doors of a store: submission with completion for effects, and a level-triggered one for notices.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pillarbox_core::effect::{Actor, Call, Effect, Notice, Op, Purge, Purged, Reply, StoreError};
use pillarbox_core::id::AccountId;

use crate::sync::mpsc;

/// Keeps mail. One trait fits memory, threads with group commit and async clients, and knows no runtime.
///
/// An account that was never seen before has an INBOX from its first operation on.
pub trait Backend: Send + Sync + 'static {
    /// Starts the job and answers it once, from any thread, possibly before returning. What is answered before it returns costs no thread hop.
    /// Waits for no disk, but for a moment when the job has [leave](Job::leave) for that.
    fn submit(&self, job: Job);

    /// Sets the receiver of notices: one after each durable change of a mailbox, merged, repeated or late as it may be. `Watch` and `Unwatch`
    /// never reach a backend: the driver's hub answers them.
    fn subscribe(&self, notices: Notices);
}

/// Says who may sign in; embedders bring their own. Only ever given [`Effect::Authenticate`].
pub trait Accounts: Send + Sync + 'static {
    /// Checks a password and answers once, from any thread; slow by design, so never on the caller's.
    fn authenticate(&self, job: Job);

    /// Whether this account may still be used. Asked once more when a session of its is known to the hub, so that one disabled between the
    /// check of the password and that moment does not slip in.
    fn admits(&self, _account: AccountId) -> bool {
        true
    }
}

/// Receives notices, from any thread; must not block.
pub type Notices = Arc<dyn Fn(Notice) + Send + Sync>;

/// One effect and where its reply goes.
#[derive(Debug)]
#[must_use = "a job dropped unanswered fails its command"]
pub struct Job {
    effect: Effect,
    slot: ReplySlot,
    leave: Option<Leave>,
}

impl Job {
    /// A job whose reply is handed to `done`.
    pub fn new(effect: Effect, done: impl FnOnce(Reply) + Send + 'static) -> Self {
        let slot = ReplySlot {
            token: effect.token(),
            done: Some(Box::new(done)),
        };
        Self {
            effect,
            slot,
            leave: None,
        }
    }

    /// The same, submitted by a thread that may wait for a disk.
    pub fn with_leave(mut self, leave: Option<Leave>) -> Self {
        self.leave = leave;
        self
    }

    /// Whether the thread that submits it may wait for a disk; `None`: it must not.
    pub fn leave(&self) -> Option<&Leave> {
        self.leave.as_ref()
    }

    /// What is to be done.
    pub fn effect(&self) -> &Effect {
        &self.effect
    }

    /// The effect, and where its reply goes.
    pub fn into_parts(self) -> (Effect, ReplySlot) {
        (self.effect, self.slot)
    }
}

/// A runtime's word that some of its threads may wait for a disk when they submit a job, as long as a sync takes on a disk that is fast: others go
/// on. A job that is done in place is spared the way to a thread of the store and back.
#[derive(Clone)]
pub struct Leave(Arc<Waiters>);

struct Waiters {
    /// How many more may wait.
    free: AtomicUsize,
    relieve: Box<dyn Fn() + Send + Sync>,
}

impl Leave {
    /// For so many threads at a time. `relieve` is called by another thread when one of them waits for some milliseconds, and must not block: what that
    /// one would have looked after, others of the runtime look after from then on.
    pub fn new(threads: usize, relieve: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Waiters {
            free: AtomicUsize::new(threads),
            relieve: Box::new(relieve),
        }))
    }

    /// Begins to wait, if not too many threads do already.
    pub fn take(&self) -> Option<Stay> {
        let free = &self.0.free;
        let taken = free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        taken.ok().map(|_| Stay(self.clone()))
    }

    /// Has others of the runtime look after what a thread that waits leaves.
    pub fn relieve(&self) {
        (self.0.relieve)();
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leave")
            .field("free", &self.0.free)
            .finish_non_exhaustive()
    }
}

/// One thread's wait; over when it is dropped.
#[derive(Debug)]
#[must_use = "the wait is over when it is dropped"]
pub struct Stay(Leave);

impl Stay {
    /// What it was taken from.
    pub fn leave(&self) -> &Leave {
        &self.0
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.0.free.fetch_add(1, Ordering::AcqRel);
    }
}

/// Where one reply goes; dropped unused it answers that the request was lost.
#[must_use = "a slot dropped unused fails its command"]
pub struct ReplySlot {
    token: u64,
    done: Option<Box<dyn FnOnce(Reply) + Send>>,
}

impl ReplySlot {
    /// Hands the reply over.
    pub fn send(mut self, reply: Reply) {
        if let Some(done) = self.done.take() {
            done(reply);
        }
    }
}

impl Drop for ReplySlot {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Reply::lost(self.token));
        }
    }
}

impl fmt::Debug for ReplySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplySlot")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// Asks a store and waits for its answer: for setting up and for tools, never on an event loop.
///
/// # Errors
/// What the store says, and when it drops the question.
pub fn ask<O: Op>(backend: &dyn Backend, op: O) -> Result<O::Reply, StoreError>
where
    Effect: From<Call<O>>,
{
    let (sender, receiver) = mpsc::channel();
    backend.submit(Job::new(Call::detached(op).into(), move |reply| {
        // The receiver is there as long as this function.
        let _ = sender.send(reply);
    }));
    let reply = receiver.recv().ok();
    reply
        .and_then(Reply::into_result::<O>)
        .unwrap_or_else(|| Err(StoreError::lost()))
}

/// Deletes all mail of an account that has no sessions: it is then as one that was never seen. Waits for the end, as [`ask`] does; what was
/// deleted before an error stays deleted.
///
/// # Errors
/// What the store says.
pub fn purge(backend: &dyn Backend, account: AccountId) -> Result<Purged, StoreError> {
    let actor = Actor { account };
    let mut all = Purged::default();
    loop {
        let limit = PURGED_AT_ONCE;
        let step = ask(backend, Purge { actor, limit })?;
        all.messages += step.messages;
        all.mailboxes += step.mailboxes;
        if !step.more {
            return Ok(all);
        }
    }
}

/// Messages in one transaction: as many as a session changes at once, so that other accounts get their turn.
const PURGED_AT_ONCE: usize = 2000;

//! What reaches one connection from other threads: replies, notices, the end.

use std::collections::BTreeMap;
use std::task::Waker;

use pillarbox_core::effect::{MailboxRef, Notice, Reply};
use pillarbox_core::id::ModSeq;
use pillarbox_core::session::Bye;

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// A connection's letter box.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    replies: Vec<Reply>,
    /// Merged: the highest of each mailbox, or that it is gone, in whatever order they came.
    notices: BTreeMap<MailboxRef, Option<ModSeq>>,
    bye: Option<Bye>,
    waker: Option<Waker>,
}

/// What had arrived.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    pub replies: Vec<Reply>,
    pub notices: BTreeMap<MailboxRef, Option<ModSeq>>,
    pub bye: Option<Bye>,
}

impl Letters {
    fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.notices.is_empty() && self.bye.is_none()
    }
}

impl Inbox {
    pub(crate) fn reply(&self, reply: Reply) {
        self.put(|state| state.replies.push(reply));
    }

    pub(crate) fn notice(&self, notice: Notice) {
        self.put(|state| {
            let entry = state.notices.entry(notice.mailbox);
            let level = entry.or_insert(notice.modseq);
            *level = match (*level, notice.modseq) {
                (Some(here), Some(new)) => Some(here.max(new)),
                _ => None,
            };
        });
    }

    pub(crate) fn bye(&self, reason: Bye) {
        self.put(|state| {
            state.bye.get_or_insert(reason);
        });
    }

    /// While the connection is at work no waker is set: what it caused itself wakes nobody.
    fn put(&self, put: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.state();
            put(&mut state);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What has arrived; if nothing has and a waker is given, it is woken by the next letter.
    pub(crate) fn take(&self, waker: Option<&Waker>) -> Option<Letters> {
        let mut state = self.state();
        state.waker = None;
        let letters = Letters {
            replies: std::mem::take(&mut state.replies),
            notices: std::mem::take(&mut state.notices),
            bye: state.bye.take(),
        };
        if !letters.is_empty() {
            return Some(letters);
        }
        state.waker = waker.cloned();
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; the state is good even so.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use pillarbox_core::id::{AccountId, MailboxId};

    use super::*;

    #[test]
    fn a_notice_that_is_late_hides_nothing() {
        let mailbox = MailboxRef {
            owner: AccountId(1),
            id: MailboxId(1),
        };
        let level = |modseqs: &[Option<u64>]| {
            let inbox = Inbox::default();
            for modseq in modseqs {
                let modseq = modseq.map(ModSeq);
                inbox.notice(Notice { mailbox, modseq });
            }
            inbox.take(None).and_then(|l| l.notices[&mailbox])
        };
        assert_eq!(level(&[Some(6), Some(5)]), Some(ModSeq(6)));
        assert_eq!(level(&[Some(5), Some(6)]), Some(ModSeq(6)));
        assert_eq!(level(&[None, Some(5)]), None);
        assert_eq!(level(&[Some(5), None]), None);
    }
}

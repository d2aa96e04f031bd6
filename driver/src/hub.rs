//! Where connections meet: who watches which mailbox, who is signed in, and whether the server stops.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use pillarbox_core::effect::{MailboxRef, Notice};
use pillarbox_core::id::AccountId;
use pillarbox_core::session::Bye;
use pillarbox_store::Notices;

use crate::inbox::Inbox;

/// What all connections of a server share; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    connections: BTreeMap<u64, Entry>,
    watchers: BTreeMap<MailboxRef, BTreeSet<u64>>,
    addresses: BTreeMap<IpAddr, usize>,
    stopping: bool,
    waiting: Vec<Waker>,
}

#[derive(Debug)]
struct Entry {
    inbox: Arc<Inbox>,
    account: Option<AccountId>,
    address: Option<IpAddr>,
    watched: BTreeSet<MailboxRef>,
}

impl Hub {
    /// The receiver to subscribe to a backend with.
    #[must_use]
    pub fn notices(&self) -> Notices {
        let hub = self.clone();
        Arc::new(move |notice| hub.publish(notice))
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state().connections.len()
    }

    /// How many connections there are from this address.
    #[must_use]
    pub fn connections_from(&self, address: IpAddr) -> usize {
        self.state().addresses.get(&address).copied().unwrap_or(0)
    }

    /// Ends the sessions of an account.
    pub fn disconnect(&self, account: AccountId, reason: Bye) {
        let inboxes: Vec<_> = self
            .state()
            .connections
            .values()
            .filter(|e| e.account == Some(account))
            .map(|e| e.inbox.clone())
            .collect();
        inboxes.iter().for_each(|inbox| inbox.bye(reason));
    }

    /// Ends every session with `* BYE` and lets [`Hub::stopping`] return.
    pub fn shutdown(&self) {
        let (inboxes, waiting) = {
            let mut state = self.state();
            state.stopping = true;
            let inboxes: Vec<_> = state
                .connections
                .values()
                .map(|e| e.inbox.clone())
                .collect();
            (inboxes, std::mem::take(&mut state.waiting))
        };
        inboxes.iter().for_each(|inbox| inbox.bye(Bye::Shutdown));
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Returns when the server is to stop.
    pub async fn stopping(&self) {
        self.until(|state| state.stopping).await;
    }

    /// Returns when no connection is left.
    pub async fn drained(&self) {
        self.until(|state| state.connections.is_empty()).await;
    }

    async fn until(&self, met: impl Fn(&State) -> bool) {
        poll_fn(|cx| {
            let mut state = self.state();
            if met(&state) {
                return Poll::Ready(());
            }
            if !state.waiting.iter().any(|w| w.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn enter(&self, inbox: Arc<Inbox>, address: Option<IpAddr>) -> Membership {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        if let Some(address) = address {
            *state.addresses.entry(address).or_default() += 1;
        }
        if state.stopping {
            inbox.bye(Bye::Shutdown);
        }
        state.connections.insert(
            id,
            Entry {
                inbox,
                account: None,
                address,
                watched: BTreeSet::new(),
            },
        );
        Membership {
            hub: self.clone(),
            id,
        }
    }

    fn publish(&self, notice: Notice) {
        let inboxes: Vec<_> = {
            let state = self.state();
            let watchers = state.watchers.get(&notice.mailbox).into_iter().flatten();
            watchers
                .filter_map(|id| state.connections.get(id))
                .map(|e| e.inbox.clone())
                .collect()
        };
        inboxes.iter().for_each(|inbox| inbox.notice(notice));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; the state is good even so.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place in the hub; dropped, it is gone from everywhere.
#[derive(Debug)]
pub(crate) struct Membership {
    hub: Hub,
    id: u64,
}

impl Membership {
    pub(crate) fn signed_in(&self, account: AccountId) {
        if let Some(entry) = self.hub.state().connections.get_mut(&self.id) {
            entry.account = Some(account);
        }
    }

    pub(crate) fn watch(&self, mailbox: MailboxRef) {
        let mut state = self.hub.state();
        state.watchers.entry(mailbox).or_default().insert(self.id);
        if let Some(entry) = state.connections.get_mut(&self.id) {
            entry.watched.insert(mailbox);
        }
    }

    pub(crate) fn unwatch(&self, mailbox: MailboxRef) {
        let mut state = self.hub.state();
        if let Some(entry) = state.connections.get_mut(&self.id) {
            entry.watched.remove(&mailbox);
        }
        state.forget(mailbox, self.id);
    }
}

impl State {
    fn forget(&mut self, mailbox: MailboxRef, id: u64) {
        if let Some(watchers) = self.watchers.get_mut(&mailbox) {
            watchers.remove(&id);
            if watchers.is_empty() {
                self.watchers.remove(&mailbox);
            }
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.hub.state();
            if let Some(entry) = state.connections.remove(&self.id) {
                for mailbox in entry.watched {
                    state.forget(mailbox, self.id);
                }
                if let Some(address) = entry.address
                    && let Some(count) = state.addresses.get_mut(&address)
                {
                    *count -= 1;
                    if *count == 0 {
                        state.addresses.remove(&address);
                    }
                }
            }
            if state.connections.is_empty() {
                std::mem::take(&mut state.waiting)
            } else {
                Vec::new()
            }
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

//! Where connections meet: who watches which mailbox, who is signed in, and whether the server stops.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::{Poll, Waker};

use pillarbox_core::effect::{MailboxRef, Notice};
use pillarbox_core::id::AccountId;
use pillarbox_core::session::Bye;
use pillarbox_store::{Notices, one_host};

use crate::inbox::Inbox;
use crate::service::{ListenerKind, Settings};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// What all connections of a server share; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    connections: BTreeMap<u64, Entry>,
    watchers: BTreeMap<MailboxRef, BTreeSet<u64>>,
    addresses: BTreeMap<IpAddr, usize>,
    /// Connections that were one too many and are being told so; they count for no cap.
    refused: usize,
    stopping: bool,
    /// What is to be listened on otherwise, since that was last asked.
    listeners: Vec<(SocketAddr, Change)>,
    waiting: Vec<Waker>,
}

/// What becomes of a listener.
#[derive(Debug)]
pub(crate) enum Change {
    Comes(TcpListener, ListenerKind),
    /// Its connections begin otherwise from here on.
    Turns(ListenerKind),
    Goes,
}

#[derive(Debug)]
struct Entry {
    inbox: Arc<Inbox>,
    account: Option<AccountId>,
    /// While it signs in: accounts whose sessions were ended since it began, and why.
    signing: Option<BTreeMap<AccountId, Bye>>,
    /// What it counts for: an address, or being refused.
    counts: Counts,
    watched: BTreeSet<MailboxRef>,
}

impl Hub {
    /// The receiver to subscribe to a backend with.
    #[must_use]
    pub fn notices(&self) -> Notices {
        let hub = self.clone();
        Arc::new(move |notice| hub.publish(notice))
    }

    /// How many connections there are, without those being refused.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state().counted()
    }

    /// How many connections there are from this address; the addresses of an IPv6 /64 are one, since one host has them all.
    #[must_use]
    pub fn connections_from(&self, address: IpAddr) -> usize {
        let addresses = &self.state().addresses;
        addresses.get(&one_host(address)).copied().unwrap_or(0)
    }

    /// How many connections are signed in to this account.
    #[must_use]
    pub fn sessions(&self, account: AccountId) -> usize {
        let state = self.state();
        let entries = state.connections.values();
        entries.filter(|e| e.account == Some(account)).count()
    }

    /// Ends the sessions of an account, and those that are signing in to it: what they were let in by may be what changed.
    pub fn disconnect(&self, account: AccountId, reason: Bye) {
        let mut inboxes = Vec::new();
        for entry in self.state().connections.values_mut() {
            if entry.account == Some(account) {
                inboxes.push(entry.inbox.clone());
            }
            if let Some(ended) = &mut entry.signing {
                ended.insert(account, reason);
            }
        }
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

    /// Connections of this listener too are accepted, at once or when the service is run; its address.
    ///
    /// # Errors
    /// It is of no use.
    pub fn listen(&self, listener: TcpListener, kind: ListenerKind) -> io::Result<SocketAddr> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        self.change(address, Change::Comes(listener, kind));
        Ok(address)
    }

    /// No more connections are accepted at this address, and it is given back in a moment; those that are there live on. For listeners of
    /// [`Hub::listen`] and those that a runtime was started with.
    pub fn close(&self, address: SocketAddr) {
        self.change(address, Change::Goes);
    }

    /// Connections accepted at this address from here on begin so; those that are there live on as they are. For the same listeners as
    /// [`Hub::close`].
    pub fn turn(&self, address: SocketAddr, kind: ListenerKind) {
        self.change(address, Change::Turns(kind));
    }

    fn change(&self, address: SocketAddr, change: Change) {
        let waiting = {
            let mut state = self.state();
            state.listeners.push((address, change));
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Takes what changed; what changes next wakes the waker.
    pub(crate) fn listeners(&self, waker: &Waker) -> Vec<(SocketAddr, Change)> {
        let mut state = self.state();
        state.wait(waker);
        std::mem::take(&mut state.listeners)
    }

    /// What a listener of this kind has become by changes that are not taken yet: who connects after [`Hub::turn`] may be accepted before.
    pub(crate) fn turned(&self, address: SocketAddr, kind: ListenerKind) -> ListenerKind {
        let state = self.state();
        let changes = state.listeners.iter().filter(|(at, _)| *at == address);
        changes.fold(kind, |kind, (_, change)| match change {
            Change::Turns(kind) => *kind,
            Change::Comes(..) | Change::Goes => kind,
        })
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
            state.wait(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// One more connection: it is let in, or told why not, or, when too many are being told so already, `None`.
    pub(crate) fn enter(
        &self,
        inbox: Arc<Inbox>,
        address: Option<IpAddr>,
        settings: &Settings,
    ) -> Option<Membership> {
        let mut state = self.state();
        let counts = state.admit(address.map(one_host), settings)?;
        if state.stopping {
            inbox.bye(Bye::Shutdown);
        } else if counts == Counts::Refused {
            inbox.bye(Bye::TooManyConnections);
        }
        let id = state.next;
        state.next += 1;
        state.connections.insert(
            id,
            Entry {
                inbox,
                account: None,
                signing: None,
                counts,
                watched: BTreeSet::new(),
            },
        );
        Some(Membership {
            hub: self.clone(),
            id,
        })
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

/// How a connection is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Counts {
    /// As one of all, and of its address if it has one.
    For(Option<IpAddr>),
    /// As one of those that are told that they are too many.
    Refused,
}

/// So many connections at once are told that they are too many; more are closed without a word, so that a flood costs next to nothing.
const REFUSED: usize = 64;

/// One connection's place in the hub; dropped, it is gone from everywhere.
#[derive(Debug)]
pub(crate) struct Membership {
    hub: Hub,
    id: u64,
}

impl Membership {
    /// A password is going to be checked.
    pub(crate) fn signs_in(&self) {
        if let Some(entry) = self.hub.state().connections.get_mut(&self.id) {
            entry.signing = Some(BTreeMap::new());
        }
    }

    /// It was right; if the account's sessions were ended meanwhile, why this one ends too.
    pub(crate) fn signed_in(&self, account: AccountId) -> Option<Bye> {
        let mut state = self.hub.state();
        let entry = state.connections.get_mut(&self.id)?;
        entry.account = Some(account);
        entry.signing.take()?.remove(&account)
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
    fn wait(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|w| w.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    fn counted(&self) -> usize {
        self.connections.len() - self.refused
    }

    /// Under which count one more connection goes, which is raised.
    fn admit(&mut self, address: Option<IpAddr>, settings: &Settings) -> Option<Counts> {
        let from = address.and_then(|a| self.addresses.get(&a)).copied();
        if self.counted() < settings.max_connections && from.unwrap_or(0) < settings.max_per_address
        {
            let address = address.inspect(|a| *self.addresses.entry(*a).or_default() += 1);
            return Some(Counts::For(address));
        }
        if self.refused >= REFUSED {
            return None;
        }
        self.refused += 1;
        Some(Counts::Refused)
    }

    fn uncount(&mut self, counts: Counts) {
        match counts {
            Counts::Refused => self.refused -= 1,
            Counts::For(None) => {}
            Counts::For(Some(address)) => {
                if let Some(count) = self.addresses.get_mut(&address) {
                    *count -= 1;
                    if *count == 0 {
                        self.addresses.remove(&address);
                    }
                }
            }
        }
    }

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
                state.uncount(entry.counts);
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

#[cfg(test)]
mod tests {
    use pillarbox_core::id::{MailboxId, ModSeq};

    use super::*;

    #[test]
    fn who_watches_no_more_hears_nothing_more() {
        let (hub, inbox) = (Hub::default(), Arc::new(Inbox::default()));
        let entered = hub.enter(inbox.clone(), None, &Settings::default());
        let membership = entered.expect("there is room");
        let mailbox = MailboxRef {
            owner: AccountId(1),
            id: MailboxId(1),
        };
        let tell = || {
            let modseq = Some(ModSeq(2));
            hub.notices()(Notice { mailbox, modseq });
            inbox.take(None).is_some()
        };
        assert!(!tell(), "nothing is watched yet");
        membership.watch(mailbox);
        assert!(tell());
        membership.unwatch(mailbox);
        assert!(!tell());
        membership.watch(mailbox);
        drop(membership);
        assert!(!tell());
        assert!(hub.state().watchers.is_empty(), "it is forgotten");
    }
}

//! Who may sign in: fixed accounts for tests and embedders, and anyone for demos.

#[cfg(feature = "sqlite")]
mod file;

#[cfg(feature = "sqlite")]
pub use file::{FileAccounts, hash_password};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pillarbox_core::effect::{Account, Effect, ErrorKind, StoreError};
use pillarbox_core::id::AccountId;

use crate::contract::{Accounts, Job};
use crate::error::lock;

/// Accounts with passwords in memory, numbered from 1 in the order they were added.
#[derive(Default)]
pub struct StaticAccounts {
    users: BTreeMap<String, (AccountId, Vec<u8>)>,
}

impl StaticAccounts {
    /// No account.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an account, or changes its password.
    #[must_use]
    pub fn with(mut self, user: &str, password: &str) -> Self {
        let next = AccountId(self.users.len() as u64 + 1);
        let entry = self.users.entry(user.to_owned());
        entry.or_insert((next, Vec::new())).1 = password.as_bytes().to_vec();
        self
    }
}

impl Accounts for StaticAccounts {
    fn authenticate(&self, job: Job) {
        let (effect, slot) = job.into_parts();
        let Effect::Authenticate(call) = effect else {
            return slot.send(effect.fail(StoreError::lost()));
        };
        let user = self.users.get(&call.op().user);
        // Compares all octets, also for an unknown user, so that the time tells nothing about them.
        let expected = user.map_or(&b""[..], |u| &u.1);
        let same = same_octets(expected, call.op().password.expose());
        let account = user.filter(|_| same).map(|(id, _)| Account {
            id: *id,
            name: call.op().user.as_str().into(),
        });
        slot.send(call.answer(account.ok_or_else(refused)));
    }
}

/// Lets anyone in with any password, for demos; a name keeps its account as long as the value lives.
#[derive(Default)]
pub struct AnyAccounts {
    seen: Mutex<BTreeMap<String, AccountId>>,
}

impl AnyAccounts {
    /// Nobody was here yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Accounts for AnyAccounts {
    fn authenticate(&self, job: Job) {
        let (effect, slot) = job.into_parts();
        let Effect::Authenticate(call) = effect else {
            return slot.send(effect.fail(StoreError::lost()));
        };
        let name: Arc<str> = call.op().user.as_str().into();
        let mut seen = lock(&self.seen);
        let next = AccountId(seen.len() as u64 + 1);
        let id = *seen.entry(name.to_string()).or_insert(next);
        drop(seen);
        slot.send(call.answer(Ok(Account { id, name })));
    }
}

fn same_octets(a: &[u8], b: &[u8]) -> bool {
    let differences = (0..a.len().max(b.len())).fold(a.len() ^ b.len(), |all, i| {
        all | usize::from(a.get(i).unwrap_or(&0) ^ b.get(i).unwrap_or(&0))
    });
    differences == 0
}

fn refused() -> StoreError {
    StoreError::new(
        ErrorKind::AuthenticationFailed,
        "The user name or the password is wrong",
    )
}

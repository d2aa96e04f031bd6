//! Who may sign in: accounts in the store's folder or in a file, fixed ones for tests and embedders, and anyone for demos.

#[cfg(feature = "sqlite")]
mod check;
#[cfg(feature = "sqlite")]
mod file;
#[cfg(feature = "sqlite")]
mod hash;
#[cfg(feature = "sqlite")]
mod penalty;
#[cfg(feature = "sqlite")]
mod stored;

#[cfg(feature = "sqlite")]
pub use file::{FileAccounts, Reloaded};
#[cfg(feature = "sqlite")]
pub use hash::hash_password;
#[cfg(feature = "sqlite")]
pub use stored::{AccountError, AccountTable, Listed, StoredAccounts};

use std::collections::BTreeMap;
use std::net::IpAddr;
#[cfg(feature = "sqlite")]
use std::ops::Bound;
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

    /// Under which identity this user's mail is kept, if there is such a user.
    #[must_use]
    pub fn id(&self, user: &str) -> Option<AccountId> {
        self.users.get(user).map(|(id, _)| *id)
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

/// What is wrong with an account's name, if anything: it must stay one word in files and logs.
#[cfg(feature = "sqlite")]
fn name_fault(name: &str) -> Option<&'static str> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == ':';
    if name.is_empty() || name.len() > 255 {
        Some("a name has 1 to 255 octets")
    } else if name.starts_with('#') || name.contains(odd) {
        Some("a name has no spaces, colons or control characters, and does not begin with #")
    } else {
        None
    }
}

/// The entry of another account, always the same for a name as long as accounts stay, and found as fast as that of the name would be.
#[cfg(feature = "sqlite")]
fn neighbour<'a, T>(user: &str, accounts: &'a BTreeMap<String, T>) -> Option<&'a T> {
    let after = (Bound::Excluded(user), Bound::Unbounded);
    let next = accounts.range::<str, _>(after).next();
    next.or_else(|| accounts.first_key_value())
        .map(|(_, entry)| entry)
}

/// What counts as one address where addresses are counted: IPv4 ones each, of IPv6 the /64 network, since a single host has all of it.
#[must_use]
pub fn one_host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

fn refused() -> StoreError {
    StoreError::new(
        ErrorKind::AuthenticationFailed,
        "The user name or the password is wrong",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_right_when_all_of_it_is() {
        assert!(same_octets(b"pw", b"pw"));
        for wrong in [&b""[..], b"p", b"w", b"pw ", b"pwpw", b"pw\0", b"Pw", b"wp"] {
            assert!(!same_octets(b"pw", wrong) && !same_octets(wrong, b"pw"));
        }
    }

    #[test]
    fn an_ipv6_network_is_one_host() {
        let of = |text: &str| one_host(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}

//! What failed logins cost: time, per address and per account. Values in, values out; the clock is the caller's.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::one_host;

/// Who signs in, and from where; what is remembered is bounded in size.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    user: Box<str>,
    address: Option<IpAddr>,
}

impl Origin {
    pub(super) fn new(user: &str, address: Option<IpAddr>) -> Self {
        let end = user.floor_char_boundary(LONGEST_NAME);
        Self {
            user: user[..end].into(),
            address: address.map(one_host),
        }
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        let user = Key::User(self.user.clone());
        std::iter::once(user).chain(self.address.map(Key::Address))
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    User(Box<str>),
    Address(IpAddr),
}

#[derive(Debug)]
struct Failures {
    count: usize,
    last: Instant,
    /// The latest attempts that counted.
    attempts: VecDeque<u64>,
}

/// Remembers failures and counts the attempts in hand.
#[derive(Debug)]
pub(super) struct Penalties {
    failures: BTreeMap<Key, Failures>,
    in_hand: BTreeMap<IpAddr, usize>,
    /// What an attempt waits for before it is looked at, by the failures before it; the last one stays.
    delays: &'static [Duration],
}

impl Penalties {
    pub(super) fn new(delays: &'static [Duration]) -> Self {
        Self {
            failures: BTreeMap::new(),
            in_hand: BTreeMap::new(),
            delays,
        }
    }

    /// One more attempt is in hand, until [`Penalties::end`]; how long it waits before it is looked at. `None`: its address has too many.
    pub(super) fn begin(&mut self, origin: &Origin, now: Instant) -> Option<Duration> {
        if let Some(address) = origin.address {
            let in_hand = self.in_hand.entry(address).or_default();
            if *in_hand >= IN_HAND {
                return None;
            }
            *in_hand += 1;
        }
        let failures = origin.keys().map(|key| self.count(&key, now)).max();
        Some(self.delay(failures.unwrap_or(0)))
    }

    /// The attempt was answered.
    pub(super) fn end(&mut self, origin: &Origin) {
        if let Some(address) = origin.address
            && let Some(in_hand) = self.in_hand.get_mut(&address)
        {
            *in_hand -= 1;
            if *in_hand == 0 {
                self.in_hand.remove(&address);
            }
        }
    }

    /// An attempt failed. The same name and password, which `attempt` tells apart from others, count once: a device that does not know of a new
    /// password says the old one for days, and nobody else at its address is to wait longer and longer for it.
    pub(super) fn failed(&mut self, origin: &Origin, attempt: u64, now: Instant) {
        for key in origin.keys() {
            let recent = self.count(&key, now) > 0;
            if !self.failures.contains_key(&key) && self.failures.len() >= REMEMBERED {
                self.forget_oldest();
            }
            let failures = self.failures.entry(key).or_insert(Failures {
                count: 0,
                last: now,
                attempts: VecDeque::new(),
            });
            if !recent {
                (failures.count, failures.last) = (0, now);
                failures.attempts.clear();
            }
            if !failures.attempts.contains(&attempt) {
                failures.attempts.truncate(ATTEMPTS - 1);
                failures.attempts.push_front(attempt);
                (failures.count, failures.last) = (failures.count + 1, now);
            }
        }
    }

    /// The account's failures are forgotten. Those of the address are not: it may guess at one account and own another.
    pub(super) fn succeeded(&mut self, origin: &Origin) {
        self.failures.remove(&Key::User(origin.user.clone()));
    }

    fn count(&self, key: &Key, now: Instant) -> usize {
        let failures = self.failures.get(key);
        let recent = failures.filter(|f| now.saturating_duration_since(f.last) < FORGOTTEN);
        recent.map_or(0, |f| f.count)
    }

    fn delay(&self, failures: usize) -> Duration {
        let last = self.delays.len().saturating_sub(1);
        self.delays
            .get(failures.min(last))
            .copied()
            .unwrap_or_default()
    }

    fn forget_oldest(&mut self) {
        let oldest = self.failures.iter().min_by_key(|(_, f)| f.last);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.failures.remove(&key);
        }
    }
}

const LONGEST_NAME: usize = 255;
/// Attempts of one address that are queued, checked or held.
const IN_HAND: usize = 64;
/// Attempts that are known again, of a name or an address.
const ATTEMPTS: usize = 8;
/// Names and addresses whose failures are remembered.
const REMEMBERED: usize = 10_000;
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const DELAYS: &[Duration] = &[
        Duration::ZERO,
        Duration::from_secs(2),
        Duration::from_secs(6),
    ];

    fn at(user: &str, last: u8) -> Origin {
        Origin::new(user, Some(IpAddr::from([192, 0, 2, last])))
    }

    fn wait(penalties: &mut Penalties, origin: &Origin, now: Instant) -> u64 {
        let delay = penalties.begin(origin, now).unwrap();
        penalties.end(origin);
        delay.as_secs()
    }

    #[test]
    fn delays_grow_for_a_name_from_anywhere_and_an_address_with_any_name() {
        let (mut p, now) = (Penalties::new(DELAYS), Instant::now());
        assert_eq!(wait(&mut p, &at("ann", 1), now), 0);
        p.failed(&at("ann", 1), 1, now);
        assert_eq!(wait(&mut p, &at("ann", 2), now), 2);
        assert_eq!(wait(&mut p, &at("bob", 1), now), 2);
        assert_eq!(wait(&mut p, &at("bob", 2), now), 0);
        for attempt in 2..7 {
            p.failed(&at("ann", 1), attempt, now);
        }
        assert_eq!(wait(&mut p, &at("ann", 1), now), 6, "the last delay stays");
    }

    #[test]
    fn a_success_clears_the_name_only_and_time_clears_all() {
        let (mut p, now) = (Penalties::new(DELAYS), Instant::now());
        p.failed(&at("ann", 1), 1, now);
        p.succeeded(&at("ann", 1));
        assert_eq!(wait(&mut p, &at("ann", 2), now), 0);
        assert_eq!(wait(&mut p, &at("ann", 1), now), 2);
        let just = now + FORGOTTEN - Duration::from_millis(1);
        assert_eq!(wait(&mut p, &at("ann", 1), just), 2);
        assert_eq!(wait(&mut p, &at("ann", 1), now + FORGOTTEN), 0);
    }

    #[test]
    fn memory_is_bounded_and_a_flood_of_names_forgets_the_oldest_first() {
        let (mut p, now) = (Penalties::new(DELAYS), Instant::now());
        for i in 0..=REMEMBERED {
            let later = now + Duration::from_millis(i as u64);
            p.failed(&Origin::new(&format!("{i}"), None), 1, later);
        }
        assert_eq!(p.failures.len(), REMEMBERED);
        assert_eq!(wait(&mut p, &Origin::new("0", None), now), 0);
        assert_eq!(wait(&mut p, &Origin::new("1", None), now), 2);
        let long = Origin::new(&"é".repeat(10_000), None);
        assert_eq!(long.user.len(), LONGEST_NAME - 1);
    }

    #[test]
    fn attempts_in_hand_of_one_address_are_bounded() {
        let (mut p, now) = (Penalties::new(DELAYS), Instant::now());
        for i in 0..IN_HAND {
            assert!(p.begin(&at(&format!("{i}"), 1), now).is_some());
        }
        assert!(p.begin(&at("one more", 1), now).is_none());
        assert!(p.begin(&at("one more", 2), now).is_some());
        p.end(&at("0", 1));
        assert!(p.begin(&at("one more", 1), now).is_some());
    }

    #[test]
    fn the_same_attempt_counts_once_until_it_is_forgotten() {
        let (mut p, now) = (Penalties::new(DELAYS), Instant::now());
        let minutes = |n: u64| now + Duration::from_secs(n * 60);
        for n in 0..15 {
            p.failed(&at("ann", 1), 1, minutes(n));
            assert_eq!(wait(&mut p, &at("bob", 1), minutes(n)), 2);
        }
        assert_eq!(wait(&mut p, &at("bob", 1), minutes(15)), 0);
        p.failed(&at("ann", 1), 1, minutes(15));
        assert_eq!(wait(&mut p, &at("bob", 1), minutes(15)), 2);
        p.failed(&at("ann", 1), 2, minutes(16));
        assert_eq!(wait(&mut p, &at("bob", 1), minutes(16)), 6);
        for attempt in 0..1000 {
            p.failed(&at("ann", 1), attempt, minutes(17));
        }
        assert!(p.failures.values().all(|f| f.attempts.len() == ATTEMPTS));
    }
}

//! Checks passwords on threads of its own: bounded in number, in what is queued, and in what is held back.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use pillarbox_core::effect::{Account, Authenticate, Call, Effect, ErrorKind, Reply, StoreError};
use pillarbox_core::id::AccountId;

use super::hash::{self, Verifier};
use super::penalty::{Origin, Penalties};
use super::refused;
use crate::contract::{Job, ReplySlot};
use crate::error::lock;

/// Knows accounts and their hashes.
pub(super) trait Directory: Send + Sync + 'static {
    fn find(&self, user: &str) -> Option<Found>;

    /// A hash to check the password of an unknown user against, always the same for a name, and drawn from those that accounts have, so
    /// that it costs what theirs cost.
    fn decoy(&self, user: &str) -> Option<Arc<str>>;
}

/// An account as its directory has it.
pub(super) struct Found {
    pub id: AccountId,
    pub hash: Arc<str>,
    pub enabled: bool,
}

/// Time that failed logins cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    /// Before an attempt is looked at, by the failures before it.
    pub before: &'static [Duration],
    /// Before a failure is answered.
    pub after: Duration,
}

/// 2, 4, 8 and then 15 seconds for each failed login.
pub(super) const COSTS: Costs = Costs {
    before: &[
        Duration::ZERO,
        Duration::from_secs(2),
        Duration::from_secs(6),
        Duration::from_secs(13),
    ],
    after: Duration::from_secs(2),
};

/// The threads that check, and the one that waits.
pub(super) struct Checker {
    shared: Arc<Shared>,
    checks: mpsc::SyncSender<Attempt>,
}

struct Shared {
    directory: Arc<dyn Directory>,
    penalties: Mutex<Penalties>,
    costs: Costs,
    /// Tells attempts apart; keyed, so that nothing can be learnt from what is remembered.
    attempts: RandomState,
    dummy: String,
    held: AtomicUsize,
    timer: mpsc::Sender<Timed>,
}

/// What is due when; `None`: stop.
type Timed = Option<(Instant, Held)>;

enum Held {
    Check(Attempt),
    Answer(ReplySlot, Reply, Ticket),
}

/// A password to be checked.
struct Attempt {
    call: Call<Authenticate>,
    slot: ReplySlot,
    ticket: Ticket,
}

impl Attempt {
    fn busy(self) {
        self.slot.send(self.call.answer(Err(busy())));
    }
}

/// Counts an attempt as in hand, as long as it lives.
struct Ticket {
    origin: Origin,
    shared: Arc<Shared>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.shared.penalties).end(&self.origin);
    }
}

impl Checker {
    pub(super) fn new(directory: Arc<dyn Directory>, costs: Costs) -> io::Result<Self> {
        let (timer, timed) = mpsc::channel();
        let (checks, queue) = mpsc::sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            directory,
            penalties: Mutex::new(Penalties::new(costs.before)),
            costs,
            attempts: RandomState::new(),
            dummy: hash::hash_password(b"")?,
            held: AtomicUsize::new(0),
            timer,
        });
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let queue = queue.clone();
            spawn("pillarbox-passwords", move || run(&queue))?;
        }
        let checker = Self { shared, checks };
        let (shared, checks) = (checker.shared.clone(), checker.checks.clone());
        spawn("pillarbox-delays", move || wait(&timed, &checks, &shared))?;
        Ok(checker)
    }

    pub(super) fn authenticate(&self, job: Job) {
        let (effect, slot) = job.into_parts();
        let Effect::Authenticate(call) = effect else {
            return slot.send(effect.fail(StoreError::lost()));
        };
        let (now, origin) = (
            Instant::now(),
            Origin::new(&call.op().user, call.op().address),
        );
        let Some(delay) = lock(&self.shared.penalties).begin(&origin, now) else {
            return slot.send(call.answer(Err(busy())));
        };
        let shared = self.shared.clone();
        let ticket = Ticket { origin, shared };
        let attempt = Attempt { call, slot, ticket };
        if delay.is_zero() {
            enqueue(&self.checks, attempt);
        } else {
            self.shared.hold(now + delay, Held::Check(attempt));
        }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        // The thread that waits is gone only when it was told to stop before.
        let _ = self.shared.timer.send(None);
    }
}

impl Shared {
    /// Keeps this for later, unless too much is kept already.
    fn hold(&self, due: Instant, held: Held) {
        if self.held.fetch_add(1, Ordering::Relaxed) < HELD {
            // When nobody waits any more the slot answers that the request was lost.
            let _ = self.timer.send(Some((due, held)));
            return;
        }
        self.held.fetch_sub(1, Ordering::Relaxed);
        match held {
            Held::Check(attempt) => attempt.busy(),
            Held::Answer(slot, reply, ticket) => answer(slot, reply, ticket),
        }
    }

    fn check(&self, verifier: &mut Verifier, attempt: Attempt) {
        let Attempt { call, slot, ticket } = attempt;
        let op = call.op();
        let found = self.directory.find(&op.user);
        let password = op.password.expose();
        let right = found
            .as_ref()
            .and_then(|found| verifier.matches(&found.hash, password))
            .unwrap_or_else(|| self.pretend(verifier, &op.user, password));
        let name = op.user.as_str().into();
        let Some(found) = found.filter(|_| right) else {
            let now = Instant::now();
            let attempt = self.attempts.hash_one((&op.user, password));
            lock(&self.penalties).failed(&ticket.origin, attempt, now);
            let reply = call.answer(Err(refused()));
            return self.hold(now + self.costs.after, Held::Answer(slot, reply, ticket));
        };
        lock(&self.penalties).succeeded(&ticket.origin);
        slot.send(call.answer(if found.enabled {
            Ok(Account { id: found.id, name })
        } else {
            Err(disabled())
        }));
    }

    /// The work of a check where there is no hash, or one that cannot be checked against: never right.
    fn pretend(&self, verifier: &mut Verifier, user: &str, password: &[u8]) -> bool {
        let decoy = self.directory.decoy(user);
        let done = decoy.and_then(|hash| verifier.matches(&hash, password));
        if done.is_none() {
            // Nobody has a password: what it costs tells nothing.
            let _ = verifier.matches(&self.dummy, password);
        }
        false
    }
}

fn enqueue(checks: &mpsc::SyncSender<Attempt>, attempt: Attempt) {
    if let Err(mpsc::TrySendError::Full(attempt)) = checks.try_send(attempt) {
        attempt.busy();
    }
}

fn answer(slot: ReplySlot, reply: Reply, ticket: Ticket) {
    slot.send(reply);
    drop(ticket);
}

fn run(queue: &Mutex<mpsc::Receiver<Attempt>>) {
    let mut verifier = Verifier::default();
    loop {
        let Ok(attempt) = lock(queue).recv() else {
            return;
        };
        let shared = attempt.ticket.shared.clone();
        shared.check(&mut verifier, attempt);
    }
}

/// Hands on what is due; waiting for one holds no other up.
fn wait(timed: &mpsc::Receiver<Timed>, checks: &mpsc::SyncSender<Attempt>, shared: &Shared) {
    let mut held: BTreeMap<(Instant, u64), Held> = BTreeMap::new();
    for number in 0.. {
        let next = held.first_key_value().map(|((due, _), _)| *due);
        let rest = next.map_or(Duration::from_secs(3600), |due| {
            due.saturating_duration_since(Instant::now())
        });
        match timed.recv_timeout(rest) {
            Ok(Some((due, what))) => drop(held.insert((due, number), what)),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(None) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        while let Some(entry) = held.first_entry().filter(|e| e.key().0 <= now) {
            shared.held.fetch_sub(1, Ordering::Relaxed);
            match entry.remove() {
                Held::Check(attempt) => enqueue(checks, attempt),
                Held::Answer(slot, reply, ticket) => answer(slot, reply, ticket),
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(run).map(drop)
}

fn busy() -> StoreError {
    let text = "Too many people are signing in; try again in a moment";
    StoreError::new(ErrorKind::Unavailable, text)
}

/// Only told to those who know the password.
fn disabled() -> StoreError {
    let text = "This account is disabled; ask the people who run the server";
    StoreError::new(ErrorKind::Disabled, text)
}

const THREADS: usize = 2;
/// More than one address may have in hand, so that one does not shut out the others.
const QUEUE: usize = 256;
const HELD: usize = 4096;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::contract::Accounts;
    use pillarbox_core::sasl::Secret;

    pub(in super::super) const FREE: Costs = Costs {
        before: &[],
        after: Duration::ZERO,
    };

    /// Signs in and waits for the answer.
    pub(in super::super) fn sign_in(
        accounts: &impl Accounts,
        user: &str,
        password: &str,
    ) -> Result<Account, StoreError> {
        let (send, replies) = mpsc::channel();
        let call = Call::detached(Authenticate {
            user: user.to_owned(),
            password: Secret::new(password.as_bytes().to_vec()),
            address: Some([192, 0, 2, 1].into()),
        });
        accounts.authenticate(Job::new(call.into(), move |r| send.send(r).unwrap()));
        let reply = replies.recv_timeout(Duration::from_secs(60)).unwrap();
        reply.into_result::<Authenticate>().unwrap()
    }

    /// Ann, with a hash that costs a few milliseconds.
    struct Ann(Arc<str>);

    impl Directory for Ann {
        fn find(&self, user: &str) -> Option<Found> {
            (user == "ann" || user == "off").then(|| Found {
                id: AccountId(1),
                hash: self.0.clone(),
                enabled: user == "ann",
            })
        }

        fn decoy(&self, _user: &str) -> Option<Arc<str>> {
            Some(self.0.clone())
        }
    }

    impl Accounts for Checker {
        fn authenticate(&self, job: Job) {
            Self::authenticate(self, job);
        }
    }

    fn checker(costs: Costs) -> Checker {
        Checker::new(Arc::new(Ann(hash_of(1024))), costs).unwrap()
    }

    /// CPU time of this thread so far, in seconds: what other threads and processes do is not in it.
    fn cpu() -> f64 {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap();
        Duration::new(time.tv_sec.cast_unsigned(), nanoseconds).as_secs_f64()
    }

    /// How many times the CPU time of a wrong password for `known` one for an unknown user takes: the median of 200 pairs, one behind the
    /// other, in both orders. All of it is on this thread; the answers must be the same.
    pub(in super::super) fn unknown_to_wrong(directory: Arc<dyn Directory>, known: &str) -> f64 {
        let checker = Checker::new(directory, FREE).unwrap();
        let mut verifier = Verifier::default();
        let mut timed = |user: &str| {
            let (send, replies) = mpsc::channel();
            let attempt = attempt(&checker, user, move |r| send.send(r).unwrap());
            let began = cpu();
            checker.shared.check(&mut verifier, attempt);
            let took = cpu() - began;
            let reply = replies.recv_timeout(Duration::from_secs(60)).unwrap();
            let error = reply.into_result::<Authenticate>().unwrap().unwrap_err();
            (took, (error.kind, error.client))
        };
        let mut ratios = Vec::new();
        for number in 0..200 {
            let nobody = format!("nobody {number}");
            let (wrong, unknown) = if number % 2 == 0 {
                (timed(known), timed(&nobody))
            } else {
                let unknown = timed(&nobody);
                (timed(known), unknown)
            };
            assert_eq!(wrong.1.0, ErrorKind::AuthenticationFailed);
            assert_eq!(wrong.1, unknown.1);
            ratios.push(unknown.0 / wrong.0);
        }
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }

    /// Fails when the ratio is of two kinds of work.
    pub(in super::super) fn assert_same_work(ratio: f64) {
        assert!(
            (ratio - 1.0).abs() < 0.05,
            "an unknown user takes {ratio} times the CPU time of a wrong password"
        );
    }

    /// An attempt with the password `wrong`, in hand and not queued.
    fn attempt(
        checker: &Checker,
        user: &str,
        done: impl FnOnce(Reply) + Send + 'static,
    ) -> Attempt {
        let call = Call::detached(Authenticate {
            user: user.to_owned(),
            password: Secret::new(b"wrong".to_vec()),
            address: None,
        });
        let origin = Origin::new(user, None);
        lock(&checker.shared.penalties).begin(&origin, Instant::now());
        let shared = checker.shared.clone();
        let ticket = Ticket { origin, shared };
        let (effect, slot) = Job::new(call.into(), done).into_parts();
        let Effect::Authenticate(call) = effect else {
            panic!("{effect:?} is no sign-in");
        };
        Attempt { call, slot, ticket }
    }

    fn hash_of(kib: u32) -> Arc<str> {
        hash::hash_at_cost(b"right", kib, 1).unwrap().into()
    }

    #[test]
    fn an_unknown_user_takes_the_work_and_gets_the_text_of_a_wrong_password() {
        let ann = Arc::new(Ann(hash_of(1024)));
        assert_same_work(unknown_to_wrong(ann, "ann"));
    }

    /// Ann, and a decoy that costs a little more.
    struct Dearer(Ann, Arc<str>);

    impl Directory for Dearer {
        fn find(&self, user: &str) -> Option<Found> {
            self.0.find(user)
        }

        fn decoy(&self, _user: &str) -> Option<Arc<str>> {
            Some(self.1.clone())
        }
    }

    #[test]
    fn a_tenth_more_work_is_seen() {
        let directory = Dearer(Ann(hash_of(1024)), hash_of(1126));
        let ratio = unknown_to_wrong(Arc::new(directory), "ann");
        assert!(ratio > 1.05, "{ratio}");
    }

    /// A version of argon2 that does not exist, and a salt that is no base64: both pass for hashes.
    #[test]
    fn a_hash_that_cannot_be_checked_takes_the_same_work() {
        let good = hash_of(1024);
        for bad in [
            good.replace("v=19", "v=20"),
            "$argon2id$v=19$m=1024,t=1,p=1$not-base64-$I0Eu7T8bPkK0H0zoYJHn5kUuG5lJX0R8d5nUk8n3n2Q"
                .to_owned(),
        ] {
            assert!(hash::is_hash(&bad), "{bad}");
            let directory = Dearer(Ann(bad.into()), good.clone());
            assert_same_work(unknown_to_wrong(Arc::new(directory), "ann"));
        }
    }

    #[test]
    fn a_disabled_account_is_told_so_only_with_its_password() {
        let checker = checker(FREE);
        let right = sign_in(&checker, "off", "right").unwrap_err();
        assert_eq!(right.kind, ErrorKind::Disabled);
        let wrong = sign_in(&checker, "off", "wrong").unwrap_err();
        assert_eq!(wrong.kind, ErrorKind::AuthenticationFailed);
    }

    #[test]
    fn a_failure_costs_time_before_the_next_attempt_and_holds_no_thread() {
        const COSTS: Costs = Costs {
            before: &[Duration::ZERO, Duration::from_secs(3600)],
            after: Duration::ZERO,
        };
        let checker = checker(COSTS);
        sign_in(&checker, "ann", "wrong").unwrap_err();
        // Held back for an hour, many more than there are threads.
        let (send, replies) = mpsc::channel();
        for _ in 0..3 * THREADS {
            let send = send.clone();
            let call = Call::detached(Authenticate {
                user: String::from("ann"),
                password: Secret::new(b"right".to_vec()),
                address: None,
            });
            checker.authenticate(Job::new(call.into(), move |r| {
                // The receiver may be gone when the test is over.
                let _ = send.send(r);
            }));
        }
        let call = Call::detached(Authenticate {
            user: String::from("off"),
            password: Secret::new(b"right".to_vec()),
            address: Some([192, 0, 2, 2].into()),
        });
        let (sent, other) = mpsc::channel();
        checker.authenticate(Job::new(call.into(), move |r| sent.send(r).unwrap()));
        other
            .recv_timeout(Duration::from_secs(60))
            .expect("another user from elsewhere is answered at once");
        assert!(replies.try_recv().is_err(), "the others still wait");
        drop(checker);
        let reply = replies.recv_timeout(Duration::from_secs(60));
        reply.expect("what waits is answered when the accounts go");
    }
}

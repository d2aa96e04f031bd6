//! Accounts in a text file: a line `name:hash` each, the hash an argon2id PHC string.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use argon2::password_hash::SaltString;
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use pillarbox_core::effect::{Account, Call, Effect, ErrorKind, Reply, StoreError};
use pillarbox_core::id::AccountId;

use super::refused;
use crate::contract::{Accounts, Job, ReplySlot};
use crate::error::lock;

/// Accounts from a file. An account's identity comes from its name, so that a name taken out and put back finds its mail again.
///
/// Passwords are checked on two threads; a failed login is answered late, later each time for its name and address.
pub struct FileAccounts {
    checks: mpsc::SyncSender<(Call<pillarbox_core::effect::Authenticate>, ReplySlot)>,
}

impl FileAccounts {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or a line is not `name:hash`.
    pub fn read(path: impl AsRef<Path>) -> std::io::Result<Self> {
        Self::parse(&std::fs::read_to_string(path)?, DELAYS)
    }

    fn parse(text: &str, delays: [Duration; 4]) -> std::io::Result<Self> {
        let mut hashes = BTreeMap::new();
        let lines = text.lines().map(str::trim).enumerate();
        for (at, line) in lines.filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
            let entry = line
                .split_once(':')
                .filter(|(_, hash)| PasswordHash::new(hash).is_ok());
            let (name, hash) = entry.ok_or_else(|| {
                let text = format!("line {} is not name:argon2id-hash", at + 1);
                std::io::Error::new(std::io::ErrorKind::InvalidData, text)
            })?;
            hashes.insert(name.to_owned(), hash.to_owned());
        }
        let checker = Arc::new(Checker {
            hashes,
            dummy: hash_password(b"no account has this password")?,
            failures: Mutex::default(),
            delays,
        });
        let (checks, queue) = mpsc::sync_channel(QUEUE);
        let (late, answers) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let (checker, queue, late) = (checker.clone(), queue.clone(), late.clone());
            std::thread::Builder::new().spawn(move || checker.run(&queue, &late))?;
        }
        std::thread::Builder::new().spawn(move || answer_late(&answers))?;
        Ok(Self { checks })
    }
}

impl Accounts for FileAccounts {
    fn authenticate(&self, job: Job) {
        let (effect, slot) = job.into_parts();
        let Effect::Authenticate(call) = effect else {
            return slot.send(effect.fail(StoreError::lost()));
        };
        if let Err(mpsc::TrySendError::Full((call, slot))) = self.checks.try_send((call, slot)) {
            let busy = "Too many people are signing in; try again in a moment";
            let busy = StoreError::new(ErrorKind::Unavailable, busy);
            slot.send(call.answer(Err(busy)));
        }
    }
}

/// The argon2id PHC string of a password, with a fresh salt.
///
/// # Errors
/// When the system gives no randomness.
pub fn hash_password(password: &[u8]) -> std::io::Result<String> {
    let mut salt = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut salt)?;
    let salt = SaltString::encode_b64(&salt).map_err(std::io::Error::other)?;
    let hash = Argon2::default().hash_password(password, &salt);
    Ok(hash.map_err(std::io::Error::other)?.to_string())
}

type Late = (Instant, ReplySlot, Reply);
type Checks = mpsc::Receiver<(Call<pillarbox_core::effect::Authenticate>, ReplySlot)>;

struct Checker {
    hashes: BTreeMap<String, String>,
    dummy: String,
    failures: Mutex<BTreeMap<String, usize>>,
    delays: [Duration; 4],
}

impl Checker {
    fn run(&self, queue: &Mutex<Checks>, late: &mpsc::Sender<Late>) {
        loop {
            let Ok((call, slot)) = lock(queue).recv() else {
                return;
            };
            let op = call.op();
            let keys = [
                Some(format!("user {}", op.user)),
                op.address.map(|a| format!("address {a}")),
            ];
            // An unknown user costs as much as a wrong password.
            let known = self.hashes.get(&op.user);
            let hash = PasswordHash::new(known.unwrap_or(&self.dummy));
            let right = hash.is_ok_and(|hash| {
                let checked = Argon2::default().verify_password(op.password.expose(), &hash);
                checked.is_ok()
            });
            if right && known.is_some() {
                lock(&self.failures).retain(|key, _| keys[0].as_ref() != Some(key));
                let account = Account {
                    id: AccountId(identity(&op.user)),
                    name: op.user.as_str().into(),
                };
                slot.send(call.answer(Ok(account)));
                continue;
            }
            let due = Instant::now() + self.delay(keys);
            // When nobody answers late any more the slot says that the request was lost.
            let _ = late.send((due, slot, call.answer(Err(refused()))));
        }
    }

    /// Counts a failure and says how late to answer.
    fn delay(&self, keys: [Option<String>; 2]) -> Duration {
        let mut failures = lock(&self.failures);
        if failures.len() > REMEMBERED {
            failures.clear();
        }
        let counts = keys.into_iter().flatten().map(|key| {
            let count = failures.entry(key).or_default();
            *count += 1;
            *count
        });
        let most = counts.max().unwrap_or(1);
        self.delays[(most - 1).min(self.delays.len() - 1)]
    }
}

/// Sends replies when they are due; waiting for one holds no other up.
fn answer_late(answers: &mpsc::Receiver<Late>) {
    let mut waiting: Vec<Late> = Vec::new();
    let mut open = true;
    while open || !waiting.is_empty() {
        let now = Instant::now();
        for (_, slot, reply) in waiting.extract_if(.., |w| w.0 <= now) {
            slot.send(reply);
        }
        let next = waiting.iter().map(|w| w.0).min();
        let wait = next.map_or(Duration::from_secs(60), |t| {
            t.saturating_duration_since(now)
        });
        match answers.recv_timeout(wait) {
            Ok(late) => waiting.push(late),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                open = false;
                waiting
                    .drain(..)
                    .for_each(|(_, slot, reply)| slot.send(reply));
            }
        }
    }
}

/// FNV-1a of the name, 63 bits: stable, since mail is kept under it.
fn identity(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| {
        (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    }) >> 1
}

const THREADS: usize = 2;
const QUEUE: usize = 64;
const REMEMBERED: usize = 10_000;
const DELAYS: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

#[cfg(test)]
mod tests {
    use super::*;
    use pillarbox_core::effect::Authenticate;
    use pillarbox_core::sasl::Secret;

    fn sign_in(accounts: &FileAccounts, user: &str, password: &str) -> Result<Account, StoreError> {
        let (send, replies) = mpsc::channel();
        let call = Call::detached(Authenticate {
            user: user.to_owned(),
            password: Secret::new(password.as_bytes().to_vec()),
            address: None,
        });
        accounts.authenticate(Job::new(call.into(), move |r| send.send(r).unwrap()));
        let reply = replies.recv_timeout(Duration::from_secs(60)).unwrap();
        reply.into_result::<Authenticate>().unwrap()
    }

    #[test]
    fn wrong_password_and_unknown_user_are_one_error() {
        let file = format!("# people\nann:{}\n", hash_password(b"right").unwrap());
        let accounts = FileAccounts::parse(&file, [Duration::ZERO; 4]).unwrap();
        let ann = sign_in(&accounts, "ann", "right").unwrap();
        assert_eq!(sign_in(&accounts, "ann", "right").unwrap(), ann);
        let wrong = sign_in(&accounts, "ann", "wrong").unwrap_err();
        let unknown = sign_in(&accounts, "bob", "no account has this password").unwrap_err();
        assert_eq!(wrong.kind, ErrorKind::AuthenticationFailed);
        assert_eq!((unknown.kind, unknown.client), (wrong.kind, wrong.client));
        assert!(FileAccounts::parse("ann:plain", DELAYS).is_err());
    }

    #[test]
    fn delays_grow_to_their_cap_for_name_or_address() {
        let checker = Checker {
            hashes: BTreeMap::new(),
            dummy: String::new(),
            failures: Mutex::default(),
            delays: DELAYS,
        };
        let fail = |user: &str| {
            checker
                .delay([Some(user.to_owned()), Some("address".to_owned())])
                .as_secs()
        };
        let delays = [fail("a"), fail("b"), fail("c"), fail("d"), fail("e")];
        assert_eq!(delays, [2, 4, 8, 15, 15]);
    }
}

//! Accounts in the store's folder: one small file, written anew for each change.
//!
//! ```text
//! pillarbox-accounts 1
//! next 1764171234
//! 1764171233 enabled ann $argon2id$…
//! end 1
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use pillarbox_core::id::AccountId;

use super::check::{COSTS, Checker, Costs, Directory, Found};
use super::{hash, name_fault, neighbour};
use crate::contract::{Accounts, Job};
use crate::error::lock;
use crate::folder::{make_folder, sync_folder};

/// The accounts of a store. One value at a time has them, over all processes.
pub struct AccountTable {
    folder: PathBuf,
    /// What is durable; held for a moment only, since event loops ask.
    state: Mutex<Arc<State>>,
    /// Held while a change is made durable.
    changing: Mutex<()>,
    sync_folder: SyncFolder,
    _lock: File,
}

/// What makes the names in a folder durable.
type SyncFolder = Box<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

/// An account as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its identity, under which its mail is kept.
    pub id: AccountId,
    /// Whether it may sign in.
    pub enabled: bool,
}

/// Why accounts cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Another process has them.
    #[error("the accounts in {path} are in use by another process; stop that one first", path = .0.display())]
    InUse(PathBuf),
    /// A file cannot be used.
    #[error("cannot use {shown}: {source}", shown = .path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The change is in the file, could not be made durable and could not be taken back: it counts, and a loss of power may undo it.
    #[error("the change is made, but a loss of power may undo it, since {shown} cannot be used: {source}", shown = .path.display())]
    Unsure {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{shown}, line {line}: expected {expected}; put the file back from a backup", shown = .path.display())]
    Damaged {
        /// Which one.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// A newer version wrote it.
    #[error("{path} has a format that is newer than this program knows; use a newer one", path = .0.display())]
    Newer(PathBuf),
    /// There is no such account.
    #[error("there is no account {0}")]
    Unknown(String),
    /// There is one already.
    #[error("there is an account {0} already")]
    Exists(String),
    /// An account cannot have this name.
    #[error("{0}")]
    Name(&'static str),
    /// No removed account has this identity.
    #[error("no account that was removed has the identity {id}", id = .0.0)]
    Identity(AccountId),
    /// This is not a hash.
    #[error("expected the PHC string of an argon2id hash")]
    Hash,
}

impl AccountTable {
    /// Opens the accounts in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// When another process has them, or they cannot be read.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, AccountError> {
        Self::open_on(folder.as_ref().to_owned(), Box::new(sync_folder))
    }

    fn open_on(folder: PathBuf, sync_folder: SyncFolder) -> Result<Self, AccountError> {
        make_folder(&folder).map_err(at(&folder))?;
        let path = folder.join("accounts.lock");
        let file = private().create(true).truncate(false).open(&path);
        let file = file.map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(AccountError::InUse(folder)),
            Err(TryLockError::Error(e)) => return Err(at(&path)(e)),
        }
        let path = folder.join(FILE);
        let state = match std::fs::read_to_string(&path) {
            Ok(text) => State::parse(&text, &path)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => State::default(),
            Err(e) => return Err(at(&path)(e)),
        };
        Ok(Self {
            folder,
            state: Mutex::new(Arc::new(state)),
            changing: Mutex::new(()),
            sync_folder,
            _lock: file,
        })
    }

    /// Adds an account with the hash of its password; see [`hash_password`](crate::hash_password). It has no mail.
    ///
    /// # Errors
    /// When there is one of this name, or it cannot be stored.
    pub fn add(&self, name: &str, hash: &str) -> Result<AccountId, AccountError> {
        self.insert(name, hash, |state| {
            let id = state.next.max(seconds());
            state.next = id + 1;
            Ok(id)
        })
    }

    /// Adds an account that gets the identity of a removed one, and with it the mail that was left.
    ///
    /// # Errors
    /// As [`AccountTable::add`], and when another account has the identity or none ever had.
    pub fn add_again(&self, name: &str, hash: &str, id: AccountId) -> Result<(), AccountError> {
        let again = |state: &mut State| match state.was_removed(id) {
            true => Ok(id.0),
            false => Err(AccountError::Identity(id)),
        };
        self.insert(name, hash, again).map(drop)
    }

    /// Whether this identity is that of a removed account, whose mail may be left. Of a number below the last one given it is not known whether it
    /// was ever given.
    #[must_use]
    pub fn was_removed(&self, id: AccountId) -> bool {
        self.state().was_removed(id)
    }

    fn insert(
        &self,
        name: &str,
        hash: &str,
        identity: impl FnOnce(&mut State) -> Result<u64, AccountError>,
    ) -> Result<AccountId, AccountError> {
        if let Some(fault) = name_fault(name) {
            return Err(AccountError::Name(fault));
        }
        let (enabled, hash) = (true, checked(hash)?);
        self.change(|state| {
            if state.accounts.contains_key(name) {
                return Err(AccountError::Exists(name.to_owned()));
            }
            let id = identity(state)?;
            let entry = Entry { id, enabled, hash };
            state.accounts.insert(name.to_owned(), entry);
            Ok(AccountId(id))
        })
    }

    /// Gives an account another password.
    ///
    /// # Errors
    /// When there is no such account, or it cannot be stored.
    pub fn set_hash(&self, name: &str, hash: &str) -> Result<AccountId, AccountError> {
        let hash = checked(hash)?;
        self.change(|state| {
            state.entry(name).map(|entry| {
                entry.hash = hash;
                AccountId(entry.id)
            })
        })
    }

    /// Lets an account sign in, or no longer. Sessions that it has are the caller's to end.
    ///
    /// # Errors
    /// When there is no such account, or it cannot be stored.
    pub fn set_enabled(&self, name: &str, enabled: bool) -> Result<AccountId, AccountError> {
        self.change(|state| {
            state.entry(name).map(|entry| {
                entry.enabled = enabled;
                AccountId(entry.id)
            })
        })
    }

    /// Takes an account out. Its mail stays where it is, until [`purge`](crate::purge) deletes it; its identity is given to no other but by
    /// [`AccountTable::add_again`]. Sessions that it has are the caller's to end.
    ///
    /// # Errors
    /// When there is no such account, or it cannot be stored.
    pub fn remove(&self, name: &str) -> Result<AccountId, AccountError> {
        self.change(|state| {
            let removed = state.accounts.remove(name);
            let entry = removed.ok_or_else(|| AccountError::Unknown(name.to_owned()))?;
            Ok(AccountId(entry.id))
        })
    }

    /// All accounts, in the order of their names.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let state = self.state();
        let all = state.accounts.iter().map(|(name, entry)| Listed {
            name: name.clone(),
            id: AccountId(entry.id),
            enabled: entry.enabled,
        });
        all.collect()
    }

    /// Under which identity this account's mail is kept, if there is such an account, disabled or not.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<AccountId> {
        let state = self.state();
        state.accounts.get(name).map(|entry| AccountId(entry.id))
    }

    /// Changes a copy, makes it durable, and only then goes by it. After an error nothing was changed, or all of it where the file cannot be put
    /// back: what is gone by is what the file says.
    fn change(
        &self,
        change: impl FnOnce(&mut State) -> Result<AccountId, AccountError>,
    ) -> Result<AccountId, AccountError> {
        let _alone = lock(&self.changing);
        let before = self.state();
        let mut next = State::clone(&before);
        let id = change(&mut next)?;
        self.write(&next.render())?;
        let path = self.folder.join(FILE);
        let synced = (self.sync_folder)(&self.folder);
        if synced.is_err() && self.write(&before.render()).is_ok() {
            return synced.map(|()| id).map_err(at(&path));
        }
        *lock(&self.state) = Arc::new(next);
        let unsure = |source| AccountError::Unsure { path, source };
        synced.map(|()| id).map_err(unsure)
    }

    fn state(&self) -> Arc<State> {
        lock(&self.state).clone()
    }

    /// Has the file say this; after an error it says what it said.
    fn write(&self, text: &str) -> Result<(), AccountError> {
        let (new, path) = (self.folder.join("accounts.new"), self.folder.join(FILE));
        let written = private()
            .create(true)
            .truncate(true)
            .open(&new)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            });
        written.map_err(at(&new))?;
        std::fs::rename(&new, &path).map_err(at(&path))
    }
}

/// Lets in the accounts of a table.
///
/// Passwords are checked on two threads; a failed login is answered late, later each time for its name and address.
pub struct StoredAccounts {
    table: Arc<AccountTable>,
    checker: Checker,
}

impl StoredAccounts {
    /// Accounts of this table, as it is at each sign-in.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn new(table: Arc<AccountTable>) -> io::Result<Self> {
        Self::with_costs(table, COSTS)
    }

    fn with_costs(table: Arc<AccountTable>, costs: Costs) -> io::Result<Self> {
        let checker = Checker::new(table.clone(), costs)?;
        Ok(Self { table, checker })
    }
}

impl Accounts for StoredAccounts {
    fn authenticate(&self, job: Job) {
        self.checker.authenticate(job);
    }

    fn admits(&self, account: AccountId) -> bool {
        let state = self.table.state();
        let mut entries = state.accounts.values();
        entries.any(|entry| entry.id == account.0 && entry.enabled)
    }
}

impl Directory for AccountTable {
    fn find(&self, user: &str) -> Option<Found> {
        let state = self.state();
        state.accounts.get(user).map(|entry| Found {
            id: AccountId(entry.id),
            hash: entry.hash.clone(),
            enabled: entry.enabled,
        })
    }

    fn decoy(&self, user: &str) -> Option<Arc<str>> {
        let state = self.state();
        neighbour(user, &state.accounts).map(|entry| entry.hash.clone())
    }
}

#[derive(Clone, Debug)]
struct Entry {
    id: u64,
    enabled: bool,
    hash: Arc<str>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// No account has this identity or a greater one. They begin at the time an account is added, so that they are new even when this file
    /// was lost.
    next: u64,
    accounts: BTreeMap<String, Entry>,
}

impl State {
    fn entry(&mut self, name: &str) -> Result<&mut Entry, AccountError> {
        let entry = self.accounts.get_mut(name);
        entry.ok_or_else(|| AccountError::Unknown(name.to_owned()))
    }

    fn was_removed(&self, id: AccountId) -> bool {
        let taken = self.accounts.values().any(|entry| entry.id == id.0);
        id.0 < self.next && !taken
    }

    fn render(&self) -> String {
        let mut text = format!("{FORMAT}\nnext {}\n", self.next);
        for (name, Entry { id, enabled, hash }) in &self.accounts {
            let state = if *enabled { "enabled" } else { "disabled" };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{id} {state} {name} {hash}");
        }
        let _ = writeln!(text, "end {}", self.accounts.len());
        text
    }

    fn parse(text: &str, path: &Path) -> Result<Self, AccountError> {
        let damaged = |line, expected| AccountError::Damaged {
            path: path.to_owned(),
            line,
            expected,
        };
        let mut lines = (1..).zip(text.lines());
        match lines.next() {
            Some((_, FORMAT)) => {}
            Some((_, other)) if other.starts_with("pillarbox-accounts ") => {
                return Err(AccountError::Newer(path.to_owned()));
            }
            _ => return Err(damaged(1, FORMAT)),
        }
        let next = lines
            .next()
            .and_then(|(_, l)| l.strip_prefix("next ")?.parse().ok())
            .filter(|next| *next < u64::MAX);
        let next = next.ok_or_else(|| damaged(2, "next and a number"))?;
        let mut state = Self {
            next,
            accounts: BTreeMap::new(),
        };
        while let Some((at, line)) = lines.next() {
            if let Some(count) = line.strip_prefix("end ") {
                let whole = count.parse() == Ok(state.accounts.len()) && lines.next().is_none();
                return if whole {
                    Ok(state)
                } else {
                    Err(damaged(at, "end and the number of accounts"))
                };
            }
            let (name, entry) = parse_entry(line, next).ok_or_else(|| damaged(at, "an account"))?;
            if state.accounts.insert(name, entry).is_some() {
                return Err(damaged(at, "an account that no line before has"));
            }
        }
        Err(damaged(
            text.lines().count() + 1,
            "end and the number of accounts",
        ))
    }
}

fn parse_entry(line: &str, next: u64) -> Option<(String, Entry)> {
    let mut parts = line.splitn(4, ' ');
    let id = parts.next()?.parse().ok().filter(|id| *id < next)?;
    let enabled = match parts.next()? {
        "enabled" => true,
        "disabled" => false,
        _ => return None,
    };
    let name = parts.next().filter(|name| name_fault(name).is_none())?;
    let hash = parts.next().filter(|hash| hash::is_hash(hash))?.into();
    Some((name.to_owned(), Entry { id, enabled, hash }))
}

fn checked(hash: &str) -> Result<Arc<str>, AccountError> {
    hash::is_hash(hash)
        .then(|| hash.into())
        .ok_or(AccountError::Hash)
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(1, |d| d.as_secs())
}

/// Files that only their owner can read.
fn private() -> OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn at(path: &Path) -> impl Fn(io::Error) -> AccountError {
    let path = path.to_owned();
    move |source| AccountError::Io {
        path: path.clone(),
        source,
    }
}

const FILE: &str = "accounts";
const FORMAT: &str = "pillarbox-accounts 1";

#[cfg(test)]
mod tests;

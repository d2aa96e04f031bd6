//! Accounts in a text file: a line `name:hash` each, the hash an argon2id PHC string.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pillarbox_core::id::AccountId;

use super::check::{COSTS, Checker, Costs, Directory, Found};
use super::{hash, name_fault, neighbour};
use crate::contract::{Accounts, Job};
use crate::error::lock;

/// Accounts from a file. An account's identity comes from its name, so that a name taken out and put back finds its mail again.
///
/// Passwords are checked on two threads; a failed login is answered late, later each time for its name and address.
pub struct FileAccounts {
    path: PathBuf,
    entries: Arc<Entries>,
    checker: Checker,
}

impl FileAccounts {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or a line is not `name:hash`; the text names the line.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::with_costs(path.as_ref(), COSTS)
    }

    /// Reads the file again and tells whose lines are other than they were; on an error all stays as it was.
    ///
    /// # Errors
    /// As [`FileAccounts::read`].
    pub fn reload(&self) -> io::Result<Reloaded> {
        let table = Arc::new(parse(&std::fs::read_to_string(&self.path)?)?);
        let old = std::mem::replace(&mut *lock(&self.entries.0), table.clone());
        let mut reloaded = Reloaded::default();
        for (name, (id, hash)) in old.iter() {
            match table.get(name) {
                None => reloaded.removed.push(*id),
                Some((_, now)) if now != hash => reloaded.changed.push(*id),
                Some(_) => {}
            }
        }
        Ok(reloaded)
    }

    /// Under which identity the mail of this name is kept, whether the file has it or not.
    #[must_use]
    pub fn identity(name: &str) -> AccountId {
        AccountId(identity(name))
    }

    fn with_costs(path: &Path, costs: Costs) -> io::Result<Self> {
        let table = parse(&std::fs::read_to_string(path)?)?;
        let entries = Arc::new(Entries(Mutex::new(Arc::new(table))));
        Ok(Self {
            path: path.to_owned(),
            checker: Checker::new(entries.clone(), costs)?,
            entries,
        })
    }
}

/// Whose lines are other than they were when a file was read before. Sessions of these accounts are the caller's to end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Reloaded {
    /// Accounts that are not in the file any more.
    pub removed: Vec<AccountId>,
    /// Accounts that have another hash.
    pub changed: Vec<AccountId>,
}

impl Accounts for FileAccounts {
    fn authenticate(&self, job: Job) {
        self.checker.authenticate(job);
    }

    fn admits(&self, account: AccountId) -> bool {
        has(&self.entries.table(), account)
    }
}

type Table = BTreeMap<String, (AccountId, Arc<str>)>;

/// What the file said when it was last read.
struct Entries(Mutex<Arc<Table>>);

impl Entries {
    fn table(&self) -> Arc<Table> {
        lock(&self.0).clone()
    }
}

impl Directory for Entries {
    fn find(&self, user: &str) -> Option<Found> {
        let table = self.table();
        table.get(user).map(|(id, hash)| Found {
            id: *id,
            hash: hash.clone(),
            enabled: true,
        })
    }

    fn decoy(&self, user: &str) -> Option<Arc<str>> {
        neighbour(user, &self.table()).map(|(_, hash)| hash.clone())
    }
}

fn has(table: &Table, account: AccountId) -> bool {
    table.values().any(|(id, _)| *id == account)
}

fn parse(text: &str) -> io::Result<Table> {
    let mut table = Table::new();
    let mut names: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong =
            |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("line {at}: {what}"));
        let entry = line.split_once(':').filter(|(_, text)| hash::is_hash(text));
        let (name, hash) =
            entry.ok_or_else(|| wrong("expected name:hash with an argon2id hash"))?;
        if let Some(fault) = name_fault(name) {
            return Err(wrong(fault));
        }
        let id = identity(name);
        if let Some(other) = names.insert(id, at) {
            return Err(wrong(&format!(
                "line {other} has the same name, or one that cannot be told from it"
            )));
        }
        table.insert(name.to_owned(), (AccountId(id), hash.into()));
    }
    Ok(table)
}

/// FNV-1a of the name, 63 bits: stable, since mail is kept under it.
fn identity(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| {
        (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    hash >> 1
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::{FREE, assert_same_work, sign_in, unknown_to_wrong};
    use super::*;
    use pillarbox_core::effect::ErrorKind;

    fn line(name: &str, password: &str) -> String {
        let hash = hash::hash_at_cost(password.as_bytes(), 64, 1).unwrap();
        format!("{name}:{hash}\n")
    }

    #[test]
    fn a_file_can_be_read_again() {
        let path = std::env::temp_dir().join(format!("pillarbox-users-{}", std::process::id()));
        let ann = line("ann", "right");
        std::fs::write(&path, format!("# people\n\n{ann}{}", line("bob", "b"))).unwrap();
        let accounts = FileAccounts::with_costs(&path, FREE).unwrap();
        let before = sign_in(&accounts, "ann", "right").unwrap();
        let bob = sign_in(&accounts, "bob", "b").unwrap();
        assert!(accounts.admits(bob.id));
        assert_eq!(FileAccounts::identity("bob"), bob.id);
        let wrong = sign_in(&accounts, "ann", "wrong").unwrap_err();
        assert_eq!(wrong.kind, ErrorKind::AuthenticationFailed);
        std::fs::write(&path, "ann:plain").unwrap();
        assert!(accounts.reload().is_err());
        assert_eq!(sign_in(&accounts, "ann", "right").unwrap(), before);
        std::fs::write(&path, format!("{}{ann}", line("eve", "e"))).unwrap();
        let reloaded = accounts.reload().unwrap();
        assert_eq!((reloaded.removed, reloaded.changed), (vec![bob.id], vec![]));
        assert!(accounts.admits(before.id) && !accounts.admits(bob.id));
        sign_in(&accounts, "bob", "b").unwrap_err();
        std::fs::write(&path, line("ann", "other")).unwrap();
        let reloaded = accounts.reload().unwrap();
        assert_eq!(reloaded.changed, [before.id]);
        assert_eq!(reloaded.removed.len(), 1, "eve");
        sign_in(&accounts, "ann", "right").unwrap_err();
        assert_eq!(sign_in(&accounts, "ann", "other").unwrap(), before);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_unknown_user_takes_the_work_of_a_wrong_password() {
        let costly = |name: &str| {
            let hash = hash::hash_at_cost(b"right", 1024, 1).unwrap();
            format!("{name}:{hash}\n")
        };
        let table = parse(&(costly("ann") + &costly("bob"))).unwrap();
        let entries = Arc::new(Entries(Mutex::new(Arc::new(table))));
        assert_same_work(unknown_to_wrong(entries, "ann"));
    }

    #[test]
    fn a_bad_line_is_named() {
        let ann = line("ann", "a");
        for (text, at) in [
            ("ann:plain", "line 1: expected"),
            (&*format!("# x\n{ann}ann"), "line 3: expected"),
            (&*format!("{ann}{ann}"), "line 2: line 1 has"),
            (&*line("a b", "a"), "line 1: a name"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(at), "{error}");
        }
    }
}

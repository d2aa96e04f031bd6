//! What `pillarbox account` asks for, carried out here or by a running server.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use pillarbox::driver::Hub;
use pillarbox::protocol::id::AccountId;
use pillarbox::protocol::session::Bye;
use pillarbox::store::{
    AccountError, AccountTable, Accounts, Backend, Embedded, FileAccounts, Listed, Options, purge,
};

/// What can be asked for. Passwords never travel, only their hashes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    List,
    Add {
        name: String,
        hash: String,
        /// That of a removed account, whose mail it gets.
        identity: Option<u64>,
    },
    SetHash {
        name: String,
        hash: String,
    },
    Remove {
        name: String,
        /// Whether its mail is deleted.
        purge: bool,
    },
    /// Deletes the mail of a removed account.
    Purge {
        /// Its identity, or its name where accounts are in a file.
        account: String,
    },
    Disable {
        name: String,
    },
    Enable {
        name: String,
    },
}

/// What requests are about.
pub struct Admin {
    pub people: Registry,
    pub mail: Mail,
    /// Whose sessions are ended; `None`: no server runs.
    pub hub: Option<Hub>,
}

/// Where accounts are.
pub enum Registry {
    Table(Arc<AccountTable>),
    File(Arc<FileAccounts>),
}

/// How mail is got at when some is to be deleted.
pub enum Mail {
    /// That of the running server; not held, so that it is closed before the process ends.
    Served(Weak<dyn Backend>),
    /// That of this process.
    Opened(Arc<Embedded>),
    /// That of a folder, which is opened when it is needed.
    Folder(PathBuf),
}

impl Registry {
    /// Under which identity this account's mail is kept, if there is such an account.
    pub fn find(&self, name: &str) -> Option<AccountId> {
        match self {
            Self::Table(table) => table.id(name),
            Self::File(file) => Some(FileAccounts::identity(name)).filter(|id| file.admits(*id)),
        }
    }
}

type Rows = Result<Vec<String>, Box<dyn Error>>;

impl Request {
    /// As it travels.
    pub fn to_line(&self) -> String {
        let words = match self {
            Self::List => String::from("list"),
            Self::Add {
                name,
                hash,
                identity: Some(identity),
            } => format!("add {name} {hash} {identity}"),
            Self::Add { name, hash, .. } => format!("add {name} {hash}"),
            Self::SetHash { name, hash } => format!("passwd {name} {hash}"),
            Self::Remove { name, purge: true } => format!("remove {name} purge"),
            Self::Remove { name, .. } => format!("remove {name}"),
            Self::Purge { account } => format!("purge {account}"),
            Self::Disable { name } => format!("disable {name}"),
            Self::Enable { name } => format!("enable {name}"),
        };
        format!("{VERSION} {words}\n")
    }

    /// Reads a line without its end.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let words = line
            .strip_prefix(VERSION)
            .ok_or("this server speaks pillarbox 1; use the program of the same version")?;
        let words: Vec<&str> = words.split_whitespace().collect();
        let own = |word: &str| word.to_owned();
        let request = match *words {
            ["list"] => Self::List,
            ["add", name, hash] => Self::Add {
                name: own(name),
                hash: own(hash),
                identity: None,
            },
            ["add", name, hash, identity] => Self::Add {
                name: own(name),
                hash: own(hash),
                identity: Some(identity.parse().map_err(|_| EXPECTED)?),
            },
            ["passwd", name, hash] => Self::SetHash {
                name: own(name),
                hash: own(hash),
            },
            ["remove", name] => Self::Remove {
                name: own(name),
                purge: false,
            },
            ["remove", name, "purge"] => Self::Remove {
                name: own(name),
                purge: true,
            },
            ["purge", account] => Self::Purge {
                account: own(account),
            },
            ["disable", name] => Self::Disable { name: own(name) },
            ["enable", name] => Self::Enable { name: own(name) },
            _ => return Err(EXPECTED),
        };
        Ok(request)
    }

    /// Whether it deletes mail, which others should not wait for.
    pub fn takes_long(&self) -> bool {
        matches!(self, Self::Remove { purge: true, .. } | Self::Purge { .. })
    }

    /// Does what is asked; sessions that could not be begun any more end.
    pub fn apply(&self, admin: &Admin) -> Rows {
        let table = match (&admin.people, self) {
            (_, Self::Purge { account }) => return admin.purge(account),
            (Registry::Table(table), _) => table,
            (Registry::File(_), _) => return Err(IN_A_FILE.into()),
        };
        match self {
            Self::List => return Ok(table.list().iter().map(row).collect()),
            Self::Add {
                name,
                hash,
                identity,
            } => match identity {
                Some(identity) => table.add_again(name, hash, AccountId(*identity))?,
                None => drop(table.add(name, hash)?),
            },
            Self::Enable { name } => drop(table.set_enabled(name, true)?),
            Self::SetHash { name, hash } => {
                let account = table.id(name);
                admin.changed(account, table.set_hash(name, hash), Bye::PasswordChanged)?;
            }
            Self::Disable { name } => {
                let account = table.id(name);
                let disabled = table.set_enabled(name, false);
                admin.changed(account, disabled, Bye::AccountDisabled)?;
            }
            Self::Remove { name, purge } => {
                let account = table.id(name);
                let removed = table.remove(name);
                let account = admin.changed(account, removed, Bye::AccountDisabled)?;
                return admin.removed(name, account, *purge);
            }
            Self::Purge { .. } => {}
        }
        Ok(Vec::new())
    }
}

impl Admin {
    /// Ends the sessions of an account when a change of it counts.
    fn changed(
        &self,
        account: Option<AccountId>,
        done: Result<AccountId, AccountError>,
        reason: Bye,
    ) -> Result<AccountId, AccountError> {
        if let Some(account) = account.filter(|_| counts(&done)) {
            self.end(account, reason);
        }
        done
    }

    fn end(&self, account: AccountId, reason: Bye) {
        if let Some(hub) = &self.hub {
            hub.disconnect(account, reason);
        }
    }

    fn removed(&self, name: &str, account: AccountId, purge: bool) -> Rows {
        let id = account.0;
        if !purge {
            return Ok(vec![format!(
                "{name} is removed; its mail stays under the identity {id}"
            )]);
        }
        self.delete(account).map_err(|e| {
            let text = format!(
                "{name} is removed, but not all of its mail is deleted ({e}); go on with: pillarbox account purge {id}"
            );
            text.into()
        })
    }

    fn purge(&self, account: &str) -> Rows {
        let id = match &self.people {
            Registry::File(file) => {
                let id = FileAccounts::identity(account);
                if file.admits(id) {
                    return Err(format!("{account} is in the file of accounts; take its line out first, and send SIGHUP to the server").into());
                }
                id
            }
            Registry::Table(table) => {
                let id = account.parse().map(AccountId);
                let removed = id.ok().filter(|id| table.was_removed(*id));
                removed.ok_or_else(|| format!("{account} is not the identity of an account that was removed; remove the account first"))?
            }
        };
        self.delete(id)
    }

    /// Deletes an account's mail when its last session has ended.
    fn delete(&self, account: AccountId) -> Rows {
        let began = Instant::now();
        while self.hub.as_ref().is_some_and(|h| h.sessions(account) > 0) {
            if began.elapsed() > PATIENCE {
                return Err("its sessions do not end".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let store = self.mail.open()?;
        let done = purge(&*store, account)?;
        Ok(vec![format!(
            "{} messages in {} mailboxes are deleted",
            done.messages, done.mailboxes
        )])
    }
}

impl Mail {
    pub fn open(&self) -> Result<Arc<dyn Backend>, Box<dyn Error>> {
        Ok(match self {
            Self::Served(store) => store.upgrade().ok_or("the server is ending")?,
            Self::Opened(store) => store.clone(),
            Self::Folder(folder) => Arc::new(Embedded::open(folder, Options::default())?),
        })
    }
}

/// Whether what was asked for is so, for ever or until a loss of power.
fn counts(done: &Result<AccountId, AccountError>) -> bool {
    matches!(done, Ok(_) | Err(AccountError::Unsure { .. }))
}

fn row(account: &Listed) -> String {
    let state = if account.enabled {
        "enabled"
    } else {
        "disabled"
    };
    format!("{} {state} {}", account.id.0, account.name)
}

/// What each line begins with.
pub const VERSION: &str = "pillarbox 1";
const EXPECTED: &str =
    "expected list, add, passwd, remove, purge, disable, enable or deliver, and its arguments";
const IN_A_FILE: &str = "the accounts of this server are in a file; change its lines";
/// More than a session that the server ends may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_is_not_sure_to_stay_ends_sessions_too() {
        let (path, source) = (PathBuf::from("accounts"), std::io::Error::other("no sync"));
        assert!(counts(&Ok(AccountId(1))));
        assert!(!counts(&Err(AccountError::Unknown(String::from("ann")))));
        assert!(counts(&Err(AccountError::Unsure { path, source })));
    }

    #[test]
    fn a_request_reads_as_it_was_written() {
        let (name, hash) = (String::from("ann"), String::from("$argon2id$x"));
        let add = |identity| Request::Add {
            name: name.clone(),
            hash: hash.clone(),
            identity,
        };
        let remove = |purge| Request::Remove {
            name: name.clone(),
            purge,
        };
        for request in [
            Request::List,
            add(None),
            add(Some(7)),
            Request::SetHash {
                name: name.clone(),
                hash: hash.clone(),
            },
            remove(false),
            remove(true),
            Request::Purge {
                account: String::from("7"),
            },
            Request::Disable { name: name.clone() },
            Request::Enable { name: name.clone() },
        ] {
            let line = request.to_line();
            assert_eq!(Request::parse(line.trim_end()), Ok(request));
        }
        for bad in [
            "",
            "list",
            "pillarbox 2 list",
            "pillarbox 1",
            "pillarbox 1 add ann",
            "pillarbox 1 add ann hash number",
            "pillarbox 1 remove ann all",
            "pillarbox 1 list x",
        ] {
            assert!(Request::parse(bad).is_err(), "{bad}");
        }
    }
}

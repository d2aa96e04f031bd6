//! `pillarbox account`: who may sign in, changed through the running server if there is one.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use pillarbox::store::{
    AccountError, AccountTable, Embedded, OpenError, Options as StoreOptions, hash_password,
};

use super::check::load_file;
use super::config::{self, Config, Source};
use super::control;
use super::owner;
use super::prompt::{confirm, new_password};
use super::request::{Admin, Mail, Registry, Request};

/// Options of `pillarbox account`.
#[derive(Debug, Args)]
pub struct Account {
    /// The configuration that names the store.
    #[arg(long, global = true, default_value = config::FILE)]
    config: PathBuf,
    /// The store's folder, instead of a configuration.
    #[arg(long, global = true)]
    store: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Adds an account; asks for its password, or reads it from standard input. It has no mail, whoever had its name before.
    Add {
        name: String,
        /// The identity of a removed account: the new one gets its mail.
        #[arg(long)]
        identity: Option<u64>,
    },
    /// Gives an account another password; asks for it, or reads it from standard input.
    Passwd { name: String },
    /// Lists the accounts: identity, state, name.
    List,
    /// Takes an account out and ends its sessions; its mail stays in the store.
    Remove {
        name: String,
        /// Deletes its mail, for good. Asks first; without a terminal --yes is needed.
        #[arg(long)]
        purge: bool,
        /// Deletes without asking.
        #[arg(long, requires = "purge")]
        yes: bool,
    },
    /// Deletes the mail of a removed account, for good. Asks first; without a terminal --yes is needed.
    Purge {
        /// Its identity, which remove told; where accounts are in a file, its name.
        account: String,
        /// Deletes without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Lets an account sign in no longer and ends its sessions.
    Disable { name: String },
    /// Lets a disabled account sign in again.
    Enable { name: String },
    /// Prints the hash of a password, for a file of name:hash lines.
    Hash,
}

impl Account {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let request = match self.verb {
            Verb::Hash => return print(&[hash_password(new_password()?.expose())?]),
            Verb::List => Request::List,
            Verb::Remove { name, purge, yes } => {
                if purge {
                    confirm("delete all its mail", &name, yes)?;
                }
                Request::Remove { name, purge }
            }
            Verb::Purge { account, yes } => {
                confirm("delete all its mail", &account, yes)?;
                Request::Purge { account }
            }
            Verb::Disable { name } => Request::Disable { name },
            Verb::Enable { name } => Request::Enable { name },
            Verb::Add { name, identity } => Request::Add {
                name,
                hash: hash_password(new_password()?.expose())?,
                identity,
            },
            Verb::Passwd { name } => Request::SetHash {
                name,
                hash: hash_password(new_password()?.expose())?,
            },
        };
        let (folder, source) = match self.store {
            Some(folder) => (folder, Source::Store),
            None => named(&self.config, &request)?,
        };
        print(&apply(&folder, &source, &request)?)
    }
}

/// The store and the accounts of a configuration, if the request can be about them.
fn named(config: &Path, request: &Request) -> Result<(PathBuf, Source), Box<dyn Error>> {
    let config = Config::read(config)?;
    match &config.accounts {
        Source::File(path) if !matches!(request, Request::Purge { .. }) => Err(format!(
            "the accounts are in the file {}; change its lines (pillarbox account hash makes a hash) and send SIGHUP to the server",
            path.display()
        )
        .into()),
        _ => Ok((config.store, config.accounts)),
    }
}

/// Does it here, or asks who has the accounts; a server that is just starting or stopping is waited for.
fn apply(folder: &Path, source: &Source, request: &Request) -> Result<Vec<String>, Box<dyn Error>> {
    if !folder.exists() && !matches!(request, Request::Add { .. }) {
        return Err(format!("there is no store in {}", folder.display()).into());
    }
    let began = Instant::now();
    let foreign = owner::other(folder);
    loop {
        if foreign.is_none()
            && let Some(admin) = alone(folder, source)?
        {
            return request.apply(&admin);
        }
        if let Some(rows) = control::ask(folder, request)? {
            return Ok(rows);
        }
        if let Some(instead) = foreign {
            return Err(instead.into());
        }
        if began.elapsed() > PATIENCE {
            let text = format!(
                "a process has the accounts in {} and does not answer on control.sock; stop it first",
                folder.display()
            );
            return Err(text.into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Accounts and mail that no server uses; `None`: one does.
pub fn alone(folder: &Path, source: &Source) -> Result<Option<Admin>, Box<dyn Error>> {
    let (people, mail) = match source {
        Source::Store => match AccountTable::open(folder) {
            Ok(table) => (
                Registry::Table(Arc::new(table)),
                Mail::Folder(folder.to_owned()),
            ),
            Err(AccountError::InUse(_)) => return Ok(None),
            Err(e) => return Err(e.into()),
        },
        Source::File(path) => match Embedded::open(folder, StoreOptions::default()) {
            Ok(store) => (
                Registry::File(Arc::new(load_file(path)?)),
                Mail::Opened(Arc::new(store)),
            ),
            Err(OpenError::InUse(_)) => return Ok(None),
            Err(e) => return Err(e.into()),
        },
    };
    let hub = None;
    Ok(Some(Admin { people, mail, hub }))
}

fn print(rows: &[String]) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    rows.iter().try_for_each(|row| writeln!(out, "{row}"))?;
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(5);

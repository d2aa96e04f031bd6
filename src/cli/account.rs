//! `pillarbox account`: who may sign in, changed through the running server if there is one.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use pillarbox::store::{AccountError, AccountTable, hash_password};

use super::config::{self, Config, Source};
use super::control::{self, Request};
use super::prompt::new_password;

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
    /// Adds an account; asks for its password, or reads it from standard input.
    Add { name: String },
    /// Gives an account another password; asks for it, or reads it from standard input.
    Passwd { name: String },
    /// Lists the accounts: identity, state, name.
    List,
    /// Takes an account out and ends its sessions; its mail stays in the store.
    Remove { name: String },
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
            Verb::Remove { name } => Request::Remove { name },
            Verb::Disable { name } => Request::Disable { name },
            Verb::Enable { name } => Request::Enable { name },
            Verb::Add { name } => Request::Add {
                name,
                hash: hash_password(new_password()?.expose())?,
            },
            Verb::Passwd { name } => Request::SetHash {
                name,
                hash: hash_password(new_password()?.expose())?,
            },
        };
        let folder = match self.store {
            Some(folder) => folder,
            None => folder(&self.config)?,
        };
        print(&apply(&folder, &request)?)
    }
}

fn folder(config: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let config = Config::read(config)?;
    match config.accounts {
        Source::Store => Ok(config.store),
        Source::File(path) => Err(format!(
            "the accounts are in the file {}; change its lines (pillarbox account hash makes a hash) and send SIGHUP to the server",
            path.display()
        )
        .into()),
    }
}

/// Takes the accounts, or asks who has them; a server that is just starting or stopping is waited for.
fn apply(folder: &Path, request: &Request) -> Result<Vec<String>, Box<dyn Error>> {
    if !folder.exists() && !matches!(request, Request::Add { .. }) {
        return Err(format!("there is no store in {}", folder.display()).into());
    }
    let began = Instant::now();
    loop {
        match AccountTable::open(folder) {
            Ok(table) => return Ok(request.apply(&table, None)?),
            Err(AccountError::InUse(_)) => {}
            Err(e) => return Err(e.into()),
        }
        if let Some(rows) = control::ask(folder, request)? {
            return Ok(rows);
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

fn print(rows: &[String]) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    rows.iter().try_for_each(|row| writeln!(out, "{row}"))?;
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(5);

//! The control socket of a running server, `control.sock` in the store's folder: a line in, lines out.
//!
//! ```text
//! > pillarbox 1 list
//! < 1764171233 disabled ann
//! < ok
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pillarbox::driver::Hub;
use pillarbox::protocol::session::Bye;
use pillarbox::store::{AccountError, AccountTable};

/// What can be asked for. Passwords never travel, only their hashes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    List,
    Add { name: String, hash: String },
    SetHash { name: String, hash: String },
    Remove { name: String },
    Disable { name: String },
    Enable { name: String },
}

impl Request {
    fn to_line(&self) -> String {
        let words = match self {
            Self::List => String::from("list"),
            Self::Add { name, hash } => format!("add {name} {hash}"),
            Self::SetHash { name, hash } => format!("passwd {name} {hash}"),
            Self::Remove { name } => format!("remove {name}"),
            Self::Disable { name } => format!("disable {name}"),
            Self::Enable { name } => format!("enable {name}"),
        };
        format!("{VERSION} {words}\n")
    }

    fn parse(line: &str) -> Result<Self, &'static str> {
        let words = line
            .strip_prefix(VERSION)
            .ok_or("this server speaks pillarbox 1; use the program of the same version")?;
        let mut words = words.split_whitespace();
        let verb = words.next().ok_or("expected a command")?;
        let mut next = || words.next().map(str::to_owned);
        let request = match (verb, next(), next(), next()) {
            ("list", None, None, None) => Self::List,
            ("add", Some(name), Some(hash), None) => Self::Add { name, hash },
            ("passwd", Some(name), Some(hash), None) => Self::SetHash { name, hash },
            ("remove", Some(name), None, None) => Self::Remove { name },
            ("disable", Some(name), None, None) => Self::Disable { name },
            ("enable", Some(name), None, None) => Self::Enable { name },
            _ => {
                return Err(
                    "expected list, add, passwd, remove, disable or enable, and its arguments",
                );
            }
        };
        Ok(request)
    }

    /// Does what is asked; with a hub, sessions that could not be begun any more end.
    pub fn apply(
        &self,
        table: &AccountTable,
        hub: Option<&Hub>,
    ) -> Result<Vec<String>, AccountError> {
        let ended = match self {
            Self::List => return Ok(table.list().iter().map(row).collect()),
            Self::Add { name, hash } => {
                table.add(name, hash)?;
                None
            }
            Self::SetHash { name, hash } => {
                let account = table.set_hash(name, hash)?;
                Some((account, Bye::PasswordChanged))
            }
            Self::Enable { name } => {
                table.set_enabled(name, true)?;
                None
            }
            Self::Disable { name } => {
                let account = table.set_enabled(name, false)?;
                Some((account, Bye::AccountDisabled))
            }
            Self::Remove { name } => Some((table.remove(name)?, Bye::AccountDisabled)),
        };
        if let (Some((account, reason)), Some(hub)) = (ended, hub) {
            hub.disconnect(account, reason);
        }
        Ok(Vec::new())
    }
}

fn row(account: &pillarbox::store::Listed) -> String {
    let state = if account.enabled {
        "enabled"
    } else {
        "disabled"
    };
    format!("{} {state} {}", account.id.0, account.name)
}

/// The socket of a running server; dropped, it is taken away.
#[derive(Debug)]
pub struct Control(PathBuf);

impl Control {
    /// Answers on a thread of its own. Whoever can write to the store's folder is trusted.
    pub fn start(folder: &Path, table: Arc<AccountTable>, hub: Hub) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        // The accounts are locked by this process: a socket that is there belongs to nobody any more.
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let run = move || {
            for stream in listener.incoming() {
                match stream {
                    // One that goes away is its own fault.
                    Ok(stream) => drop(answer(&stream, &table, &hub)),
                    // Out of descriptors: not for long.
                    Err(_) => std::thread::sleep(Duration::from_millis(100)),
                }
            }
        };
        let thread = std::thread::Builder::new().name(String::from("control"));
        thread.spawn(run)?;
        Ok(Self(path))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A socket left behind does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn answer(stream: &UnixStream, table: &AccountTable, hub: &Hub) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut line)?;
    let done = match line.strip_suffix('\n').map(Request::parse) {
        None => Err(String::from("expected a line of at most 2048 octets")),
        Some(Err(expected)) => Err(expected.to_owned()),
        Some(Ok(request)) => request.apply(table, Some(hub)).map_err(|e| e.to_string()),
    };
    let mut text = String::new();
    match done {
        Ok(rows) => {
            rows.iter().for_each(|row| text += &format!("{row}\n"));
            text += "ok\n";
        }
        Err(error) => text = format!("error {}\n", error.replace('\n', " ")),
    }
    (&mut &*stream).write_all(text.as_bytes())
}

/// Asks a running server; `None`: there is none.
pub fn ask(folder: &Path, request: &Request) -> Result<Option<Vec<String>>, Box<dyn Error>> {
    let Ok(mut stream) = UnixStream::connect(folder.join(SOCKET)) else {
        return Ok(None);
    };
    stream.set_read_timeout(Some(2 * PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.to_line().as_bytes())?;
    let mut rows = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if line == "ok" {
            return Ok(Some(rows));
        }
        if let Some(error) = line.strip_prefix("error ") {
            return Err(error.into());
        }
        rows.push(line);
    }
    Err("the server ended before it answered; list the accounts to see what happened".into())
}

const SOCKET: &str = "control.sock";
const VERSION: &str = "pillarbox 1";
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST: u64 = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_as_it_was_written() {
        let (name, hash) = (String::from("ann"), String::from("$argon2id$x"));
        for request in [
            Request::List,
            Request::Add {
                name: name.clone(),
                hash: hash.clone(),
            },
            Request::SetHash {
                name: name.clone(),
                hash,
            },
            Request::Remove { name: name.clone() },
            Request::Disable { name: name.clone() },
            Request::Enable { name },
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
            "pillarbox 1 list x",
        ] {
            assert!(Request::parse(bad).is_err(), "{bad}");
        }
    }
}

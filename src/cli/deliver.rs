//! `pillarbox deliver`: a message from standard input into a mailbox, for what hands mail to a program.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use pillarbox::protocol::flag::FlagNames;
use pillarbox::protocol::limits::Limits;
use pillarbox::protocol::mailbox::MailboxName;

use super::account::alone;
use super::config::{self, Config, Source};
use super::control;
use super::owner;
use super::parcel::{Code, Parcel, Refusal};
use super::spool::Spool;

/// Options of `pillarbox deliver`.
#[derive(Debug, Args)]
pub struct Deliver {
    /// Whose mail it is.
    #[arg(long, allow_hyphen_values = true)]
    account: OsString,
    /// Where it goes. One that is not there, or cannot be, is INBOX.
    #[arg(long, allow_hyphen_values = true, default_value = "INBOX")]
    mailbox: OsString,
    /// Makes a mailbox that is not there.
    #[arg(long)]
    create: bool,
    /// A flag or keyword that it has from the first: \Seen, $Work; may be given several times.
    #[arg(long = "flag")]
    flags: Vec<String>,
    /// Puts Return-Path with this address before the message.
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    return_path: Option<OsString>,
    /// Puts Delivered-To with this address before the message.
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    delivered_to: Option<OsString>,
    /// The configuration that names the store.
    #[arg(long, default_value = config::FILE)]
    config: PathBuf,
    /// The store's folder, instead of a configuration; no message may be larger than by default then.
    #[arg(long)]
    store: Option<PathBuf>,
}

impl Deliver {
    /// Returns when the message is durable.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let (folder, source, most) = self.store()?;
        let mut lines = Vec::new();
        for (name, address) in [
            ("Return-Path", &self.return_path),
            ("Delivered-To", &self.delivered_to),
        ] {
            if let Some(address) = address {
                lines.push(field(name, address)?);
            }
        }
        let stdin = std::io::stdin().lock();
        let mut spool = Spool::fill(&lines, stdin, most, &std::env::temp_dir())
            .map_err(|e| Refusal::later(format!("cannot read the message: {e}")))?;
        if spool.size() > most {
            let text = format!("the message has more than {most} octets");
            return Err(Refusal::new(Code::Data, text).into());
        }
        let parcel = Parcel {
            account: account(&self.account)?,
            size: spool.size(),
            mailbox: mailbox(&self.mailbox),
            create: self.create,
            flags: flags(&self.flags)?,
        };
        for note in deliver(&folder, &source, most, &parcel, &mut spool)? {
            eprintln!("pillarbox: {note}");
        }
        Ok(())
    }

    /// The store, where its accounts are, and the most octets that a message may have.
    fn store(&self) -> Result<(PathBuf, Source, u64), Refusal> {
        if let Some(folder) = &self.store {
            return Ok((folder.clone(), Source::Store, Limits::default().append));
        }
        let config = Config::read(&self.config).map_err(Refusal::later)?;
        let most = config.settings.limits.append;
        Ok((config.store, config.accounts, most))
    }
}

/// How a command line that cannot be understood ends: what hands mail over must not lose it for that.
pub fn misused() -> ExitCode {
    ExitCode::from(Code::Later as u8)
}

/// A name that no account can have is that of none.
fn account(name: &OsString) -> Result<String, Refusal> {
    let known = name.to_str().filter(|name| {
        let odd = |c: char| c.is_control() || c.is_whitespace();
        !name.is_empty() && name.len() <= 255 && !name.contains(odd)
    });
    let unknown = || {
        let text = format!("there is no account {}", name.display());
        Refusal::new(Code::NoUser, text)
    };
    known.map(str::to_owned).ok_or_else(unknown)
}

/// Whoever writes to an address may have a say in this: what cannot be a mailbox must not keep the message away.
fn mailbox(name: &OsString) -> MailboxName {
    let name = name.to_str().and_then(|name| MailboxName::new(name).ok());
    name.unwrap_or_else(MailboxName::inbox)
}

fn flags(words: &[String]) -> Result<FlagNames, Refusal> {
    let all = words.join(" ");
    let flags = all.parse();
    flags.map_err(|e| Refusal::later(format!("the flags {all} cannot be set: {e}")))
}

/// A line of the header, which ends nowhere but at its end.
fn field(name: &str, address: &OsString) -> Result<String, Refusal> {
    let usable = address.to_str().filter(|address| {
        address.len() <= LONGEST_ADDRESS && !address.contains(|c: char| c.is_control())
    });
    let unusable = || Refusal::new(Code::Data, format!("{name} cannot be {address:?}"));
    let address = usable.ok_or_else(unusable)?;
    let bare = address.strip_prefix('<').and_then(|a| a.strip_suffix('>'));
    let bare = bare.unwrap_or(address);
    Ok(match name {
        "Return-Path" => format!("{name}: <{bare}>"),
        _ => format!("{name}: {bare}"),
    })
}

/// Hands the message to the running server, or puts it into the store that none has; one that is just starting or stopping is waited for.
fn deliver(
    folder: &Path,
    source: &Source,
    most: u64,
    parcel: &Parcel,
    spool: &mut Spool,
) -> Result<Vec<String>, Refusal> {
    let began = Instant::now();
    let foreign = owner::other(folder);
    loop {
        let mut octets = spool.octets().map_err(Refusal::later)?;
        if let Some(notes) = control::deliver(folder, parcel, &mut octets)? {
            return Ok(notes);
        }
        if let Some(instead) = foreign {
            return Err(Refusal::new(Code::NoPerm, instead));
        }
        if !is_store(folder, source) {
            let folder = folder.display();
            return Err(Refusal::later(format!("there is no store in {folder}")));
        }
        if let Some(admin) = alone(folder, source).map_err(Refusal::later)? {
            return parcel.deliver(&admin, most, &mut octets, || Ok(()));
        }
        if began.elapsed() > PATIENCE {
            return Err(Refusal::later(format!(
                "a process has the store in {} and does not answer on control.sock",
                folder.display()
            )));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether it was used before: the folder of a disk that is not mounted is none.
fn is_store(folder: &Path, source: &Source) -> bool {
    let mark = match source {
        Source::Store => "accounts",
        Source::File(_) => "packs",
    };
    folder.join(mark).exists()
}

const PATIENCE: Duration = Duration::from_secs(5);
/// So that the line is one (RFC 5322 §2.1.1).
const LONGEST_ADDRESS: usize = 900;

//! `pillarbox store`: checking and mending the folder that mail is kept in.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use pillarbox::store::{compact, rebuild, renumber, verify};

use super::owner;

/// What can be done with a store that no server uses.
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Reads every octet and tells what is damaged; writes nothing. Fails when something is.
    Verify {
        /// The store's folder.
        folder: PathBuf,
    },
    /// Makes the index anew from the packs; the old one is set aside.
    Rebuild {
        /// The store's folder.
        folder: PathBuf,
    },
    /// Gives every mailbox a new UIDVALIDITY, after a store was put back from a backup: clients fetch their mail anew, and take none for another.
    Renumber {
        /// The store's folder.
        folder: PathBuf,
    },
    /// Gives back all room that expunged mail takes up; a server does it little by little.
    Compact {
        /// The store's folder.
        folder: PathBuf,
    },
}

impl Store {
    /// Does it, and prints what was found.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        self.look()?;
        let mut out = std::io::stdout().lock();
        match self {
            Self::Verify { folder } => {
                let mut printed = Ok(());
                let seen = verify(folder, |problem| {
                    if printed.is_ok() {
                        printed = writeln!(out, "{problem}");
                    }
                })?;
                printed?;
                writeln!(
                    out,
                    "{} messages in {} mailboxes; {} records, {} octets in packs; problems: {}",
                    seen.messages, seen.mailboxes, seen.records, seen.octets, seen.problems
                )?;
                if seen.behind {
                    writeln!(
                        out,
                        "The index lacks the last changes; it takes them in when the store is opened"
                    )?;
                }
                match seen.problems {
                    0 => Ok(()),
                    _ => Err(DAMAGED.into()),
                }
            }
            Self::Rebuild { folder } => {
                let made = rebuild(folder)?;
                writeln!(
                    out,
                    "{} messages in {} mailboxes",
                    made.messages, made.mailboxes
                )?;
                if made.damaged > 0 {
                    writeln!(
                        out,
                        "The octets of {} messages cannot be read",
                        made.damaged
                    )?;
                }
                if made.flags_lost {
                    writeln!(
                        out,
                        "Flags are as far back as the packs tell; clients will fetch them again"
                    )?;
                }
                Ok(())
            }
            Self::Renumber { folder } => {
                let count = renumber(folder)?;
                writeln!(out, "{count} mailboxes have a new UIDVALIDITY")?;
                Ok(())
            }
            Self::Compact { folder } => {
                let done = compact(folder)?;
                match done.after < done.before {
                    true => writeln!(
                        out,
                        "{} octets of packs and index are left of {}",
                        done.after, done.before
                    )?,
                    false => writeln!(
                        out,
                        "There was nothing to give back of {} octets of packs and index",
                        done.before
                    )?,
                }
                Ok(())
            }
        }
    }

    /// Refuses what is no store, and to write where another user's server is to read.
    fn look(&self) -> Result<(), String> {
        let (Self::Verify { folder }
        | Self::Rebuild { folder }
        | Self::Renumber { folder }
        | Self::Compact { folder }) = self;
        if !folder.join("packs").is_dir() {
            return Err(format!("there is no store in {}", folder.display()));
        }
        match self {
            Self::Verify { .. } => Ok(()),
            _ => owner::other(folder).map_or(Ok(()), Err),
        }
    }
}

const DAMAGED: &str = "the store is damaged: what is wrong with the index, pillarbox store rebuild mends; a message whose octets are damaged is in a backup or nowhere";

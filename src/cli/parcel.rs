//! A message for an account: how it is announced to a running server, and how it gets into the store there, or here.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};

use pillarbox::protocol::effect::{ErrorKind, StoreError};
use pillarbox::protocol::flag::{FlagNames, SystemFlags};
use pillarbox::protocol::mailbox::MailboxName;
use pillarbox::store::{Delivery, Incoming};

use super::request::{self, Admin};

/// All of a message but its octets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parcel {
    pub account: String,
    /// Octets that follow.
    pub size: u64,
    pub mailbox: MailboxName,
    /// Whether a mailbox that is not there is made; else INBOX is taken.
    pub create: bool,
    pub flags: FlagNames,
}

/// Why a message was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub code: Code,
    text: String,
}

/// What an exit code of `sysexits.h` tells who hands mail over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// The message can never be taken.
    Data = 65,
    /// There is no such account.
    NoUser = 67,
    /// Later it may be taken.
    Later = 75,
    /// The store is not for this user.
    NoPerm = 77,
}

impl Refusal {
    pub fn new(code: Code, text: impl fmt::Display) -> Self {
        let text = text.to_string().replace('\n', " ");
        Self { code, text }
    }

    pub fn later(text: impl fmt::Display) -> Self {
        Self::new(Code::Later, text)
    }

    /// Reads what [`Refusal`] is printed as on the control socket.
    pub fn parse(line: &str) -> Self {
        let (code, text) = line.split_once(' ').unwrap_or(("", line));
        let all = [Code::Data, Code::NoUser, Code::Later, Code::NoPerm];
        let code = all.into_iter().find(|c| (*c as u8).to_string() == code);
        match code {
            Some(code) => Self::new(code, text),
            None => Self::later(line),
        }
    }

    /// As it travels.
    pub fn to_line(&self) -> String {
        format!("{} {}", self.code as u8, self.text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Refusal {}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let code = match error.kind {
            ErrorKind::TooBig | ErrorKind::UnknownCte => Code::Data,
            ErrorKind::NoPerm => Code::NoPerm,
            _ => Code::Later,
        };
        Self::new(code, error)
    }
}

impl Parcel {
    /// As it is announced: the mailbox is last, since its name may have spaces.
    pub fn to_line(&self) -> String {
        let system = SystemFlags::TABLE.iter();
        let system = system.filter(|(flag, _)| self.flags.system.has(*flag));
        let keywords = self.flags.keywords.iter().map(String::as_str);
        let flags: Vec<_> = system.map(|(_, name)| *name).chain(keywords).collect();
        let how = if self.create { "create" } else { "inbox" };
        let (account, size, name) = (&self.account, self.size, self.mailbox.as_str());
        let flags = flags.join(" ");
        format!(
            "{} {VERB} {account} {size} {how} ({flags}) {name}\n",
            request::VERSION
        )
    }

    /// Reads a line without its end; `None`: it is about something else.
    pub fn parse(line: &str) -> Option<Result<Self, Refusal>> {
        let words = line.strip_prefix(request::VERSION)?.trim_start();
        let words = words.strip_prefix(VERB)?.strip_prefix(' ')?;
        Some(Self::read(words).ok_or_else(|| Refusal::later(EXPECTED)))
    }

    fn read(words: &str) -> Option<Self> {
        let (account, words) = words.split_once(' ')?;
        let (size, words) = words.split_once(' ')?;
        let (how, words) = words.split_once(" (")?;
        let (flags, name) = words.split_once(") ")?;
        Some(Self {
            account: account.to_owned(),
            size: size.parse().ok()?,
            mailbox: MailboxName::new(name).ok()?,
            create: match how {
                "create" => true,
                "inbox" => false,
                _ => return None,
            },
            flags: flags.parse().ok()?,
        })
    }

    /// Stores the message, if it has at most so many octets; `ready` is called when it is wanted, before its first octet is read. Returns what is to be told besides. When it
    /// returns, the message is durable.
    pub fn deliver(
        &self,
        admin: &Admin,
        most: u64,
        octets: &mut dyn Read,
        ready: impl FnOnce() -> io::Result<()>,
    ) -> Result<Vec<String>, Refusal> {
        let unknown = || {
            Refusal::new(
                Code::NoUser,
                format!("there is no account {}", self.account),
            )
        };
        let account = admin.people.find(&self.account).ok_or_else(unknown)?;
        if self.size > most || self.size == 0 {
            let text = format!(
                "the message has {} octets; 1 to {most} can be taken",
                self.size
            );
            return Err(Refusal::new(Code::Data, text));
        }
        let store = admin.mail.open().map_err(Refusal::later)?;
        let inbox = Delivery::to(account).flags(self.flags.clone());
        let named = inbox.clone().mailbox(self.mailbox.clone());
        let named = if self.create { named.create() } else { named };
        let (incoming, notes) = match named.begin(&*store, self.size) {
            Err(error) if is_about_the_mailbox(error.kind) => {
                let note = format!("INBOX has it, not {}: {error}", self.mailbox.as_str());
                (inbox.begin(&*store, self.size)?, vec![note])
            }
            begun => (begun?, Vec::new()),
        };
        ready().map_err(lost)?;
        self.carry(octets, incoming)?;
        Ok(notes)
    }

    fn carry(&self, octets: &mut dyn Read, mut incoming: Incoming<'_>) -> Result<(), Refusal> {
        let mut buffer = vec![0; CHUNK];
        let mut left = self.size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let n = match octets.read(&mut buffer[..most]) {
                Ok(0) => return Err(lost(io::ErrorKind::UnexpectedEof.into())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(lost)?,
            };
            incoming.write(&buffer[..n])?;
            left -= n as u64;
        }
        incoming.commit()?;
        Ok(())
    }
}

fn lost(error: io::Error) -> Refusal {
    Refusal::later(format!("the message did not come whole: {error}"))
}

/// Whether another mailbox may well take the message.
fn is_about_the_mailbox(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NonExistent | ErrorKind::Cannot | ErrorKind::Limit
    )
}

/// Octets read at once.
const CHUNK: usize = 128 << 10;
const VERB: &str = "deliver";
const EXPECTED: &str = "expected deliver ACCOUNT OCTETS create|inbox (FLAGS) MAILBOX";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_reads_as_it_was_written() {
        for (flags, name) in [
            ("", "INBOX"),
            ("\\Seen \\Draft $a,b c", "Now (and) then/ü x"),
        ] {
            let parcel = Parcel {
                account: String::from("ann@example.org"),
                size: 7,
                mailbox: MailboxName::new(name).unwrap(),
                create: name != "INBOX",
                flags: flags.parse().unwrap(),
            };
            let line = parcel.to_line();
            let read = Parcel::parse(line.trim_end()).unwrap().unwrap();
            assert_eq!(read, parcel);
        }
        assert_eq!(Parcel::parse("pillarbox 1 list"), None);
        assert_eq!(Parcel::parse("pillarbox 1 delivery x"), None);
        for bad in [
            "ann",
            "ann x inbox () INBOX",
            "ann -1 inbox () INBOX",
            "ann 18446744073709551616 inbox () INBOX",
            "ann 1 other () INBOX",
            "ann 1 inbox (\\Recent) INBOX",
            "ann 1 inbox (() INBOX",
            "ann 1 inbox () ",
            "ann 1 inbox () a//b",
            "ann 1 inbox INBOX",
        ] {
            let refused = Parcel::parse(&format!("pillarbox 1 deliver {bad}"));
            assert!(refused.is_some_and(|r| r.is_err()), "{bad}");
        }
    }

    #[test]
    fn a_refusal_reads_as_it_was_written_and_one_that_cannot_be_read_is_for_later() {
        for code in [Code::Data, Code::NoUser, Code::Later, Code::NoPerm] {
            let refusal = Refusal::new(code, "two\nlines");
            assert_eq!(Refusal::parse(&refusal.to_line()), refusal);
        }
        for other in ["", "75", "0 all is well", "expected something", "64 x"] {
            assert_eq!(Refusal::parse(other).code, Code::Later, "{other}");
        }
    }
}

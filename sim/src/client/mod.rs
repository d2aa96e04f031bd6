//! Mirror clients: each knows its connection only from the wire, and says what a server may not have told it, given what the model holds.
//!
//! Many orders of responses are right, so nothing is compared octet by octet: of each response is asked whether the account was, at some time since the
//! command began, as the response says, and whether this client may be told so now.

mod begin;
mod fetch;
mod knows;
mod mailbox;
mod results;
mod tagged;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::{Account, BoxId, Command, Deed, FlagSet, Meant, Outcome, Time, Wrong};
use crate::wire::{self, Condition, Fault, Response, Set, Text};

/// A message as the client knows it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its UID: told, or the only one it can be.
    pub uid: Option<u32>,
    /// Whether the wire told the UID.
    pub uid_told: bool,
    /// Its flags, once told.
    pub flags: Option<FlagSet>,
    /// The version told last, by its place: nothing older may come.
    version: usize,
}

/// What a client knows of a mailbox when it is cut off: enough to resynchronise (RFC 7162 §3.2.5).
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The mailbox's name.
    pub name: String,
    /// UIDVALIDITY.
    pub validity: u32,
    /// HIGHESTMODSEQ by the rules of RFC 7162 §6.
    pub highest: u64,
    /// The messages whose UID was told, in order: their sequence number, UID and flags.
    pub messages: Vec<(u32, u32, Option<FlagSet>)>,
}

/// The selected mailbox.
#[derive(Clone, Debug)]
struct Selected {
    at: BoxId,
    name: String,
    read_only: bool,
    /// Keywords that a FLAGS response named.
    announced: FlagSet,
}

/// A command on its way.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub tag: String,
    pub command: Command,
    /// What is still to be sent, a piece after each continuation.
    pub pieces: VecDeque<Vec<u8>>,
    /// The octet of the connection that ends it.
    pub end: u64,
    /// When the server had all of it and was done with those before.
    begun: Option<Time>,
    continued: usize,
    meant: Meant,
    /// A set of numbers in it names a message there is not.
    out_of_range: bool,
    /// The greatest UID there was for this client then.
    last: Option<u32>,
    deeds: Vec<Outcome>,
    refused: bool,
    /// The store was made to fail while it was answered.
    faulty: bool,
    /// NIL stood for octets that could not be read.
    nil: bool,
    /// UIDs whose flags it changed.
    changed: BTreeSet<u32>,
    /// UIDs to the items told of them, and of those with MODSEQ.
    told: BTreeMap<u32, BTreeSet<String>>,
    copied: Vec<(u32, u32)>,
    lines: Vec<(String, BTreeSet<String>, bool)>,
    statuses: BTreeSet<String>,
    results: usize,
    seen: SelectSeen,
}

/// What SELECT told so far.
#[derive(Clone, Debug, Default)]
struct SelectSeen {
    exists: Option<u32>,
    unseen: Option<u32>,
    validity: Option<u32>,
    uid_next: Option<u32>,
    highest: Option<u64>,
    object: Option<String>,
    announced: FlagSet,
    done: bool,
}

/// One connection from the client's side.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// The account, once LOGIN is answered.
    pub user: Option<String>,
    /// IMAP4rev2 is enabled.
    pub rev2: bool,
    /// CONDSTORE is on.
    pub condstore: bool,
    /// QRESYNC is enabled.
    pub qresync: bool,
    /// The messages of the selected mailbox in order.
    pub entries: Vec<Entry>,
    /// The server asks its store for few ranges of UIDs at once: messages that came may be told by several EXISTS.
    pub paged: bool,
    /// BYE came.
    pub ended: bool,
    /// DONE was sent for the IDLE that is being answered.
    pub said_done: bool,
    /// Every check that was made.
    pub checks: u64,
    /// The account was disabled, and so many commands may still be answered: the one being answered, if there is one.
    revoked: Option<usize>,
    selected: Option<Selected>,
    /// What is being answered comes first.
    pub(crate) sent: VecDeque<Sent>,
    /// Octets that arrived and are not yet a whole response.
    partial: Vec<u8>,
    saved: (BTreeSet<u32>, BTreeSet<u32>),
    highest: u64,
    modseq: u64,
    code: Option<u64>,
    validity: u32,
    /// What was known before a resynchronisation and is neither confirmed nor gone.
    cache: BTreeMap<u32, Option<FlagSet>>,
    greeted: bool,
    /// The greatest UID of the selected mailbox that is spoken for.
    greatest: u32,
    last_begun: Time,
    tags: u32,
    /// The state to come back with, after each tagged answer, and how many octets had come until then.
    pub(crate) known: VecDeque<(u64, Option<Known>)>,
    /// Octets that came.
    pub came: u64,
}

/// Whom a client is told about: nobody before login.
type Who<'a> = Option<&'a Account>;

impl Client {
    /// A command goes out; what is to be sent at once.
    pub fn send(&mut self, name: &str, command: Command, sent_before: u64) -> Vec<u8> {
        self.tags += 1;
        let tag = format!("{name}{}", self.tags);
        let utf8 = self.rev2 || self.sent.iter().any(|s| enables(&s.command, "IMAP4rev2"));
        let mut pieces: VecDeque<Vec<u8>> = command.pieces(utf8).into();
        let mut first = format!("{tag} ").into_bytes();
        first.extend(pieces.pop_front().unwrap_or_default());
        let end = match pieces.is_empty() {
            true => sent_before + first.len() as u64,
            false => u64::MAX,
        };
        self.sent.push_back(Sent {
            tag,
            command,
            pieces,
            end,
            begun: None,
            continued: 0,
            meant: Meant::default(),
            out_of_range: false,
            last: None,
            deeds: Vec::new(),
            refused: false,
            faulty: false,
            nil: false,
            changed: BTreeSet::new(),
            told: BTreeMap::new(),
            copied: Vec::new(),
            lines: Vec::new(),
            statuses: BTreeSet::new(),
            results: 0,
            seen: SelectSeen::default(),
        });
        first
    }

    /// Whether a command waits for a continuation, so that nothing else may be sent.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.sent.back().is_some_and(|s| !s.pieces.is_empty())
    }

    /// Whether the last command sent is IDLE, and whether `+` came.
    #[must_use]
    pub fn idles(&self) -> Option<bool> {
        let last = self.sent.back()?;
        matches!(last.command, Command::Idle).then_some(last.continued > 0)
    }

    /// The next piece of a command, if a continuation came for it.
    pub fn next_piece(&mut self, sent_before: u64) -> Option<Vec<u8>> {
        let sent = self.sent.front_mut()?;
        let pieces_sent = sent
            .command
            .continuations()
            .checked_sub(sent.pieces.len())?;
        if matches!(sent.command, Command::Idle) || sent.continued <= pieces_sent {
            return None;
        }
        let piece = sent.pieces.pop_front()?;
        if sent.pieces.is_empty() {
            sent.end = sent_before + piece.len() as u64;
        }
        Some(piece)
    }

    /// What it knew for certain when so many octets had arrived.
    #[must_use]
    pub fn known_at(&self, arrived: u64) -> Option<Known> {
        let last = self.known.iter().rev().find(|(at, _)| *at <= arrived);
        last.and_then(|(_, known)| known.clone())
    }

    /// The mailbox that will be selected when all is answered, as far as it can be foreseen.
    #[must_use]
    pub fn will_select(&self) -> Option<&str> {
        for sent in self.sent.iter().rev() {
            match &sent.command {
                Command::Select(select) => return Some(&select.name),
                Command::Close | Command::Unselect => return None,
                _ => {}
            }
        }
        self.selected.as_ref().map(|s| s.name.as_str())
    }

    /// HIGHESTMODSEQ as this client knows it.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Remembers what was known on a connection before.
    pub fn remember(&mut self, known: &Known) {
        let messages = known.messages.iter();
        self.cache = messages.map(|(_, uid, flags)| (*uid, *flags)).collect();
    }

    /// The store did something for the command that is being answered.
    ///
    /// # Errors
    /// This command does not do that.
    pub fn deed(&mut self, account: &mut Account, deed: &Deed) -> Result<Vec<BoxId>, Wrong> {
        self.checks += 1;
        if self.revoked == Some(0) {
            return Err(format!("INV-30: {deed:?} is done for a disabled account"));
        }
        let Some(sent) = self.sent.front_mut() else {
            return Err(format!(
                "INV-06: {deed:?} is done while no command is answered"
            ));
        };
        let selected = sent.meant.selected.map(|b| account.boxes[b].id);
        if deed.mailbox.is_some() && deed.mailbox != selected {
            return Err(format!(
                "INV-29: {deed:?} is done to another mailbox than {selected:?}"
            ));
        }
        let touched = account.apply(&sent.command, &sent.meant, deed)?;
        match &deed.outcome {
            None => sent.refused = true,
            Some(outcome) => sent.deeds.push(outcome.clone()),
        }
        if let (Some(Outcome::Flags { asked, .. }), Some(at)) = (&deed.outcome, sent.meant.selected)
        {
            let messages = &account.boxes[at].messages;
            let now = |u: &&u32| {
                messages
                    .get(u)
                    .is_some_and(|m| m.last().from == account.now)
            };
            sent.changed.extend(asked.iter().filter(now));
        }
        Ok(touched)
    }

    /// INV-30: the account was disabled. What is being answered is finished, and nothing else is begun.
    pub fn revoke(&mut self) {
        let begun = self.sent.front().is_some_and(|s| s.begun.is_some());
        self.revoked.get_or_insert(usize::from(begun));
    }

    /// Whether the account was disabled.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked.is_some()
    }

    /// The store was made to fail for the command that is being answered.
    pub fn fault(&mut self) {
        if let Some(sent) = self.sent.front_mut() {
            sent.faulty = true;
        }
    }

    /// Octets came from the server, which took so many of this client's; `see` sees each response.
    ///
    /// # Errors
    /// What no server may say, here or at all.
    pub fn come(
        &mut self,
        octets: &[u8],
        taken: u64,
        who: &BTreeMap<String, Account>,
        see: &mut impl FnMut(&[u8]),
    ) -> Result<(), Wrong> {
        self.came += octets.len() as u64;
        self.partial.extend_from_slice(octets);
        loop {
            let (response, length) = match wire::response(&self.partial, self.rev2) {
                Ok(whole) => whole,
                Err(Fault::Short) => return Ok(()),
                Err(Fault::Wrong(wrong)) => {
                    see(&self.partial);
                    return Err(format!("INV-01: {wrong}"));
                }
            };
            see(&self.partial[..length]);
            self.partial.drain(..length);
            self.checks += 1;
            let account = self.user.as_ref().and_then(|u| who.get(u));
            self.told(&response, account)?;
            if let (Response::Tagged(..), Some(user)) = (&response, &self.user) {
                self.keep(who.get(user));
            }
            self.go_on(taken, who);
        }
    }

    /// What it would come back with if it were cut off now.
    fn keep(&mut self, account: Who<'_>) {
        let at = self.came - self.partial.len() as u64;
        let known = self
            .selected
            .as_ref()
            .filter(|_| self.qresync)
            .map(|s| Known {
                name: account
                    .and_then(|a| a.boxes[s.at].name())
                    .unwrap_or(&s.name)
                    .to_owned(),
                validity: self.validity,
                highest: self.highest,
                messages: (1..)
                    .zip(&self.entries)
                    .filter_map(|(n, e)| Some((n, e.uid.filter(|_| e.uid_told)?, e.flags)))
                    .collect(),
            });
        self.known.push_back((at, known));
        if self.known.len() > 64 {
            self.known.pop_front();
        }
    }

    fn told(&mut self, response: &Response, who: Who<'_>) -> Result<(), Wrong> {
        if self.ended && !matches!(response, Response::Tagged(..)) {
            return Err("INV-02: something comes after BYE".to_owned());
        }
        match response {
            Response::Continue => self.go_ahead(),
            Response::Tagged(tag, condition, text) => self.tagged(tag, *condition, text, who),
            Response::State(condition, text) => self.state(*condition, text, who),
            Response::Exists(n) => self.exists(*n, who),
            Response::Expunge(n) => self.expunge(*n, who),
            Response::Vanished(false, set) => self.vanished(set, who),
            Response::Vanished(true, set) => self.vanished_earlier(set, who),
            Response::Fetch(n, items) => self.fetch(*n, items, who),
            Response::Recent(_) if self.rev2 => {
                Err("INV-01: RECENT after ENABLE IMAP4rev2 (RFC 9051 Appendix E)".to_owned())
            }
            Response::Recent(_) => self.needs_mailbox("RECENT"),
            Response::Flags(names) => self.flags(names),
            Response::Search(numbers, modseq) => self.search(numbers, *modseq, who),
            Response::Esearch(result) => self.esearch(result, who),
            Response::Status(name, items, id) => self.status(name, items, id.as_deref(), who),
            Response::List(line) => self.list_line(line, false),
            Response::Lsub(line) => self.list_line(line, true),
            Response::Enabled(names) => self.enabled(names),
            Response::Capability(_) => self.for_command("CAPABILITY"),
            Response::Namespace => self.for_command("NAMESPACE"),
            Response::Id => self.for_command("ID"),
        }
    }

    fn for_command(&self, name: &str) -> Result<(), Wrong> {
        match self.sent.front().map(|s| &s.command) {
            Some(Command::Plain(text)) if text.starts_with(name) => Ok(()),
            other => Err(format!("INV-02: {name} comes for {other:?}")),
        }
    }

    fn enabled(&mut self, names: &[String]) -> Result<(), Wrong> {
        let Some(Command::Enable(asked)) = self.sent.front().map(|s| &s.command) else {
            return Err("INV-02: ENABLED comes unasked".to_owned());
        };
        if let Some(odd) = names.iter().find(|n| !asked.contains(&n.as_str())) {
            return Err(format!("RFC 5161 §3.2: {odd} is enabled unasked"));
        }
        let on = |name: &str| names.iter().any(|n| n == name);
        self.rev2 |= on("IMAP4rev2");
        self.qresync |= on("QRESYNC");
        self.condstore |= on("CONDSTORE") || on("QRESYNC");
        Ok(())
    }

    /// INV-04: `+` only where a literal waits for it, and in IDLE.
    fn go_ahead(&mut self) -> Result<(), Wrong> {
        match self.sent.front_mut() {
            Some(s) if s.continued < s.command.continuations() => {
                s.continued += 1;
                Ok(())
            }
            other => Err(format!(
                "INV-04: a continuation nobody waits for, at {:?}",
                other.map(|s| &s.command)
            )),
        }
    }

    fn state(&mut self, condition: Condition, text: &Text, who: Who<'_>) -> Result<(), Wrong> {
        if !self.greeted {
            self.greeted = true;
            return match condition {
                Condition::Ok => Ok(()),
                Condition::Bye if self.is_revoked() => self.bye(who),
                _ => Err(format!("INV-32: the greeting is {condition:?}")),
            };
        }
        match condition {
            Condition::PreAuth => Err("INV-32: PREAUTH is told".to_owned()),
            Condition::Bye => self.bye(who),
            Condition::Bad => Err(format!("INV-02: an untagged BAD: {}", text.words)),
            _ => match &text.code {
                Some(code) => self.code(code, who),
                None => Ok(()),
            },
        }
    }

    /// BYE ends LOGOUT, a session whose mailbox was deleted, and one whose account was disabled.
    fn bye(&mut self, who: Who<'_>) -> Result<(), Wrong> {
        self.ended = true;
        let logout = self
            .sent
            .front()
            .is_some_and(|s| matches!(s.command, Command::Logout));
        let deleted = match (&self.selected, who) {
            (Some(selected), Some(account)) => account.boxes[selected.at].name().is_none(),
            _ => false,
        };
        let faulty = self.sent.front().is_some_and(|s| s.faulty);
        match logout || deleted || faulty || self.is_revoked() {
            true => Ok(()),
            false => Err("INV-02: BYE for no reason".to_owned()),
        }
    }
}

/// Whether this command enables that.
fn enables(command: &Command, name: &str) -> bool {
    matches!(command, Command::Enable(names) if names.contains(&name))
}

/// The numbers of a set.
fn numbers(set: &Set) -> impl Iterator<Item = u32> {
    set.iter().flat_map(|&(a, b)| a.min(b)..=a.max(b))
}

//! What a client believes of its mailbox, from nothing but what it was told, and the rules a server breaks when it tells it wrongly.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Flags by their names, `\Recent` left out.
pub type FlagSet = BTreeSet<String>;

/// A message as the client knows it.
#[derive(Clone, Debug)]
pub struct Entry {
    id: u64,
    /// Its UID, once told.
    pub uid: Option<u32>,
    /// Its flags, once told.
    pub flags: Option<FlagSet>,
}

/// How a STORE changes flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// `FLAGS`.
    Replace,
    /// `+FLAGS`.
    Add,
    /// `-FLAGS`.
    Remove,
}

/// A command that was sent.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Its tag.
    pub tag: String,
    /// What was sent, for people.
    pub line: String,
    /// It uses sequence numbers, so that no EXPUNGE may come (RFC 9051 §7.5.1).
    pub by_number: bool,
    /// The messages it names by number, and whether a BAD is the answer to a number that is not there.
    pub numbers: Vec<(u32, u32)>,
    /// The messages it names by UID.
    pub uids: Vec<(u32, u32)>,
    /// Every one of `numbers` must be answered with a FETCH.
    pub fetches: bool,
    /// A `.SILENT` change: the client applies it itself.
    pub silent: Option<(Change, String)>,
    /// It selects a mailbox.
    pub selects: bool,
    /// It leaves the mailbox.
    pub leaves: bool,
}

/// The client's side of one connection.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    /// The messages in order.
    pub entries: Vec<Entry>,
    /// What was known before a resynchronisation.
    pub cache: BTreeMap<u32, Option<FlagSet>>,
    /// The mailbox's UIDVALIDITY.
    pub uid_validity: u32,
    /// HIGHESTMODSEQ by the rules of RFC 7162 §6.
    pub highest: u64,
    /// Whether ENABLE QRESYNC was answered.
    pub qresync: bool,
    /// What is being answered first comes first.
    pub sent: VecDeque<Sent>,
    next_id: u64,
    targets: Vec<u64>,
    /// Every number of the command answered is one this client knows of.
    valid: bool,
    fetched: BTreeSet<u64>,
    flags_told: BTreeSet<u64>,
    modseq: u64,
    code: Option<u64>,
}

/// What was told wrongly.
pub type Wrong = String;

impl Mirror {
    /// A command goes out.
    pub fn send(&mut self, sent: Sent) {
        self.sent.push_back(sent);
        if self.sent.len() == 1 {
            self.begin();
        }
    }

    /// Forgets the connection; what is known for certain is what QRESYNC builds upon.
    pub fn disconnect(&mut self) {
        let known = std::mem::take(&mut self.entries);
        self.cache
            .extend(known.into_iter().filter_map(|e| Some((e.uid?, e.flags))));
        self.sent.clear();
        self.code = None;
        self.modseq = 0;
        self.qresync = false;
    }

    /// The first command sent is what the server answers now: its numbers mean what this client sees now.
    fn begin(&mut self) {
        self.fetched.clear();
        self.flags_told.clear();
        let Some(sent) = self.sent.front() else {
            return;
        };
        let last = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.valid = sent
            .numbers
            .iter()
            .all(|&(a, b)| a.max(b) <= last && a.min(b) > 0);
        let inside = |ranges: &[(u32, u32)], n: u32| {
            ranges.iter().any(|&(a, b)| a.min(b) <= n && n <= a.max(b))
        };
        self.targets = self
            .entries
            .iter()
            .zip(1..)
            .filter(|(entry, n)| {
                inside(&sent.numbers, *n) || entry.uid.is_some_and(|u| inside(&sent.uids, u))
            })
            .map(|(entry, _)| entry.id)
            .collect();
    }

    /// Takes a whole response, its literals among it.
    ///
    /// # Errors
    /// What no server may say here.
    pub fn told(&mut self, response: &str) -> Result<(), Wrong> {
        let line = response.trim_end_matches("\r\n");
        if line.starts_with("+ ") {
            return Ok(());
        }
        let Some(rest) = line.strip_prefix("* ") else {
            return self.tagged(line);
        };
        if let Some(modseq) = number_after(rest, "[HIGHESTMODSEQ ") {
            self.code = Some(modseq);
        }
        if let Some(validity) = number_after(rest, "[UIDVALIDITY ") {
            self.uid_validity = u32::try_from(validity).unwrap_or(0);
        }
        if rest.starts_with("OK [CLOSED]") {
            self.entries.clear();
        }
        if let Some(set) = rest.strip_prefix("VANISHED (EARLIER) ") {
            return self.vanished_earlier(&ranges(set)?);
        }
        if let Some(set) = rest.strip_prefix("VANISHED ") {
            return self.vanished(&ranges(set)?);
        }
        if rest.starts_with("ENABLED") {
            self.qresync |= rest.contains("QRESYNC");
        }
        let Some((n, what)) = rest.split_once(' ') else {
            return Ok(());
        };
        let Ok(n) = n.parse::<u32>() else {
            return Ok(());
        };
        match what.split(' ').next() {
            Some("EXISTS") => self.exists(n),
            Some("EXPUNGE") => self.expunge(n),
            Some("FETCH") => self.fetch(n, what),
            _ => Ok(()),
        }
    }

    fn exists(&mut self, n: u32) -> Result<(), Wrong> {
        if (n as usize) < self.entries.len() {
            return Err(format!("EXISTS fell from {} to {n}", self.entries.len()));
        }
        while self.entries.len() < n as usize {
            self.next_id += 1;
            self.entries.push(Entry {
                id: self.next_id,
                uid: None,
                flags: None,
            });
        }
        Ok(())
    }

    fn may_expunge(&self) -> Result<(), Wrong> {
        match self.sent.front() {
            None => Err("an expunge is told while no command is answered".into()),
            Some(sent) if sent.by_number => {
                Err("an expunge is told while numbers are in use".into())
            }
            Some(_) => Ok(()),
        }
    }

    fn expunge(&mut self, n: u32) -> Result<(), Wrong> {
        self.may_expunge()?;
        if self.qresync {
            return Err("EXPUNGE after ENABLE QRESYNC".into());
        }
        if n == 0 || n as usize > self.entries.len() {
            return Err(format!("EXPUNGE {n} of {}", self.entries.len()));
        }
        self.entries.remove(n as usize - 1);
        Ok(())
    }

    fn vanished_earlier(&mut self, set: &[(u32, u32)]) -> Result<(), Wrong> {
        for &(a, b) in set {
            self.cache.retain(|uid, _| !(a..=b).contains(uid));
            if let Some(e) = self
                .entries
                .iter()
                .find(|e| e.uid.is_some_and(|u| (a..=b).contains(&u)))
            {
                return Err(format!(
                    "VANISHED (EARLIER) names {:?}, which is there",
                    e.uid
                ));
            }
        }
        Ok(())
    }

    fn vanished(&mut self, set: &[(u32, u32)]) -> Result<(), Wrong> {
        self.may_expunge()?;
        if !self.qresync {
            return Err("VANISHED without ENABLE QRESYNC".into());
        }
        for uid in set.iter().flat_map(|&(a, b)| a..=b) {
            let at = self
                .place_of(uid)
                .ok_or(format!("VANISHED {uid}, which is not there"))?;
            if self.entries.remove(at).uid.is_none() {
                // Which of those without a UID it was is not known, nor then whose flags are whose.
                let unknown = self.entries[at..]
                    .iter_mut()
                    .take_while(|e| e.uid.is_none());
                unknown.for_each(|e| e.flags = None);
            }
        }
        Ok(())
    }

    /// Where the message with this UID is, or one whose UID is not known and may be this.
    fn place_of(&self, uid: u32) -> Option<usize> {
        if let Some(at) = self.entries.iter().position(|e| e.uid == Some(uid)) {
            return Some(at);
        }
        let after = self
            .entries
            .iter()
            .rposition(|e| e.uid.is_some_and(|u| u < uid))
            .map_or(0, |at| at + 1);
        self.entries
            .get(after)
            .filter(|e| e.uid.is_none())
            .map(|_| after)
    }

    fn fetch(&mut self, n: u32, what: &str) -> Result<(), Wrong> {
        let count = self.entries.len();
        let at = (n as usize).wrapping_sub(1);
        let before = self.entries[..at.min(count)]
            .iter()
            .rev()
            .find_map(|e| e.uid);
        let entry = self
            .entries
            .get_mut(at)
            .ok_or(format!("FETCH {n} of {count}"))?;
        self.fetched.insert(entry.id);
        if let Some(uid) = number_after(what, "UID ") {
            let uid = u32::try_from(uid).map_err(|_| "a UID of more than 32 bits")?;
            if entry.uid.is_some_and(|known| known != uid) || before.is_some_and(|b| b >= uid) {
                return Err(format!(
                    "message {n} has UID {uid}, and was {:?} behind {before:?}",
                    entry.uid
                ));
            }
            entry.uid = Some(uid);
            if let Some(flags) = self.cache.remove(&uid) {
                entry.flags = entry.flags.take().or(flags);
            }
        }
        if let Some((_, list)) = what.split_once("FLAGS (") {
            let list = list.split(')').next().unwrap_or("");
            let flags = list
                .split(' ')
                .filter(|f| !f.is_empty() && *f != "\\Recent");
            entry.flags = Some(flags.map(str::to_owned).collect());
            self.flags_told.insert(entry.id);
        }
        if let Some(modseq) = number_after(what, "MODSEQ (") {
            self.modseq = self.modseq.max(modseq);
        }
        Ok(())
    }

    fn tagged(&mut self, line: &str) -> Result<(), Wrong> {
        let sent = self.sent.front().ok_or("an answer to nothing")?.clone();
        let rest = line
            .strip_prefix(&format!("{} ", sent.tag))
            .ok_or(format!("an answer to another command than {}", sent.line))?;
        if rest.starts_with("BAD") == self.valid {
            return Err(format!(
                "the numbers are valid: {}; the answer: {rest}",
                self.valid
            ));
        }
        if let Some(modseq) = number_after(rest, "[HIGHESTMODSEQ ") {
            self.code = Some(modseq);
        }
        let missing = self.targets.iter().any(|id| !self.fetched.contains(id));
        if sent.fetches && self.valid && rest.starts_with("OK") && missing {
            return Err("OK, and not every message asked for was told".into());
        }
        if let Some((change, flag)) = &sent.silent {
            self.apply(*change, flag, rest);
        }
        match self.code.take() {
            Some(modseq) => self.highest = modseq,
            None => self.highest = self.highest.max(self.modseq),
        }
        self.modseq = 0;
        if sent.leaves || (sent.selects && !rest.starts_with("OK")) {
            self.entries.clear();
        }
        self.sent.pop_front();
        self.begin();
        Ok(())
    }

    /// A silent change: on every message named, but for those refused and those whose flags were told meanwhile.
    fn apply(&mut self, change: Change, flag: &str, answer: &str) {
        if answer.starts_with("BAD") || answer.contains("[READ-ONLY]") {
            return;
        }
        let refused = answer
            .split_once("[MODIFIED ")
            .and_then(|(_, set)| ranges(set.split(']').next()?).ok())
            .unwrap_or_default();
        let by_number = self.sent.front().is_some_and(|s| !s.numbers.is_empty());
        for (entry, n) in self.entries.iter_mut().zip(1u32..) {
            let number = if by_number { Some(n) } else { entry.uid };
            let skipped = number.is_some_and(|n| refused.iter().any(|&(a, b)| a <= n && n <= b));
            if skipped || !self.targets.contains(&entry.id) || self.flags_told.contains(&entry.id) {
                continue;
            }
            match (change, &mut entry.flags) {
                (Change::Replace, flags) => *flags = Some([flag.to_owned()].into()),
                (Change::Add, Some(flags)) => drop(flags.insert(flag.to_owned())),
                (Change::Remove, Some(flags)) => drop(flags.remove(flag)),
                (_, None) => {}
            }
        }
    }
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let at = text.find(key)? + key.len();
    let digits = text[at..].split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn ranges(set: &str) -> Result<Vec<(u32, u32)>, Wrong> {
    let number = |n: &str| n.parse::<u32>().map_err(|_| format!("not a set: {set}"));
    set.split(',')
        .map(|part| match part.split_once(':') {
            Some((a, b)) => Ok((number(a)?, number(b)?)),
            None => number(part).map(|n| (n, n)),
        })
        .collect()
}

//! One account: its mailboxes, what was ever in them, and what commands do to them.

use std::collections::{BTreeMap, BTreeSet};

use super::Time;
use super::command::{Command, StoreOp};
use super::deed::{Counters, Deed, Outcome, Wrong};
use super::flags::{FlagSet, Flags};
use super::mailbox::Mailbox;

/// Which mailbox of an account, living or not.
pub type BoxId = usize;

/// What a command means where it is carried out.
#[derive(Clone, Debug, Default)]
pub struct Meant {
    /// The mailbox selected.
    pub selected: Option<BoxId>,
    /// The messages it names for certain.
    pub must: BTreeSet<u32>,
    /// The messages it may name: more than `must` only where the client does not know a UID yet.
    pub may: BTreeSet<u32>,
}

/// One account.
#[derive(Clone, Debug)]
pub struct Account {
    /// How many changes were made.
    pub now: Time,
    /// Every mailbox there ever was; the first is INBOX.
    pub boxes: Vec<Mailbox>,
    /// Subscriptions: since when a name is in, or not.
    pub subscriptions: BTreeMap<String, Vec<(Time, bool)>>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            now: 0,
            boxes: vec![Mailbox::new("INBOX", 0)],
            subscriptions: BTreeMap::new(),
        }
    }
}

impl Account {
    /// The mailbox of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<BoxId> {
        self.boxes.iter().position(|b| b.name() == Some(name))
    }

    /// The mailbox that had this name then.
    #[must_use]
    pub fn named_at(&self, name: &str, at: Time) -> Option<BoxId> {
        self.boxes.iter().position(|b| b.name_at(at) == Some(name))
    }

    /// The names of all mailboxes there are.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.boxes
            .iter()
            .filter_map(|b| b.name().map(str::to_owned))
            .collect()
    }

    /// A command changes the account, as the store did it; the mailboxes it touched.
    ///
    /// # Errors
    /// The command does not do that, or should have done what was refused.
    pub fn apply(
        &mut self,
        command: &Command,
        meant: &Meant,
        deed: &Deed,
    ) -> Result<Vec<BoxId>, Wrong> {
        let Some(outcome) = &deed.outcome else {
            return self.refused(command, meant).map(|()| Vec::new());
        };
        self.now += 1;
        let now = self.now;
        match (command, outcome) {
            (Command::Create(name, special), Outcome::Create) => {
                let name = name.trim_end_matches('/');
                if self.named(name).is_some() {
                    return Err(format!("INV-21: {name} was made, and was there"));
                }
                let mut touched = self.superiors(name);
                let mut mailbox = Mailbox::new(name, now);
                mailbox.special = *special;
                self.boxes.push(mailbox);
                touched.push(self.boxes.len() - 1);
                Ok(touched)
            }
            (Command::Delete(name), Outcome::Delete) => {
                let at = self.deletable(name)?;
                let uids: Vec<u32> = self.boxes[at].alive(now).collect();
                uids.into_iter().for_each(|u| self.boxes[at].remove(u, now));
                self.boxes[at].names.push((now, None));
                Ok(Vec::new())
            }
            (Command::Rename(from, to), Outcome::Rename(uids)) => self.rename(from, to, uids),
            (Command::Subscribe(name, on), Outcome::Subscribe) => {
                let log = self.subscriptions.entry(name.clone()).or_default();
                log.push((now, *on));
                Ok(Vec::new())
            }
            (Command::Append(to, _), Outcome::Append(uids)) => {
                self.append(command, to, uids, deed.unix)
            }
            (Command::Copy { remove, to, .. }, Outcome::Copy(pairs, moved)) if remove == moved => {
                self.copy(meant, to, pairs, *moved)
            }
            (Command::Expunge(_) | Command::Close, Outcome::Expunge(uids)) => {
                self.expunge(meant, uids)
            }
            (Command::Store { .. } | Command::Fetch { .. }, Outcome::Flags { asked, refused }) => {
                self.flags(command, meant, asked, refused)
            }
            _ => Err(format!("INV-06: {outcome:?} is done for {command:?}")),
        }
    }

    /// What the store counts in a mailbox that was just touched.
    ///
    /// # Errors
    /// What is counted is not what there is, or a number fell.
    pub fn settle(&mut self, at: BoxId, counters: &Counters) -> Result<(), Wrong> {
        let now = self.now;
        let mailbox = &mut self.boxes[at];
        if mailbox.validity == 0 {
            (mailbox.validity, mailbox.id) = (counters.uid_validity, counters.id);
        }
        let (validity, id) = (mailbox.validity, mailbox.id);
        let name = mailbox.name().unwrap_or_default().to_owned();
        if (validity, id) != (counters.uid_validity, counters.id) {
            return Err(format!(
                "INV-11: the UIDVALIDITY and number of {name} were {validity} and {id}, are {} and {}",
                counters.uid_validity, counters.id
            ));
        }
        mailbox
            .settle(counters, now)
            .map_err(|wrong| format!("{wrong} ({name})"))?;
        let again = |b: &Mailbox| {
            b.validity == validity && b.names.iter().any(|(_, n)| n.as_deref() == Some(&name))
        };
        match self
            .boxes
            .iter()
            .enumerate()
            .any(|(i, b)| i != at && again(b))
        {
            true => Err(format!("INV-11: {name} has UIDVALIDITY {validity} again")),
            false => Ok(()),
        }
    }

    /// The store refused: was that right?
    fn refused(&self, command: &Command, meant: &Meant) -> Result<(), Wrong> {
        let gone = meant
            .selected
            .is_some_and(|b| self.boxes[b].name().is_none());
        let right = match command {
            Command::Create(name, _) => self.named(name.trim_end_matches('/')).is_some(),
            Command::Delete(name) => self.deletable(name).is_err(),
            Command::Rename(from, to) => {
                self.named(from).is_none()
                    || self.named(to).is_some()
                    || to.starts_with(&format!("{from}/")) && from != "INBOX"
            }
            Command::Append(to, _) => self.named(to).is_none(),
            // By number: the client must be told first what is gone (RFC 2180 §4.4).
            Command::Copy { uid, to, .. } => {
                let missing = |(b, u)| self.missing(b, u);
                let mut named = meant
                    .selected
                    .into_iter()
                    .flat_map(|b| meant.may.iter().map(move |u| (b, *u)));
                gone || self.named(to).is_none() || !uid && named.any(missing)
            }
            _ => gone,
        };
        match right {
            true => Ok(()),
            false => Err(format!("INV-21: {command:?} is refused, and could be done")),
        }
    }

    /// Whether a message is not there any more.
    fn missing(&self, at: BoxId, uid: u32) -> bool {
        let message = self.boxes[at].messages.get(&uid);
        message.is_none_or(|m| m.gone.is_some())
    }

    /// Makes the superiors that a name lacks.
    fn superiors(&mut self, name: &str) -> Vec<BoxId> {
        let mut made = Vec::new();
        for (at, _) in name.match_indices('/') {
            if self.named(&name[..at]).is_none() {
                self.boxes.push(Mailbox::new(&name[..at], self.now));
                made.push(self.boxes.len() - 1);
            }
        }
        made
    }

    fn deletable(&self, name: &str) -> Result<BoxId, Wrong> {
        let below = format!("{name}/");
        let inferiors = self.names().iter().any(|n| n.starts_with(&below));
        match self.named(name) {
            Some(at) if name != "INBOX" && !inferiors => Ok(at),
            _ => Err(format!("INV-21: {name} cannot be deleted, and is")),
        }
    }

    fn rename(&mut self, from: &str, to: &str, uids: &[u32]) -> Result<Vec<BoxId>, Wrong> {
        let now = self.now;
        let (source, target) = (self.named(from), self.named(to));
        let (Some(source), None) = (source, target) else {
            return Err(format!("INV-21: {from} cannot become {to}, and does"));
        };
        let mut touched = self.superiors(to);
        if from == "INBOX" {
            self.boxes.push(Mailbox::new(to, now));
            let target = self.boxes.len() - 1;
            let all: Vec<u32> = self.boxes[0].alive(now).collect();
            let pairs: Vec<(u32, u32)> = all.iter().copied().zip(uids.iter().copied()).collect();
            if all.len() != uids.len() {
                return Err(format!("INV-21: of INBOX's {all:?} came {uids:?}"));
            }
            self.transfer(0, target, &pairs, true)?;
            touched.extend([0, target]);
            return Ok(touched);
        }
        let below = format!("{from}/");
        for at in 0..self.boxes.len() {
            let Some(name) = self.boxes[at].name() else {
                continue;
            };
            if at == source || name.starts_with(&below) {
                let new = format!("{to}{}", &name[from.len()..]);
                self.boxes[at].names.push((now, Some(new)));
                touched.push(at);
            }
        }
        Ok(touched)
    }

    fn append(
        &mut self,
        command: &Command,
        to: &str,
        uids: &[u32],
        unix: i64,
    ) -> Result<Vec<BoxId>, Wrong> {
        let (Some(at), Command::Append(_, mails)) = (self.named(to), command) else {
            return Err(format!(
                "INV-21: {to} is not there, and messages come to it"
            ));
        };
        if mails.len() != uids.len() {
            return Err(format!("INV-21: of {} messages came {uids:?}", mails.len()));
        }
        let mailbox = &mut self.boxes[at];
        for (mail, uid) in mails.iter().zip(uids) {
            let date = mail.date.unwrap_or(unix);
            let message = mailbox.fresh(mail.content.clone(), date, mail.flags, self.now);
            mailbox.arrive(*uid, message)?;
        }
        Ok(vec![at])
    }

    fn copy(
        &mut self,
        meant: &Meant,
        to: &str,
        pairs: &[(u32, u32)],
        moved: bool,
    ) -> Result<Vec<BoxId>, Wrong> {
        let (Some(from), Some(target)) = (meant.selected, self.named(to)) else {
            return Err(format!(
                "INV-21: {to} is not there, and messages come to it"
            ));
        };
        let sources: BTreeSet<u32> = pairs.iter().map(|(s, _)| *s).collect();
        let there = |u: &u32| {
            self.boxes[from]
                .messages
                .get(u)
                .is_some_and(|m| m.gone.is_none())
        };
        if let Some(odd) = sources.iter().find(|u| !meant.may.contains(u) || !there(u)) {
            return Err(format!(
                "INV-09: UID {odd} is copied, and is not named or not there"
            ));
        }
        let left = meant.must.iter().find(|u| there(u) && !sources.contains(u));
        if let (Some(left), false) = (left, moved) {
            return Err(format!(
                "INV-21: UID {left} is named and there, and is not copied"
            ));
        }
        if !pairs.is_sorted() || pairs.len() != sources.len() {
            return Err(format!("INV-10: the copies {pairs:?} do not ascend"));
        }
        self.transfer(from, target, pairs, moved)?;
        let both = [target, from];
        Ok(both[..if from == target || !moved { 1 } else { 2 }].to_vec())
    }

    fn transfer(
        &mut self,
        from: BoxId,
        to: BoxId,
        pairs: &[(u32, u32)],
        moved: bool,
    ) -> Result<(), Wrong> {
        let now = self.now;
        for (source, copy) in pairs {
            let Some(message) = self.boxes[from].messages.get(source).cloned() else {
                return Err(format!("INV-21: there is no UID {source} to copy"));
            };
            let flags = message.last().flags;
            let fresh = self.boxes[to].fresh(message.content, message.date, flags, now);
            self.boxes[to].arrive(*copy, fresh)?;
            if moved {
                self.boxes[from].remove(*source, now);
            }
        }
        Ok(())
    }

    fn expunge(&mut self, meant: &Meant, uids: &[u32]) -> Result<Vec<BoxId>, Wrong> {
        let Some(at) = meant.selected else {
            return Err("INV-06: messages go, and no mailbox is selected".to_owned());
        };
        let deleted = |u: &u32| {
            let message = self.boxes[at].messages.get(u);
            message.is_some_and(|m| m.gone.is_none() && m.last().flags & Flags::DELETED != 0)
        };
        let odd = uids.iter().find(|u| !meant.may.contains(u) || !deleted(u));
        let left = meant.must.iter().find(|u| deleted(u) && !uids.contains(u));
        if odd.is_some() || left.is_some() {
            return Err(format!(
                "INV-21: {odd:?} goes and should stay, or {left:?} stays and should go"
            ));
        }
        for uid in uids {
            self.boxes[at].remove(*uid, self.now);
        }
        Ok(vec![at])
    }

    fn flags(
        &mut self,
        command: &Command,
        meant: &Meant,
        asked: &[u32],
        refused: &[u32],
    ) -> Result<Vec<BoxId>, Wrong> {
        let (since, change): (_, (StoreOp, FlagSet)) = match command {
            Command::Store {
                since, op, flags, ..
            } => (*since, (*op, *flags)),
            Command::Fetch { items, .. } if items.iter().any(|i| i.sets_seen()) => {
                (None, (StoreOp::Add, Flags::SEEN))
            }
            _ => return Err("INV-06: a FETCH that only peeks changes flags".to_owned()),
        };
        let Some(at) = meant.selected else {
            return Err("INV-06: flags change, and no mailbox is selected".to_owned());
        };
        if let Some(odd) = asked.iter().find(|u| !meant.may.contains(u)) {
            return Err(format!("INV-09: UID {odd} is changed, and is not named"));
        }
        let mailbox = &mut self.boxes[at];
        for uid in asked {
            let Some(message) = mailbox.messages.get(uid).filter(|m| m.gone.is_none()) else {
                continue;
            };
            let above = since.map_or(Some(false), |m| message.last().modseq.above(m));
            let was_refused = refused.contains(uid);
            if above.is_some_and(|above| above != was_refused) {
                return Err(format!(
                    "INV-15: UID {uid} has {:?}, UNCHANGEDSINCE is {since:?}, refused: {was_refused}",
                    message.last().modseq
                ));
            }
            if !was_refused {
                let flags = change.0.apply(message.last().flags, change.1);
                mailbox.set_flags(*uid, flags, self.now);
            }
        }
        mailbox.keywords |= change.1 & Flags::KEYWORDS;
        Ok(vec![at])
    }
}

//! The selected mailbox as this client is told of it: what comes, what goes, and what SELECT says.

use std::collections::BTreeSet;

use super::{Client, Entry, Selected, Sent, Who, numbers};
use crate::model::{Account, Command, FlagSet, Flags, Time, Wrong};
use crate::wire::{Code, Set};

impl Client {
    pub(super) fn needs_mailbox(&self, what: &str) -> Result<(), Wrong> {
        let selecting = self.front_select().is_some();
        match self.selected.is_some() || selecting {
            true => Ok(()),
            false => Err(format!("INV-07: {what} while no mailbox is selected")),
        }
    }

    fn front_select(&self) -> Option<&Sent> {
        let front = self.sent.front()?;
        matches!(front.command, Command::Select(_)).then_some(front)
    }

    /// SELECT is being answered, and the mailbox it opens is not known yet.
    fn selecting(&mut self) -> Option<&mut Sent> {
        let front = self.sent.front_mut()?;
        let select = matches!(front.command, Command::Select(_));
        (select && !front.seen.done && self.selected.is_none()).then_some(front)
    }

    pub(super) fn flags(&mut self, names: &[String]) -> Result<(), Wrong> {
        let bits = Flags::of(names)?;
        self.needs_mailbox("FLAGS")?;
        if let Some(sent) = self.selecting() {
            sent.seen.announced = bits;
        } else if let Some(selected) = &mut self.selected {
            selected.announced = bits;
        }
        Ok(())
    }

    pub(super) fn code(&mut self, code: &Code, who: Who<'_>) -> Result<(), Wrong> {
        match code {
            Code::Other(name) if name == "CLOSED" => return self.closed(),
            Code::HighestModSeq(n) if self.selected.is_some() => {
                self.code = Some(*n);
                return Ok(());
            }
            Code::CopyUid(validity, from, to) => return self.moved(*validity, from, to, who),
            _ => {}
        }
        let selecting = self.selecting().map(|sent| &mut sent.seen);
        let once = match (selecting, code) {
            (Some(seen), Code::UidValidity(n)) => seen.validity.replace(*n).is_none(),
            (Some(seen), Code::UidNext(n)) => seen.uid_next.replace(*n).is_none(),
            (Some(seen), Code::HighestModSeq(n)) => seen.highest.replace(*n).is_none(),
            (Some(seen), Code::Unseen(n)) => seen.unseen.replace(*n).is_none(),
            (Some(seen), Code::MailboxId(id)) => seen.object.replace(id.clone()).is_none(),
            (_, Code::PermanentFlags(names)) => Flags::of(names).map(|_| true)?,
            (None, Code::UidValidity(_) | Code::UidNext(_) | Code::Unseen(_)) => false,
            _ => true,
        };
        match once {
            true => Ok(()),
            false => Err(format!("INV-11: {code:?} comes twice, or unasked")),
        }
    }

    /// `* OK [CLOSED]`: what follows is of the next mailbox (RFC 7162 §3.2.11).
    fn closed(&mut self) -> Result<(), Wrong> {
        if self.selected.is_none() || self.front_select().is_none() {
            return Err("RFC 7162 §3.2.11: CLOSED, and no mailbox was open".to_owned());
        }
        self.leave();
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.selected = None;
        self.entries.clear();
        self.saved = Default::default();
        (self.code, self.modseq, self.highest) = (None, 0, 0);
    }

    /// Finds the time at which the mailbox was as SELECT says.
    pub(super) fn open(&mut self, who: Who<'_>) -> Result<(), Wrong> {
        let Some(account) = who else { return Ok(()) };
        if self.selecting().is_none() {
            return Ok(());
        }
        let Some(sent) = self.sent.front_mut() else {
            return Ok(());
        };
        sent.seen.done = true;
        let (seen, Command::Select(select)) = (sent.seen.clone(), sent.command.clone()) else {
            return Ok(());
        };
        let from = sent.begun.unwrap_or(account.now);
        let at = (from..=account.now).find(|at| opened_at(account, &select.name, &seen, *at));
        let Some((at, place)) = at.and_then(|at| Some((at, account.named_at(&select.name, at)?)))
        else {
            return Err(format!(
                "INV-12: {} never was as SELECT says: {seen:?}; now it is {:?}",
                select.name,
                account.named(&select.name).map(|b| {
                    let mailbox = &account.boxes[b];
                    (
                        mailbox.alive(account.now).count(),
                        mailbox.mark(),
                        mailbox.validity,
                    )
                })
            ));
        };
        let mailbox = &account.boxes[place];
        if let Some(id) = &seen.object {
            let known = mailbox
                .object
                .borrow_mut()
                .get_or_insert(id.clone())
                .clone();
            if known != *id {
                return Err(format!("RFC 8474 §4: MAILBOXID was {known}, is {id}"));
            }
        }
        self.entries = mailbox
            .alive(at)
            .map(|uid| Entry {
                uid: Some(uid),
                ..Entry::default()
            })
            .collect();
        self.selected = Some(Selected {
            at: place,
            name: select.name,
            read_only: select.read_only,
            announced: seen.announced,
        });
        self.validity = mailbox.validity;
        self.greatest = mailbox.mark_at(at).uid_next - 1;
        self.condstore |= select.condstore || select.qresync.is_some();
        let known = select
            .qresync
            .is_some_and(|q| q.validity == mailbox.validity);
        if !known {
            self.cache.clear();
        }
        (self.highest, self.modseq) = (0, 0);
        self.code = seen.highest;
        Ok(())
    }

    pub(super) fn exists(&mut self, n: u32, who: Who<'_>) -> Result<(), Wrong> {
        self.needs_mailbox("EXISTS")?;
        if let Some(sent) = self.selecting() {
            return match sent.seen.exists.replace(n) {
                None => Ok(()),
                Some(_) => Err("INV-07: SELECT tells EXISTS twice".to_owned()),
            };
        }
        let (Some(selected), Some(account)) = (&self.selected, who) else {
            return Ok(());
        };
        let count = self.entries.len();
        let Some(more) = (n as usize).checked_sub(count) else {
            return Err(format!("INV-07: EXISTS fell from {count} to {n}"));
        };
        if more == 0 {
            return Ok(());
        }
        // The messages that came are those above the last, as there were at some time since the command began: all of them, in pages the first.
        let mailbox = &account.boxes[selected.at];
        let unknown = self.entries.last().is_some_and(|e| e.uid.is_none());
        let last = self.entries.iter().rev().find_map(|e| e.uid).unwrap_or(0);
        let last = last.max(self.greatest);
        let most = if self.paged { more } else { usize::MAX };
        let came: BTreeSet<Vec<u32>> = (self.last_begun..=account.now)
            .map(|at| mailbox.alive(at).filter(|u| *u > last).take(most).collect())
            .filter(|came: &Vec<u32>| came.len() == more)
            .collect();
        let known = match (unknown, came.len()) {
            (false, 0) => {
                return Err(format!(
                    "INV-07: EXISTS {n} after {count}: there never were {more} messages above UID {last}"
                ));
            }
            (false, 1) => came.into_iter().next(),
            _ => None,
        };
        for i in 0..more {
            self.entries.push(Entry {
                uid: known.as_ref().map(|k| k[i]),
                ..Entry::default()
            });
        }
        Ok(())
    }

    /// INV-05: whether an EXPUNGE may be told now.
    fn may_expunge(&self) -> Result<(), Wrong> {
        match self.sent.front() {
            None => Err("INV-05: an expunge is told while no command is answered".to_owned()),
            Some(s) if s.begun.is_none() || s.end == u64::MAX => {
                Err("INV-05: an expunge is told before the command is whole".to_owned())
            }
            Some(s) if s.command.no_expunge() => {
                Err(format!("INV-05: an expunge is told during {:?}", s.command))
            }
            Some(s) if matches!(s.command, Command::Idle) && s.continued == 0 => {
                Err("INV-05: an expunge is told before IDLE's continuation".to_owned())
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn expunge(&mut self, n: u32, who: Who<'_>) -> Result<(), Wrong> {
        self.needs_mailbox("EXPUNGE")?;
        self.may_expunge()?;
        if self.qresync {
            return Err("RFC 7162 §3.2.10: EXPUNGE after ENABLE QRESYNC".to_owned());
        }
        match self.entries.len() {
            count if n as usize > count => Err(format!("INV-08: EXPUNGE {n} of {count}")),
            _ => self.goes(n as usize - 1, who),
        }
    }

    fn goes(&mut self, place: usize, who: Who<'_>) -> Result<(), Wrong> {
        let entry = self.entries.remove(place);
        let (Some(uid), Some(selected), Some(account)) = (entry.uid, &self.selected, who) else {
            return Ok(());
        };
        self.greatest = self.greatest.max(uid);
        self.saved.0.remove(&uid);
        self.saved.1.remove(&uid);
        let message = account.boxes[selected.at].messages.get(&uid);
        match message.is_some_and(|m| m.gone.is_some()) {
            true => Ok(()),
            false => Err(format!(
                "INV-08: UID {uid} is told to be gone, and is there"
            )),
        }
    }

    pub(super) fn vanished(&mut self, set: &Set, who: Who<'_>) -> Result<(), Wrong> {
        self.needs_mailbox("VANISHED")?;
        self.may_expunge()?;
        if !self.qresync {
            return Err("RFC 7162 §3.2.10: VANISHED without ENABLE QRESYNC".to_owned());
        }
        for uid in numbers(set) {
            let place = self.entries.iter().position(|e| e.uid == Some(uid));
            let place = place.or_else(|| self.unknown(uid));
            let Some(place) = place else {
                return Err(format!("INV-08: VANISHED {uid}, which this client has not"));
            };
            if self.entries[place].uid.is_none() {
                self.entries[place].uid = Some(uid);
                // Which of those without a UID it was is not known, nor then whose flags are whose.
                let others = self.entries.iter_mut().filter(|e| e.uid.is_none());
                others.for_each(|e| e.flags = None);
            }
            self.goes(place, who)?;
        }
        Ok(())
    }

    /// Where a message whose UID is not known may be this one.
    fn unknown(&self, uid: u32) -> Option<usize> {
        let before = self
            .entries
            .iter()
            .rposition(|e| e.uid.is_some_and(|u| u < uid));
        let place = before.map_or(0, |at| at + 1);
        self.entries
            .get(place)
            .filter(|e| e.uid.is_none())
            .map(|_| place)
    }

    /// VANISHED (EARLIER) changes no numbers: it answers SELECT (QRESYNC) and UID FETCH (VANISHED).
    pub(super) fn vanished_earlier(&mut self, set: &Set, who: Who<'_>) -> Result<(), Wrong> {
        self.open(who)?;
        let asked = match self.sent.front().map(|s| &s.command) {
            Some(Command::Select(select)) => select.qresync.is_some(),
            Some(Command::Fetch { vanished, .. }) => *vanished,
            _ => false,
        };
        if !asked || !self.qresync {
            return Err("INV-17: VANISHED (EARLIER) comes unasked".to_owned());
        }
        let (Some(selected), Some(account)) = (&self.selected, who) else {
            return Err("INV-17: VANISHED (EARLIER) before the mailbox is told".to_owned());
        };
        let mailbox = &account.boxes[selected.at];
        for &(a, b) in set {
            let (a, b) = (a.min(b), a.max(b));
            if let Some(uid) = mailbox.alive(account.now).find(|u| a <= *u && *u <= b) {
                return Err(format!(
                    "INV-17: VANISHED (EARLIER) names UID {uid}, which is there"
                ));
            }
            self.cache.retain(|uid, _| *uid < a || b < *uid);
        }
        if let Some(sent) = self.sent.front_mut() {
            sent.copied
                .extend(set.iter().map(|&(a, b)| (a.min(b), a.max(b))));
        }
        Ok(())
    }
}

/// Whether the mailbox of this name was then as SELECT says.
fn opened_at(account: &Account, name: &str, seen: &super::SelectSeen, at: Time) -> bool {
    let Some(place) = account.named_at(name, at) else {
        return false;
    };
    let mailbox = &account.boxes[place];
    let mark = mailbox.mark_at(at);
    let unseen = || {
        let mut alive = mailbox.alive(at).map(|uid| &mailbox.messages[&uid]);
        let flags = |m: &crate::model::Message| -> FlagSet {
            let then = m.versions.iter().rev().find(|v| v.from <= at);
            then.map_or(0, |v| v.flags)
        };
        let first = alive.position(|m| flags(m) & Flags::SEEN == 0);
        first.and_then(|n| u32::try_from(n + 1).ok())
    };
    seen.exists.map(|n| n as usize) == Some(mailbox.alive(at).count())
        && seen.uid_next == Some(mark.uid_next)
        && seen.highest == Some(mark.highest)
        && seen.validity == Some(mailbox.validity)
        && (seen.unseen.is_none() || seen.unseen == unseen())
}

//! Tagged answers: whether this is the one to give, and whether all was told that it says is done.

use std::collections::BTreeSet;

use super::{Client, Sent, Who, numbers};
use crate::model::{Account, Command, Outcome, SetArg, Wrong};
use crate::wire::{Code, Condition, Set, Text};

impl Client {
    pub(super) fn tagged(
        &mut self,
        tag: &str,
        condition: Condition,
        text: &Text,
        who: Who<'_>,
    ) -> Result<(), Wrong> {
        let Some(sent) = self.sent.pop_front() else {
            return Err(format!("INV-02: {tag} is answered, and nothing was asked"));
        };
        match &mut self.revoked {
            Some(0) => return Err(format!("INV-30: {tag} of a disabled account is answered")),
            Some(left) => *left -= 1,
            None => {}
        }
        if sent.tag != tag {
            return Err(format!(
                "INV-02: {tag} is answered, and {} is to be",
                sent.tag
            ));
        }
        self.is_due(&sent, condition, text, who)?;
        if let Some(Code::HighestModSeq(n)) = &text.code {
            self.code = Some(*n);
        }
        if condition == Condition::Ok {
            self.sent.push_front(sent);
            self.open(who)?;
            let Some(sent) = self.sent.pop_front() else {
                return Ok(());
            };
            self.done(&sent, text, who)?;
            self.know_modseq();
            self.turns(&sent, who);
        } else {
            self.stored(&sent, text, who)?;
            self.know_modseq();
            self.not_done(&sent);
        }
        self.knows_all(who)
    }

    /// Whether OK, NO or BAD is the answer.
    fn is_due(
        &self,
        sent: &Sent,
        condition: Condition,
        text: &Text,
        who: Who<'_>,
    ) -> Result<(), Wrong> {
        let selected = sent.meant.selected;
        let gone = |b: usize| who.is_some_and(|a: &Account| a.boxes[b].name().is_none());
        let read_only = self.selected.as_ref().is_some_and(|s| s.read_only);
        let needs_selected = matches!(
            sent.command,
            Command::Fetch { .. }
                | Command::Store { .. }
                | Command::Copy { .. }
                | Command::Search { .. }
                | Command::Expunge(_)
                | Command::Close
                | Command::Unselect
                | Command::Plain("CHECK")
        );
        let writes = match &sent.command {
            Command::Store { .. } | Command::Expunge(_) => true,
            Command::Copy { remove, .. } => *remove,
            _ => false,
        };
        let bad = matches!(sent.command, Command::Broken(_))
            || (needs_selected && selected.is_none())
            || sent.out_of_range;
        let no = !bad && ((writes && read_only) || sent.refused);
        // Some of what is named is gone, or the mailbox is: the server may say so.
        let may_no = selected.is_some_and(gone) || self.names_gone(sent, who);
        let missing = match (&sent.command, who) {
            (Command::Select(select), Some(account)) => {
                let begun = sent.begun.unwrap_or(account.now);
                let mut times = begun..=account.now;
                let there = |at| account.named_at(&select.name, at).is_some();
                (!times.clone().all(there), !times.any(there))
            }
            (Command::Status(name, _) | Command::Append(name, _), Some(account))
            | (Command::Copy { to: name, .. }, Some(account)) => {
                let begun = sent.begun.unwrap_or(account.now);
                let mut times = begun..=account.now;
                let there = |at| account.named_at(name, at).is_some();
                (!times.clone().all(there), !times.any(there))
            }
            _ => (false, false),
        };
        let right = match condition {
            Condition::Bad => bad,
            Condition::No => {
                !bad && (no || may_no || missing.0 || sent.faulty || !sent.deeds.is_empty())
            }
            Condition::Ok => !(bad || no || sent.nil || missing.1 && selects(sent)),
            _ => false,
        };
        match right {
            true => Ok(()),
            false => Err(format!(
                "INV-02: {condition:?} {:?} {} answers {:?}; BAD is due: {bad}, NO is due: {no}",
                text.code, text.words, sent.command
            )),
        }
    }

    /// Some of the messages named are gone (RFC 2180 §4.2.2, RFC 7162 §3.1.3).
    fn names_gone(&self, sent: &Sent, who: Who<'_>) -> bool {
        let (Some(at), Some(account)) = (sent.meant.selected, who) else {
            return false;
        };
        let messages = &account.boxes[at].messages;
        let gone = |u: &u32| messages.get(u).is_some_and(|m| m.gone.is_some());
        sent.meant.may.iter().any(gone)
    }

    /// What OK says is done.
    fn done(&mut self, sent: &Sent, text: &Text, who: Who<'_>) -> Result<(), Wrong> {
        match &sent.command {
            Command::Append(..) => self.appended(sent, text, who),
            Command::Copy { remove: false, .. } => match &text.code {
                Some(Code::CopyUid(validity, from, to)) => {
                    self.copied(sent, *validity, from, to, who)
                }
                _ => all_told(sent, &[]),
            },
            Command::Copy { remove: true, .. } => {
                all_told(sent, &sent.copied)?;
                self.all_done(sent, who)?;
                self.removed(sent, who)
            }
            Command::Expunge(_) => {
                if sent.deeds.is_empty() {
                    return Err("INV-21: EXPUNGE is done, and nothing was asked".to_owned());
                }
                self.removed(sent, who)
            }
            Command::Store { .. } => self.stored(sent, text, who),
            Command::Fetch { .. } => {
                self.fetch_done(sent, who)?;
                self.fetch_vanished(sent, who)
            }
            Command::Search { returns, .. } => {
                let silent =
                    returns.is_some_and(|r| r.save && !(r.min || r.max || r.all || r.count));
                match sent.results == usize::from(!silent) {
                    true => Ok(()),
                    false => Err(format!("INV-02: {} results of a SEARCH", sent.results)),
                }
            }
            Command::List(_) => self.list_done(sent, who),
            Command::Status(name, _) if sent.statuses.is_empty() => Err(format!(
                "INV-02: STATUS {name} is done, and nothing was told"
            )),
            Command::Plain("NOOP" | "CHECK") => self.synchronised(sent, who),
            Command::Select(_) => self.resynchronised(),
            Command::Create(..) | Command::Delete(_) | Command::Rename(..)
                if sent.deeds.is_empty() =>
            {
                Err("INV-20: OK, and nothing was done".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// What changes for this client with an OK.
    fn turns(&mut self, sent: &Sent, who: Who<'_>) {
        let uses_modseq = match &sent.command {
            Command::Fetch { items, since, .. } => {
                since.is_some()
                    || items
                        .iter()
                        .any(|i| matches!(i, crate::model::FetchItem::Plain("MODSEQ")))
            }
            Command::Store { since, .. } => since.is_some(),
            Command::Search { key, .. } => key.has_modseq(),
            Command::Status(_, items) => items.contains(&"HIGHESTMODSEQ"),
            Command::List(list) => list.status.contains(&"HIGHESTMODSEQ"),
            _ => false,
        };
        self.condstore |= uses_modseq;
        match &sent.command {
            Command::Idle => self.said_done = false,
            Command::Login(user) => self.user = Some(user.clone()),
            Command::Close | Command::Unselect => self.leave(),
            Command::Search { .. } => self.save(sent, who),
            _ => {}
        }
    }

    fn not_done(&mut self, sent: &Sent) {
        match &sent.command {
            Command::Select(_) | Command::Close => self.leave(),
            Command::Search {
                returns: Some(returns),
                ..
            } if returns.save && !sent.out_of_range => self.saved = Default::default(),
            _ => {}
        }
    }

    fn appended(&self, sent: &Sent, text: &Text, who: Who<'_>) -> Result<(), Wrong> {
        let (Some(Code::AppendUid(validity, set)), Some(Outcome::Append(uids))) =
            (&text.code, sent.deeds.first())
        else {
            return Err(format!(
                "INV-20: APPEND is answered {text:?}, done: {:?}",
                sent.deeds
            ));
        };
        let told: Vec<u32> = numbers(set).collect();
        let right = |a: &Account| {
            let with = a.boxes.iter().filter(|b| b.validity == *validity);
            with.into_iter()
                .any(|b| uids.iter().all(|u| b.messages.contains_key(u)))
        };
        match told == *uids && who.is_some_and(right) {
            true => Ok(()),
            false => Err(format!(
                "RFC 4315 §3: APPENDUID {validity} {told:?}, and the UIDs are {uids:?}"
            )),
        }
    }

    /// COPYUID in an untagged OK: a portion of a MOVE (RFC 6851 §4.3).
    pub(super) fn moved(
        &mut self,
        validity: u32,
        from: &Set,
        to: &Set,
        who: Who<'_>,
    ) -> Result<(), Wrong> {
        let Some(sent) = self.sent.front() else {
            return Err("RFC 6851 §4.3: COPYUID comes unasked".to_owned());
        };
        let pairs = pairs(from, to)?;
        let known = sent
            .deeds
            .iter()
            .any(|d| *d == Outcome::Copy(pairs.clone(), true));
        if !known || !self.target_is(sent, validity, who) {
            return Err(format!(
                "RFC 6851 §4.3: COPYUID {validity} {pairs:?}, and done is {:?}",
                sent.deeds
            ));
        }
        if let Some(sent) = self.sent.front_mut() {
            sent.copied.extend(pairs);
        }
        Ok(())
    }

    fn copied(
        &self,
        sent: &Sent,
        validity: u32,
        from: &Set,
        to: &Set,
        who: Who<'_>,
    ) -> Result<(), Wrong> {
        if !self.target_is(sent, validity, who) {
            return Err(format!("RFC 4315 §3: COPYUID has UIDVALIDITY {validity}"));
        }
        all_told(sent, &pairs(from, to)?)
    }

    fn target_is(&self, sent: &Sent, validity: u32, who: Who<'_>) -> bool {
        let (Command::Copy { to, .. }, Some(account)) = (&sent.command, who) else {
            return false;
        };
        let begun = sent.begun.unwrap_or(account.now);
        let mut times = begun..=account.now;
        times.any(|at| {
            let target = account.named_at(to, at);
            target.is_some_and(|t| account.boxes[t].validity == validity)
        })
    }

    /// All that is named and there was done, in whatever portions.
    fn all_done(&self, sent: &Sent, who: Who<'_>) -> Result<(), Wrong> {
        let (Some(at), Some(account)) = (sent.meant.selected, who) else {
            return Ok(());
        };
        let done: BTreeSet<u32> = sent
            .deeds
            .iter()
            .flat_map(|deed| match deed {
                Outcome::Flags { asked, .. } => asked.clone(),
                Outcome::Copy(pairs, _) => pairs.iter().map(|(s, _)| *s).collect(),
                _ => Vec::new(),
            })
            .collect();
        let messages = &account.boxes[at].messages;
        let there = |u: &&u32| messages.get(u).is_some_and(|m| m.gone.is_none());
        match sent
            .meant
            .must
            .iter()
            .filter(there)
            .find(|u| !done.contains(u))
        {
            None => Ok(()),
            Some(left) => Err(format!(
                "INV-21: UID {left} is named and there, and was passed over"
            )),
        }
    }

    /// What the command removed is told to be gone before its answer (RFC 9051 §6.4.3, RFC 6851 §3.3).
    fn removed(&self, sent: &Sent, who: Who<'_>) -> Result<(), Wrong> {
        let deleted = |at: usize| who.is_some_and(|a| a.boxes[at].name().is_none());
        if sent.faulty || sent.meant.selected.is_none_or(deleted) {
            return Ok(());
        }
        for deed in &sent.deeds {
            let gone: Vec<u32> = match deed {
                Outcome::Expunge(uids) => uids.clone(),
                Outcome::Copy(pairs, true) => pairs.iter().map(|(s, _)| *s).collect(),
                _ => Vec::new(),
            };
            let left = gone
                .iter()
                .find(|u| self.entries.iter().any(|e| e.uid == Some(**u)));
            if let Some(left) = left {
                return Err(format!("INV-08: UID {left} went, and this was not told"));
            }
        }
        Ok(())
    }

    fn stored(&mut self, sent: &Sent, text: &Text, who: Who<'_>) -> Result<(), Wrong> {
        let (
            Command::Store {
                uid,
                silent,
                op,
                flags,
                ..
            },
            Some(at),
            Some(account),
        ) = (&sent.command, sent.meant.selected, who)
        else {
            return Ok(());
        };
        if sent.out_of_range || sent.refused || sent.faulty || account.boxes[at].name().is_none() {
            return Ok(());
        }
        if self.selected.as_ref().is_none_or(|s| s.read_only) {
            return Ok(());
        }
        self.all_done(sent, who)?;
        let mut refused = BTreeSet::new();
        for deed in &sent.deeds {
            if let Outcome::Flags { refused: some, .. } = deed {
                refused.extend(some.iter().copied());
            }
        }
        let told: BTreeSet<u32> = match &text.code {
            Some(Code::Modified(set)) => numbers(set).collect(),
            _ => BTreeSet::new(),
        };
        let known = self.entries.iter().all(|e| e.uid.is_some());
        let number = |u: &u32| match uid {
            true => Some(*u),
            false => {
                let place = self.entries.iter().position(|e| e.uid == Some(*u));
                place.and_then(|p| u32::try_from(p + 1).ok())
            }
        };
        let due: BTreeSet<u32> = refused.iter().filter_map(number).collect();
        if told != due && known {
            return Err(format!(
                "INV-15: MODIFIED tells {told:?}, refused are {due:?}"
            ));
        }
        for entry in &mut self.entries {
            let Some(uid) = entry.uid else {
                // Perhaps it was changed.
                entry.flags = None;
                continue;
            };
            if !sent.meant.must.contains(&uid) {
                if sent.meant.may.contains(&uid) {
                    entry.flags = None;
                }
                continue;
            }
            let items = sent.told.get(&uid);
            let has = |name: &str| items.is_some_and(|i| i.contains(name));
            if sent.changed.contains(&uid) && self.condstore && !has("MODSEQ") {
                return Err(format!(
                    "RFC 7162 §3.1.3: UID {uid} was changed, and its MODSEQ is not told"
                ));
            }
            if sent.changed.contains(&uid) && !silent && !has("FLAGS") {
                return Err(format!(
                    "RFC 9051 §6.4.6: UID {uid} was changed, and its flags are not told"
                ));
            }
            // The client takes a silent change for done where it is not told otherwise.
            if *silent && !refused.contains(&uid) && !has("FLAGS") {
                entry.flags = match op {
                    crate::model::StoreOp::Replace => Some(*flags),
                    _ => entry.flags.map(|now| op.apply(now, *flags)),
                };
            }
        }
        Ok(())
    }

    /// UID FETCH (VANISHED) names what went since, of what was asked for (RFC 7162 §3.2.6).
    fn fetch_vanished(&self, sent: &Sent, who: Who<'_>) -> Result<(), Wrong> {
        let (
            Command::Fetch {
                vanished: true,
                since: Some(since),
                set: SetArg::Ranges(ranges),
                ..
            },
            Some(at),
            Some(account),
        ) = (&sent.command, sent.meant.selected, who)
        else {
            return Ok(());
        };
        let begun = sent.begun.unwrap_or(account.now);
        let inside = |uid: u32| {
            ranges.iter().any(|(a, b)| match (a, b) {
                (crate::model::Star::Number(a), crate::model::Star::Number(b)) => {
                    (*a).min(*b) <= uid && uid <= (*a).max(*b)
                }
                _ => false,
            })
        };
        let told = |uid: u32| sent.copied.iter().any(|&(a, b)| a <= uid && uid <= b);
        for (uid, message) in &account.boxes[at].messages {
            let Some((when, modseq)) = &message.gone else {
                continue;
            };
            // Those the client has it is told of by VANISHED, which changes numbers.
            let told = told(*uid) || sent.meant.may.contains(uid);
            if *when <= begun && modseq.above(*since) == Some(true) && inside(*uid) && !told {
                return Err(format!(
                    "INV-17: UID {uid} went since {since}, and is not told"
                ));
            }
        }
        Ok(())
    }
}

fn selects(sent: &Sent) -> bool {
    matches!(sent.command, Command::Select(_) | Command::Status(..))
}

/// RFC 4315 §3: both sets have as many numbers, paired by position.
fn pairs(from: &Set, to: &Set) -> Result<Vec<(u32, u32)>, Wrong> {
    let (from, to): (Vec<u32>, Vec<u32>) = (numbers(from).collect(), numbers(to).collect());
    match from.len() == to.len() {
        true => Ok(from.into_iter().zip(to).collect()),
        false => Err(format!("RFC 4315 §3: COPYUID pairs {from:?} with {to:?}")),
    }
}

/// The pairs told are those done.
fn all_told(sent: &Sent, told: &[(u32, u32)]) -> Result<(), Wrong> {
    let done = sent.deeds.iter().flat_map(|deed| match deed {
        Outcome::Copy(pairs, _) => pairs.clone(),
        _ => Vec::new(),
    });
    let done: Vec<(u32, u32)> = done.collect();
    match done == told {
        true => Ok(()),
        false => Err(format!(
            "RFC 4315 §3: COPYUID tells {told:?}, done is {done:?}"
        )),
    }
}

//! SEARCH, STATUS and LIST: what they say was so at some time since the command began.

use std::collections::{BTreeMap, BTreeSet};

use super::{Client, Sent, Who, numbers};
use crate::model::{Command, Key, ListAnswer, Return, SetArg, Truth, Wrong};
use crate::wire::{Esearch, ListLine};

impl Client {
    pub(super) fn search(
        &mut self,
        found: &[u32],
        modseq: Option<u64>,
        who: Who<'_>,
    ) -> Result<(), Wrong> {
        let Some(Command::Search {
            uid,
            returns: None,
            key,
        }) = self.result()?
        else {
            return Err("INV-02: SEARCH comes, and was not asked for so".to_owned());
        };
        if self.rev2 {
            return Err("RFC 9051 Appendix E: SEARCH after ENABLE IMAP4rev2".to_owned());
        }
        self.found(&key, uid, found.iter().copied().collect(), who)?;
        self.search_modseq(&key, uid, found, modseq, who)
    }

    pub(super) fn esearch(&mut self, result: &Esearch, who: Who<'_>) -> Result<(), Wrong> {
        let tag = self.sent.front().map(|s| s.tag.clone());
        let Some(Command::Search { uid, returns, key }) = self.result()? else {
            return Err("INV-02: ESEARCH comes unasked".to_owned());
        };
        if returns.is_none() && !self.rev2 {
            return Err("RFC 9051 Appendix E: ESEARCH for a plain SEARCH of IMAP4rev1".to_owned());
        }
        let returns = returns.unwrap_or(Return {
            all: true,
            ..Return::default()
        });
        if result.tag != tag || result.uid != uid {
            return Err(format!(
                "RFC 4731 §3.1: {result:?} answers {tag:?}, UID {uid}"
            ));
        }
        let truths = self.truths(&key, who);
        let number = |at: usize| match uid {
            true => self.entries[at].uid.unwrap_or(0),
            false => u32::try_from(at + 1).unwrap_or(u32::MAX),
        };
        let yes = || (0..truths.len()).filter(|at| truths[*at] == Truth::Yes);
        let may = || (0..truths.len()).filter(|at| truths[*at] != Truth::No);
        let may_be = |n: u32| may().any(|at| number(at) == n || self.entries[at].uid.is_none());
        let first = yes().next().map(number);
        let last = yes().next_back().map(number);
        let bad_min = match result.min {
            Some(n) => !returns.min || !may_be(n) || first.is_some_and(|f| f < n),
            None => returns.min && first.is_some(),
        };
        let bad_max = match result.max {
            Some(n) => !returns.max || !may_be(n) || last.is_some_and(|l| l > n),
            None => returns.max && last.is_some(),
        };
        let bad_count = match result.count {
            Some(n) => !returns.count || !(yes().count()..=may().count()).contains(&(n as usize)),
            None => returns.count,
        };
        if bad_min || bad_max || bad_count || (result.all.is_some() && !returns.all) {
            return Err(format!(
                "RFC 4731 §3.1: {result:?} for {key}, where {first:?} to {last:?} match, {} of them",
                yes().count()
            ));
        }
        let all: Vec<u32> = result.all.iter().flat_map(numbers).collect();
        let edges = [result.min, result.max].into_iter().flatten();
        if returns.all {
            self.found(&key, uid, all.iter().copied().collect(), who)?;
        }
        let told: Vec<u32> = edges.chain(all).collect();
        if !told.is_empty() || result.modseq.is_some() {
            self.search_modseq(&key, uid, &told, result.modseq, who)?;
        }
        Ok(())
    }

    /// The one result of the SEARCH being answered.
    fn result(&mut self) -> Result<Option<Command>, Wrong> {
        let Some(sent) = self.sent.front_mut() else {
            return Ok(None);
        };
        sent.results += 1;
        match sent.results {
            1 => Ok(Some(sent.command.clone())),
            _ => Err("INV-02: a second result of one SEARCH".to_owned()),
        }
    }

    /// Whether each message of the view matches.
    fn truths(&self, key: &Key, who: Who<'_>) -> Vec<Truth> {
        let (Some(selected), Some(account)) = (&self.selected, who) else {
            return Vec::new();
        };
        let mailbox = &account.boxes[selected.at];
        let mut sets: Vec<(&SetArg, bool, BTreeSet<u32>, BTreeSet<u32>)> = Vec::new();
        key.sets(&mut |set, by_number| {
            let (must, may) = self.resolve(set, by_number, who).unwrap_or_default();
            sets.push((set, by_number, must, may));
        });
        let truth = |uid: u32| {
            let inside = |set: &SetArg, by_number: bool| {
                let known = sets.iter().find(|s| s.0 == set && s.1 == by_number);
                match known {
                    Some((_, _, must, _)) if must.contains(&uid) => Truth::Yes,
                    Some((_, _, _, may)) if !may.contains(&uid) => Truth::No,
                    _ => Truth::Maybe,
                }
            };
            let Some(message) = mailbox.messages.get(&uid) else {
                return Truth::Maybe;
            };
            let versions = &message.versions[message.since(self.last_begun)];
            let all: Vec<Truth> = versions
                .iter()
                .map(|v| key.matches(message, v, &inside))
                .collect();
            match message.gone {
                _ if all.iter().all(|t| *t == Truth::No) => Truth::No,
                None if all.iter().all(|t| *t == Truth::Yes) => Truth::Yes,
                _ => Truth::Maybe,
            }
        };
        let uids = self.entries.iter().map(|e| e.uid);
        uids.map(|uid| uid.map_or(Truth::Maybe, truth)).collect()
    }

    fn found(&self, key: &Key, uid: bool, found: BTreeSet<u32>, who: Who<'_>) -> Result<(), Wrong> {
        let truths = self.truths(key, who);
        let unknown = self.entries.iter().any(|e| e.uid.is_none());
        let mut named = 0;
        for ((entry, truth), n) in self.entries.iter().zip(truths).zip(1u32..) {
            let number = if uid { entry.uid } else { Some(n) };
            let told = number.is_some_and(|n| found.contains(&n));
            named += usize::from(told);
            if told && truth == Truth::No || !told && truth == Truth::Yes {
                return Err(format!(
                    "RFC 9051 §6.4.4: message {n}, UID {:?}, matches {key}: {truth:?}; told: {told}",
                    entry.uid
                ));
            }
        }
        match named == found.len() || unknown {
            true => Ok(()),
            false => Err(format!(
                "INV-09: SEARCH tells {found:?}, not all of which are there"
            )),
        }
    }

    /// MODSEQ comes when it was searched for, and is that of a message told (RFC 7162 §3.1.5).
    fn search_modseq(
        &self,
        key: &Key,
        uid: bool,
        told: &[u32],
        modseq: Option<u64>,
        who: Who<'_>,
    ) -> Result<(), Wrong> {
        if modseq.is_some() != (key.has_modseq() && !told.is_empty()) && !told.is_empty() {
            return Err(format!(
                "RFC 7162 §3.1.5: {key} is answered with MODSEQ {modseq:?}"
            ));
        }
        let (Some(modseq), Some(selected), Some(account)) = (modseq, &self.selected, who) else {
            return Ok(());
        };
        let mailbox = &account.boxes[selected.at];
        let has = |uid: u32| {
            let message = mailbox.messages.get(&uid);
            message.is_none_or(|m| m.versions.iter().any(|v| v.modseq.may_be(modseq)))
        };
        let uids = told.iter().map(|n| match uid {
            true => Some(*n),
            false => self.entries.get(*n as usize - 1).and_then(|e| e.uid),
        });
        match uids.into_iter().any(|uid| uid.is_none_or(has)) || modseq <= mailbox.mark().highest {
            true => Ok(()),
            false => Err(format!(
                "RFC 7162 §3.1.5: no message told has MODSEQ {modseq}"
            )),
        }
    }

    /// A SEARCH that saves is answered OK: what `$` means from now on (RFC 5182 §2.1).
    pub(super) fn save(&mut self, sent: &Sent, who: Who<'_>) {
        let Command::Search {
            returns: Some(returns),
            key,
            ..
        } = &sent.command
        else {
            return;
        };
        if !returns.save {
            return;
        }
        let truths = self.truths(key, who);
        let uids = |wanted: fn(Truth) -> bool| -> BTreeSet<u32> {
            let entries = self.entries.iter().zip(&truths);
            let uids = entries
                .filter(|(_, t)| wanted(**t))
                .filter_map(|(e, _)| e.uid);
            // What came while the search was answered was not looked at.
            uids.filter(|uid| Some(*uid) <= sent.last).collect()
        };
        let (must, mut may) = (uids(|t| t == Truth::Yes), uids(|t| t != Truth::No));
        if self.entries.iter().any(|e| e.uid.is_none()) {
            // It may be any.
            let mailbox = self.selected.as_ref().zip(who);
            may.extend(
                mailbox
                    .iter()
                    .flat_map(|(s, a)| a.boxes[s.at].messages.keys()),
            );
        }
        self.saved = match returns.all || returns.count || !(returns.min || returns.max) {
            true => (must, may),
            // The first and the last alone are certain only if the model knows all.
            false if must == may => {
                let first = must.first().filter(|_| returns.min);
                let last = must.last().filter(|_| returns.max);
                let edges: BTreeSet<u32> = first.into_iter().chain(last).copied().collect();
                (edges.clone(), edges)
            }
            false => (BTreeSet::new(), may),
        };
    }

    pub(super) fn status(
        &mut self,
        wire: &str,
        items: &[(String, u64)],
        id: Option<&str>,
        who: Who<'_>,
    ) -> Result<(), Wrong> {
        let Some(account) = who else {
            return Err("INV-28: STATUS before login".to_owned());
        };
        let name = plain_name(wire);
        let Some(sent) = self.sent.front_mut() else {
            return Err("INV-02: STATUS comes unasked".to_owned());
        };
        let asked = match &sent.command {
            Command::Status(asked, items) if *asked == name => items,
            Command::List(list) if !list.status.is_empty() => &list.status,
            other => return Err(format!("INV-02: STATUS {name} comes for {other:?}")),
        };
        let told: BTreeSet<&str> = items.iter().map(|(n, _)| n.as_str()).collect();
        if told != asked.iter().copied().collect() || !sent.statuses.insert(name.clone()) {
            return Err(format!(
                "RFC 9051 §6.3.11: {asked:?} is asked for, {told:?} is told"
            ));
        }
        let begun = sent.begun.unwrap_or(account.now);
        let held = self.selected.as_ref().map(|s| s.at);
        let fits = |at: crate::model::Time| {
            let Some(place) = account.named_at(&name, at) else {
                return false;
            };
            let mailbox = &account.boxes[place];
            let (mark, counts) = (mailbox.mark_at(at), mailbox.counts(at));
            items.iter().all(|(name, n)| match name.as_str() {
                "MESSAGES" => *n == counts.0,
                "UNSEEN" => *n == counts.1,
                "DELETED" => *n == counts.2,
                "SIZE" => *n == counts.3,
                "UIDNEXT" => *n == u64::from(mark.uid_next),
                "UIDVALIDITY" => *n == u64::from(mailbox.validity),
                // While an expunge is not told, this is below it.
                "HIGHESTMODSEQ" if held == Some(place) => *n <= mark.highest,
                "HIGHESTMODSEQ" => *n == mark.highest,
                "MAILBOXID" => {
                    let id = id.map(str::to_owned);
                    let mut object = mailbox.object.borrow_mut();
                    object.is_none() && {
                        object.clone_from(&id);
                        true
                    } || *object == id
                }
                _ => true,
            })
        };
        match (begun..=account.now).rev().any(fits) {
            true => Ok(()),
            false => Err(format!(
                "INV-19: {name} never was as STATUS says: {items:?}; it is {:?}",
                account.named(&name).map(|b| {
                    let mailbox = &account.boxes[b];
                    (
                        mailbox.counts(account.now),
                        mailbox.mark(),
                        mailbox.validity,
                    )
                })
            )),
        }
    }

    pub(super) fn list_line(&mut self, line: &ListLine, lsub: bool) -> Result<(), Wrong> {
        let name = plain_name(&line.name);
        let Some(sent) = self.sent.front_mut() else {
            return Err("INV-02: LIST comes unasked".to_owned());
        };
        match &sent.command {
            Command::List(list) if list.lsub == lsub => {}
            // With IMAP4rev2 SELECT tells the name too.
            Command::Select(select) if self.rev2 && select.name == name => return Ok(()),
            other => return Err(format!("INV-02: LIST {name} comes for {other:?}")),
        }
        if line.delimiter != Some('/') {
            return Err(format!(
                "RFC 9051 §7.3.1: {name} has the delimiter {:?}",
                line.delimiter
            ));
        }
        let attributes = line.attributes.iter().map(|a| a.to_ascii_uppercase());
        let child_info = !line.child_info.is_empty();
        sent.lines.push((name, attributes.collect(), child_info));
        Ok(())
    }

    /// Every name is told as it was at some time since the command began, and none is left out that was there all the time.
    pub(super) fn list_done(&self, sent: &Sent, who: Who<'_>) -> Result<(), Wrong> {
        let (Command::List(list), Some(account)) = (&sent.command, who) else {
            return Ok(());
        };
        let begun = sent.begun.unwrap_or(account.now);
        let then: Vec<BTreeMap<String, ListAnswer>> = (begun..=account.now)
            .map(|at| account.list(list, at))
            .collect();
        for (name, attributes, child_info) in &sent.lines {
            let said = ListAnswer {
                attributes: attributes.clone(),
                child_info: *child_info,
            };
            if !then.iter().any(|t| t.get(name) == Some(&said)) {
                return Err(format!(
                    "RFC 9051 §6.3.9: {name} is told as {said:?}, and is {:?}",
                    then.last().and_then(|t| t.get(name))
                ));
            }
        }
        let told: BTreeSet<&String> = sent.lines.iter().map(|(name, ..)| name).collect();
        if told.len() != sent.lines.len() {
            return Err("RFC 5258 §3: a name is told twice".to_owned());
        }
        let missing = then[0]
            .keys()
            .find(|n| then.iter().all(|t| t.contains_key(*n)) && !told.contains(n));
        match missing {
            None => Ok(()),
            Some(name) => Err(format!("RFC 9051 §6.3.9: {name} is left out of {list:?}")),
        }
    }
}

/// A name from the wire, in whichever form it came.
fn plain_name(wire: &str) -> String {
    wire.replace("&APw-", "ü")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::wire_name;

    #[test]
    fn names_come_back() {
        for utf8 in [false, true] {
            let wire = wire_name("Entwürfe", utf8);
            assert_eq!(plain_name(wire.trim_matches('"')), "Entwürfe");
        }
    }
}

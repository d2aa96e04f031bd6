//! What a client knows: at rest, after a synchronisation, and for certain if it is cut off now.

use super::{Client, Sent, Who};
use crate::model::{Account, Flags, Time, Version, Wrong};

impl Client {
    /// After NOOP and CHECK the client knows of every message there was at some time since it asked (INV-19).
    pub(super) fn synchronised(&self, sent: &Sent, who: Who<'_>) -> Result<(), Wrong> {
        let (Some(selected), Some(account), Some(begun)) = (&self.selected, who, sent.begun) else {
            return Ok(());
        };
        let mailbox = &account.boxes[selected.at];
        let as_then = |at: Time| {
            let then: Vec<u32> = mailbox.alive(at).collect();
            then.len() == self.entries.len()
                && self
                    .entries
                    .iter()
                    .zip(&then)
                    .all(|(e, u)| e.uid.is_none_or(|k| k == *u))
        };
        match sent.faulty || mailbox.name().is_none() || (begun..=account.now).rev().any(as_then) {
            true => Ok(()),
            false => Err(format!(
                "INV-19: after {:?} the client knows of {:?}, there are {:?}",
                sent.command,
                self.entries.iter().map(|e| e.uid).collect::<Vec<_>>(),
                mailbox.alive(account.now).collect::<Vec<_>>()
            )),
        }
    }

    /// INV-17: after SELECT (QRESYNC) all that was known is there, or was told to be gone.
    pub(super) fn resynchronised(&mut self) -> Result<(), Wrong> {
        let cache = std::mem::take(&mut self.cache);
        for entry in &mut self.entries {
            if let Some(flags) = entry.uid.and_then(|u| cache.get(&u)) {
                entry.flags = entry.flags.or(*flags);
            }
        }
        let there = |u: &u32| self.entries.iter().any(|e| e.uid == Some(*u));
        match cache.keys().find(|u| !there(u)) {
            None => Ok(()),
            Some(uid) => Err(format!(
                "INV-17: UID {uid} is gone, and VANISHED does not say so"
            )),
        }
    }

    /// HIGHESTMODSEQ as a client may remember it: the last one told, or the greatest MODSEQ told in the command (RFC 7162 §6).
    pub(super) fn know_modseq(&mut self) {
        match self.code.take() {
            Some(modseq) => self.highest = modseq,
            None => self.highest = self.highest.max(self.modseq),
        }
        self.modseq = 0;
    }

    /// INV-42: whoever is cut off now and comes back with this HIGHESTMODSEQ misses nothing.
    pub(super) fn knows_all(&self, who: Who<'_>) -> Result<(), Wrong> {
        let (Some(selected), Some(account), true) = (&self.selected, who, self.condstore) else {
            return Ok(());
        };
        let highest = self.highest;
        let mailbox = &account.boxes[selected.at];
        let mut unknown = self.entries.iter().filter(|e| e.uid.is_none()).count();
        for (uid, message) in &mailbox.messages {
            let entry = self.entries.iter().find(|e| e.uid == Some(*uid));
            if let Some((_, modseq)) = &message.gone {
                if modseq.high() <= highest && entry.is_some() {
                    return Err(format!(
                        "INV-42: HIGHESTMODSEQ is {highest}; UID {uid} went at {modseq:?}, untold"
                    ));
                }
                continue;
            }
            let known = |v: &&Version| v.modseq.high() <= highest;
            let Some(last) = message.versions.iter().rposition(|v| known(&v)) else {
                continue;
            };
            let Some(entry) = entry else {
                if unknown > 0 {
                    unknown -= 1;
                    continue;
                }
                return Err(format!(
                    "INV-42: HIGHESTMODSEQ is {highest}; UID {uid} came at {:?}, untold",
                    message.versions[0].modseq
                ));
            };
            let since = &message.versions[last..];
            let flags = entry.flags.filter(|f| since.iter().all(|v| v.flags != *f));
            if let Some(flags) = flags {
                return Err(format!(
                    "INV-42: HIGHESTMODSEQ is {highest}; UID {uid} has {since:?}, the client knows {:?}",
                    Flags::names(flags)
                ));
            }
        }
        Ok(())
    }

    /// INV-19: at rest the client knows what there is.
    ///
    /// # Errors
    /// What it knows is not so.
    pub fn agrees(&self, who: Option<&Account>) -> Result<(), Wrong> {
        let (Some(selected), Some(account)) = (&self.selected, who) else {
            return Ok(());
        };
        let mailbox = &account.boxes[selected.at];
        if mailbox.name().is_none() {
            return Ok(());
        }
        let there: Vec<u32> = mailbox.alive(account.now).collect();
        if there.len() != self.entries.len() {
            return Err(format!(
                "INV-19: at rest the client knows {} messages, there are {there:?}",
                self.entries.len()
            ));
        }
        for (entry, uid) in self.entries.iter().zip(there) {
            let flags = mailbox.messages[&uid].last().flags;
            if entry.uid.is_some_and(|k| k != uid) || entry.flags.is_some_and(|f| f != flags) {
                return Err(format!(
                    "INV-19: at rest the client believes {entry:?}, UID {uid} has {:?}",
                    Flags::names(flags)
                ));
            }
        }
        Ok(())
    }
}

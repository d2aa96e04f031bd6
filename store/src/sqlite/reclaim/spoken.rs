//! What records of a segment speak of, and how that is now.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use pillarbox_core::id::{AccountId, MailboxId, ModSeq};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;

use super::{OCTETS, RECORDS, damaged};
use crate::error;
use crate::pack::{Entry, Files, Frame, Home, Part, Place, Records, Stored};
use crate::record::{Mailbox, Message};
use crate::sqlite::transaction::Transaction;
use crate::table::{Result, Tables};

/// What this pass has told already.
#[derive(Default)]
pub(super) struct Told {
    accounts: BTreeSet<AccountId>,
    mailboxes: BTreeSet<MailboxId>,
}

/// What some of a segment's records speak of.
#[derive(Default)]
pub(super) struct Spoken {
    accounts: BTreeSet<AccountId>,
    mailboxes: BTreeSet<MailboxId>,
    /// Those that records of version 1 speak of.
    old: BTreeSet<MailboxId>,
    dropped: BTreeMap<MailboxId, Home>,
    subscriptions: BTreeSet<(AccountId, String)>,
    messages: BTreeMap<MailboxId, UidSet>,
    flags: BTreeMap<MailboxId, UidSet>,
    gone: BTreeMap<(MailboxId, ModSeq), UidSet>,
    bodies: Vec<(Entry, Frame)>,
    /// Segments of which it is said where they end.
    pub cuts: BTreeSet<u64>,
    /// Things they speak of: a message, or a range of UIDs.
    records: usize,
    octets: u64,
}

impl Spoken {
    pub(super) fn is_enough(&self) -> bool {
        self.records >= RECORDS || self.octets >= OCTETS
    }

    /// Takes some more of a transaction's records in, until it is enough.
    pub(super) fn hear(&mut self, records: &mut Records, v1: bool) -> io::Result<()> {
        while !self.is_enough() {
            let Some(record) = records.next() else { break };
            let record = record?;
            self.records += weight(&record.entry);
            self.octets += record.frame.place.size;
            self.note(&record.entry, record.frame);
            if v1 && let Some(home) = record.entry.home() {
                self.old.insert(home.mailbox);
            }
        }
        Ok(())
    }

    fn note(&mut self, entry: &Entry, frame: Frame) {
        if let Some(home) = entry.home() {
            self.accounts.insert(home.owner);
            self.mailboxes.insert(home.mailbox);
        }
        match entry {
            Entry::Message(home, m, _) => {
                let body = Entry::Body(home.owner, m.email_id, m.thread_id);
                self.bodies.push((body, frame));
                self.messages.entry(home.mailbox).or_default().insert(m.uid);
            }
            Entry::Copy(home, m, _) => {
                self.messages.entry(home.mailbox).or_default().insert(m.uid);
            }
            Entry::Body(owner, ..) => {
                self.accounts.insert(*owner);
                self.bodies.push((entry.clone(), frame));
            }
            Entry::Flags(home, _, groups) => {
                let all = self.flags.entry(home.mailbox).or_default();
                for (_, uids) in groups {
                    *all = all.union(uids);
                }
            }
            Entry::Gone(home, modseq, uids) => {
                let all = self.gone.entry((home.mailbox, *modseq)).or_default();
                *all = all.union(uids);
            }
            Entry::Dropped(home) => drop(self.dropped.insert(home.mailbox, home.clone())),
            Entry::Subscribed(owner, name, _) => {
                self.accounts.insert(*owner);
                self.subscriptions.insert((*owner, name.clone()));
            }
            Entry::Account(owner, ..) => drop(self.accounts.insert(*owner)),
            Entry::Cut(segment, _) => drop(self.cuts.insert(*segment)),
            Entry::Mailbox(..) | Entry::Commit { .. } => {}
        }
    }

    /// How all of it is now. `oldest`: no older segment has anything that these records take back.
    pub(super) fn now(
        &self,
        t: &mut Transaction<'_>,
        oldest: bool,
        told: &mut Told,
    ) -> Result<Vec<(Entry, Option<Place>)>> {
        let mut now = Vec::new();
        for owner in &self.accounts {
            if told.accounts.insert(*owner) {
                now.push((t.account(*owner)?, None));
            }
        }
        for (body, Frame { place, .. }) in &self.bodies {
            let Entry::Body(_, email, thread) = body else {
                continue;
            };
            match t.place(*email)? {
                Some(at) if at == *place => now.push((body.clone(), Some(*place))),
                // It was damaged when the index was made. Perhaps somebody can read it yet.
                None if t.is_placed(*thread, *email)? => return Err(damaged()),
                _ => {}
            }
        }
        for id in &self.mailboxes {
            if let Some(mailbox) = t.mailbox(*id)? {
                if told.mailboxes.insert(*id) {
                    check_counter(t, &mailbox)?;
                    now.push((Entry::mailbox(&mailbox), None));
                }
                let entries = self.mailbox_now(t, &mailbox, oldest)?;
                now.extend(entries.into_iter().map(|e| (e, None)));
            }
        }
        for home in self.dropped.values() {
            if !oldest && t.mailbox(home.mailbox)?.is_none() {
                now.push((Entry::Dropped(home.clone()), None));
            }
        }
        for (owner, name) in &self.subscriptions {
            let Ok(name) = MailboxName::new(name) else {
                continue;
            };
            let on = t.is_subscribed(*owner, &name)?;
            if on || !oldest {
                now.push((Entry::subscribed(*owner, &name, on), None));
            }
        }
        Ok(now)
    }

    fn mailbox_now(
        &self,
        t: &mut Transaction<'_>,
        mailbox: &Mailbox,
        oldest: bool,
    ) -> Result<Vec<Entry>> {
        let mut now = Vec::new();
        let none = UidSet::new();
        let places = self.messages.get(&mailbox.id).unwrap_or(&none);
        for message in there(t, mailbox, places)? {
            now.push(Entry::copy(mailbox, &message));
        }
        let flags = self.flags.get(&mailbox.id).unwrap_or(&none);
        let mut by_modseq: BTreeMap<ModSeq, Vec<Message>> = BTreeMap::new();
        for message in there(t, mailbox, &flags.difference(places))? {
            by_modseq.entry(message.modseq).or_default().push(message);
        }
        for (modseq, messages) in &by_modseq {
            now.push(Entry::flags(mailbox, *modseq, messages));
        }
        now.extend(self.gone_now(t, mailbox, oldest)?);
        Ok(now)
    }

    fn gone_now(
        &self,
        t: &mut Transaction<'_>,
        mailbox: &Mailbox,
        oldest: bool,
    ) -> Result<Vec<Entry>> {
        let (mut now, mut forgotten) = (Vec::new(), UidSet::new());
        let all = (mailbox.id, ModSeq(0))..=(mailbox.id, ModSeq(u64::MAX));
        for ((_, modseq), uids) in self.gone.range(all) {
            // Never of one that is there, whatever the record says.
            let there: UidSet = there(t, mailbox, uids)?.iter().map(|m| m.uid).collect();
            let gone = uids.difference(&there);
            if *modseq <= mailbox.floor {
                forgotten = forgotten.union(&gone);
            } else if !gone.is_empty() {
                now.push(Entry::Gone(Home::of(mailbox), *modseq, gone));
            }
        }
        if !forgotten.is_empty() && !oldest {
            now.push(Entry::Gone(Home::of(mailbox), ModSeq(0), forgotten));
        }
        Ok(now)
    }

    /// Version 1 does not tell which modseqs its expunges had.
    pub(super) fn raise_floors(&self, t: &mut Transaction<'_>) -> Result<()> {
        for id in &self.old {
            if let Some(mut mailbox) = t.mailbox(*id)? {
                mailbox.floor = mailbox.highest_modseq;
                t.put_mailbox(&mailbox)?;
            }
        }
        Ok(())
    }

    /// Whether that is a copy of the body there, and all of it right.
    pub(super) fn is_whole_in(&self, place: Place, copy: &Part) -> bool {
        self.frames(place).any(|frame| frame.is_copied_in(copy))
    }

    fn frames(&self, place: Place) -> impl Iterator<Item = &Frame> {
        let frames = self.bodies.iter().map(|(_, frame)| frame);
        frames.filter(move |frame| frame.place == place)
    }

    pub(super) fn move_body(
        &self,
        t: &mut Transaction<'_>,
        files: &Files,
        entry: &Entry,
        place: Place,
    ) -> Result<()> {
        let failed = |e| error::io("pack", &e);
        let mut whole = false;
        for frame in self.frames(place) {
            whole |= frame.is_whole(files).map_err(failed)?;
        }
        if !whole {
            return Err(damaged());
        }
        let mut body = Stored { files, place };
        let new = t.log(entry, Some(&mut body))?;
        match (entry, new) {
            (Entry::Body(_, email, _), Some(new)) => t.move_cold(*email, new),
            _ => Ok(()),
        }
    }
}

/// How many things an entry speaks of.
fn weight(entry: &Entry) -> usize {
    match entry {
        Entry::Gone(_, _, uids) => uids.ranges().len(),
        Entry::Flags(_, _, groups) => groups.iter().map(|(_, uids)| uids.ranges().len()).sum(),
        _ => 1,
    }
}

fn there(t: &mut Transaction<'_>, mailbox: &Mailbox, uids: &UidSet) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    for &(first, last) in uids.ranges() {
        messages.extend(t.messages(mailbox.id, first, last, usize::MAX)?);
    }
    Ok(messages)
}

/// What the index lost without a word must not be taken for expunged.
fn check_counter(t: &mut Transaction<'_>, mailbox: &Mailbox) -> Result<()> {
    match t.count_from(mailbox.id, 0)? == mailbox.messages {
        true => Ok(()),
        false => Err(damaged()),
    }
}

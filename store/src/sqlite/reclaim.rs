//! The room of a segment that is mostly dead is got back: what its records speak of is told anew at the log's end, as it is now, and its
//! file is removed. Why nothing is lost by that stands in `docs/storage-format.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use pillarbox_core::effect::{ErrorKind, StoreError};
use pillarbox_core::id::{AccountId, MailboxId, ModSeq};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;
use rusqlite::OptionalExtension;

use super::ledger::Ledger;
use super::recover::cuts;
use super::tables::{Transaction, signed};
use crate::error;
use crate::pack::{Batch, Entry, Files, Home, Place, Scan, Stored, stored_len};
use crate::record::{Mailbox, Message};
use crate::table::{Result, Tables};

/// One segment on its way out.
pub(super) struct Pass {
    segment: u64,
    len: u64,
    /// What stands from here on was never acknowledged.
    until: Option<u64>,
    /// No older segment is left.
    oldest: bool,
    scan: Scan,
    /// The end of the last transaction that was listened to.
    heard: u64,
    stage: Stage,
    told: Told,
    /// Octets that are still of effect.
    pub kept: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Weigh,
    Carry,
    Remove,
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    More,
    /// All that is of effect has been counted: [`Pass::carry`] or leave it.
    Weighed,
    /// It cannot be removed yet.
    Wait,
    /// It is gone, and so many octets with it.
    Removed(u64),
    /// It must stay.
    Left,
}

/// What this pass has told already.
#[derive(Default)]
struct Told {
    accounts: BTreeSet<AccountId>,
    mailboxes: BTreeSet<MailboxId>,
}

impl Pass {
    /// Of a segment that the index knows whole, and that nothing is written to any more.
    pub(super) fn new(files: &Files, segment: u64) -> io::Result<Self> {
        // What was removed before stays away from here on.
        files.sync_folder()?;
        let all = files.segments()?;
        let later: Vec<u64> = all.iter().copied().filter(|s| *s > segment).collect();
        let until = cuts(files, &later)?.get(&segment).copied();
        let scan = Scan::new(files, segment, 0)?;
        Ok(Self {
            segment,
            len: scan.len(),
            until,
            oldest: all.first() == Some(&segment),
            scan,
            heard: 0,
            stage: Stage::Weigh,
            told: Told::default(),
            kept: 0,
        })
    }

    pub(super) fn segment(&self) -> u64 {
        self.segment
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Ends it. The last who has a large file open waits while its room is given back: that is a thread of its own.
    pub(super) fn close(self) {
        let thread = std::thread::Builder::new().name("pillarbox-closer".into());
        // Without one it is done here.
        let _ = thread.spawn(move || drop(self));
    }

    /// Goes through it once more, and tells anew what is of effect.
    pub(super) fn carry(&mut self, files: &Files) -> io::Result<()> {
        self.scan = Scan::new(files, self.segment, 0)?;
        self.heard = 0;
        self.told = Told::default();
        self.stage = Stage::Carry;
        Ok(())
    }

    /// One piece of work; at most one transaction.
    pub(super) fn step(&mut self, ledger: &mut Ledger) -> Result<Step> {
        if self.stage == Stage::Remove {
            return self.remove(ledger);
        }
        let Some((spoken, more)) = self.listen().map_err(|e| error::io("pack", &e))? else {
            return Ok(Step::Left);
        };
        // While a segment is there that ends where this one says, this one stays.
        if spoken.cuts.iter().any(|s| ledger.files.path(*s).exists()) {
            return Ok(Step::Left);
        }
        match self.stage {
            Stage::Weigh => self.weigh(ledger, &spoken)?,
            _ => self.tell(ledger, &spoken)?,
        }
        if more {
            return Ok(Step::More);
        }
        if self.stage == Stage::Weigh {
            return Ok(Step::Weighed);
        }
        self.stage = Stage::Remove;
        Ok(Step::More)
    }

    /// What the next records speak of, and whether more come after them; `None` when something is not as it was written.
    fn listen(&mut self) -> io::Result<Option<(Spoken, bool)>> {
        let mut spoken = Spoken::default();
        let end = self.until.unwrap_or(self.len);
        while !spoken.is_enough() {
            match self.scan.next()? {
                Some(batch) if batch.end > end => break,
                Some(batch) if !batch.complete => return Ok(None),
                Some(batch) => {
                    self.heard = batch.end;
                    spoken.hear(batch, self.scan.is_v1());
                }
                None => break,
            }
        }
        let more = spoken.is_enough();
        let damaged = self.scan.damage().any(|at| at < end);
        let lacks = !more && end > self.heard.max(Scan::FIRST);
        let headless = end > Scan::FIRST && !self.scan.has_head();
        Ok((!damaged && !lacks && !headless).then_some((spoken, more)))
    }

    fn weigh(&mut self, ledger: &Ledger, spoken: &Spoken) -> Result<()> {
        let now = ledger.look(|t| spoken.now(t, self.oldest, &mut self.told));
        for (entry, place) in now? {
            self.kept += stored_len(&entry, place.map_or(0, |p| p.size));
        }
        Ok(())
    }

    fn tell(&mut self, ledger: &mut Ledger, spoken: &Spoken) -> Result<()> {
        let (oldest, told) = (self.oldest, &mut self.told);
        let files = ledger.files.clone();
        ledger.change(|t| {
            spoken.raise_floors(t)?;
            for (entry, place) in spoken.now(t, oldest, told)? {
                match place {
                    Some(place) => spoken.move_body(t, &files, &entry, place)?,
                    None => drop(t.log(&entry, None)?),
                }
            }
            Ok(())
        })
    }

    /// Only when neither a reader nor the index after a crash can need it.
    fn remove(&mut self, ledger: &Ledger) -> Result<Step> {
        let (files, segment) = (&ledger.files, self.segment);
        let failed = |e| error::io("pack", &e);
        let path = files.path(segment);
        let len = path.metadata().map_err(failed)?.len();
        if len != self.len || is_referred_to(ledger, segment)? {
            return Ok(Step::Left);
        }
        if ledger.known_segment()? <= segment {
            return Ok(Step::Wait);
        }
        files.wait_for_readers();
        // A pass that begins anew would tell all once more, each time: on a full disk that takes the room that is left.
        match ledger.checkpoint() {
            Ok(true) => {}
            Err(e) if e.kind == ErrorKind::Corruption => return Err(e),
            Ok(false) | Err(_) => return Ok(Step::Wait),
        }
        files.remove(segment).map_err(failed)?;
        files.sync_folder().map_err(failed)?;
        Ok(Step::Removed(len))
    }
}

fn is_referred_to(ledger: &Ledger, segment: u64) -> Result<bool> {
    let sql = "SELECT 1 FROM cold WHERE segment = ?1 LIMIT 1";
    let found = ledger.conn.query_row(sql, [signed(segment)], |_| Ok(()));
    Ok(found.optional().map_err(|e| ledger.failed(e))?.is_some())
}

/// What some of a segment's records speak of.
#[derive(Default)]
struct Spoken {
    accounts: BTreeSet<AccountId>,
    mailboxes: BTreeSet<MailboxId>,
    /// Those that records of version 1 speak of.
    old: BTreeSet<MailboxId>,
    dropped: BTreeMap<MailboxId, Home>,
    subscriptions: BTreeSet<(AccountId, String)>,
    messages: BTreeMap<MailboxId, UidSet>,
    flags: BTreeMap<MailboxId, UidSet>,
    gone: BTreeMap<(MailboxId, ModSeq), UidSet>,
    bodies: Vec<(Entry, Place)>,
    /// Segments of which it is said where they end.
    cuts: BTreeSet<u64>,
    batches: Vec<Batch>,
    /// Things they speak of: a message, or a range of UIDs.
    records: usize,
    octets: u64,
}

impl Spoken {
    fn is_enough(&self) -> bool {
        self.records >= RECORDS || self.octets >= OCTETS
    }

    fn hear(&mut self, batch: Batch, v1: bool) {
        for (entry, place) in batch.entries() {
            self.records += weight(entry);
            self.octets += place.size;
            self.note(entry, place);
            if v1 && let Some(home) = entry.home() {
                self.old.insert(home.mailbox);
            }
        }
        self.batches.push(batch);
    }

    fn note(&mut self, entry: &Entry, place: Place) {
        if let Some(home) = entry.home() {
            self.accounts.insert(home.owner);
            self.mailboxes.insert(home.mailbox);
        }
        match entry {
            Entry::Message(home, m, _) => {
                let body = Entry::Body(home.owner, m.email_id, m.thread_id);
                self.bodies.push((body, place));
                self.messages.entry(home.mailbox).or_default().insert(m.uid);
            }
            Entry::Copy(home, m, _) => {
                self.messages.entry(home.mailbox).or_default().insert(m.uid);
            }
            Entry::Body(owner, ..) => {
                self.accounts.insert(*owner);
                self.bodies.push((entry.clone(), place));
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
    fn now(
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
        for (body, place) in &self.bodies {
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
    fn raise_floors(&self, t: &mut Transaction<'_>) -> Result<()> {
        for id in &self.old {
            if let Some(mut mailbox) = t.mailbox(*id)? {
                mailbox.floor = mailbox.highest_modseq;
                t.put_mailbox(&mailbox)?;
            }
        }
        Ok(())
    }

    fn move_body(
        &self,
        t: &mut Transaction<'_>,
        files: &Files,
        entry: &Entry,
        place: Place,
    ) -> Result<()> {
        let failed = |e| error::io("pack", &e);
        let mut whole = false;
        for batch in &self.batches {
            whole |= batch.is_whole_at(place).map_err(failed)?;
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

fn damaged() -> StoreError {
    StoreError::new(ErrorKind::Corruption, "A segment is left as it is")
}

#[cfg(all(test, feature = "conformance"))]
pub(in crate::sqlite) mod tests;

/// What is told in one transaction, or looked at in one step.
const RECORDS: usize = 500;
const OCTETS: u64 = 1 << 20;

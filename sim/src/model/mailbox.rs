//! One mailbox and all it ever held.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Time;
use super::deed::{Counters, Wrong};
use super::flags::{FlagSet, Flags};

/// A message's octets, shared by its copies.
#[derive(Default)]
pub struct Content {
    /// All of them.
    pub octets: Vec<u8>,
    /// How many of them are the header with its blank line.
    pub header: usize,
    /// The Subject.
    pub subject: String,
    /// EMAILID, once told (RFC 8474 §5.1: the same for all copies).
    pub email_id: RefCell<Option<String>>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} octets", self.octets.len())
    }
}

/// The modification sequences a change may have: both ends included, narrowed when one is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModSeqs(Cell<(u64, u64)>);

impl ModSeqs {
    /// Any from `low` to `high`.
    #[must_use]
    pub fn new(low: u64, high: u64) -> Self {
        Self(Cell::new((low, high)))
    }

    /// The least it may be.
    #[must_use]
    pub fn low(&self) -> u64 {
        self.0.get().0
    }

    /// The greatest it may be.
    #[must_use]
    pub fn high(&self) -> u64 {
        self.0.get().1
    }

    /// Whether it may be this one.
    #[must_use]
    pub fn may_be(&self, modseq: u64) -> bool {
        self.low() <= modseq && modseq <= self.high()
    }

    /// It is this one.
    pub fn is(&self, modseq: u64) {
        self.0.set((modseq, modseq));
    }

    /// Whether it is above `modseq`; `None`: it is not known.
    #[must_use]
    pub fn above(&self, modseq: u64) -> Option<bool> {
        match (self.low() > modseq, self.high() > modseq) {
            (true, _) => Some(true),
            (_, false) => Some(false),
            _ => None,
        }
    }
}

/// A message's flags from a time on.
#[derive(Clone, Debug)]
pub struct Version {
    /// From when.
    pub from: Time,
    /// The flags.
    pub flags: FlagSet,
    /// The modification sequence.
    pub modseq: ModSeqs,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its octets.
    pub content: Rc<Content>,
    /// INTERNALDATE, seconds since 1970.
    pub date: i64,
    /// Its flags, oldest first; never empty.
    pub versions: Vec<Version>,
    /// When it was removed, and its modification sequence.
    pub gone: Option<(Time, ModSeqs)>,
}

impl Message {
    /// Its latest version.
    #[must_use]
    pub fn last(&self) -> &Version {
        &self.versions[self.versions.len() - 1]
    }

    /// Whether it was there at this time.
    #[must_use]
    pub fn alive(&self, at: Time) -> bool {
        self.versions[0].from <= at && self.gone.as_ref().is_none_or(|(t, _)| *t > at)
    }

    /// The versions that were current at some time from `since` on, by their places.
    #[must_use]
    pub fn since(&self, since: Time) -> std::ops::Range<usize> {
        let from = self.versions.iter().rposition(|v| v.from <= since);
        from.unwrap_or(0)..self.versions.len()
    }
}

/// The numbers of a mailbox from a time on.
#[derive(Clone, Debug)]
pub struct Mark {
    /// From when.
    pub from: Time,
    /// UIDNEXT.
    pub uid_next: u32,
    /// HIGHESTMODSEQ.
    pub highest: u64,
}

/// One mailbox.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// Its names: from when, and which; `None`: deleted. The first is when it was made.
    pub names: Vec<(Time, Option<String>)>,
    /// Its special use.
    pub special: Option<&'static str>,
    /// UIDVALIDITY.
    pub validity: u32,
    /// The store's number of it.
    pub id: u64,
    /// MAILBOXID, once told.
    pub object: RefCell<Option<String>>,
    /// Every message it ever had, by UID.
    pub messages: BTreeMap<u32, Message>,
    /// UIDNEXT and HIGHESTMODSEQ, oldest first; never empty.
    pub marks: Vec<Mark>,
    /// The keywords anyone set here.
    pub keywords: FlagSet,
}

impl Mailbox {
    /// A new one without messages, its numbers still to come.
    #[must_use]
    pub fn new(name: &str, now: Time) -> Self {
        Self {
            names: vec![(now, Some(name.to_owned()))],
            special: None,
            validity: 0,
            id: 0,
            object: RefCell::default(),
            messages: BTreeMap::new(),
            marks: vec![Mark {
                from: now,
                uid_next: 1,
                highest: 0,
            }],
            keywords: 0,
        }
    }

    /// Its name at this time.
    #[must_use]
    pub fn name_at(&self, at: Time) -> Option<&str> {
        let last = self.names.iter().rev().find(|(from, _)| *from <= at);
        last.and_then(|(_, name)| name.as_deref())
    }

    /// Its name now; `None`: deleted.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name_at(Time::MAX)
    }

    /// Its numbers at this time.
    #[must_use]
    pub fn mark_at(&self, at: Time) -> &Mark {
        let last = self.marks.iter().rev().find(|m| m.from <= at);
        last.unwrap_or(&self.marks[0])
    }

    /// Its numbers now.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        &self.marks[self.marks.len() - 1]
    }

    /// The UIDs there were at this time.
    pub fn alive(&self, at: Time) -> impl Iterator<Item = u32> {
        let alive = self.messages.iter().filter(move |(_, m)| m.alive(at));
        alive.map(|(uid, _)| *uid)
    }

    /// STATUS at this time but for UIDNEXT and HIGHESTMODSEQ: MESSAGES, UNSEEN, DELETED, SIZE.
    #[must_use]
    pub fn counts(&self, at: Time) -> (u64, u64, u64, u64) {
        let mut counts = (0, 0, 0, 0);
        for message in self.messages.values().filter(|m| m.alive(at)) {
            let flags = message.versions.iter().rev().find(|v| v.from <= at);
            let flags = flags.map_or(0, |v| v.flags);
            counts.0 += 1;
            counts.1 += u64::from(flags & Flags::SEEN == 0);
            counts.2 += u64::from(flags & Flags::DELETED != 0);
            counts.3 += message.content.octets.len() as u64;
        }
        counts
    }

    /// The modification sequences of what happens now: they are not known before the deed is done, and every one is above HIGHESTMODSEQ.
    fn next(&self) -> ModSeqs {
        ModSeqs::new(self.mark().highest + 1, u64::MAX)
    }

    /// A message comes.
    ///
    /// # Errors
    /// Its UID is one that was given before, or announced as lower (INV-10, INV-12).
    pub fn arrive(&mut self, uid: u32, message: Message) -> Result<(), Wrong> {
        let last = self.messages.keys().next_back().copied().unwrap_or(0);
        if uid <= last || uid < self.mark().uid_next {
            return Err(format!(
                "INV-10: UID {uid} is given where {last} was and UIDNEXT is {}",
                self.mark().uid_next
            ));
        }
        self.keywords |= message.last().flags & Flags::KEYWORDS;
        self.messages.insert(uid, message);
        Ok(())
    }

    /// A message that comes now.
    #[must_use]
    pub fn fresh(&self, content: Rc<Content>, date: i64, flags: FlagSet, now: Time) -> Message {
        Message {
            content,
            date,
            versions: vec![Version {
                from: now,
                flags,
                modseq: self.next(),
            }],
            gone: None,
        }
    }

    /// Flags change; if they stay as they are, nothing does.
    pub fn set_flags(&mut self, uid: u32, flags: FlagSet, now: Time) {
        let modseq = self.next();
        let Some(message) = self.messages.get_mut(&uid) else {
            return;
        };
        if message.last().flags != flags {
            message.versions.push(Version {
                from: now,
                flags,
                modseq,
            });
        }
        self.keywords |= flags & Flags::KEYWORDS;
    }

    /// A message goes.
    pub fn remove(&mut self, uid: u32, now: Time) {
        let modseq = self.next();
        if let Some(message) = self.messages.get_mut(&uid) {
            message.gone = Some((now, modseq));
        }
    }

    /// What the store counts is what there is; what happened at `now` gets its modification sequences.
    ///
    /// # Errors
    /// A counter is wrong (INV-23), or a number fell or did not rise (INV-12, INV-13, INV-14).
    pub fn settle(&mut self, counters: &Counters, now: Time) -> Result<(), Wrong> {
        let before = self.mark().clone();
        let there = (
            counters.messages,
            counters.unseen,
            counters.deleted,
            counters.size,
        );
        if there != self.counts(now) {
            return Err(format!(
                "INV-23: MESSAGES, UNSEEN, DELETED, SIZE are {there:?}, and should be {:?}",
                self.counts(now)
            ));
        }
        let last = self.messages.keys().next_back().copied().unwrap_or(0);
        if counters.uid_next < before.uid_next || counters.uid_next <= last {
            return Err(format!(
                "INV-12: UIDNEXT {} after {} and UID {last}",
                counters.uid_next, before.uid_next
            ));
        }
        if counters.highest < before.highest {
            return Err(format!(
                "INV-13: HIGHESTMODSEQ fell from {} to {}",
                before.highest, counters.highest
            ));
        }
        let mut changed = false;
        for message in self.messages.values() {
            let versions = message.versions.iter().map(|v| &v.modseq);
            let gone = message.gone.iter().map(|(_, modseq)| modseq);
            for modseq in versions.chain(gone).filter(|m| m.high() == u64::MAX) {
                modseq.0.set((modseq.low(), counters.highest));
                changed = true;
            }
        }
        if changed && counters.highest == before.highest {
            return Err(format!(
                "INV-14: something changed, and HIGHESTMODSEQ is still {}",
                before.highest
            ));
        }
        self.marks.push(Mark {
            from: now,
            uid_next: counters.uid_next,
            highest: counters.highest,
        });
        Ok(())
    }
}

//! A mailbox as it is: opening, fetching, reading, searching, and what changed.

use std::sync::Arc;

use bytes::Bytes;
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{
    Actor, Changes, ChangesSince, Fetch, FetchPage, Fields, MailboxRef, Open, Opened, ReadBody,
    Search, SearchPage,
};
use pillarbox_core::flag::{Flags, Keywords};
use pillarbox_core::id::{EmailId, ModSeq, ThreadId, Uid};
use pillarbox_core::message::{Structure, TextPart};
use pillarbox_core::search::{Candidate, Leaf, Program, Step};
use pillarbox_core::set::UidSet;

use super::names::named;
use crate::error::{expunged, mailbox_gone};
use crate::record::{Mailbox, Message, Place};
use crate::row::{self, Rows, Want};
use crate::table::{Result, Tables, WORK};

/// The mailbox, if it is there and this actor's.
pub(super) fn by_reference(
    t: &mut dyn Tables,
    actor: Actor,
    reference: MailboxRef,
) -> Result<Mailbox> {
    t.mailbox(reference.id)?
        .filter(|m| m.owner == actor.account && reference.owner == actor.account)
        .ok_or_else(mailbox_gone)
}

pub(super) fn open(t: &mut dyn Tables, op: &Open) -> Result<Box<Opened>> {
    let mut mailbox = named(t, op.actor.account, &op.name)?;
    let recent_from = mailbox.recent_from;
    if !op.read_only && recent_from != mailbox.uid_next {
        mailbox.recent_from = mailbox.uid_next;
        t.put_mailbox(&mailbox)?;
    }
    Ok(Box::new(Opened {
        mailbox: mailbox.reference(),
        uids: all_uids(t, &mailbox)?,
        first_unseen: match mailbox.unseen {
            0 => None,
            _ => t.first_unseen(mailbox.id)?,
        },
        name: mailbox.name,
        read_only: op.read_only,
        uid_validity: mailbox.uid_validity,
        uid_next: mailbox.uid_next,
        highest_modseq: mailbox.highest_modseq,
        keywords: mailbox.keywords,
        recent_from,
    }))
}

/// Without gaps the first and the last say it all: mostly they do.
fn all_uids(t: &mut dyn Tables, mailbox: &Mailbox) -> Result<UidSet> {
    match t.first_and_last(mailbox.id)? {
        Some((first, last)) if u64::from(last.get() - first.get()) + 1 == mailbox.messages => {
            Ok(UidSet::range(first, last))
        }
        _ => t.uids(mailbox.id),
    }
}

pub(super) fn fetch(t: &mut dyn Tables, op: &Fetch) -> Result<FetchPage> {
    let mailbox = by_reference(t, op.actor, op.mailbox)?;
    let mut page = FetchPage {
        keywords: mailbox.keywords.clone(),
        ..FetchPage::default()
    };
    let mut room = op.budget;
    for &(from, to) in op.uids.ranges() {
        if room == 0 && !page.rows.is_empty() {
            page.resume = Uid::new(from);
            break;
        }
        let want = Want {
            from,
            to,
            changed_since: op.changed_since,
            #[cfg(feature = "sqlite")]
            keywords: !mailbox.keywords.is_empty(),
            fields: op.fields,
            inline: op.inline,
            weight: room,
        };
        let mut found = t.rows(mailbox.id, &want)?;
        if op.changed_since.is_none() {
            let upto = found.next.map_or(to, |next| next.get() - 1);
            let buried = t.buried(mailbox.id, from, upto)?;
            if !buried.is_empty() {
                found = with_buried(t, &want, found, &buried)?;
            }
        }
        room = match t.scanned() {
            WORK.. => 0,
            _ => room.saturating_sub(found.weight),
        };
        match page.rows.is_empty() {
            true => page.rows = found.rows,
            false => page.rows.append(&mut found.rows),
        }
        page.resume = found.next;
        if page.resume.is_some() {
            break;
        }
    }
    Ok(page)
}

/// The rows, and among them those of messages that went within the view grace.
fn with_buried(t: &mut dyn Tables, want: &Want, found: Rows, buried: &[Message]) -> Result<Rows> {
    let mut rows = Rows::default();
    let (mut there, mut gone) = (found.rows.into_iter(), buried.iter().peekable());
    let mut alive = there.next();
    loop {
        let grave = gone.next_if(|grave| alive.as_ref().is_none_or(|row| grave.uid < row.uid));
        let Some(uid) = grave.map(|m| m.uid).or(alive.as_ref().map(|row| row.uid)) else {
            rows.next = found.next;
            return Ok(rows);
        };
        if rows.end_at(want, t.scanned(), uid) {
            return Ok(rows);
        }
        let row = match grave {
            Some(message) => Some(row::one(t, message, want)?),
            None => std::mem::replace(&mut alive, there.next()),
        };
        row.into_iter().for_each(|row| rows.push(row));
    }
}

pub(super) fn read_body(t: &mut dyn Tables, op: &ReadBody) -> Result<Bytes> {
    let mailbox = t
        .mailbox(op.mailbox.id)?
        .filter(|m| m.owner == op.actor.account)
        .ok_or_else(mailbox_gone)?;
    let message = match t.message(mailbox.id, op.uid)? {
        Some(message) => message,
        None => {
            let uid = op.uid.get();
            t.buried(mailbox.id, uid, uid)?.pop().ok_or_else(expunged)?
        }
    };
    t.read(message.email_id, None, op.offset, op.max)
}

pub(super) fn search(t: &mut dyn Tables, op: &Search) -> Result<SearchPage> {
    let mailbox = by_reference(t, op.actor, op.mailbox)?;
    let mut page = SearchPage::default();
    // Each step is work for each message.
    let steps = 1 + op.program.steps.len() as u64 / 16;
    let whole = has(&op.program, |leaf| {
        matches!(leaf, Leaf::Body(_) | Leaf::Text(_))
    });
    let header = has(&op.program, |leaf| {
        matches!(leaf, Leaf::Sent(..) | Leaf::Header(..))
    });
    let content = whole || header;
    let mut spent = 0;
    for &(first, last) in op.uids.ranges() {
        let mut from = first;
        loop {
            let messages = t.sought(mailbox.id, from, last, PAGE, content)?;
            let full = messages.len() == PAGE;
            for sought in messages {
                let (uid, modseq) = (sought.message.uid, sought.message.modseq);
                if spent >= WORK {
                    page.resume = Some(uid);
                    return Ok(page);
                }
                from = uid.get();
                let mut found = Found {
                    tables: &mut *t,
                    message: sought.message,
                    keywords: &mailbox.keywords,
                    header_len: sought.header_len,
                    place: sought.place,
                    whole,
                    spent: 0,
                };
                if op.program.matches(&mut found)? {
                    page.uids.insert(uid);
                    page.highest_modseq = page.highest_modseq.max(modseq);
                }
                spent += (100 + found.spent) * steps;
            }
            if !full || from >= last {
                break;
            }
            from += 1;
        }
    }
    Ok(page)
}

/// Whether the program has such a leaf.
fn has(program: &Program, is_such: impl Fn(&Leaf) -> bool) -> bool {
    let mut steps = program.steps.iter();
    steps.any(|step| matches!(step, Step::Test(leaf) if is_such(leaf)))
}

struct Found<'a> {
    tables: &'a mut dyn Tables,
    message: Message,
    keywords: &'a Keywords,
    header_len: Option<u64>,
    place: Option<Place>,
    /// More than its header may be looked through.
    whole: bool,
    spent: u64,
}

impl Candidate for Found<'_> {
    fn uid(&self) -> Uid {
        self.message.uid
    }
    fn flags(&self) -> Flags {
        self.message.flags
    }
    fn keywords(&self) -> &[Arc<str>] {
        self.keywords
    }
    fn modseq(&self) -> ModSeq {
        self.message.modseq
    }
    fn size(&self) -> u64 {
        self.message.size
    }
    fn internal_date(&self) -> DateTime {
        self.message.internal_date
    }
    fn save_date(&self) -> i64 {
        self.message.save_date
    }
    fn email_id(&self) -> EmailId {
        self.message.email_id
    }
    fn thread_id(&self) -> ThreadId {
        self.message.thread_id
    }
    fn header_len(&self) -> u64 {
        self.header_len.unwrap_or(0)
    }
    fn text_parts(&mut self) -> Result<Vec<TextPart>> {
        let before = self.tables.scanned();
        let derived = self
            .tables
            .derived(self.message.email_id, Fields::STRUCTURE)?;
        self.spent += self.tables.scanned() - before;
        Ok(Structure::decode(&derived.structure)
            .map(|s| s.text_parts().collect())
            .unwrap_or_default())
    }
    fn read(&mut self, offset: u64, max: usize) -> Result<Bytes> {
        let email = self.message.email_id;
        let header = usize::try_from(self.header_len()).unwrap_or(usize::MAX);
        // For a header a whole block may have to be read.
        self.spent += self.message.size.min(max as u64);
        match offset == 0 && header <= max && !self.whole {
            true => self.tables.header(email, self.place, header),
            false => self.tables.read(email, self.place, offset, max),
        }
    }
}

pub(super) fn changes(t: &mut dyn Tables, op: &Changes) -> Result<Box<ChangesSince>> {
    let mut mailbox = by_reference(t, op.actor, op.mailbox)?;
    let gone_is_complement = op.since < mailbox.floor;
    let fresh = fresh(t, op, &mailbox)?;
    let gone = match gone_is_complement {
        true => not_there(t, op, &mailbox)?,
        false => expunged_since(t, op, &mailbox)?,
    };
    // Both tell of the same UIDs.
    let end = fresh.end.min(gone.end);
    let page = UidSet::from_ranges([(op.from.get(), end - 1)]);
    let mut changes = ChangesSince {
        fresh: fresh.uids.intersection(&page),
        flags: Vec::new(),
        resume: None,
        gone: gone.uids.intersection(&page),
        more: Uid::new(end).filter(|_| end < u32::MAX),
        gone_is_complement,
        keywords: mailbox.keywords.clone(),
        to: mailbox.highest_modseq,
        uid_next: mailbox.uid_next,
        recent_from: mailbox.recent_from,
        name: mailbox.name.clone(),
    };
    let (below, most) = (op.known_below.get(), op.limit.saturating_add(1));
    let changed = match op.limit {
        0 => Vec::new(),
        _ => t.changed_since(mailbox.id, op.since, below, most)?,
    };
    changes.resume = changed.get(op.limit).map(|m| m.uid);
    let changed = changed.into_iter().take(op.limit);
    changes.flags = changed.map(|m| (m.uid, m.modseq, m.flags)).collect();
    if op.claim_recent && mailbox.recent_from != mailbox.uid_next {
        mailbox.recent_from = mailbox.uid_next;
        t.put_mailbox(&mailbox)?;
    }
    Ok(Box::new(changes))
}

/// What a page of changes tells of one kind.
struct Part {
    uids: UidSet,
    /// It tells of the UIDs below this one; the greatest number there is: of all.
    end: u32,
}

impl Part {
    /// Of the messages from `from` on these are the first ranges, at most so many, of all below `below`.
    fn of(uids: UidSet, ranges: usize, below: u32) -> Self {
        let full = uids.ranges().len() >= ranges;
        let end = uids.last().filter(|_| full).map(|uid| uid.get() + 1);
        let end = end.filter(|end| *end < below).unwrap_or(u32::MAX);
        Self { uids, end }
    }
}

/// Messages that were not known.
fn fresh(t: &mut dyn Tables, op: &Changes, mailbox: &Mailbox) -> Result<Part> {
    let (from, ranges) = (op.from.get().max(op.known_below.get()), op.ranges.max(1));
    let uids = match from < mailbox.uid_next.get() {
        true => t.uids_from(mailbox.id, from, ranges)?,
        false => UidSet::new(),
    };
    Ok(Part::of(uids, ranges, mailbox.uid_next.get()))
}

/// UIDs that were given and have no message any more.
fn not_there(t: &mut dyn Tables, op: &Changes, mailbox: &Mailbox) -> Result<Part> {
    let (from, below) = (op.from.get(), mailbox.uid_next.get());
    if from >= below {
        return Ok(Part::of(UidSet::new(), 1, below));
    }
    let ranges = op.ranges.max(1);
    let mut part = Part::of(t.uids_from(mailbox.id, from, ranges)?, ranges, below);
    let ever = UidSet::from_ranges([(from, part.end.min(below) - 1)]);
    part.uids = ever.difference(&part.uids);
    Ok(part)
}

/// What the log of expunges has.
fn expunged_since(t: &mut dyn Tables, op: &Changes, mailbox: &Mailbox) -> Result<Part> {
    let (from, ranges) = (op.from.get(), op.ranges.max(1));
    let gone = t.expunged_since(mailbox.id, op.since, from, ranges.saturating_add(1))?;
    // A page goes on, whatever the log says twice.
    let next = gone
        .get(ranges)
        .map(|range| range.0.max(from.saturating_add(1)));
    Ok(Part {
        uids: UidSet::from_ranges(gone.into_iter().take(ranges)),
        end: next.unwrap_or(u32::MAX),
    })
}

const PAGE: usize = 256;

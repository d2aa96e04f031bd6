//! A mailbox as it is: opening, fetching, reading, searching, and what changed.

use std::sync::Arc;

use bytes::Bytes;
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{
    Actor, Changes, ChangesSince, ErrorKind, Fetch, FetchPage, Fields, MailboxRef, Open, Opened,
    ReadBody, Row, Search, SearchPage,
};
use pillarbox_core::flag::{Flags, Keywords};
use pillarbox_core::id::{EmailId, ModSeq, ThreadId, Uid};
use pillarbox_core::message::{Structure, TextPart};
use pillarbox_core::search::Candidate;
use pillarbox_core::set::UidSet;

use super::names::named;
use crate::error::{expunged, mailbox_gone};
use crate::record::{Mailbox, Message};
use crate::table::{Result, Tables};

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
        uids: t.uids(mailbox.id)?,
        first_unseen: t.first_unseen(mailbox.id)?,
        name: mailbox.name,
        read_only: op.read_only,
        uid_validity: mailbox.uid_validity,
        uid_next: mailbox.uid_next,
        highest_modseq: mailbox.highest_modseq,
        keywords: mailbox.keywords,
        recent_from,
    }))
}

pub(super) fn fetch(t: &mut dyn Tables, op: &Fetch) -> Result<FetchPage> {
    let mailbox = by_reference(t, op.actor, op.mailbox)?;
    let mut page = FetchPage {
        keywords: mailbox.keywords.clone(),
        ..FetchPage::default()
    };
    let mut used = 0;
    let limit = rows_at_once(op.fields);
    for &(first, last) in op.uids.ranges() {
        let mut from = first;
        loop {
            let mut messages = match op.fields.0 {
                0 => t.messages_flags(mailbox.id, from, last, limit)?,
                _ => t.messages(mailbox.id, from, last, limit)?,
            };
            let full = messages.len() == limit;
            if op.changed_since.is_none() {
                let upto = messages
                    .last()
                    .filter(|_| full)
                    .map_or(last, |m| m.uid.get());
                let mut buried = t.buried(mailbox.id, from, upto)?;
                if !buried.is_empty() {
                    messages.append(&mut buried);
                    messages.sort_by_key(|m| m.uid);
                }
            }
            page.rows.reserve(messages.len());
            for message in messages {
                if op.changed_since.is_some_and(|m| message.modseq <= m) {
                    from = message.uid.get();
                    continue;
                }
                let enough = used >= op.budget || t.scanned() >= WORK;
                if !page.rows.is_empty() && enough {
                    page.resume = Some(message.uid);
                    return Ok(page);
                }
                from = message.uid.get();
                let row = row(t, op, message)?;
                used += weight(&row);
                page.rows.push(row);
            }
            if !full || from >= last {
                break;
            }
            from += 1;
        }
    }
    Ok(page)
}

/// The more a row brings, the fewer fill a page; what is read beyond it is read again.
fn rows_at_once(fields: Fields) -> usize {
    if fields.0 & (Fields::HEADER.0 | Fields::INLINE.0) != 0 {
        32
    } else if fields.0 & DERIVED != 0 {
        PAGE
    } else {
        4 * PAGE
    }
}

fn row(t: &mut dyn Tables, op: &Fetch, m: Message) -> Result<Row> {
    let mut row = Row {
        uid: m.uid,
        modseq: m.modseq,
        flags: m.flags,
        size: m.size,
        internal_date: m.internal_date,
        save_date: m.save_date,
        email_id: m.email_id,
        thread_id: m.thread_id,
        envelope: Bytes::new(),
        body: Bytes::new(),
        body_structure: Bytes::new(),
        structure: Bytes::new(),
        header: Bytes::new(),
        inline: None,
        damaged: None,
    };
    match fill(t, op, &mut row) {
        Err(e) if e.kind == ErrorKind::Corruption => row.damaged = Some(e),
        other => other?,
    }
    Ok(row)
}

fn fill(t: &mut dyn Tables, op: &Fetch, row: &mut Row) -> Result<()> {
    if op.fields.has(Fields::INLINE) && row.size <= op.inline {
        row.inline = Some(t.read(row.email_id, 0, octets(row.size))?);
    }
    if op.fields.0 & DERIVED == 0 {
        return Ok(());
    }
    // The structure stands in for a header that is too large to come along.
    let header = op.fields.has(Fields::HEADER);
    let fields = match header {
        true => op.fields.with(Fields::STRUCTURE),
        false => op.fields,
    };
    let derived = t.derived(row.email_id, fields)?;
    if op.fields.has(Fields::ENVELOPE) {
        row.envelope = derived.envelope;
    }
    if op.fields.has(Fields::BODY) {
        row.body = derived.body;
    }
    if op.fields.has(Fields::BODY_STRUCTURE) {
        row.body_structure = derived.body_structure;
    }
    let large_header = header && derived.header_len > op.inline;
    if op.fields.has(Fields::STRUCTURE) || large_header {
        row.structure = derived.structure;
    }
    if header && !large_header {
        row.header = match &row.inline {
            Some(all) => all.slice(..octets(derived.header_len).min(all.len())),
            None => t.read(row.email_id, 0, octets(derived.header_len))?,
        };
    }
    Ok(())
}

fn weight(row: &Row) -> usize {
    let parts = [
        &row.envelope,
        &row.body,
        &row.body_structure,
        &row.structure,
        &row.header,
    ];
    let inline = row.inline.as_ref().map_or(0, Bytes::len);
    64 + inline + parts.iter().map(|p| p.len()).sum::<usize>()
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
    t.read(message.email_id, op.offset, op.max)
}

pub(super) fn search(t: &mut dyn Tables, op: &Search) -> Result<SearchPage> {
    let mailbox = by_reference(t, op.actor, op.mailbox)?;
    let mut page = SearchPage::default();
    // Each step is work for each message.
    let steps = 1 + op.program.steps.len() as u64 / 16;
    let mut spent = 0;
    for &(first, last) in op.uids.ranges() {
        let mut from = first;
        loop {
            let messages = t.messages(mailbox.id, from, last, PAGE)?;
            let full = messages.len() == PAGE;
            for message in messages {
                if spent >= WORK {
                    page.resume = Some(message.uid);
                    return Ok(page);
                }
                from = message.uid.get();
                let (uid, modseq) = (message.uid, message.modseq);
                let mut found = Found {
                    tables: &mut *t,
                    message,
                    keywords: &mailbox.keywords,
                    header_len: None,
                    spent: 0,
                };
                found.load_header_len(op)?;
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

struct Found<'a> {
    tables: &'a mut dyn Tables,
    message: Message,
    keywords: &'a Keywords,
    header_len: Option<u64>,
    spent: u64,
}

impl Found<'_> {
    fn load_header_len(&mut self, op: &Search) -> Result<()> {
        use pillarbox_core::search::{Leaf, Step};
        let reads = op.program.steps.iter().any(|step| {
            matches!(
                step,
                Step::Test(Leaf::Sent(..) | Leaf::Header(..) | Leaf::Body(_) | Leaf::Text(_))
            )
        });
        if reads {
            self.header_len = Some(
                self.tables
                    .derived(self.message.email_id, Fields::default())?
                    .header_len,
            );
        }
        Ok(())
    }
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
        let octets = self.tables.read(self.message.email_id, offset, max)?;
        self.spent += octets.len() as u64;
        Ok(octets)
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

fn octets(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

const PAGE: usize = 256;
/// Octets read by one page of a search, or scanned for one of a fetch.
const WORK: u64 = 8 << 20;
const DERIVED: u16 = Fields::ENVELOPE.0
    | Fields::BODY.0
    | Fields::BODY_STRUCTURE.0
    | Fields::STRUCTURE.0
    | Fields::HEADER.0;

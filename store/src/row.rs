//! Rows of FETCH: what is asked for of each message, what comes of its content, and when there are enough.

use bytes::Bytes;
use pillarbox_core::effect::{ErrorKind, Fields, Row};
use pillarbox_core::id::{MailboxId, ModSeq, Uid};

use crate::record::{Derived, Message};
use crate::table::{Result, Tables, WORK};

/// What rows of a page are to tell, and of which messages.
pub(crate) struct Want {
    /// From this UID to that one.
    pub from: u32,
    pub to: u32,
    /// Only of what changed after this.
    pub changed_since: Option<ModSeq>,
    /// The mailbox has keywords: else no message does.
    #[cfg(feature = "sqlite")]
    pub keywords: bool,
    pub fields: Fields,
    /// Messages and headers of at most so many octets come along.
    pub inline: u64,
    /// Rows that weigh so much are enough.
    pub weight: usize,
}

impl Want {
    /// Whether what is known of the messages' content is needed.
    pub(crate) fn needs_content(&self) -> bool {
        self.needs_derived() || self.fields.has(Fields::INLINE)
    }

    /// The forms to be looked up: the structure stands in for a header that is too large to come along.
    pub(crate) fn forms(&self) -> Fields {
        match self.fields.has(Fields::HEADER) {
            true => self.fields.with(Fields::STRUCTURE),
            false => self.fields,
        }
    }

    /// Whether something that was computed from the messages is needed.
    pub(crate) fn needs_derived(&self) -> bool {
        self.fields.0 & DERIVED != 0
    }
}

/// Some rows, ascending by UID.
#[derive(Default)]
pub(crate) struct Rows {
    pub rows: Vec<Row>,
    pub weight: usize,
    /// There were enough, and this is the first message that was not looked at.
    pub next: Option<Uid>,
}

impl Rows {
    /// No row, and room for those that will come: all of a page, as far as pages go, when they are without content.
    pub(crate) fn of(want: &Want) -> Self {
        let span = (want.to.saturating_sub(want.from) as usize).saturating_add(1);
        let most = match want.needs_content() {
            true => 0,
            false => span.min(want.weight / BARE + 1).min(AT_ONCE * 8),
        };
        Self {
            rows: Vec::with_capacity(most),
            ..Self::default()
        }
    }

    /// Whether this message's row is one too many; then it is the next. `scanned`: octets that had to be scanned for the rows so far.
    pub(crate) fn end_at(&mut self, want: &Want, scanned: u64, uid: Uid) -> bool {
        let enough = self.weight >= want.weight || scanned >= WORK;
        self.next = Some(uid).filter(|_| enough && !self.rows.is_empty());
        self.next.is_some()
    }

    #[inline]
    pub(crate) fn push(&mut self, row: Row) {
        self.weight += weight(&row);
        self.rows.push(row);
    }
}

/// Rows of which each is looked up by itself: what is damaged costs itself alone.
pub(crate) fn one_by_one(t: &mut dyn Tables, mailbox: MailboxId, want: &Want) -> Result<Rows> {
    let mut rows = Rows::of(want);
    let (mut from, since) = (want.from, want.changed_since.unwrap_or_default());
    loop {
        let messages = t.messages(mailbox, from, want.to, AT_ONCE)?;
        let last = messages.last().filter(|_| messages.len() == AT_ONCE);
        let next = last.map(|m| m.uid.get().saturating_add(1));
        for message in messages.iter().filter(|m| m.modseq > since) {
            if rows.end_at(want, t.scanned(), message.uid) {
                return Ok(rows);
            }
            rows.push(one(t, message, want)?);
        }
        match next {
            Some(next) if next <= want.to => from = next,
            _ => return Ok(rows),
        }
    }
}

/// The row of one message.
pub(crate) fn one(t: &mut dyn Tables, m: &Message, want: &Want) -> Result<Row> {
    let mut row = bare(m);
    if want.needs_content() {
        let derived = match want.needs_derived() {
            true => t.derived(m.email_id, want.forms()),
            false => Ok(Derived::default()),
        };
        let read = |which| match which {
            Octets::All(len) => t.read(m.email_id, None, 0, len),
            Octets::Header(len) => t.header(m.email_id, None, len),
        };
        fill(&mut row, want, derived, read)?;
    }
    Ok(row)
}

/// A message's row without its content.
#[inline]
pub(crate) fn bare(m: &Message) -> Row {
    Row {
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
    }
}

/// Which octets of a message are read.
#[derive(Clone, Copy)]
pub(crate) enum Octets {
    All(usize),
    Header(usize),
}

/// Puts in what is wanted of the content; damage is told with the row.
pub(crate) fn fill(
    row: &mut Row,
    want: &Want,
    derived: Result<Derived>,
    read: impl FnMut(Octets) -> Result<Bytes>,
) -> Result<()> {
    match derived.and_then(|derived| try_fill(row, want, derived, read)) {
        Err(e) if e.kind == ErrorKind::Corruption => row.damaged = Some(e),
        done => done?,
    }
    Ok(())
}

fn try_fill(
    row: &mut Row,
    want: &Want,
    derived: Derived,
    mut read: impl FnMut(Octets) -> Result<Bytes>,
) -> Result<()> {
    let fields = want.fields;
    if fields.has(Fields::INLINE) && row.size <= want.inline {
        row.inline = Some(read(Octets::All(octets(row.size)))?);
    }
    if fields.has(Fields::ENVELOPE) {
        row.envelope = derived.envelope;
    }
    if fields.has(Fields::BODY) {
        row.body = derived.body;
    }
    if fields.has(Fields::BODY_STRUCTURE) {
        row.body_structure = derived.body_structure;
    }
    let header = fields.has(Fields::HEADER);
    let large_header = header && derived.header_len > want.inline;
    if fields.has(Fields::STRUCTURE) || large_header {
        row.structure = derived.structure;
    }
    if header && !large_header {
        row.header = match &row.inline {
            Some(all) => all.slice(..octets(derived.header_len).min(all.len())),
            None => read(Octets::Header(octets(derived.header_len)))?,
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
    BARE + inline + parts.iter().map(|p| p.len()).sum::<usize>()
}

fn octets(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Messages looked up at once.
const AT_ONCE: usize = 256;
/// What a row weighs besides its content: two pages are held at once.
const BARE: usize = size_of::<Row>();
/// What was computed from the message.
const DERIVED: u16 = Fields::ENVELOPE.0
    | Fields::BODY.0
    | Fields::BODY_STRUCTURE.0
    | Fields::STRUCTURE.0
    | Fields::HEADER.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_whoever_asks_for_everything() {
        let everything = Want {
            from: 1,
            to: u32::MAX,
            changed_since: None,
            #[cfg(feature = "sqlite")]
            keywords: true,
            fields: Fields::default(),
            inline: 0,
            weight: usize::MAX,
        };
        assert!(Rows::of(&everything).rows.capacity() < 10_000);
    }
}

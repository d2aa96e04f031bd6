//! One FETCH response, item by item; it stops where octets of the body are needed.

use alloc::boxed::Box;
use bytes::Bytes;

use super::pieces::{Known, Place, in_pieces};
use super::section::{Content, Recipe, Source, locate};
use crate::ast::FetchItem;
use crate::date::DateTime;
use crate::effect::Row;
use crate::id::Uid;
use crate::message::Structure;
use crate::response;
use crate::session::Session;

/// Writes one row, always the same.
#[derive(Debug)]
pub(super) struct RowWriter {
    seq: u32,
    sets_seen: bool,
    structure: Option<Structure>,
    next: usize,
    begun: bool,
    separate: bool,
    /// Apart, so that the writer of a row without it is small.
    body: Option<Box<Body>>,
    /// A part could not be decoded: the command is to say so.
    pub undecodable: bool,
}

/// What [`RowWriter::write`] came to.
pub(super) enum Written {
    /// The whole row is written.
    Row,
    /// There is no more room in the output.
    Full,
    /// There is room, and others are to have their turn.
    Later,
    /// These octets are needed.
    Read(Range),
}

/// Octets of a message to be read.
pub(super) struct Range {
    pub uid: Uid,
    pub offset: u64,
    pub max: usize,
}

/// An item whose octets come from the store in windows.
#[derive(Debug)]
struct Body {
    content: Content,
    uid: Uid,
    place: Place,
    /// The literal was announced.
    announced: bool,
    arrived: Option<Bytes>,
    /// The first pass is not needed.
    known: bool,
    /// Octets the first pass came to, and whether NUL is among them.
    counted: u64,
    has_nul: bool,
    undecodable: bool,
}

impl RowWriter {
    pub(super) fn new(seq: u32, row: &Row, sets_seen: bool) -> Self {
        Self {
            seq,
            sets_seen,
            structure: Structure::decode(&row.structure),
            next: 0,
            begun: false,
            separate: false,
            body: None,
            undecodable: false,
        }
    }

    /// Octets from where they were needed; what a store gives beyond the part is none of it.
    pub(super) fn feed(&mut self, mut octets: Bytes) {
        if let Some(body) = &mut self.body {
            let left = body.content.span.end - body.place.at;
            octets.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            body.arrived = Some(octets);
        }
    }

    /// Whether a literal was announced whose octets are not all written.
    pub(super) fn in_literal(&self) -> bool {
        self.body.as_ref().is_some_and(|b| b.announced)
    }

    /// The item being written cannot be: NIL stands for it.
    pub(super) fn give_up(&mut self, s: &mut Session) {
        if let Some(body) = self.body.take() {
            body.nothing(s);
            self.next += 1;
        }
    }

    /// `work`: octets that may still be looked through before others have their turn.
    pub(super) fn write(
        &mut self,
        s: &mut Session,
        row: &Row,
        items: &[FetchItem],
        work: &mut usize,
    ) -> Written {
        if !self.begun {
            self.begun = true;
            response::fetch_head(&mut s.out, self.seq);
        }
        while let Some(item) = items.get(self.next) {
            if self.body.is_none() {
                if s.out.len() >= s.config.limits.output_high_water {
                    return Written::Full;
                }
                if *work == 0 {
                    return Written::Later;
                }
                *work = work.saturating_sub(looked_through(row, item));
                if self.separate {
                    s.out.put(b" ");
                }
                self.separate = true;
                match self.item(s, row, item) {
                    Some(body) => self.body = Some(Box::new(body)),
                    None => {
                        self.next += 1;
                        continue;
                    }
                }
            }
            if let Some(range) = self.body(s, row) {
                return Written::Read(range);
            }
            self.body = None;
            self.next += 1;
        }
        if self.sets_seen {
            put_seen(s, row, items);
        }
        s.out.put(b")\r\n");
        Written::Row
    }

    /// Writes an item, or its name, and says where its octets come from.
    fn item(&self, s: &mut Session, row: &Row, item: &FetchItem) -> Option<Body> {
        let out = &mut s.out;
        match item {
            FetchItem::Flags => put_flags(s, row),
            FetchItem::Uid => response::fetch_uid(out, row.uid),
            FetchItem::InternalDate => {
                out.put(b"INTERNALDATE ");
                date(out, row.internal_date);
            }
            FetchItem::Size => {
                out.put(b"RFC822.SIZE ");
                out.number(row.size);
            }
            FetchItem::Envelope => named(out, b"ENVELOPE ", &row.envelope),
            FetchItem::Body => named(out, b"BODY ", &row.body),
            FetchItem::BodyStructure => named(out, b"BODYSTRUCTURE ", &row.body_structure),
            FetchItem::ModSeq => response::fetch_modseq(out, row.modseq),
            FetchItem::SaveDate => {
                out.put(b"SAVEDATE ");
                date(
                    out,
                    DateTime {
                        unix: row.save_date,
                        zone_minutes: 0,
                    },
                );
            }
            FetchItem::EmailId => response::ok_id(out, "EMAILID", &row.email_id),
            FetchItem::ThreadId => response::ok_id(out, "THREADID", &row.thread_id),
            FetchItem::Section { .. } | FetchItem::Binary { .. } | FetchItem::BinarySize(_) => {
                return self.section(s, row, item);
            }
        }
        None
    }

    fn section(&self, s: &mut Session, row: &Row, item: &FetchItem) -> Option<Body> {
        super::section::write_name(&mut s.out, item);
        match locate(item, row, self.structure.as_ref()) {
            Source::Nil => {
                let size_only = matches!(item, FetchItem::BinarySize(_));
                s.out.put(if size_only { b"0" } else { b"NIL" });
                None
            }
            Source::Octets(octets) => {
                s.out.literal_head(octets.len() as u64);
                s.out.splice(&octets);
                None
            }
            Source::Content(content) => Some(Body::new(row.uid, content, s)),
        }
    }

    /// Goes on with an item from the body; the range it needs next, if any.
    fn body(&mut self, s: &mut Session, row: &Row) -> Option<Range> {
        let window = s.config.limits.body_window;
        let body = self.body.as_mut()?;
        loop {
            if body.step(s) {
                self.undecodable |= body.undecodable;
                return None;
            }
            if body.arrived.is_some() {
                continue;
            }
            let max = usize::try_from(body.content.span.end - body.place.at)
                .unwrap_or(usize::MAX)
                .min(window);
            let from = usize::try_from(body.place.at).unwrap_or(usize::MAX);
            match row.inline.as_ref().filter(|whole| from < whole.len()) {
                Some(whole) => {
                    body.arrived = Some(whole.slice(from..whole.len().min(from + max)));
                }
                None => {
                    return Some(Range {
                        uid: row.uid,
                        offset: body.place.at,
                        max,
                    });
                }
            }
        }
    }
}

impl Body {
    fn new(uid: Uid, content: Content, s: &mut Session) -> Self {
        let part = s.selected.as_mut().map(|m| &mut m.part);
        let known = part.and_then(|part| part.take_if(|known| known.is_of(uid, &content)));
        Self {
            uid,
            announced: false,
            arrived: None,
            known: known.is_some(),
            counted: known.as_ref().map_or(0, |known| known.size),
            has_nul: known.as_ref().is_some_and(|known| known.has_nul),
            place: known.map_or_else(|| Place::start(&content), |known| known.place),
            content,
            undecodable: false,
        }
    }

    /// Uses what arrived; whether the item is written.
    fn step(&mut self, s: &mut Session) -> bool {
        if core::mem::take(&mut self.known) {
            return self.announce(s);
        }
        if self.arrived.is_none() && self.place.at < self.content.span.end {
            return false;
        }
        match self.content.recipe {
            Recipe::Raw => self.raw(s),
            Recipe::Fields { .. } | Recipe::Binary { .. } => self.filtered(s),
        }
    }

    fn raw(&mut self, s: &mut Session) -> bool {
        let end = self.content.span.end;
        if !self.announced {
            self.announced = true;
            s.out.literal_head(end - self.place.at);
        }
        if let Some(octets) = self.take() {
            s.out.splice(&octets);
        }
        self.place.at >= end
    }

    fn take(&mut self) -> Option<Bytes> {
        let octets = self.arrived.take()?;
        self.place.at += octets.len() as u64;
        Some(octets)
    }

    /// Two passes: the first counts and checks, the second writes, so that a large part is never held.
    fn filtered(&mut self, s: &mut Session) -> bool {
        let in_pieces = self.announced && in_pieces(&self.content.recipe).is_some();
        let before = in_pieces.then(|| self.place.clone());
        let end = self.content.span.end;
        let octets = self.take().unwrap_or_default();
        let Ok(filtered) = self.place.filter.feed(&octets, self.place.at >= end) else {
            self.undecodable = true;
            self.nothing(s);
            return true;
        };
        if self.announced {
            return self.write(s, &filtered, before);
        }
        self.counted += filtered.len() as u64;
        self.has_nul |= memchr::memchr(0, &filtered).is_some();
        if self.place.at < end {
            return false;
        }
        if self.content.recipe.size_only() {
            s.out.number(self.counted);
            return true;
        }
        self.place = Place::start(&self.content);
        self.announce(s)
    }

    /// What stands for content that cannot be given; a size is a number.
    fn nothing(&self, s: &mut Session) {
        let size_only = self.content.recipe.size_only();
        s.out.put(if size_only { b"0" } else { b"NIL" });
    }

    /// The head of the literal, `literal8` if NUL is in it (RFC 3516 §4.3); whether that is all.
    fn announce(&mut self, s: &mut Session) -> bool {
        let (from, to) = super::section::clamp(self.content.recipe.partial(), self.counted);
        s.out.put(if self.has_nul { b"~" } else { b"" });
        s.out.literal_head(to - from);
        self.announced = true;
        if self.place.passed > from {
            self.place = Place::start(&self.content);
        }
        if from == to {
            self.remember(s, Some(self.place.clone()));
        }
        from == to
    }

    /// Writes what is wanted of a window; whether that was the last.
    fn write(&mut self, s: &mut Session, filtered: &[u8], before: Option<Place>) -> bool {
        let (from, to) = super::section::clamp(self.content.recipe.partial(), self.counted);
        let (low, high) = (self.place.passed, self.place.passed + filtered.len() as u64);
        self.place.passed = high;
        let (a, b) = (from.clamp(low, high) - low, to.clamp(low, high) - low);
        // Both are at most the length of `filtered`.
        s.out
            .put(&filtered[usize::try_from(a).unwrap_or(0)..usize::try_from(b).unwrap_or(0)]);
        if high >= to {
            self.remember(s, before);
        }
        high >= to
    }

    /// The next piece goes on at this place.
    fn remember(&self, s: &mut Session, place: Option<Place>) {
        let known = place.and_then(|place| {
            Known::new(self.uid, &self.content, self.counted, self.has_nul, place)
        });
        if let (Some(known), Some(selected)) = (known, &mut s.selected) {
            selected.part = Some(Box::new(known));
        }
    }
}

/// Octets of a row that an item is looked for in, at the most: what does not come with the row is asked for window by window.
fn looked_through(row: &Row, item: &FetchItem) -> usize {
    match item {
        FetchItem::Section { .. } | FetchItem::Binary { .. } | FetchItem::BinarySize(_) => {
            row.header.len() + row.inline.as_ref().map_or(0, Bytes::len)
        }
        _ => 0,
    }
}

/// A FETCH that set \Seen tells the flags, and with CONDSTORE UID and MODSEQ too, asked for or not (RFC 7162 §3.2.4).
fn put_seen(s: &mut Session, row: &Row, items: &[FetchItem]) {
    if let Some(selected) = &mut s.selected {
        selected.told_flags(row.uid, row.modseq);
    }
    let lacks = |item| !items.contains(&item);
    if lacks(FetchItem::Flags) {
        s.out.put(b" ");
        put_flags(s, row);
    }
    if !s.enabled.condstore {
        return;
    }
    if lacks(FetchItem::Uid) {
        s.out.put(b" ");
        response::fetch_uid(&mut s.out, row.uid);
    }
    if lacks(FetchItem::ModSeq) {
        s.out.put(b" ");
        response::fetch_modseq(&mut s.out, row.modseq);
    }
}

fn put_flags(s: &mut Session, row: &Row) {
    if let Some(selected) = &s.selected {
        selected.write_flags(&mut s.out, s.enabled, row.uid, row.flags);
    }
}

fn named(out: &mut crate::wire::output::Output, name: &[u8], wire: &Bytes) {
    out.put(name);
    out.splice(wire);
}

fn date(out: &mut crate::wire::output::Output, date: DateTime) {
    out.put(b"\"");
    out.put(&date.text());
    out.put(b"\"");
}

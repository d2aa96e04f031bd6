//! FETCH and UID FETCH (RFC 9051 §6.4.5): pages of rows, each written item by item; bodies are spliced or streamed, never held whole.

mod asked;
mod pieces;
mod row;
mod section;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::ast::{FetchItem, SequenceSet};
use crate::command::walk::Walk;
use crate::command::{completed, reply, spans};
use crate::effect::{
    Changes, ChangesSince, ErrorKind, Fetch, FetchPage, Fields, FlagOp, Outcome, ReadBody, Row,
    SetFlags, StoreError,
};
use crate::flag::{FlagNames, SystemFlags};
use crate::id::{ModSeq, Uid};
use crate::response;
use crate::session::{CloseReason, Done, Input, Session, Step, Task};
use crate::set::UidSet;
use asked::{fields, needs_content, numbers, sets_seen, with_implied};
pub(crate) use pieces::Known;
use row::RowWriter;

/// Messages whose \Seen is set before their bodies are read.
const SEEN_WINDOW: u64 = 100;
/// Octets of headers and bodies that are looked through before others have their turn: a few milliseconds. Thousands of sections may be asked for.
const WORK: usize = 1 << 20;

#[derive(Debug)]
struct Fetching {
    uid: bool,
    items: Box<[FetchItem]>,
    fields: Fields,
    changed_since: Option<ModSeq>,
    sets_seen: bool,
    walk: Walk,
    window: UidSet,
    /// Messages whose \Seen this command set: their FLAGS are told.
    seen: UidSet,
    /// The modseq of that change, until its rows are written.
    made: Option<ModSeq>,
    /// What is gone and is still to be told, and from which UID on more may be (RFC 7162 §3.2.6).
    vanished: UidSet,
    more: Option<Uid>,
    /// The page being written, and which of its rows is the next.
    rows: Vec<Row>,
    row: usize,
    writing: Option<RowWriter>,
    ahead: Ahead,
    at: At,
    /// Messages asked for and not served.
    missing: bool,
    trouble: Option<StoreError>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Vanished,
    Telling,
    Changed,
    Seen,
    Page,
    Rows,
    Body,
}

/// The next page, which the store reads while the rows of this one are written.
#[derive(Debug)]
enum Ahead {
    Nothing,
    /// It was asked for; `needed`: nothing can be done before it is there.
    Asked {
        needed: bool,
    },
    There(Result<FetchPage, StoreError>),
}

pub(crate) fn begin(
    s: &mut Session,
    uid: bool,
    set: &SequenceSet,
    items: Vec<FetchItem>,
    changed_since: Option<ModSeq>,
    vanished: bool,
) -> Step {
    if vanished && !s.enabled.qresync {
        return Step::Done(Done::bad("ENABLE QRESYNC first"));
    }
    let spans = match spans(s, uid, set) {
        Ok(spans) => spans,
        Err(done) => return Step::Done(done),
    };
    if changed_since.is_some() || items.contains(&FetchItem::ModSeq) {
        s.enable_condstore();
    }
    let read_only = s.selected.as_ref().is_none_or(|m| m.read_only);
    let mut fetching = Fetching {
        uid,
        fields: fields(&items),
        sets_seen: !read_only && items.iter().any(sets_seen),
        items: with_implied(items, uid, changed_since.is_some()).into(),
        changed_since,
        walk: Walk::new(spans),
        window: UidSet::new(),
        seen: UidSet::new(),
        made: None,
        vanished: UidSet::new(),
        more: None,
        rows: Vec::new(),
        row: 0,
        writing: None,
        ahead: Ahead::Nothing,
        at: At::Page,
        missing: false,
        trouble: None,
    };
    let first = if vanished {
        // Here the set is one of numbers: what it names is mostly not there any more.
        let last = s.selected.as_ref().and_then(|m| m.view.last_uid());
        fetching.window = numbers(set, last);
        fetching.ask_vanished(s, fetching.window.first().unwrap_or(Uid::MIN))
    } else {
        fetching.next_window(s)
    };
    match first {
        Step::Done(done) => Step::Done(done),
        _ => Step::Become(Box::new(fetching)),
    }
}

impl Fetching {
    fn ask_vanished(&mut self, s: &mut Session, from: Uid) -> Step {
        let Some(selected) = &s.selected else {
            return Step::Gone;
        };
        self.at = At::Vanished;
        s.ask(Changes {
            actor: s.actor(),
            mailbox: selected.mailbox,
            since: self.changed_since.unwrap_or_default(),
            known_below: core::num::NonZeroU32::MAX,
            claim_recent: false,
            from,
            ranges: s.config.limits.ranges_page,
            // Those are fetched below.
            limit: 0,
        })
    }

    fn vanished(&mut self, s: &Session, changes: &ChangesSince) -> Step {
        if let Some(selected) = &s.selected {
            let gone = changes.gone.intersection(&self.window);
            self.vanished = selected.view.missing(&gone);
        }
        let last = self.window.last();
        self.more = changes.more.filter(|uid| Some(*uid) <= last);
        self.at = At::Telling;
        Step::Again
    }

    /// VANISHED (EARLIER), as there is room for it.
    fn tell_vanished(&mut self, s: &mut Session) -> Step {
        while !self.vanished.is_empty() {
            if s.out.len() >= s.config.limits.output_high_water {
                return Step::Again;
            }
            response::vanished_some(&mut s.out, &mut self.vanished, true);
        }
        match self.more.take() {
            Some(from) => self.ask_vanished(s, from),
            None => {
                self.window = UidSet::new();
                self.next_window(s)
            }
        }
    }

    fn next_window(&mut self, s: &mut Session) -> Step {
        // Only now does the client know what this command changed: a store that failed in between leaves it to be told later.
        if let (Some(modseq), None, Some(selected)) =
            (self.made.take(), &self.trouble, &mut s.selected)
        {
            selected.made(modseq);
        }
        if !self.walk.is_more(s, 1) {
            return Step::Done(self.done(s));
        }
        if !self.sets_seen {
            self.window = self.walk.take(u64::MAX);
            return self.ask_page(s);
        }
        self.window = self.walk.take(SEEN_WINDOW);
        match self.changed_since {
            // What did not change is not fetched, and so not seen (RFC 7162 §3.1.4.1).
            Some(_) => self.ask_rows(s, At::Changed, Fields::default()),
            None => self.set_seen(s),
        }
    }

    /// The window is what changed in it.
    fn changed(&mut self, s: &mut Session, page: &FetchPage) -> Step {
        if let Some(resume) = page.resume {
            self.walk.put_back(&self.window.split_off_from(resume));
        }
        self.window = page.rows.iter().map(|row| row.uid).collect();
        if self.window.is_empty() {
            return self.next_window(s);
        }
        self.set_seen(s)
    }

    fn set_seen(&mut self, s: &mut Session) -> Step {
        let Some(selected) = &s.selected else {
            return Step::Gone;
        };
        self.at = At::Seen;
        s.ask(SetFlags {
            actor: s.actor(),
            mailbox: selected.mailbox,
            uids: self.window.clone(),
            op: FlagOp::Add,
            flags: FlagNames {
                system: SystemFlags::SEEN,
                keywords: Vec::new(),
            },
            unchanged_since: None,
        })
    }

    fn ask_page(&mut self, s: &mut Session) -> Step {
        self.ask_rows(s, At::Page, self.fields)
    }

    fn ask_rows(&mut self, s: &mut Session, at: At, fields: Fields) -> Step {
        let Some(selected) = &s.selected else {
            return Step::Gone;
        };
        self.at = at;
        s.ask(Fetch {
            actor: s.actor(),
            mailbox: selected.mailbox,
            uids: self.window.clone(),
            changed_since: self.changed_since,
            fields,
            inline: s.config.limits.inline_body,
            budget: s.config.limits.fetch_page,
        })
    }

    fn page(&mut self, s: &mut Session, page: FetchPage) -> Step {
        let asked = match page.resume {
            Some(resume) => {
                let rest = self.window.split_off_from(resume);
                core::mem::replace(&mut self.window, rest)
            }
            None => core::mem::take(&mut self.window),
        };
        let got: u64 = page.rows.len() as u64;
        self.missing |= self.changed_since.is_none() && got < asked.len();
        if let Some(selected) = &mut s.selected {
            selected.learn_keywords(&mut s.out, &page.keywords);
            // A row may be newer than any notice: what else happened up to it is asked for before the tagged answer (RFC 7162 §3.2).
            if let Some(newest) = page.rows.iter().map(|row| row.modseq).max() {
                selected.heard(newest);
            }
        }
        (self.rows, self.row) = (page.rows, 0);
        if !self.window.is_empty() && s.out.len() < s.config.limits.output_high_water {
            self.ahead = Ahead::Asked { needed: false };
            self.ask_page(s);
        }
        self.at = At::Rows;
        Step::Again
    }

    fn write_rows(&mut self, s: &mut Session) -> Step {
        let mut work = WORK;
        loop {
            if s.out.len() >= s.config.limits.output_high_water {
                return Step::Again;
            }
            if self.writing.is_none() {
                self.writing = self.next_row(s);
            }
            let (Some(writer), Some(row)) = (&mut self.writing, self.rows.get(self.row)) else {
                self.rows = Vec::new();
                return self.next_page(s);
            };
            match writer.write(s, row, &self.items, &mut work) {
                row::Written::Row => {
                    if writer.undecodable {
                        self.trouble = Some(StoreError::new(
                            ErrorKind::UnknownCte,
                            "A part is not in the encoding it claims",
                        ));
                    }
                    self.writing = None;
                    self.row += 1;
                }
                row::Written::Full => return Step::Again,
                row::Written::Later => return Step::Yield,
                row::Written::Read(_) if self.needs_ahead() => return Step::Wait,
                row::Written::Read(read) => {
                    self.at = At::Body;
                    return self.read(s, read);
                }
            }
        }
    }

    fn next_page(&mut self, s: &mut Session) -> Step {
        if self.needs_ahead() {
            return Step::Wait;
        }
        match core::mem::replace(&mut self.ahead, Ahead::Nothing) {
            Ahead::There(Ok(page)) => self.page(s, page),
            Ahead::There(Err(error)) => Step::Done(s.failed("Fetch", &error)),
            Ahead::Nothing | Ahead::Asked { .. } if self.window.is_empty() => self.next_window(s),
            Ahead::Nothing | Ahead::Asked { .. } => self.ask_page(s),
        }
    }

    /// Whether the next page is on its way: no other question can be put before it is there.
    fn needs_ahead(&mut self) -> bool {
        match &mut self.ahead {
            Ahead::Asked { needed } => {
                *needed = true;
                true
            }
            Ahead::Nothing | Ahead::There(_) => false,
        }
    }

    /// Passes over rows that are not told.
    fn next_row(&mut self, s: &mut Session) -> Option<RowWriter> {
        loop {
            let row = self.rows.get(self.row)?;
            let seq = s.selected.as_ref().and_then(|m| m.view.seq_of(row.uid));
            match (seq, &row.damaged) {
                // That message only: the others are served (RFC 5530 §3 CORRUPTION).
                (Some(_), Some(error)) if needs_content(self.fields) => {
                    self.trouble = Some(error.clone());
                }
                (Some(seq), _) => {
                    let sets_seen = self.seen.contains(row.uid);
                    return Some(RowWriter::new(seq, row, sets_seen));
                }
                (None, _) => {}
            }
            self.row += 1;
        }
    }

    fn read(&self, s: &mut Session, read: row::Range) -> Step {
        let Some(selected) = &s.selected else {
            return Step::Gone;
        };
        s.ask(ReadBody {
            actor: s.actor(),
            mailbox: selected.mailbox,
            uid: read.uid,
            offset: read.offset,
            max: read.max,
        })
    }

    fn body(&mut self, s: &mut Session, outcome: Outcome) -> Step {
        self.at = At::Rows;
        match (reply::<ReadBody>(outcome), &mut self.writing) {
            (Ok(octets), Some(writer)) if !octets.is_empty() => {
                writer.feed(octets);
                Step::Again
            }
            (Ok(_), _) => self.broken(
                s,
                StoreError::new(
                    ErrorKind::Corruption,
                    "The stored message is shorter than it should be",
                ),
            ),
            (Err(error), _) => self.broken(s, error),
        }
    }

    /// A body could not be read: inside a literal there is no way to say so but to end the session.
    fn broken(&mut self, s: &mut Session, error: StoreError) -> Step {
        s.store_failed("ReadBody", &error);
        let Some(writer) = self.writing.as_mut().filter(|w| !w.in_literal()) else {
            s.close(CloseReason::ServerBug);
            return Step::Input;
        };
        writer.give_up(s);
        self.trouble = Some(error);
        Step::Again
    }

    fn done(&mut self, s: &mut Session) -> Done {
        match self.trouble.take() {
            Some(error) => s.failed("Fetch", &error),
            None if self.missing && !self.uid => {
                Done::no("[EXPUNGEISSUED] Some of the messages are gone")
            }
            None => completed(self.uid, "FETCH"),
        }
    }
}

impl Task for Fetching {
    fn goes_on(&self) -> bool {
        matches!(self.ahead, Ahead::Asked { needed: false })
    }

    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let outcome = match input {
            Input::Reply(outcome) => outcome,
            _ if self.at == At::Rows => return self.write_rows(s),
            _ if self.at == At::Telling => return self.tell_vanished(s),
            _ => return Step::Input,
        };
        match self.at {
            At::Vanished => match reply::<Changes>(outcome) {
                Ok(changes) => self.vanished(s, &changes),
                Err(error) => Step::Done(s.failed("Changes", &error)),
            },
            At::Seen => match reply::<SetFlags>(outcome) {
                Ok(set) => {
                    self.seen = set.changed;
                    self.made = set.modseq;
                    if let (Some(modseq), Some(selected)) = (set.modseq, &mut s.selected) {
                        selected.heard(modseq);
                    }
                    self.ask_page(s)
                }
                Err(error) => Step::Done(s.failed("SetFlags", &error)),
            },
            At::Changed => match reply::<Fetch>(outcome) {
                Ok(page) => self.changed(s, &page),
                Err(error) => Step::Done(s.failed("Fetch", &error)),
            },
            At::Page => match reply::<Fetch>(outcome) {
                Ok(page) => self.page(s, page),
                Err(error) => Step::Done(s.failed("Fetch", &error)),
            },
            At::Body => self.body(s, outcome),
            At::Rows => {
                self.ahead = Ahead::There(reply::<Fetch>(outcome));
                Step::Again
            }
            At::Telling => Step::Again,
        }
    }
}

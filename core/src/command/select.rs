//! SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051 §6.3.2, §6.3.3, §6.4.1, §6.4.2; RFC 7162 §3.2.5).

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::ast::{Qresync, SelectParams};
use crate::command::mailboxes::differs;
use crate::command::{list, name, reply};
use crate::effect::{Changes, ChangesSince, Expunge, Fetch, Open, Opened, Outcome, Unwatch, Watch};
use crate::flag::Flags;
use crate::id::{ModSeq, Uid};
use crate::response;
use crate::session::{Done, Enabled, Input, Selected, Session, Step, Task, changed};
use crate::set::UidSet;
use crate::view::Blocks;
use crate::wire::output::Output;

/// Told when a SELECT leaves a mailbox, whether or not it opens another.
const CLOSED: &[u8] = b"* OK [CLOSED] The mailbox before is closed\r\n";

/// From Unwatch of the old mailbox over Open and Watch to the answers.
#[derive(Debug)]
struct Select {
    open: Open,
    read_only: bool,
    qresync: Option<Box<Qresync>>,
    at: At,
    opened: Option<Box<Opened>>,
    missed: Option<Box<Missed>>,
    /// The name as it was sent, where it is not in its normal form.
    old_name: Option<Bytes>,
}

/// What a client of QRESYNC is still to be told.
#[derive(Debug)]
struct Missed {
    gone: UidSet,
    known: UidSet,
    /// As the store told of it first; what came and what is gone comes in pages.
    changes: Box<ChangesSince>,
    /// Changes of flags that were looked at.
    flags: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Leaving,
    Opening,
    Watching,
    Resynchronizing,
    Paging,
}

pub(crate) fn begin(
    s: &mut Session,
    mailbox: &Bytes,
    read_only: bool,
    params: SelectParams,
) -> Step {
    if params.qresync.is_some() && !s.enabled.qresync {
        return Step::Done(Done::bad("ENABLE QRESYNC first"));
    }
    if params.condstore {
        s.enabled.condstore = true;
    }
    let actor = s.actor();
    // A bad name deselects all the same (RFC 9051 §6.3.2).
    let name = match name(s, mailbox) {
        Ok(name) => name,
        Err(done) => {
            if s.selected.is_some() {
                s.out.put(CLOSED);
            }
            return leave(s, done);
        }
    };
    let denormal = differs(s, mailbox, &name);
    let open = Open {
        actor,
        name,
        read_only,
    };
    let mut select = Select {
        open,
        read_only,
        qresync: params.qresync,
        at: At::Leaving,
        opened: None,
        missed: None,
        old_name: denormal.then(|| mailbox.clone()),
    };
    select.leave(s);
    Step::Become(Box::new(select))
}

impl Select {
    fn leave(&mut self, s: &mut Session) {
        match s.selected.take() {
            Some(old) => {
                let _ = s.ask(Unwatch {
                    mailbox: old.mailbox,
                });
                s.out.put(CLOSED);
            }
            None => {
                self.at = At::Opening;
                let _ = s.ask(self.open.clone());
            }
        }
        s.saved = Blocks::default();
    }

    fn opened(&mut self, s: &mut Session, opened: Box<Opened>) -> Step {
        self.at = At::Watching;
        let watch = Watch {
            actor: self.open.actor,
            mailbox: opened.mailbox,
        };
        self.opened = Some(opened);
        s.ask(watch)
    }

    fn watched(&mut self, s: &mut Session) -> Step {
        let Some(opened) = self.opened.take() else {
            return Step::Done(Done::no("[SERVERBUG] The mailbox was not opened"));
        };
        let read_only = self.read_only || opened.read_only;
        let mut selected = Selected::new(&opened, read_only);
        self.write(s, &opened, &mut selected, read_only);
        self.read_only = read_only;
        let resync = self.resync(s, &opened, &selected);
        s.selected = Some(Box::new(selected));
        match resync {
            Some(changes) => {
                self.at = At::Resynchronizing;
                s.ask(changes)
            }
            None => self.done(),
        }
    }

    fn write(&self, s: &mut Session, opened: &Opened, selected: &mut Selected, read_only: bool) {
        let out = &mut s.out;
        response::flags(out, &opened.keywords);
        response::permanent_flags(out, &opened.keywords, read_only);
        response::exists(out, u64::from(selected.view.len()));
        if !s.enabled.rev2 {
            response::recent(out, selected.recent_len());
            if let Some(seq) = opened
                .first_unseen
                .and_then(|uid| selected.view.seq_of(uid))
            {
                response::ok_code(out, format_args!("UNSEEN {seq}"), "First unseen");
            }
        }
        response::ok_code(
            out,
            format_args!("UIDVALIDITY {}", opened.uid_validity.0),
            "UIDs are valid",
        );
        response::ok_code(
            out,
            format_args!("UIDNEXT {}", opened.uid_next),
            "Predicted next UID",
        );
        response::ok_code(
            out,
            format_args!("HIGHESTMODSEQ {}", opened.highest_modseq.0),
            "Highest",
        );
        response::ok_code(
            out,
            format_args!("MAILBOXID ({})", opened.mailbox.id),
            "Its identity",
        );
        if s.enabled.rev2 {
            list::write_selected(out, &opened.name, self.old_name.as_deref());
        }
    }

    /// What a client of QRESYNC missed is asked for, if it knows this mailbox at all.
    fn resync(&self, s: &Session, opened: &Opened, selected: &Selected) -> Option<Changes> {
        let qresync = self.qresync.as_ref()?;
        (qresync.uid_validity == opened.uid_validity.0).then(|| Changes {
            actor: self.open.actor,
            mailbox: opened.mailbox,
            since: qresync.modseq,
            known_below: core::num::NonZeroU32::MAX,
            claim_recent: false,
            from: self.unmatched(selected),
            ranges: s.config.limits.ranges_page,
            limit: s.config.limits.changes_page,
        })
    }

    fn resynced(&mut self, s: &mut Session, outcome: Outcome) -> Step {
        let changes = match reply::<Changes>(outcome) {
            Ok(changes) => changes,
            Err(error) => {
                let done = s.failed("Changes", &error);
                return leave(s, done);
            }
        };
        let Some(selected) = &s.selected else {
            return self.done();
        };
        let missed = match self.missed.take() {
            Some(mut missed) => {
                missed.changes.take_uids(*changes);
                missed
            }
            None => Box::new(Missed {
                gone: UidSet::new(),
                known: self.known(),
                changes,
                flags: 0,
            }),
        };
        self.missed = Some(missed.of(selected));
        Step::Again
    }

    /// What the client missed, as there is room for it; what is gone comes before any flags (RFC 7162 §3.2.6).
    fn tell_missed(&mut self, s: &mut Session, mut missed: Box<Missed>) -> Step {
        let Some(selected) = &mut s.selected else {
            return self.done();
        };
        while s.out.len() < s.config.limits.output_high_water {
            if !missed.gone.is_empty() {
                response::vanished_some(&mut s.out, &mut missed.gone, true);
                continue;
            }
            let more = missed.changes.more.take();
            if let Some(from) = more.filter(|uid| uid.get() < selected.uid_next.get()) {
                return self.ask_gone(s, missed, from);
            }
            if missed.flags == 0 {
                selected.learn_keywords(&mut s.out, &missed.changes.keywords);
            }
            let Some(&change) = missed.changes.flags.get(missed.flags) else {
                return match missed.changes.resume {
                    Some(from) => self.ask_page(s, missed, from),
                    None => self.done(),
                };
            };
            missed.flags += 1;
            if missed.known.contains(change.0) {
                tell_flags(&mut s.out, s.enabled, selected, change);
            }
        }
        self.missed = Some(missed);
        Step::Again
    }

    /// More of what is gone than came at once.
    fn ask_gone(&mut self, s: &mut Session, missed: Box<Missed>, from: Uid) -> Step {
        let (Some(selected), Some(qresync)) = (&s.selected, &self.qresync) else {
            return self.done();
        };
        self.missed = Some(missed);
        s.ask(Changes {
            actor: self.open.actor,
            mailbox: selected.mailbox,
            since: qresync.modseq,
            known_below: core::num::NonZeroU32::MAX,
            claim_recent: false,
            from,
            ranges: s.config.limits.ranges_page,
            limit: 0,
        })
    }

    /// More of the changes of flags than came at once.
    fn ask_page(&mut self, s: &mut Session, missed: Box<Missed>, from: Uid) -> Step {
        let (Some(selected), Some(qresync)) = (&s.selected, &self.qresync) else {
            return self.done();
        };
        let (mailbox, since) = (selected.mailbox, qresync.modseq);
        let uids = UidSet::range(from, Uid::MAX);
        self.missed = Some(missed);
        self.at = At::Paging;
        s.ask(changed(s, mailbox, uids, since))
    }

    fn page(&mut self, s: &mut Session, outcome: Outcome) -> Step {
        let page = match reply::<Fetch>(outcome) {
            Ok(page) => page,
            Err(error) => {
                let done = s.failed("Fetch", &error);
                return leave(s, done);
            }
        };
        // A row may be newer than an expunge that is not told here; HIGHESTMODSEQ, told already, is not (RFC 7162 §3.2.5).
        let Some(missed) = &mut self.missed else {
            return self.done();
        };
        missed.flags = 0;
        missed.changes.take_page(page);
        Step::Again
    }

    /// The UIDs the client may know: those it names, else all.
    fn known(&self) -> UidSet {
        let named = self.qresync.as_ref().and_then(|q| q.known_uids.as_ref());
        named.map_or_else(every_uid, numbers)
    }

    /// The first UID whose message may be gone without the client's knowing: where its sequence numbers still match ours, only those after
    /// (RFC 7162 §3.2.5.2).
    fn unmatched(&self, selected: &Selected) -> Uid {
        let seq_match = self.qresync.as_ref().and_then(|q| q.seq_match.as_ref());
        let Some((seqs, uids)) = seq_match else {
            return Uid::MIN;
        };
        let (seqs, uids) = (numbers(seqs), numbers(uids));
        let matches = |n| {
            let pair = seqs.nth(n).zip(uids.nth(n));
            pair.is_some_and(|(seq, uid)| selected.view.seq_of(uid) == Some(seq.get()))
        };
        // Up to a pair that matches nothing is gone, so those before it match as well: there may be millions.
        let (mut matched, mut end) = (0, seqs.len().min(uids.len()));
        while matched < end {
            let middle = matched + (end - matched) / 2;
            if matches(middle) {
                matched = middle + 1;
            } else {
                end = middle;
            }
        }
        let last = matched.checked_sub(1).and_then(|n| uids.nth(n));
        last.and_then(|uid| uid.get().checked_add(1))
            .and_then(Uid::new)
            .unwrap_or(Uid::MIN)
    }

    fn done(&self) -> Step {
        Step::Done(match self.read_only {
            true if self.open.read_only => Done::ok("[READ-ONLY] EXAMINE completed"),
            true => Done::ok("[READ-ONLY] SELECT completed"),
            false => Done::ok("[READ-WRITE] SELECT completed"),
        })
    }
}

impl Missed {
    /// Of a page of what is gone that which the client may know, as it was when the mailbox was opened.
    fn of(mut self: Box<Self>, selected: &Selected) -> Box<Self> {
        let ever = UidSet::from_ranges([(1, selected.uid_next.get() - 1)]);
        let gone = core::mem::take(&mut self.changes.gone);
        let gone = gone.intersection(&self.known).intersection(&ever);
        self.gone = selected.view.missing(&gone);
        self
    }
}

fn tell_flags(
    out: &mut Output,
    enabled: Enabled,
    selected: &Selected,
    (uid, modseq, flags): (Uid, ModSeq, Flags),
) {
    let Some(seq) = selected.view.seq_of(uid) else {
        return;
    };
    response::fetch_head(out, seq);
    response::fetch_uid(out, uid);
    out.put(b" ");
    selected.write_flags(out, enabled, uid, flags);
    out.put(b" ");
    response::fetch_modseq(out, modseq);
    out.put(b")\r\n");
}

fn every_uid() -> UidSet {
    UidSet::range(Uid::MIN, Uid::MAX)
}

/// A set without `*`, as it stands.
fn numbers(set: &crate::ast::SequenceSet) -> UidSet {
    use crate::ast::{SeqNumber, SequenceSet};
    let SequenceSet::Ranges(ranges) = set else {
        return UidSet::new();
    };
    let number = |n: &SeqNumber| match n {
        SeqNumber::Number(n) => n.get(),
        SeqNumber::Last => u32::MAX,
    };
    let ranges: Vec<(u32, u32)> = ranges.iter().map(|(a, b)| (number(a), number(b))).collect();
    UidSet::from_ranges(ranges)
}

impl Task for Select {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let outcome = match input {
            Input::Reply(outcome) => outcome,
            _ => match self.missed.take() {
                Some(missed) => return self.tell_missed(s, missed),
                None => return Step::Input,
            },
        };
        match self.at {
            At::Leaving => {
                self.at = At::Opening;
                s.ask(self.open.clone())
            }
            At::Opening => match reply::<Open>(outcome) {
                Ok(opened) => self.opened(s, opened),
                Err(error) => Step::Done(s.failed("Open", &error)),
            },
            At::Watching => match reply::<Watch>(outcome) {
                Ok(()) => self.watched(s),
                Err(error) => Step::Done(s.failed("Watch", &error)),
            },
            At::Resynchronizing => self.resynced(s, outcome),
            At::Paging => self.page(s, outcome),
        }
    }
}

/// CLOSE: removes what is \Deleted without a word, unless the mailbox is read-only.
pub(crate) fn close(s: &mut Session) -> Step {
    let Some(selected) = &s.selected else {
        return Step::Done(Done::bad("Select a mailbox first"));
    };
    if selected.read_only {
        return leave(s, Done::ok("CLOSE completed"));
    }
    let _ = s.ask(Expunge {
        actor: s.actor(),
        mailbox: selected.mailbox,
        uids: selected.view.uids(),
    });
    Step::Become(Box::new(Close))
}

#[derive(Debug)]
struct Close;

impl Task for Close {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let Input::Reply(outcome) = input else {
            return Step::Input;
        };
        let done = match reply::<Expunge>(outcome) {
            // Only what CLOSE itself removed can be vouched for, and of that nothing is told: no HIGHESTMODSEQ (RFC 7162 §3.2.8).
            Ok(_) => Done::ok("CLOSE completed"),
            Err(error) => s.failed("Expunge", &error),
        };
        leave(s, done)
    }
}

/// UNSELECT (RFC 3691).
pub(crate) fn unselect(s: &mut Session) -> Step {
    leave(s, Done::ok("UNSELECT completed"))
}

/// Leaves the selected mailbox, then answers.
fn leave(s: &mut Session, done: Done) -> Step {
    s.saved = Blocks::default();
    match s.selected.take() {
        Some(old) => {
            let _ = s.ask(Unwatch {
                mailbox: old.mailbox,
            });
            Step::Become(Box::new(Leave(Some(done))))
        }
        None => Step::Done(done),
    }
}

#[derive(Debug)]
struct Leave(Option<Done>);

impl Task for Leave {
    fn step(&mut self, _s: &mut Session, input: Input) -> Step {
        match (input, self.0.take()) {
            (Input::Reply(_), Some(done)) => Step::Done(done),
            (_, done) => {
                self.0 = done;
                Step::Input
            }
        }
    }
}

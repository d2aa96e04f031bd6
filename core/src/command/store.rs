//! STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use alloc::boxed::Box;

use crate::ast::SequenceSet;
use crate::command::walk::Walk;
use crate::command::{completed, reply, spans};
use crate::effect::{FlagOp, FlagsSet, SetFlags, StoreError};
use crate::flag::{FlagNames, Flags};
use crate::id::{ModSeq, Uid};
use crate::response::{self, Code};
use crate::session::{Done, Enabled, Input, Selected, Session, Step, Task};
use crate::view::Blocks;
use crate::wire::output::Output;

/// What is to change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub unchanged_since: Option<ModSeq>,
    pub op: FlagOp,
    pub silent: bool,
    pub flags: FlagNames,
}

#[derive(Debug)]
struct Storing {
    uid: bool,
    change: Change,
    walk: Walk,
    refused: Blocks,
    gone: bool,
    /// What the client knew before.
    told: ModSeq,
    /// What is being told, and how many of its rows were looked at.
    telling: Option<(FlagsSet, usize)>,
}

pub(crate) fn begin(s: &mut Session, uid: bool, set: &SequenceSet, change: Change) -> Step {
    let spans = match spans(s, uid, set) {
        Ok(spans) => spans,
        Err(done) => return Step::Done(done),
    };
    if s.selected.as_ref().is_some_and(|m| m.read_only) {
        return Step::Done(Done::no("[READ-ONLY] The mailbox is open read-only"));
    }
    if change.unchanged_since.is_some() {
        s.enable_condstore();
    }
    let mut storing = Storing {
        uid,
        change,
        walk: Walk::new(spans),
        refused: Blocks::default(),
        gone: false,
        told: s.selected.as_ref().map_or(ModSeq(0), |m| m.told),
        telling: None,
    };
    match storing.go_on(s) {
        Step::Done(done) => Step::Done(done),
        _ => Step::Become(Box::new(storing)),
    }
}

impl Storing {
    /// Changes the next messages, or ends.
    fn go_on(&mut self, s: &mut Session) -> Step {
        let window = s.config.limits.store_window;
        let Some(selected) = s.selected.as_ref().filter(|_| self.walk.is_more(s, window)) else {
            return Step::Done(self.done());
        };
        s.ask(SetFlags {
            actor: s.actor(),
            mailbox: selected.mailbox,
            uids: self.walk.take(window),
            op: self.change.op,
            flags: self.change.flags.clone(),
            unchanged_since: self.change.unchanged_since,
        })
    }

    fn replied(&mut self, s: &mut Session, set: FlagsSet) -> Step {
        self.refused.insert_all(&set.refused);
        self.gone |= !set.gone.is_empty();
        if let Some(selected) = &mut s.selected {
            selected.learn_keywords(&mut s.out, &set.keywords);
        }
        self.telling = Some((set, 0));
        Step::Again
    }

    /// The new flags, unless they are not wanted, as there is room for them; with CONDSTORE a silent change still tells its modseq
    /// (RFC 7162 §3.1.3).
    fn tell(&mut self, s: &mut Session, set: FlagsSet, told: usize) -> Step {
        let enabled = s.enabled;
        let Some(selected) = &mut s.selected else {
            return Step::Gone;
        };
        let room = s.config.limits.output_high_water;
        for at in told..set.rows.len() {
            if s.out.len() >= room {
                self.telling = Some((set, at));
                return Step::Again;
            }
            self.tell_row(&mut s.out, enabled, selected, &set, set.rows[at]);
        }
        // A row may be newer than any notice: what else happened up to it is asked for before the tagged answer (RFC 7162 §3.2).
        if let Some(newest) = set.rows.iter().map(|(_, modseq, _)| *modseq).max() {
            selected.heard(newest);
        }
        // Of a silent change the client only knows all if nobody else made one it was not told of (RFC 9051 §6.4.6).
        if let Some(modseq) = set.modseq {
            selected.made(modseq);
        }
        self.go_on(s)
    }

    fn tell_row(
        &self,
        out: &mut Output,
        enabled: Enabled,
        selected: &mut Selected,
        set: &FlagsSet,
        (uid, modseq, flags): (Uid, ModSeq, Flags),
    ) {
        let modseqs = enabled.condstore;
        let changed = set.changed.contains(uid);
        if changed && !self.change.silent {
            selected.told_flags(uid, modseq);
        }
        if self.change.silent && !(modseqs && changed) {
            return;
        }
        let Some(seq) = selected.view.seq_of(uid) else {
            return;
        };
        response::fetch_head(out, seq);
        if self.uid || modseqs || enabled.rev2 {
            response::fetch_uid(out, uid);
        }
        if !self.change.silent {
            if self.uid || modseqs || enabled.rev2 {
                out.put(b" ");
            }
            selected.write_flags(out, enabled, uid, flags);
        }
        if modseqs {
            out.put(b" ");
            response::fetch_modseq(out, modseq);
        }
        out.put(b")\r\n");
    }

    /// The store failed; of the windows before the client is to know what was refused there (RFC 7162 §3.1.3), which leaves no place in the tagged
    /// answer for why: a warning says it (RFC 9051 §7.1.2).
    fn failed(&mut self, s: &mut Session, error: &StoreError) -> Step {
        // Whether a silent change was made before, NO does not say.
        if let (true, Some(selected)) = (self.change.silent, &mut s.selected) {
            selected.forget(self.told);
        }
        let failed = s.failed("SetFlags", error);
        Step::Done(match self.modified() {
            Some(modified) => {
                response::warning(&mut s.out, &failed.text);
                let text =
                    "These had changed, and the store failed before all others were looked at";
                Done::no(text).with(Some(modified))
            }
            None => failed,
        })
    }

    /// What was refused so far, if anything was.
    fn modified(&mut self) -> Option<Code> {
        let refused = core::mem::take(&mut self.refused);
        (refused.len() > 0).then(|| Code::modified(self.uid, refused))
    }

    fn done(&mut self) -> Done {
        if let Some(modified) = self.modified() {
            let name = if self.uid { "UID STORE" } else { "STORE" };
            let text = alloc::format!("{name} completed but for these");
            // Some were gone as well (RFC 7162 §3.1.3, example 11).
            let done = match self.gone && !self.uid {
                true => Done::no(text),
                false => Done::ok(text),
            };
            return done.with(Some(modified));
        }
        if self.gone && !self.uid {
            return Done::no("[EXPUNGEISSUED] Some of the messages are gone");
        }
        completed(self.uid, "STORE")
    }
}

impl Task for Storing {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        match (input, self.telling.take()) {
            (Input::Reply(outcome), _) => match reply::<SetFlags>(outcome) {
                Ok(set) => self.replied(s, set),
                Err(error) => self.failed(s, &error),
            },
            (_, Some((set, told))) => self.tell(s, set, told),
            (_, None) => Step::Input,
        }
    }
}

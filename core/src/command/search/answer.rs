//! The numbers of a SEARCH's answer, written as there is room for them: there may be millions.

use crate::ast::ReturnOptions;
use crate::id::ModSeq;
use crate::session::Session;
use crate::view::{Blocks, Next, Numbers};

/// What is still to be written.
#[derive(Debug)]
pub(super) struct Answer {
    form: Form,
    found: Option<Numbers>,
    count: Option<u32>,
    modseq: Option<ModSeq>,
}

#[derive(Debug)]
enum Form {
    /// Each number after a space; what is left of a range.
    Numbers(Option<(u32, u32)>),
    /// A sequence-set; `begun`: something of it is written.
    Set { begun: bool },
}

/// How far writing came.
pub(super) enum Written {
    /// That was all.
    All,
    /// There is no room for more.
    Full,
    /// There is room, and others are to have their turn.
    Later,
}

/// Numbers written at once.
const NUMBERS: u32 = 1024;

impl Answer {
    /// `* SEARCH`, of which the name is written.
    pub(super) fn numbers(uid: bool, found: Blocks, modseq: Option<ModSeq>) -> Self {
        Self {
            form: Form::Numbers(None),
            found: Some(Numbers::new(uid, found)),
            count: None,
            modseq,
        }
    }

    /// `* ESEARCH`, written up to the set, with what of it is asked for.
    pub(super) fn set(
        uid: bool,
        options: ReturnOptions,
        found: Blocks,
        modseq: Option<ModSeq>,
    ) -> Self {
        Self {
            form: Form::Set { begun: false },
            count: options.count.then(|| found.len()),
            found: options.all.then(|| Numbers::new(uid, found)),
            modseq,
        }
    }

    /// Writes as much as there is room for.
    pub(super) fn write(&mut self, s: &mut Session) -> Written {
        while s.out.len() < s.config.limits.output_high_water {
            if let Form::Numbers(left) = &mut self.form
                && let Some((first, last)) = left.take()
            {
                let here = last.min(first.saturating_add(NUMBERS));
                for n in first..=here {
                    s.out.put(b" ");
                    s.out.number(u64::from(n));
                }
                *left = (here < last).then(|| (here + 1, last));
                continue;
            }
            let view = s.selected.as_ref().map(|m| &m.view);
            let next = self
                .found
                .as_mut()
                .map_or(Next::End, |found| found.next(view));
            match (next, &mut self.form) {
                (Next::Range(first, last), Form::Numbers(left)) => *left = Some((first, last)),
                (Next::Range(first, last), Form::Set { begun }) => {
                    if core::mem::replace(begun, true) {
                        s.out.put(b",");
                    }
                    crate::response::set(&mut s.out, &[(first, last)]);
                }
                (Next::Later, _) => return Written::Later,
                (Next::End, _) => {
                    self.end(s);
                    return Written::All;
                }
            }
        }
        Written::Full
    }

    fn end(&self, s: &mut Session) {
        if let Some(count) = self.count {
            s.out.put(b" COUNT ");
            s.out.number(u64::from(count));
        }
        if let Some(modseq) = self.modseq {
            let numbers = matches!(self.form, Form::Numbers(_));
            s.out.put(if numbers { b" (MODSEQ " } else { b" MODSEQ " });
            s.out.number(modseq.0);
            s.out.put(if numbers { b")" } else { b"" });
        }
        s.out.put(b"\r\n");
    }
}

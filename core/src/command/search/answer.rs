//! The numbers of a SEARCH's answer, written as there is room for them: there may be millions.

use alloc::vec::{IntoIter, Vec};

use super::number;
use crate::ast::ReturnOptions;
use crate::id::{ModSeq, Uid};
use crate::session::Session;
use crate::view::Blocks;

/// What is still to be written.
#[derive(Debug)]
pub(super) struct Answer {
    uid: bool,
    form: Form,
    found: Blocks,
    /// Where `found` goes on behind `ranges`.
    next: Option<u32>,
    ranges: IntoIter<(u32, u32)>,
    /// What is left of the range being written, or what the next one may continue.
    range: Option<(u32, u32)>,
    modseq: Option<ModSeq>,
}

#[derive(Debug)]
enum Form {
    /// Each number after a space.
    Numbers,
    /// A sequence-set, if it is asked for; `begun`: something of it is written. Then COUNT, if that is asked for.
    Set { begun: bool, count: bool },
}

/// Ranges worked out at once.
const RANGES: usize = 512;
/// Numbers written at once.
const NUMBERS: u32 = 1024;

impl Answer {
    /// `* SEARCH`, of which the name is written.
    pub(super) fn numbers(uid: bool, found: Blocks, modseq: Option<ModSeq>) -> Self {
        Self::new(uid, Form::Numbers, found, modseq, true)
    }

    /// `* ESEARCH`, written up to the set.
    pub(super) fn set(
        uid: bool,
        options: ReturnOptions,
        found: Blocks,
        modseq: Option<ModSeq>,
    ) -> Self {
        let (begun, count) = (false, options.count);
        Self::new(uid, Form::Set { begun, count }, found, modseq, options.all)
    }

    fn new(uid: bool, form: Form, found: Blocks, modseq: Option<ModSeq>, all: bool) -> Self {
        Self {
            uid,
            form,
            found,
            next: all.then_some(1),
            ranges: Vec::new().into_iter(),
            range: None,
            modseq,
        }
    }

    /// Writes as much as there is room for; `true`: that was all.
    pub(super) fn write(&mut self, s: &mut Session) -> bool {
        while s.out.len() < s.config.limits.output_high_water {
            match (&mut self.form, self.range) {
                (Form::Numbers, Some((first, last))) => {
                    let here = last.min(first.saturating_add(NUMBERS));
                    for n in first..=here {
                        s.out.put(b" ");
                        s.out.number(u64::from(n));
                    }
                    self.range = (here < last).then(|| (here + 1, last));
                }
                _ => match self.next_range(s) {
                    Some(range) => self.put(s, range),
                    None => {
                        self.end(s);
                        return true;
                    }
                },
            }
        }
        false
    }

    fn next_range(&mut self, s: &Session) -> Option<(u32, u32)> {
        loop {
            if let Some(range) = self.ranges.next() {
                return Some(range);
            }
            let (set, after) = self.found.window(self.next?, RANGES);
            self.next = after;
            let name = |n| Uid::new(n).and_then(|uid| number(s, self.uid, uid));
            let ranges = set.ranges().iter();
            let named: Vec<(u32, u32)> = ranges
                .filter_map(|&(first, last)| name(first).zip(name(last)))
                .collect();
            self.ranges = named.into_iter();
        }
    }

    /// Ranges that touch become one: between two UIDs may be none that has a number.
    fn put(&mut self, s: &mut Session, next: (u32, u32)) {
        match &mut self.range {
            Some(range) if range.1 + 1 == next.0 => range.1 = next.1,
            _ => {
                self.put_range(s);
                self.range = Some(next);
            }
        }
    }

    fn put_range(&mut self, s: &mut Session) {
        if let (Some(range), Form::Set { begun, .. }) = (self.range, &mut self.form) {
            if core::mem::replace(begun, true) {
                s.out.put(b",");
            }
            crate::response::set(&mut s.out, &[range]);
        }
    }

    fn end(&mut self, s: &mut Session) {
        self.put_range(s);
        if let Form::Set { count: true, .. } = self.form {
            s.out.put(b" COUNT ");
            s.out.number(u64::from(self.found.len()));
        }
        if let Some(modseq) = self.modseq {
            let numbers = matches!(self.form, Form::Numbers);
            s.out.put(if numbers { b" (MODSEQ " } else { b" MODSEQ " });
            s.out.number(modseq.0);
            s.out.put(if numbers { b")" } else { b"" });
        }
        s.out.put(b"\r\n");
    }
}

//! Bodies on their way to the log's end: small ones together in a transaction, a large one a little at a time to a segment of its own.

use std::collections::VecDeque;

use super::spoken::Spoken;
use super::{OCTETS, damaged};
use crate::pack::{Aside, Entry, Files, Part, Place};
use crate::sqlite::ledger::Ledger;
use crate::sqlite::transaction::Transaction;
use crate::table::Result;
use crate::upload::WINDOW;

/// Bodies of what was told last that are still to be moved.
pub(super) struct Moving {
    spoken: Spoken,
    bodies: VecDeque<(Entry, Place)>,
    copying: Option<Copying>,
    /// More records come after them.
    pub more: bool,
}

/// A large body on its way.
struct Copying {
    aside: Aside,
    part: Part,
    /// Octets that are there.
    done: u64,
}

impl Moving {
    pub(super) fn new(spoken: Spoken, bodies: VecDeque<(Entry, Place)>, more: bool) -> Self {
        Self {
            spoken,
            bodies,
            copying: None,
            more,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.bodies.is_empty()
    }

    /// At most one transaction. `large`: octets of a body from which on it gets a segment of its own.
    pub(super) fn step(&mut self, ledger: &mut Ledger, large: u64) -> Result<()> {
        let Some((entry, place)) = self.bodies.front().cloned() else {
            return Ok(());
        };
        if place.size < large {
            return self.small(ledger, large);
        }
        // It may have gone meanwhile.
        let is_there = ledger.look(|t| is_in(t, &entry, place))?;
        if !is_there || self.large(ledger, &entry, place, large)? {
            self.copying = None;
            self.bodies.pop_front();
        }
        Ok(())
    }

    fn small(&mut self, ledger: &mut Ledger, large: u64) -> Result<()> {
        let (files, bodies) = (ledger.files.clone(), &mut self.bodies);
        ledger.change(|t| {
            let mut octets = 0;
            while let Some((entry, place)) = bodies.front()
                && place.size < large
                && (octets == 0 || octets + place.size <= OCTETS)
            {
                octets += place.size;
                if is_in(t, entry, *place)? {
                    self.spoken.move_body(t, &files, entry, *place)?;
                }
                bodies.pop_front();
            }
            Ok(())
        })
    }

    /// Copies a little of it. Whether it was the last and the segment is in its place.
    fn large(
        &mut self,
        ledger: &mut Ledger,
        entry: &Entry,
        from: Place,
        large: u64,
    ) -> Result<bool> {
        let mut copying = match self.copying.take() {
            Some(copying) => copying,
            None => Copying::new(ledger.pack.aside()?, from),
        };
        copying.some(&ledger.files, from, OCTETS.min(large))?;
        if copying.done < from.size {
            self.copying = Some(copying);
            return Ok(false);
        }
        if !self.spoken.is_whole_in(from, &copying.part) {
            return Err(damaged());
        }
        let Copying { aside, part, .. } = copying.end()?;
        ledger.change_in(aside, |t| t.take_in(entry, part))?;
        Ok(true)
    }
}

impl Copying {
    fn new(mut aside: Aside, from: Place) -> Self {
        let part = aside.begin(from.size);
        let done = 0;
        Self { aside, part, done }
    }

    /// At least so many octets, when there are as many.
    fn some(&mut self, files: &Files, from: Place, octets: u64) -> Result<()> {
        let until = (self.done + octets).min(from.size);
        while self.done < until {
            let window = files.read(from, self.done, WINDOW)?;
            self.aside.push(&mut self.part, &window)?;
            self.done += window.len() as u64;
        }
        Ok(())
    }

    fn end(mut self) -> Result<Self> {
        self.aside.end();
        self.aside.sync()?;
        Ok(self)
    }
}

/// Whether the index has a body there.
fn is_in(t: &mut Transaction<'_>, entry: &Entry, place: Place) -> Result<bool> {
    match entry {
        Entry::Body(_, email, _) => Ok(t.place(*email)? == Some(place)),
        _ => Ok(false),
    }
}

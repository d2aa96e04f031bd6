//! The room of a segment that is mostly dead is got back: what its records speak of is told anew at the log's end, as it is now, and its
//! file is removed. Why nothing is lost by that stands in `docs/storage-format.md`.

mod moving;
mod spoken;

use std::collections::VecDeque;
use std::io;

use pillarbox_core::effect::{ErrorKind, StoreError};
use rusqlite::OptionalExtension;

use super::columns::signed;
use super::ledger::Ledger;
use super::recover::cuts;
use crate::error;
use crate::pack::{Batch, Files, Scan, stored_len};
use crate::table::Result;
use moving::Moving;
use spoken::{Spoken, Told};

/// One segment on its way out.
pub(super) struct Pass {
    segment: u64,
    len: u64,
    /// What stands from here on was never acknowledged.
    until: Option<u64>,
    /// No older segment is left.
    oldest: bool,
    scan: Scan,
    /// The end of the last transaction that was listened to, and the one that was listened to up to some record.
    heard: u64,
    half: Option<(Batch, u64)>,
    stage: Stage,
    told: Told,
    moving: Option<Moving>,
    /// Octets of a body from which on it gets a segment of its own.
    large: u64,
    /// Octets that are still of effect.
    pub kept: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Weigh,
    Carry,
    Remove,
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    More,
    /// All that is of effect has been counted: [`Pass::carry`] or leave it.
    Weighed,
    /// It cannot be removed yet.
    Wait,
    /// It is gone, and so many octets with it.
    Removed(u64),
    /// It must stay.
    Left,
}

impl Pass {
    /// Of a segment that the index knows whole, and that nothing is written to any more.
    pub(super) fn new(ledger: &mut Ledger, segment: u64, large: u64) -> io::Result<Self> {
        let (files, open) = (&ledger.files, ledger.pack.segment());
        // What was removed before stays away from here on.
        files.sync_folder()?;
        ledger.closed.ask(files, open, usize::MAX)?;
        let told = cuts(files, &[open])?.get(&segment).copied();
        let scan = Scan::new(files, segment, 0)?;
        Ok(Self {
            segment,
            len: scan.len(),
            until: told.or(ledger.closed.end(segment)),
            oldest: ledger.closed.is_oldest(segment),
            scan,
            heard: 0,
            half: None,
            stage: Stage::Weigh,
            told: Told::default(),
            moving: None,
            large,
            kept: 0,
        })
    }

    pub(super) fn segment(&self) -> u64 {
        self.segment
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Ends it. The last who has a large file open waits while its room is given back: that is a thread of its own.
    pub(super) fn close(self) {
        let thread = std::thread::Builder::new().name("pillarbox-closer".into());
        // Without one it is done here.
        let _ = thread.spawn(move || drop(self));
    }

    /// Goes through it once more, and tells anew what is of effect.
    pub(super) fn carry(&mut self, files: &Files) -> io::Result<()> {
        self.scan = Scan::new(files, self.segment, 0)?;
        (self.heard, self.half) = (0, None);
        self.told = Told::default();
        self.stage = Stage::Carry;
        Ok(())
    }

    /// One piece of work; at most one transaction.
    pub(super) fn step(&mut self, ledger: &mut Ledger) -> Result<Step> {
        if self.stage == Stage::Remove {
            return self.remove(ledger);
        }
        if let Some(mut moving) = self.moving.take() {
            moving.step(ledger, self.large)?;
            self.go_on(moving);
            return Ok(Step::More);
        }
        let Some((spoken, more)) = self.listen().map_err(|e| error::io("pack", &e))? else {
            return Ok(Step::Left);
        };
        // While a segment is there that ends where this one says, this one stays.
        for other in &spoken.cuts {
            let is_there = ledger.files.path(*other).try_exists();
            if is_there.map_err(|e| error::io("pack", &e))? {
                return Ok(Step::Left);
            }
        }
        if self.stage == Stage::Carry {
            self.tell(ledger, spoken, more)?;
            return Ok(Step::More);
        }
        self.weigh(ledger, &spoken)?;
        Ok(if more { Step::More } else { Step::Weighed })
    }

    /// What the next records speak of, and whether more come after them; `None` when something is not as it was written.
    fn listen(&mut self) -> io::Result<Option<(Spoken, bool)>> {
        let mut spoken = Spoken::default();
        let end = self.until.unwrap_or(self.len);
        while !spoken.is_enough() {
            let (batch, mut records) = match self.half.take() {
                Some((batch, at)) => {
                    let records = batch.records_from(at);
                    (batch, records)
                }
                None => match self.scan.next()? {
                    Some(batch) if batch.end > end => break,
                    Some(batch) if !batch.complete => return Ok(None),
                    Some(batch) => {
                        let records = batch.records();
                        (batch, records)
                    }
                    None => break,
                },
            };
            spoken.hear(&mut records, self.scan.is_v1())?;
            match records.at() {
                Some(at) => self.half = Some((batch, at)),
                None => self.heard = batch.end,
            }
        }
        let more = spoken.is_enough();
        let damaged = self.scan.damage().any(|at| at < end);
        let lacks = !more && end > self.heard.max(Scan::FIRST);
        let headless = end > Scan::FIRST && !self.scan.has_head();
        Ok((!damaged && !lacks && !headless).then_some((spoken, more)))
    }

    fn weigh(&mut self, ledger: &Ledger, spoken: &Spoken) -> Result<()> {
        let now = ledger.look(|t| spoken.now(t, self.oldest, &mut self.told));
        for (entry, place) in now? {
            self.kept += stored_len(&entry, place.map_or(0, |p| p.size));
        }
        Ok(())
    }

    /// Everything but bodies that are large, or too many for one transaction: those are moved in the next steps.
    fn tell(&mut self, ledger: &mut Ledger, spoken: Spoken, more: bool) -> Result<()> {
        let (oldest, told, large) = (self.oldest, &mut self.told, self.large);
        let files = ledger.files.clone();
        let bodies = ledger.change(|t| {
            spoken.raise_floors(t)?;
            let (mut octets, mut later) = (0, VecDeque::new());
            for (entry, place) in spoken.now(t, oldest, told)? {
                match place {
                    Some(place) if place.size >= large || octets + place.size > OCTETS => {
                        later.push_back((entry, place));
                    }
                    Some(place) => {
                        octets += place.size;
                        spoken.move_body(t, &files, &entry, place)?;
                    }
                    None => drop(t.log(&entry, None)?),
                }
            }
            Ok(later)
        })?;
        self.go_on(Moving::new(spoken, bodies, more));
        Ok(())
    }

    fn go_on(&mut self, moving: Moving) {
        if !moving.is_done() {
            self.moving = Some(moving);
        } else if !moving.more {
            self.stage = Stage::Remove;
        }
    }

    /// Only when neither a reader nor the index after a crash can need it.
    fn remove(&mut self, ledger: &mut Ledger) -> Result<Step> {
        let (files, segment) = (ledger.files.clone(), self.segment);
        let failed = |e| error::io("pack", &e);
        let path = files.path(segment);
        let len = path.metadata().map_err(failed)?.len();
        if len != self.len || is_referred_to(ledger, segment)? {
            return Ok(Step::Left);
        }
        if ledger.known_segment()? <= segment {
            return Ok(Step::Wait);
        }
        files.wait_for_readers();
        // A pass that begins anew would tell all once more, each time: on a full disk that takes the room that is left.
        match ledger.checkpoint() {
            Ok(true) => {}
            Err(e) if e.kind == ErrorKind::Corruption => return Err(e),
            Ok(false) | Err(_) => return Ok(Step::Wait),
        }
        files.remove(segment).map_err(failed)?;
        ledger.closed.removed(segment);
        files.sync_folder().map_err(failed)?;
        Ok(Step::Removed(len))
    }
}

fn is_referred_to(ledger: &Ledger, segment: u64) -> Result<bool> {
    let sql = "SELECT 1 FROM cold WHERE segment = ?1 LIMIT 1";
    let found = ledger.conn.query_row(sql, [signed(segment)], |_| Ok(()));
    Ok(found.optional().map_err(|e| ledger.failed(e))?.is_some())
}

fn damaged() -> StoreError {
    StoreError::new(ErrorKind::Corruption, "A segment is left as it is")
}

#[cfg(all(test, feature = "conformance"))]
pub(in crate::sqlite) mod tests;

/// What is told in one transaction, or looked at in one step.
const RECORDS: usize = 500;
const OCTETS: u64 = 1 << 20;

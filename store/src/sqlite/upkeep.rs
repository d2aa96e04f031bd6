//! What the one who writes does besides: forgetting what is past its time, and giving back room.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pillarbox_core::effect::ErrorKind;
use pillarbox_core::id::{AccountId, MailboxId};
use rusqlite::OptionalExtension;

use super::columns::{number, signed};
use super::ledger::Ledger;
use super::reclaim::{Pass, Step};
use super::tidy::{self, Ages, Cursor};
use crate::error;
use crate::reserve::Reserve;
use crate::table::Result;

/// When what is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub ages: Ages,
    /// How much of a hundred octets must be of no effect before a segment goes.
    pub dead: u64,
    /// Octets of the newest segment from which it may go too: a new one is begun.
    pub newest: u64,
    /// Octets of a body from which on it gets a segment of its own.
    pub large: u64,
    /// Between two looks for something to do.
    pub pause: Duration,
}

/// The work, cut into steps.
pub(super) struct Upkeep {
    rules: Rules,
    reserve: Arc<Reserve>,
    /// Segments that may have room to give back.
    due: BTreeSet<u64>,
    pass: Option<Pass>,
    /// Octets given back.
    pub freed: u64,
    graves: bool,
    mailbox: Option<MailboxId>,
    thread: Option<Cursor>,
    threads_due: bool,
    looked: Option<Instant>,
    looked_at_all: Option<Instant>,
    next: Instant,
}

impl Upkeep {
    pub(super) fn new(rules: Rules, reserve: Arc<Reserve>) -> Self {
        Self {
            rules,
            reserve,
            due: BTreeSet::new(),
            pass: None,
            freed: 0,
            graves: false,
            mailbox: None,
            thread: None,
            threads_due: true,
            looked: None,
            looked_at_all: None,
            next: Instant::now(),
        }
    }

    /// How long there is nothing to do.
    pub(super) fn wait(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Does one step when it is time. What fails is tried again later: it does no harm where it is.
    pub(super) fn tend(&mut self, ledger: &mut Ledger) {
        if !self.wait().is_zero() {
            return;
        }
        let begun = Instant::now();
        let rest = match self.step(ledger) {
            // Half of the time at most.
            Ok(true) => 2 * begun.elapsed(),
            Ok(false) => {
                ledger.pack.give_back();
                self.rules.pause
            }
            Err(_) => 10 * self.rules.pause.min(HOUR),
        };
        self.next = begun + rest.min(HOUR);
    }

    /// Whether there may be more to do.
    pub(super) fn step(&mut self, ledger: &mut Ledger) -> Result<bool> {
        self.look(ledger)?;
        if self.graves {
            let (segments, more) = tidy::graves(ledger, self.grave_age())?;
            self.graves = more;
            if !segments.is_empty() {
                self.threads_due = true;
                self.due.extend(segments);
                return Ok(true);
            }
        }
        if self.pass.is_some() {
            return self.pass(ledger);
        } else if let Some(segment) = self.due.pop_first() {
            let begun = self.begin(ledger, segment);
            self.pass = self.or_later(segment, begun)?;
        } else if let Some(mailbox) = self.mailbox.take() {
            self.mailbox = tidy::expunges(ledger, mailbox, self.rules.ages)?;
        } else if let Some(thread) = self.thread.take() {
            self.thread = tidy::threads(ledger, thread)?;
        } else {
            // There is no need of it: it takes none of the last room.
            return Ok(self.has_much_room() && ledger.renewed.clone().write(ledger)?);
        }
        Ok(true)
    }

    /// Where there is no room, what was expunged goes at once.
    fn grave_age(&self) -> i64 {
        match self.has_much_room() {
            true => self.rules.ages.grave,
            false => 0,
        }
    }

    fn has_much_room(&self) -> bool {
        self.reserve.check_upload(LITTLE).is_ok()
    }

    fn look(&mut self, ledger: &Ledger) -> Result<()> {
        if is_past(self.looked, self.rules.pause) {
            self.looked = Some(Instant::now());
            self.graves = true;
            // Who brings mail is refused until the room is set aside again: no change of theirs has that looked at.
            self.reserve.tend();
            if !self.has_much_room() {
                // While there is some: the index's log must not take the last of it, since no segment can go before it is in the database.
                let _ = ledger.checkpoint();
            }
        }
        if is_past(self.looked_at_all, HOUR) {
            self.looked_at_all = Some(Instant::now());
            let segments = ledger.files.segments();
            self.due
                .extend(segments.map_err(|e| error::io("packs", &e))?);
            self.mailbox = Some(MailboxId(0));
            if std::mem::take(&mut self.threads_due) {
                self.thread = Some(Cursor::START);
            }
        }
        Ok(())
    }

    /// Looks at the index first: most segments are full of what is needed.
    fn begin(&mut self, ledger: &mut Ledger, segment: u64) -> Result<Option<Pass>> {
        let len = if segment == ledger.pack.segment() {
            ledger.pack.len()
        } else if let Ok(file) = ledger.files.path(segment).metadata() {
            file.len()
        } else {
            // It may be gone.
            return Ok(None);
        };
        if !self.is_dead(len, bodies(ledger, segment)?) {
            return Ok(None);
        }
        if segment >= ledger.pack.segment() {
            if segment > ledger.pack.segment() || len < self.rules.newest {
                return Ok(None);
            }
            ledger.pack.next_segment()?;
        }
        if ledger.known_segment()? <= segment && !move_on(ledger)? {
            return Ok(None);
        }
        let failed = |e| error::io("pack", &e);
        let open = ledger.pack.segment();
        let all = ledger.closed.ask(&ledger.files, open, SEGMENTS);
        if !all.map_err(failed)? {
            self.due.insert(segment);
            return Ok(None);
        }
        let pass = Pass::new(ledger, segment, self.rules.large);
        pass.map(Some).map_err(failed)
    }

    fn is_dead(&self, len: u64, kept: u64) -> bool {
        kept.saturating_mul(100) <= len.saturating_mul(100 - self.rules.dead)
    }

    fn pass(&mut self, ledger: &mut Ledger) -> Result<bool> {
        let Some(mut pass) = self.pass.take() else {
            return Ok(false);
        };
        let step = pass.step(ledger);
        match self.or_later(pass.segment(), step)? {
            Step::More => self.pass = Some(pass),
            Step::Wait => {
                self.pass = Some(pass);
                return Ok(false);
            }
            Step::Removed(octets) => {
                self.freed += octets;
                pass.close();
            }
            Step::Left => {}
            Step::Weighed => {
                if self.is_dead(pass.len(), pass.kept) && self.has_room(pass.kept) {
                    let again = pass.carry(&ledger.files);
                    again.map_err(|e| error::io("pack", &e))?;
                    self.pass = Some(pass);
                }
            }
        }
        Ok(true)
    }

    /// What the disk does not let happen now is tried again.
    fn or_later<T>(&mut self, segment: u64, done: Result<T>) -> Result<T> {
        if done
            .as_ref()
            .is_err_and(|e| e.kind != ErrorKind::Corruption)
        {
            self.due.insert(segment);
        }
        done
    }

    /// For so many octets besides what clients need.
    fn has_room(&self, octets: u64) -> bool {
        octets <= LITTLE || self.reserve.check_upload(octets).is_ok()
    }
}

/// Has the index know the whole of a segment that nothing is written to any more: something stands behind it then.
fn move_on(ledger: &mut Ledger) -> Result<bool> {
    let sql = "SELECT id FROM account LIMIT 1";
    let owner = ledger.conn.query_row(sql, [], |r| number(r, 0)).optional();
    let Some(owner) = owner.map_err(|e| ledger.failed(e))? else {
        return Ok(false);
    };
    ledger.change(|t| {
        let account = t.account(AccountId(owner))?;
        t.log(&account, None).map(drop)
    })?;
    Ok(true)
}

/// Octets of the bodies that the index has in a segment.
fn bodies(ledger: &Ledger, segment: u64) -> Result<u64> {
    let sql = "SELECT ifnull(sum(size), 0) FROM cold WHERE segment = ?1";
    let sum = ledger
        .conn
        .query_row(sql, [signed(segment)], |r| number(r, 0));
    sum.map_err(|e| ledger.failed(e))
}

fn is_past(last: Option<Instant>, pause: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= pause)
}

const HOUR: Duration = Duration::from_secs(3600);
/// Octets that are told anew also when there is hardly any room.
const LITTLE: u64 = 256 << 10;
/// Segments that one step asks for what they say of others.
const SEGMENTS: usize = 64;

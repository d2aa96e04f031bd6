//! What is past its time goes from the index, a little at a time.

use std::collections::BTreeSet;

use pillarbox_core::id::{EmailId, MailboxId, ModSeq, ThreadId};
use rusqlite::params;

use super::columns::{number, signed};
use super::ledger::Ledger;
use super::tables::now;
use super::transaction::Transaction;
use crate::table::{Result, Tables};

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    /// Seconds that an expunged message stays readable.
    pub grave: i64,
    /// Seconds that it is known by its modseq.
    pub expunged: i64,
    /// Ranges of expunged UIDs of one mailbox.
    pub ranges: u64,
}

impl Ages {
    pub(super) const USUAL: Self = Self {
        grave: super::tables::VIEW_GRACE,
        expunged: 90 * 24 * 3600,
        ranges: 100_000,
    };
}

/// Some graves that are past their time, and with the last place of a body where it is. Gives the segments that have room to give back, and
/// whether there may be more.
pub(super) fn graves(ledger: &mut Ledger, age: i64) -> Result<(BTreeSet<u64>, bool)> {
    let sql = "SELECT mailbox, uid, thread, email FROM grave WHERE buried <= ?1 LIMIT ?2";
    let some = |t: &Transaction<'_>| {
        t.all(sql, [now() - age, ROWS], |r| {
            Ok([number(r, 0)?, number(r, 1)?, number(r, 2)?, number(r, 3)?])
        })
    };
    let found = ledger.look(|t| some(t))?;
    let mut segments = BTreeSet::new();
    if found.is_empty() {
        return Ok((segments, false));
    }
    ledger.change(|t| {
        for [mailbox, uid, thread, email] in some(t)? {
            let sql = "DELETE FROM grave WHERE mailbox = ?1 AND uid = ?2";
            t.run(sql, [signed(mailbox), signed(uid)])?;
            if !t.is_placed(ThreadId(thread), EmailId(email))? {
                segments.extend(t.place(EmailId(email))?.map(|p| p.segment));
                t.run("DELETE FROM cold WHERE email = ?1", [signed(email)])?;
            }
        }
        Ok(())
    })?;
    Ok((segments, found.len() as i64 == ROWS))
}

/// Forgets some of the expunges of the next mailbox behind `after` that are too old or too many, the oldest first. Gives where to go on, or
/// `None` at the end.
pub(super) fn expunges(
    ledger: &mut Ledger,
    after: MailboxId,
    ages: Ages,
) -> Result<Option<MailboxId>> {
    let sql = "SELECT id, floor FROM mailbox WHERE id > ?1 ORDER BY id LIMIT 1";
    let next = ledger.look(|t| {
        t.one(sql, [signed(after.0)], |r| {
            Ok((number(r, 0)?, number(r, 1).map(ModSeq)?))
        })
    });
    let Some((id, known)) = next? else {
        return Ok(None);
    };
    // One modseq may have very many: what is at the floor or below it may go later.
    let floor = match ledger.look(|t| has_expunges(t, id, known))? {
        true => Some(known),
        false => ledger.look(|t| new_floor(t, id, ages))?,
    };
    let Some(floor) = floor else {
        return Ok(Some(MailboxId(id)));
    };
    ledger.change(|t| {
        let sql = "DELETE FROM expunged WHERE (mailbox, modseq, first) IN
                   (SELECT mailbox, modseq, first FROM expunged WHERE mailbox = ?1 AND modseq <= ?2
                    ORDER BY modseq, first LIMIT ?3)";
        t.run(sql, [signed(id), signed(floor.0), ROWS])?;
        match t.mailbox(MailboxId(id))? {
            Some(mut mailbox) if mailbox.floor < floor => {
                mailbox.floor = floor;
                t.put_mailbox(&mailbox)
            }
            _ => Ok(()),
        }
    })?;
    // There may be more of it.
    Ok(Some(MailboxId(id - 1)))
}

/// Whether there are any up to this modseq.
fn has_expunges(t: &Transaction<'_>, mailbox: u64, upto: ModSeq) -> Result<bool> {
    let sql = "SELECT 1 FROM expunged WHERE mailbox = ?1 AND modseq <= ?2 LIMIT 1";
    let found = t.one(sql, [signed(mailbox), signed(upto.0)], |_| Ok(()))?;
    Ok(found.is_some())
}

/// Up to which modseq some of a mailbox's expunges can go.
fn new_floor(t: &Transaction<'_>, mailbox: u64, ages: Ages) -> Result<Option<ModSeq>> {
    let sql = "SELECT max(modseq) FROM
               (SELECT modseq, at FROM expunged WHERE mailbox = ?1 ORDER BY modseq LIMIT ?2) WHERE at < ?3";
    let values = params![signed(mailbox), ROWS, now() - ages.expunged];
    let old = t
        .one(sql, values, |r| r.get::<_, Option<i64>>(0))?
        .flatten();
    let sql = "SELECT min(modseq) FROM
               (SELECT modseq FROM expunged WHERE mailbox = ?1 ORDER BY modseq DESC LIMIT 1 OFFSET ?2)";
    let values = [signed(mailbox), signed(ages.ranges)];
    let many = t
        .one(sql, values, |r| r.get::<_, Option<i64>>(0))?
        .flatten();
    Ok(old.max(many).map(|n| ModSeq(n.cast_unsigned())))
}

/// Where a look at all Message-IDs has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cursor(i64, i64);

impl Cursor {
    pub(super) const START: Self = Self(i64::MIN, i64::MIN);
}

/// Forgets those of some Message-IDs whose conversation has no message any more. Gives where to go on, or `None` at the end.
pub(super) fn threads(ledger: &mut Ledger, from: Cursor) -> Result<Option<Cursor>> {
    let sql = "SELECT owner, hash, EXISTS (SELECT 1 FROM hot WHERE thread = t.thread)
                 OR EXISTS (SELECT 1 FROM grave WHERE thread = t.thread)
               FROM thread t WHERE (owner, hash) > (?1, ?2) ORDER BY owner, hash LIMIT ?3";
    let found = ledger.look(|t| {
        t.all(sql, [from.0, from.1, ROWS], |r| {
            Ok((Cursor(r.get(0)?, r.get(1)?), r.get::<_, bool>(2)?))
        })
    })?;
    let stale = || found.iter().filter(|f| !f.1).map(|f| f.0);
    if stale().next().is_some() {
        ledger.change(|t| {
            for Cursor(owner, hash) in stale() {
                t.run(
                    "DELETE FROM thread WHERE owner = ?1 AND hash = ?2",
                    [owner, hash],
                )?;
            }
            Ok(())
        })?;
    }
    let full = found.len() as i64 == ROWS;
    Ok(found.last().filter(|_| full).map(|f| f.0))
}

#[cfg(all(test, feature = "conformance"))]
mod tests;

/// Rows in one step.
const ROWS: i64 = 500;

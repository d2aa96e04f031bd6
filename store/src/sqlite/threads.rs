//! The writer, which commits many jobs at once, and the readers.

use std::collections::BTreeSet;
use std::sync::{Mutex, mpsc};

use pillarbox_core::effect::{ErrorKind, Notice, Reply, StoreError};
use rusqlite::Connection;

use super::Shared;
use super::tables::{Transaction, VIEW_GRACE, failed, now};
use crate::contract::{Job, ReplySlot};
use crate::error::lock;
use crate::ops;
use crate::pack::{Kind, Meta, Writer};
use crate::table::Result;

/// The one writer.
pub(super) struct Group {
    conn: Connection,
    pack: Writer,
    shared: std::sync::Arc<Shared>,
}

/// What a batch is to tell once it is durable.
#[derive(Default)]
struct Batch {
    replies: Vec<(ReplySlot, Reply)>,
    notices: Vec<Notice>,
    after: Vec<(Kind, Meta)>,
    accounts: BTreeSet<u64>,
}

impl Group {
    pub(super) fn new(conn: Connection, pack: Writer, shared: std::sync::Arc<Shared>) -> Self {
        Self { conn, pack, shared }
    }

    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let more = jobs.try_iter().take(BATCH - 1);
            let batch: Vec<_> = std::iter::once(first).chain(more).collect();
            self.commit(batch);
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let mut batch = Batch::default();
        let start = self.begin();
        for job in jobs {
            let (effect, slot) = job.into_parts();
            match &start {
                Ok(()) => self.step(effect, slot, &mut batch),
                Err(e) => slot.send(effect.fail(e.clone())),
            }
        }
        if start.is_err() {
            return;
        }
        if let Err(e) = self.finish() {
            // Nothing of this batch happened: a reply that says otherwise must not go out.
            let _ = self.conn.execute_batch("ROLLBACK");
            let failure = |(slot, reply): (ReplySlot, Reply)| slot.send(reply.refuse(e.clone()));
            batch.replies.into_iter().for_each(failure);
            return;
        }
        lock(&self.shared.known).extend(batch.accounts);
        for (kind, meta) in batch.after {
            // Without these a rebuild brings back what was deleted: the safe side.
            if self.pack.append(kind, &meta, None).is_err() {
                break;
            }
        }
        for (slot, reply) in batch.replies {
            slot.send(reply);
        }
        if let Some(tell) = lock(&self.shared.notices).clone() {
            batch.notices.into_iter().for_each(|n| tell(n));
        }
    }

    fn begin(&mut self) -> Result<()> {
        self.pack.rotate_if_needed()?;
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        let purge = "DELETE FROM grave WHERE buried <= ?1";
        // What stays a little longer does no harm.
        let _ = self.conn.execute(purge, [now() - VIEW_GRACE]);
        Ok(())
    }

    /// Runs one job in a savepoint of its own, so that its failure is its own.
    fn step(&mut self, effect: pillarbox_core::effect::Effect, slot: ReplySlot, batch: &mut Batch) {
        let before = self.pack.position();
        let begun = self.in_transaction().and_then(|()| {
            let begun = self.conn.execute_batch("SAVEPOINT job");
            begun.map_err(failed)
        });
        if let Err(e) = begun {
            return slot.send(effect.fail(e));
        }
        let owner = ops::owner(&effect);
        let mut transaction = Transaction {
            conn: &self.conn,
            files: &self.shared.files,
            pack: Some(&mut self.pack),
            after: Vec::new(),
        };
        let done = ops::run(&mut transaction, &self.shared.uploads, effect);
        let after = std::mem::take(&mut transaction.after);
        if done.failed {
            // When even this fails the transaction is gone, and the commit says so.
            let _ = self.conn.execute_batch("ROLLBACK TO job; RELEASE job");
            self.pack.cut(before);
        } else {
            let _ = self.conn.execute_batch("RELEASE job");
            batch.notices.extend(done.notices);
            batch.after.extend(after);
            batch.accounts.extend(owner.map(|o| o.0));
        }
        batch.replies.push((slot, done.reply));
    }

    /// SQLite gives up the whole transaction after some errors; what comes after must not commit on its own.
    fn in_transaction(&self) -> Result<()> {
        if !self.conn.is_autocommit() {
            return Ok(());
        }
        Err(StoreError::new(
            ErrorKind::Unavailable,
            "The server could not reach its storage; nothing was changed, try again later",
        ))
    }

    /// Bodies first, then the index that names them.
    fn finish(&mut self) -> Result<()> {
        self.in_transaction()?;
        self.pack.sync()?;
        let (segment, offset) = self.pack.position();
        let sql = "UPDATE meta SET value = CASE key WHEN 'segment' THEN ?1 ELSE ?2 END WHERE key IN ('segment', 'offset')";
        let mark = [segment.cast_signed(), offset.cast_signed()];
        self.conn.execute(sql, mark).map_err(failed)?;
        self.conn.execute_batch("COMMIT").map_err(failed)
    }
}

/// Answers reads until no more can come.
pub(super) fn read(conn: &Connection, jobs: &Mutex<mpsc::Receiver<Job>>, shared: &Shared) {
    loop {
        let Ok(job) = lock(jobs).recv() else {
            return;
        };
        let (effect, slot) = job.into_parts();
        if let Err(e) = conn.execute_batch("BEGIN") {
            slot.send(effect.fail(failed(e)));
            continue;
        }
        let mut transaction = Transaction {
            conn,
            files: &shared.files,
            pack: None,
            after: Vec::new(),
        };
        let done = ops::run(&mut transaction, &shared.uploads, effect);
        // Nothing was written; an error here shows again at the next BEGIN.
        let _ = conn.execute_batch("ROLLBACK");
        slot.send(done.reply);
    }
}

const BATCH: usize = 64;

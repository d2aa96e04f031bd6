//! The writer, which commits many jobs at once, and the readers.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pillarbox_core::effect::{Effect, ErrorKind, Notice, StoreError};
use rusqlite::Connection;

use super::Shared;
use super::group::Waiting;
use super::queue::Worker;
use super::recover::set_mark;
use super::tables::{Transaction, VIEW_GRACE, failed, now};
use crate::contract::{Job, ReplySlot};
use crate::error::lock;
use crate::ops;
use crate::pack::Writer;
use crate::table::Result;

/// The one writer.
pub(super) struct Group {
    conn: Connection,
    pack: Writer,
    shared: std::sync::Arc<Shared>,
    tidied: Option<Instant>,
}

/// What a batch is to tell once it is durable.
#[derive(Default)]
struct Batch {
    replies: Waiting,
    notices: Vec<Notice>,
    accounts: BTreeSet<u64>,
}

impl Group {
    pub(super) fn new(conn: Connection, pack: Writer, shared: std::sync::Arc<Shared>) -> Self {
        Self {
            conn,
            pack,
            shared,
            tidied: None,
        }
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
                Err(e) => slot.send(ops::refuse(&self.shared.uploads, effect, e.clone())),
            }
        }
        if start.is_err() {
            return;
        }
        if let Err(e) = self.finish() {
            let _ = self.conn.execute_batch("ROLLBACK");
            self.pack.roll_back();
            if e.kind == ErrorKind::OverQuota {
                // From here on mail can go and not come, until there is room for both.
                self.shared.reserve.release();
            }
            return batch.replies.settle(Err(&e));
        }
        lock(&self.shared.known).extend(batch.accounts);
        batch.replies.settle(Ok(()));
        if let Some(tell) = lock(&self.shared.notices).clone() {
            batch.notices.into_iter().for_each(|n| tell(n));
        }
    }

    fn begin(&mut self) -> Result<()> {
        self.shared.reserve.tend();
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        if self.tidied.is_none_or(|last| last.elapsed() > TIDY) {
            self.tidied = Some(Instant::now());
            self.tidy();
        }
        self.pack.begin().inspect_err(|_| {
            // The next batch begins again.
            let _ = self.conn.execute_batch("ROLLBACK");
        })
    }

    /// What stays a little longer does no harm.
    fn tidy(&mut self) {
        let purge = "DELETE FROM grave WHERE buried <= ?1";
        let _ = self.conn.execute(purge, [now() - VIEW_GRACE]);
    }

    /// Runs one job in a savepoint of its own, so that its failure is its own.
    fn step(&mut self, effect: Effect, slot: ReplySlot, batch: &mut Batch) {
        let before = self.pack.mark();
        if let Err(e) = self.begin_step(&effect) {
            return slot.send(ops::refuse(&self.shared.uploads, effect, e));
        }
        let owner = ops::owner(&effect);
        let mut transaction =
            Transaction::new(&self.conn, &self.shared.files, Some(&mut self.pack));
        let done = ops::run(&mut transaction, &self.shared.uploads, effect);
        drop(transaction);
        if done.failed {
            // When even this fails the transaction is gone, and the commit says so.
            let _ = self.conn.execute_batch("ROLLBACK TO job; RELEASE job");
            self.pack.cut(before);
        } else {
            let _ = self.conn.execute_batch("RELEASE job");
            batch.notices.extend(done.notices);
            batch.accounts.extend(owner.map(|o| o.0));
        }
        batch.replies.add(slot, done.reply);
    }

    fn begin_step(&self, effect: &Effect) -> Result<()> {
        self.in_transaction()?;
        if matches!(effect, Effect::UploadCommit(_) | Effect::Copy(_)) {
            self.shared.reserve.check()?;
        }
        self.conn.execute_batch("SAVEPOINT job").map_err(failed)
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

    /// The log first, which is the truth, then the index; only then is anything seen.
    fn finish(&mut self) -> Result<()> {
        self.in_transaction()?;
        if let Some(mark) = self.pack.commit()? {
            set_mark(&self.conn, mark).map_err(failed)?;
        }
        self.conn.execute_batch("COMMIT").map_err(failed)
    }
}

/// Answers reads until no more can come.
pub(super) fn read(conn: &Connection, jobs: &Worker, shared: &Shared) {
    while let Some(job) = jobs.next() {
        let (effect, slot) = job.into_parts();
        if let Err(e) = conn.execute_batch("BEGIN") {
            slot.send(effect.fail(failed(e)));
            continue;
        }
        let mut transaction = Transaction::new(conn, &shared.files, None);
        let done = ops::run(&mut transaction, &shared.uploads, effect);
        // Nothing was written; an error here shows again at the next BEGIN.
        let _ = conn.execute_batch("ROLLBACK");
        slot.send(done.reply);
    }
}

const BATCH: usize = 64;
/// Between two looks at what is past its time.
const TIDY: Duration = Duration::from_secs(10);

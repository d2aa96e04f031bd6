//! The writer, which commits many jobs at once, the readers, and the one who keeps what comes in.

use std::sync::mpsc;

use pillarbox_core::effect::{Effect, ErrorKind, Notice};
use rusqlite::Connection;

use super::Shared;
use super::ahead::Ready;
use super::group::Waiting;
use super::known::News;
use super::ledger::Ledger;
use super::queue::Worker;
use super::transaction::{Transaction, order};
use super::upkeep::{Rules, Upkeep};
use crate::contract::{Job, ReplySlot};
use crate::error::lock;
use crate::ops;
use crate::pack::{Aside, Mark, Window, Writer};
use crate::table::Result;

/// The one writer.
pub(super) struct Group {
    ledger: Ledger,
    shared: std::sync::Arc<Shared>,
    upkeep: Upkeep,
}

/// What a batch is to tell once it is durable.
#[derive(Default)]
struct Batch {
    replies: Waiting,
    notices: Vec<Notice>,
    news: Vec<News>,
}

impl Group {
    pub(super) fn new(ledger: Ledger, shared: std::sync::Arc<Shared>, rules: Rules) -> Self {
        let upkeep = Upkeep::new(rules, shared.reserve.clone());
        Self {
            ledger,
            shared,
            upkeep,
        }
    }

    /// Clients first, and between them what the store does of itself.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Ready>) {
        loop {
            match jobs.recv_timeout(self.upkeep.wait()) {
                Ok(first) => {
                    let more = jobs.try_iter().take(BATCH - 1);
                    self.serve(std::iter::once(first).chain(more));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            self.upkeep.tend(&mut self.ledger);
        }
    }

    /// What comes with a segment of its own gets a transaction of its own, in its turn.
    fn serve(&mut self, ready: impl Iterator<Item = Ready>) {
        let mut jobs = Vec::new();
        for Ready { job, aside } in ready {
            if aside.is_none() {
                jobs.push(job);
                continue;
            }
            self.commit(std::mem::take(&mut jobs), None);
            self.commit(vec![job], aside);
        }
        self.commit(jobs, None);
    }

    fn commit(&mut self, jobs: Vec<Job>, aside: Option<Aside>) {
        if jobs.is_empty() {
            return;
        }
        let mut batch = Batch::default();
        let unit = match &aside {
            Some(_) => Unit::Segment,
            None if jobs.len() == 1 => Unit::Transaction,
            None => Unit::Savepoint,
        };
        let start = self.begin(aside);
        for job in jobs {
            let (effect, slot) = job.into_parts();
            match &start {
                Ok(()) => self.step(unit, effect, slot, &mut batch),
                Err(e) => slot.send(ops::refuse(&self.shared.uploads, effect, e.clone())),
            }
        }
        if start.is_err() {
            return;
        }
        if let Err(e) = self.ledger.finish() {
            if e.kind == ErrorKind::OverQuota {
                // From here on mail can go and not come, until there is room for both.
                self.shared.reserve.release();
            }
            return batch.replies.settle(Err(&e));
        }
        self.shared.known.learn(batch.news);
        batch.replies.settle(Ok(()));
        // Who is told may subscribe anew.
        let notices = lock(&self.shared.notices).clone();
        if let Some(tell) = notices {
            batch.notices.into_iter().for_each(|n| tell(n));
        }
    }

    fn begin(&mut self, aside: Option<Aside>) -> Result<()> {
        self.shared.reserve.tend();
        match aside {
            None => self.ledger.begin(),
            Some(aside) => self.ledger.begin_in(aside),
        }
    }

    /// Runs one job, so that its failure is its own.
    fn step(&mut self, unit: Unit, effect: Effect, slot: ReplySlot, batch: &mut Batch) {
        let before = unit.mark(&self.ledger.pack);
        if let Err(e) = self.begin_step(unit, &effect) {
            self.ledger.pack.cut(before);
            return slot.send(ops::refuse(&self.shared.uploads, effect, e));
        }
        let news = News::of(&effect);
        self.ledger.listings.mark();
        let mut transaction = self.ledger.tables();
        let done = ops::run(&mut transaction, &self.shared.uploads, effect);
        drop(transaction);
        let conn = &self.ledger.conn;
        if done.failed {
            if conn.execute_batch(unit.undo()).is_err() {
                // Nothing of it may be committed with the others: the commit says that the transaction is gone.
                let _ = conn.execute_batch("ROLLBACK");
            }
            self.ledger.pack.cut(before);
            self.ledger.listings.undo();
        } else {
            let _ = unit.end(conn);
            batch.notices.extend(done.notices);
            batch.news.extend(news);
        }
        batch.replies.add(slot, done.reply);
    }

    fn begin_step(&self, unit: Unit, effect: &Effect) -> Result<()> {
        self.ledger.in_transaction()?;
        if matches!(effect, Effect::UploadCommit(_) | Effect::Copy(_)) {
            self.shared.reserve.check()?;
        }
        let begun = unit.begin(&self.ledger.conn);
        begun.map_err(|e| self.ledger.failed(e))
    }
}

/// What is taken back when a job fails. A savepoint copies each page of the index that is changed: a job that is alone needs none.
#[derive(Clone, Copy)]
enum Unit {
    /// All of the transaction: bodies are in its segment that no record names.
    Segment,
    Transaction,
    Savepoint,
}

impl Unit {
    /// What of the log is taken back with it.
    fn mark(self, pack: &Writer) -> Mark {
        match self {
            Self::Segment => pack.begun(),
            Self::Transaction | Self::Savepoint => pack.mark(),
        }
    }

    fn begin(self, conn: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Segment | Self::Transaction => Ok(()),
            Self::Savepoint => order(conn, "SAVEPOINT job"),
        }
    }

    fn end(self, conn: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Segment | Self::Transaction => Ok(()),
            Self::Savepoint => order(conn, "RELEASE job"),
        }
    }

    fn undo(self) -> &'static str {
        match self {
            Self::Segment | Self::Transaction => "ROLLBACK; BEGIN IMMEDIATE",
            Self::Savepoint => "ROLLBACK TO job; RELEASE job",
        }
    }
}

/// Answers what is about one upload and not for the writer.
pub(super) fn run_upload(job: Job, shared: &Shared, is_there: bool) {
    let (effect, slot) = job.into_parts();
    if let Ok(reply) = ops::run_upload(&shared.uploads, effect, is_there) {
        slot.send(reply);
    }
}

/// Keeps the octets of large messages that come in until no more can come: one thread, so that those of each stay in their order.
pub(super) fn spool(jobs: &Worker, shared: &Shared) {
    while let Some(job) = jobs.next() {
        run_upload(job, shared, false);
    }
}

/// Answers reads until no more can come.
pub(super) fn read(conn: &Connection, jobs: &Worker, shared: &Shared) {
    let mut window = Window::default();
    while let Some(job) = jobs.next() {
        let (effect, slot) = job.into_parts();
        let _reading = shared.files.reading();
        if let Err(e) = order(conn, "BEGIN") {
            slot.send(effect.fail(shared.doubt.judge(e)));
            continue;
        }
        let mut transaction = Transaction::new(conn, &shared.files, None)
            .doubting(&shared.doubt)
            .renewing(&shared.renewed)
            .remembering(&shared.headers);
        // Its room is kept, and not what it holds: the next job knows of messages that came meanwhile.
        window.clear();
        transaction.window = window;
        let done = ops::run(&mut transaction, &shared.uploads, effect);
        window = transaction.window;
        // Nothing was written; an error here shows again at the next BEGIN.
        let _ = order(conn, "ROLLBACK");
        slot.send(done.reply);
    }
}

const BATCH: usize = 64;

//! The writer, which commits many jobs at once, the readers, and the one who keeps what comes in.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pillarbox_core::effect::{Effect, ErrorKind, Notice};
use rusqlite::Connection;

use super::ahead::Ready;
use super::desk::{Look, Submitted, Turn};
use super::group::Waiting;
use super::known::News;
use super::ledger::{Ledger, MostLag};
use super::queue::{Queue, Worker};
use super::transaction::{Transaction, order};
use super::upkeep::{Rules, Upkeep};
use super::{Desk, Shared, stopped};
use crate::contract::{Job, ReplySlot, Stay};
use crate::error::lock;
use crate::ops;
use crate::pack::{Aside, Mark, Window, Writer};
use crate::table::Result;

/// The one writer.
pub(super) struct Group {
    ledger: Ledger,
    shared: Arc<Shared>,
    /// Jobs for the readers.
    read: Arc<Queue>,
    upkeep: Upkeep,
    most: MostLag,
    /// What is to be told once the index shows it.
    notices: Vec<Notice>,
    /// The index could not be brought up to the log.
    stuck: bool,
    /// The last commit took no longer than a thread that serves connections may wait for.
    quick: bool,
}

/// What a batch is to tell once it is durable.
#[derive(Default)]
struct Batch {
    replies: Waiting,
    notices: Vec<Notice>,
    news: Vec<News>,
}

impl Group {
    pub(super) fn new(ledger: Ledger, shared: Arc<Shared>, read: Arc<Queue>, rules: Rules) -> Self {
        let upkeep = Upkeep::new(rules, shared.reserve.clone());
        let most = MostLag::within(shared.reserve.size());
        Self {
            ledger,
            shared,
            read,
            upkeep,
            most,
            notices: Vec::new(),
            stuck: false,
            quick: false,
        }
    }

    /// Clients first, and between them what the store does of itself.
    fn work(&mut self, turn: Turn<Ready>) {
        let is_idle = match turn {
            Turn::Jobs(ready) => {
                self.serve(ready);
                false
            }
            Turn::Due | Turn::End => true,
        };
        let is_due = self.upkeep.wait().is_zero();
        if (is_idle || is_due || !self.ledger.may_lag(self.most)) && self.settle().is_err() {
            return;
        }
        if is_due {
            self.upkeep.tend(&mut self.ledger);
        }
    }

    /// Whether the job is done in place by the thread that submits it: when that may wait, and all there is to wait for is one sync. The
    /// writer's thread looks after what the index lacks in any case.
    fn stay(&self, ready: &Ready) -> Option<Stay> {
        let leave = ready.job.leave()?;
        let is_light = self.quick
            && self.ledger.lags()
            && self.ledger.may_lag(self.most)
            && self.shared.reserve.is_there();
        let size = self.lagging(ready.job.effect()).filter(|_| is_light)?;
        let fits = ready.aside.is_none() && self.ledger.pack.reaches(size + HEADS);
        fits.then(|| leave.take()).flatten()
    }

    /// Writes one job in place.
    fn write_here(&mut self, job: Job) {
        let start = self.ledger.begin_lagging();
        self.carry_out(Unit::Lagging, start, vec![job]);
    }

    fn look(&self) -> Look {
        if self.ledger.may_lag(self.most) {
            Look::In(self.wait())
        } else {
            Look::Now
        }
    }

    fn wait(&self) -> Duration {
        match (self.ledger.lags(), self.stuck) {
            (false, _) => self.upkeep.wait(),
            (true, false) => LAG.min(self.upkeep.wait()),
            (true, true) => AGAIN,
        }
    }

    /// Has readers see what was acknowledged, and tells who waits for that. When it fails it is tried again from the log, at once and later.
    fn settle(&mut self) -> Result<()> {
        if !self.ledger.lags() {
            return Ok(());
        }
        let settled = self.ledger.settle().or_else(|e| {
            if e.kind == ErrorKind::OverQuota {
                self.shared.reserve.release();
                self.ledger.pack.give_back();
            }
            self.ledger.settle()
        });
        self.stuck = settled.is_err();
        settled?;
        self.shared.known.settled();
        self.tell();
        Ok(())
    }

    fn tell(&mut self) {
        for notice in std::mem::take(&mut self.notices) {
            // Who is told may subscribe anew.
            let tell = lock(&self.shared.notices).clone();
            if let Some(tell) = tell {
                tell(notice);
            }
        }
    }

    /// Reads come here while the index lacks something of their account: they are for the readers as soon as it does not.
    fn pass_on(&mut self, reads: Vec<Ready>) {
        if reads.is_empty() {
            return;
        }
        let settled = self.settle();
        for Ready { job, .. } in reads {
            match &settled {
                Ok(()) => {
                    // At the end readers take no more.
                    let left = self.read.push(job);
                    self.commit(left.into_iter().collect(), None);
                }
                Err(e) => {
                    let (effect, slot) = job.into_parts();
                    slot.send(effect.fail(e.clone()));
                }
            }
        }
    }

    fn is_read(&self, effect: &Effect) -> bool {
        let owner = ops::owner(effect).filter(|_| ops::only_reads(effect));
        owner.is_some_and(|owner| self.shared.known.has_account(owner))
    }

    /// What comes with a segment of its own gets a transaction of its own, in its turn.
    fn serve(&mut self, ready: Vec<Ready>) {
        let is_read = |ready: &Ready| self.is_read(ready.job.effect());
        let (reads, changes): (Vec<_>, Vec<_>) = ready.into_iter().partition(is_read);
        self.pass_on(reads);
        let mut jobs = Vec::new();
        for Ready { job, aside } in changes {
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
        let unit = match (&aside, &jobs[..]) {
            (Some(_), _) => Unit::Segment,
            (None, [job]) if self.lagging(job.effect()).is_some() => Unit::Lagging,
            (None, [_]) => Unit::Transaction,
            (None, _) => Unit::Savepoint,
        };
        let start = self.begin(unit, aside);
        self.carry_out(unit, start, jobs);
    }

    fn carry_out(&mut self, unit: Unit, start: Result<()>, jobs: Vec<Job>) {
        let mut batch = Batch::default();
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
        let begun = Instant::now();
        let done = match unit {
            Unit::Lagging => self.ledger.finish_lagging(),
            _ => self.ledger.finish(),
        };
        self.quick = begun.elapsed() < QUICK;
        if let Err(e) = done {
            if e.kind == ErrorKind::OverQuota {
                // From here on mail can go and not come, until there is room for both.
                self.shared.reserve.release();
            }
            return batch.replies.settle(Err(&e));
        }
        let lags = self.ledger.lags();
        self.shared.known.learn(batch.news, lags);
        batch.replies.settle(Ok(()));
        self.notices.extend(batch.notices);
        if !lags {
            self.tell();
        }
    }

    /// The octets of a message that is alone and small. What is acknowledged before the index has it must find room there, also when that is what
    /// was set aside: until it is there nobody can change anything.
    fn lagging(&self, effect: &Effect) -> Option<u64> {
        let Effect::UploadCommit(call) = effect else {
            return None;
        };
        let messages = &call.op().messages;
        let size = self.shared.uploads.weigh(messages);
        (messages.len() == 1 && self.most.allows(size)).then_some(size)
    }

    fn begin(&mut self, unit: Unit, aside: Option<Aside>) -> Result<()> {
        self.shared.reserve.tend();
        if unit != Unit::Lagging || !self.ledger.may_lag(self.most) {
            self.settle()?;
        }
        match aside {
            Some(aside) => self.ledger.begin_in(aside),
            None if unit == Unit::Lagging => self.ledger.begin_lagging(),
            None => self.ledger.begin(),
        }
    }

    /// Runs one job, so that its failure is its own.
    fn step(&mut self, unit: Unit, effect: Effect, slot: ReplySlot, batch: &mut Batch) {
        let before = unit.mark(&self.ledger.pack);
        if let Err(e) = self.begin_step(unit, &effect) {
            self.ledger.pack.cut(before);
            return slot.send(ops::refuse(&self.shared.uploads, effect, e));
        }
        let changes = self.ledger.conn.total_changes();
        let news = News::of(&effect);
        self.ledger.listings.mark();
        let mut transaction = self.ledger.tables();
        let done = ops::run(&mut transaction, &self.shared.uploads, effect);
        drop(transaction);
        if done.failed {
            let wrote = self.ledger.conn.total_changes() != changes;
            self.undo(unit, wrote);
            self.ledger.pack.cut(before);
            self.ledger.listings.undo();
        } else {
            let _ = unit.end(&self.ledger.conn);
            batch.notices.extend(done.notices);
            batch.news.extend(news);
        }
        batch.replies.add(slot, done.reply);
    }

    /// Takes back what a job did to the index.
    fn undo(&self, unit: Unit, wrote: bool) {
        let undo = match unit {
            Unit::Lagging if self.ledger.lags() && !wrote => return,
            // What was acknowledged goes with it, and comes again from the log.
            Unit::Lagging if self.ledger.lags() => return self.ledger.lose(),
            Unit::Segment | Unit::Transaction | Unit::Lagging => "ROLLBACK; BEGIN IMMEDIATE",
            Unit::Savepoint => "ROLLBACK TO job; RELEASE job",
        };
        if self.ledger.conn.execute_batch(undo).is_err() {
            // Nothing of it may be committed with the others: the commit says that the transaction is gone.
            self.ledger.lose();
        }
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// All of the transaction: bodies are in its segment that no record names.
    Segment,
    Transaction,
    /// The same, or all that the index was not told to keep yet: that comes again from the log.
    Lagging,
    Savepoint,
}

impl Unit {
    /// What of the log is taken back with it.
    fn mark(self, pack: &Writer) -> Mark {
        match self {
            Self::Segment => pack.begun(),
            Self::Transaction | Self::Lagging | Self::Savepoint => pack.mark(),
        }
    }

    fn begin(self, conn: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Segment | Self::Transaction | Self::Lagging => Ok(()),
            Self::Savepoint => order(conn, "SAVEPOINT job"),
        }
    }

    fn end(self, conn: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Segment | Self::Transaction | Self::Lagging => Ok(()),
            Self::Savepoint => order(conn, "RELEASE job"),
        }
    }
}

/// Hands a job to the one who writes; what is small and alone is written by the thread that submits it, if that may wait.
pub(super) fn submit(desk: &Desk, ready: Ready, shared: &Shared) {
    match desk.submit(ready, |group, ready| group.stay(ready)) {
        Submitted::Left => {}
        Submitted::Here(mut group, ready) => {
            let done = catch_unwind(AssertUnwindSafe(|| group.write_here(ready.job)));
            if done.is_ok() {
                let look = group.look();
                return desk.put_back(group, look);
            }
            // It has been said. The thread is not the store's: it goes on.
            group.ledger.lose();
            desk.end(Some(group));
        }
        Submitted::Over(Ready { job, .. }) => {
            let (effect, slot) = job.into_parts();
            slot.send(ops::refuse(&shared.uploads, effect, stopped()));
        }
    }
}

/// The writer's thread: works until no more jobs can come. After a panic mail can be read yet.
pub(super) fn write(desk: &Desk) {
    let mut group = None;
    let ended = catch_unwind(AssertUnwindSafe(|| serve(desk, &mut group)));
    desk.end(None);
    // None at hand: it was the runtime that panicked, when somebody was to be relieved.
    let mut group = group.unwrap_or_else(|| desk.last());
    if ended.is_err() {
        group.ledger.lose();
    }
    // What fails here is done when the store is opened again.
    let _ = group.settle();
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// Leaves the group where it is when it ends, with whatever it had at hand.
fn serve(desk: &Desk, at_hand: &mut Option<Box<Group>>) {
    loop {
        let (group, turn) = desk.next(BATCH);
        let group = at_hand.insert(group);
        if matches!(turn, Turn::End) {
            return;
        }
        group.work(turn);
        let look = Look::In(group.wait());
        if let Some(group) = at_hand.take() {
            desk.put_back(group, look);
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
/// Octets of the log that a message has besides its own, with room to spare.
const HEADS: u64 = 8 << 10;
/// How long the last commit took at most when the next may be made by a thread that serves connections.
const QUICK: Duration = Duration::from_millis(1);
/// How long the index may lag behind the log while no more mail comes.
const LAG: Duration = Duration::from_millis(4);
/// Until it is tried again to bring it up to the log.
const AGAIN: Duration = Duration::from_secs(1);

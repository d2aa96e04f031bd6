//! The index and the log, changed together by the one who writes.

use std::time::{Duration, Instant};

use pillarbox_core::effect::{ErrorKind, StoreError};
use rusqlite::Connection;

use super::checkpoint::Log;
use super::closed::Closed;
use super::doubt::Doubt;
use super::listings::Listings;
use super::recover::{catch_up, mark, set_mark};
use super::renewed::Renewed;
use super::transaction::{Transaction, order};
use crate::pack::{Aside, Files, Writer};
use crate::table::Result;

/// Both, and one transaction at a time. For mail that comes in one message after the other it can be another way: each message is a transaction
/// of the log, which is acknowledged when it is durable, and many are one of the index, which is committed a moment later.
pub(super) struct Ledger {
    pub conn: Connection,
    pub pack: Writer,
    pub files: std::sync::Arc<Files>,
    pub doubt: std::sync::Arc<Doubt>,
    pub renewed: std::sync::Arc<Renewed>,
    pub log: Log,
    pub closed: Closed,
    pub listings: Listings,
    pub lag: Option<Lag>,
}

/// Transactions that are durable in the log, and of which nothing is to be seen in the index yet: it has them in a transaction that is
/// open. When it loses that they are brought in from the log.
pub(super) struct Lag {
    segment: u64,
    /// The log's octets that are theirs.
    start: u64,
    end: u64,
    transactions: u64,
    begun: Instant,
}

/// How far the index may fall behind the log. On a full disk it must be able to follow, or what was acknowledged could not be read: what it
/// lacks is to fit into the room that is set aside.
#[derive(Clone, Copy, Debug)]
pub(super) struct MostLag {
    /// Transactions of the log that are one of the index.
    transactions: u64,
    /// Octets of the log from which on it is committed.
    octets: u64,
}

impl MostLag {
    /// For so many octets that are set aside.
    pub(super) fn within(reserve: u64) -> Self {
        Self {
            transactions: (reserve / PAGES).min(64),
            octets: (reserve / 8).min(1 << 20),
        }
    }

    /// Whether a message of this size can be one of them.
    pub(super) fn allows(self, size: u64) -> bool {
        self.transactions > 0 && size <= self.octets / 8
    }
}

impl Ledger {
    pub(super) fn begin(&mut self) -> Result<()> {
        self.begin_by(Writer::begin)
    }

    /// The log goes on in a segment that was made aside.
    pub(super) fn begin_in(&mut self, aside: Aside) -> Result<()> {
        self.begin_by(|pack| pack.begin_in(aside))
    }

    fn begin_by(&mut self, begin: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
        let begun = order(&self.conn, "BEGIN IMMEDIATE");
        begun.map_err(|e| self.failed(e))?;
        begin(&mut self.pack).inspect_err(|_| {
            // The next transaction begins again.
            let _ = self.conn.execute_batch("ROLLBACK");
        })
    }

    /// The log first, which is the truth, then the index; only then is anything seen. After an error nothing of the transaction happened.
    pub(super) fn finish(&mut self) -> Result<()> {
        let done = self.try_finish();
        if done.is_err() {
            self.undo();
        }
        done
    }

    fn try_finish(&mut self) -> Result<()> {
        self.in_transaction()?;
        if let Some(mark) = self.pack.commit()? {
            set_mark(&self.conn, mark).map_err(|e| self.failed(e))?;
        }
        let done = order(&self.conn, "COMMIT");
        done.map_err(|e| self.failed(e))?;
        self.log.bound(&self.conn, &self.doubt);
        Ok(())
    }

    /// Whether a transaction of the log can be [lagging](Self::begin_lagging) without anything to be [settled](Self::settle) before.
    pub(super) fn may_lag(&self, most: MostLag) -> bool {
        self.lag.as_ref().is_none_or(|lag| {
            lag.transactions < most.transactions
                && lag.end - lag.start < most.octets
                && lag.begun.elapsed() < LONGEST
                && self.pack.goes_on()
                && !self.conn.is_autocommit()
        })
    }

    /// Whether the index lacks what was acknowledged.
    pub(super) fn lags(&self) -> bool {
        self.lag.is_some()
    }

    /// Begins a transaction whose part in the index is committed later, with those of others.
    pub(super) fn begin_lagging(&mut self) -> Result<()> {
        match self.lag {
            None => self.begin(),
            Some(_) => self.in_transaction().and_then(|()| self.pack.begin()),
        }
    }

    /// Makes it durable. After an error nothing of it happened.
    pub(super) fn finish_lagging(&mut self) -> Result<()> {
        let done = self.try_finish_lagging();
        if done.is_err() {
            self.undo();
        }
        done
    }

    fn try_finish_lagging(&mut self) -> Result<()> {
        if self.pack.is_empty() {
            return match self.lag {
                None => order(&self.conn, "COMMIT").map_err(|e| self.failed(e)),
                Some(_) => Ok(()),
            };
        }
        self.in_transaction()?;
        let start = self.pack.start();
        if let Some((segment, end)) = self.pack.commit()? {
            let lag = self.lag.get_or_insert(Lag {
                segment,
                start,
                end,
                transactions: 0,
                begun: Instant::now(),
            });
            lag.end = end;
            lag.transactions += 1;
        }
        Ok(())
    }

    /// Has the index show what was acknowledged. What fails is tried again by the next call, with the log.
    pub(super) fn settle(&mut self) -> Result<()> {
        let Some(Lag {
            segment,
            start,
            end,
            ..
        }) = self.lag
        else {
            return Ok(());
        };
        let settled = if self.conn.is_autocommit() {
            let done = catch_up(&self.conn, &self.files, segment, (start, end));
            done.map_err(|e| self.doubt.review(e))
        } else {
            let marked = set_mark(&self.conn, (segment, end));
            let done = marked.and_then(|()| order(&self.conn, "COMMIT"));
            done.map_err(|e| self.failed(e))
        };
        if settled.is_err() {
            self.lose();
            return settled;
        }
        self.lag = None;
        self.log.bound(&self.conn, &self.doubt);
        Ok(())
    }

    /// Takes back what the index has in its open transaction.
    pub(super) fn lose(&self) {
        // SQLite may have done it already.
        let _ = self.conn.execute_batch("ROLLBACK");
        self.listings.forget();
    }

    fn undo(&mut self) {
        self.lose();
        self.pack.roll_back();
    }

    /// SQLite gives up the whole transaction after some errors; what comes after must not commit on its own.
    pub(super) fn in_transaction(&self) -> Result<()> {
        if !self.conn.is_autocommit() {
            return Ok(());
        }
        Err(StoreError::new(
            ErrorKind::Unavailable,
            "The server could not reach its storage; nothing was changed, try again later",
        ))
    }

    /// The tables in the present transaction.
    pub(super) fn tables(&mut self) -> Transaction<'_> {
        Transaction::new(&self.conn, &self.files, Some(&mut self.pack))
            .doubting(&self.doubt)
            .renewing(&self.renewed)
            .counting(&self.listings)
    }

    /// The tables as they are, for looking.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        let tables = Transaction::new(&self.conn, &self.files, None);
        look(&mut tables.doubting(&self.doubt))
    }

    /// A transaction of its own.
    pub(super) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.begin()?;
        self.try_change(change)
    }

    /// The same, in a segment that was made aside.
    pub(super) fn change_in<T>(
        &mut self,
        aside: Aside,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.begin_in(aside)?;
        self.try_change(change)
    }

    fn try_change<T>(
        &mut self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let changed = change(&mut self.tables());
        match changed {
            Ok(done) => self.finish().map(|()| done),
            Err(e) => {
                self.undo();
                Err(e)
            }
        }
    }

    /// What clients are told of an error of the index.
    pub(super) fn failed(&self, e: rusqlite::Error) -> StoreError {
        self.doubt.judge(e)
    }

    /// The segment up to which the index knows all.
    pub(super) fn known_segment(&self) -> Result<u64> {
        Ok(mark(&self.conn).map_err(|e| self.failed(e))?.0)
    }

    /// Whether the whole of the index's own log is in the database and synced: it does not fall back behind this after a crash.
    pub(super) fn checkpoint(&self) -> Result<bool> {
        self.log.checkpoint(&self.conn, &self.doubt)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.log.close(&self.conn, &self.doubt);
    }
}

/// Octets of pages of the index that one message changes, with room to spare.
const PAGES: u64 = 64 << 10;
/// How long anybody waits to hear of a message, however much comes after it.
const LONGEST: Duration = Duration::from_millis(50);

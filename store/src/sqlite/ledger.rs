//! The index and the log, changed together by the one who writes.

use pillarbox_core::effect::{ErrorKind, StoreError};
use rusqlite::Connection;

use super::checkpoint::Log;
use super::closed::Closed;
use super::doubt::Doubt;
use super::listings::Listings;
use super::recover::{mark, set_mark};
use super::renewed::Renewed;
use super::transaction::{Transaction, order};
use crate::pack::{Aside, Files, Writer};
use crate::table::Result;

/// Both, and one transaction at a time.
pub(super) struct Ledger {
    pub conn: Connection,
    pub pack: Writer,
    pub files: std::sync::Arc<Files>,
    pub doubt: std::sync::Arc<Doubt>,
    pub renewed: std::sync::Arc<Renewed>,
    pub log: Log,
    pub closed: Closed,
    pub listings: Listings,
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

    fn undo(&mut self) {
        // SQLite may have done it already.
        let _ = self.conn.execute_batch("ROLLBACK");
        self.pack.roll_back();
        self.listings.forget();
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

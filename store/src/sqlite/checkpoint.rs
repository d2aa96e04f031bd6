//! Bringing the index's own log into the database, by the one who writes: SQLite, which does it of itself, keeps to itself what failed.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;

use pillarbox_core::effect::{ErrorKind, StoreError};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::doubt::Doubt;
use super::recover::write_again;
use crate::error;
use crate::table::Result;

/// The index's own log.
pub(super) struct Log {
    path: PathBuf,
    /// Octets of it may be in a cache only: a sync failed, perhaps before it was opened, and the next one does not look at them. The database
    /// must not get ahead of what is durable of the log: a loss of power meanwhile would leave half of a change in it.
    doubtful: Cell<bool>,
}

impl Log {
    /// Of an index that was just opened. What a crash left of it is made durable.
    pub(super) fn new(path: PathBuf) -> Self {
        let doubtful = Cell::new(true);
        let log = Self { path, doubtful };
        // What fails here is tried again before it matters.
        let _ = log.make_durable();
        log
    }

    fn make_durable(&self) -> io::Result<()> {
        if self.doubtful.get() {
            write_again(&self.path, 0, self.len())?;
            self.doubtful.set(false);
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.path.metadata().map_or(0, |m| m.len())
    }

    /// Keeps it from growing for ever. What fails is tried again after the next transaction.
    pub(super) fn bound(&self, conn: &Connection, doubt: &Doubt) {
        if self.len() > MOST.unsigned_abs() {
            let _ = self.checkpoint(conn, doubt);
        }
    }

    /// Whether all of it is in the database and synced.
    pub(super) fn checkpoint(&self, conn: &Connection, doubt: &Doubt) -> Result<bool> {
        let durable = self.make_durable();
        durable.map_err(|e| error::io("index log", &e))?;
        let sql = "PRAGMA wal_checkpoint(PASSIVE)";
        let told = conn.query_row(sql, [], |r| {
            Ok((
                r.get::<_, i64>(0)?,
                r.get::<_, i64>(1)?,
                r.get::<_, i64>(2)?,
            ))
        });
        let told = told.map_err(|e| doubt.judge(e));
        // Where there is no room the log was synced: it is the database that lacks it.
        let failed = |e: &StoreError| e.kind != ErrorKind::OverQuota;
        self.doubtful.set(told.as_ref().is_err_and(failed));
        let (busy, all, done) = told?;
        Ok(busy == 0 && all == done)
    }

    /// Before the last connection is closed, which removes the log when all of it is in the database. When it is not, the log stays.
    pub(super) fn close(&self, conn: &Connection, doubt: &Doubt) {
        if self.checkpoint(conn, doubt).is_ok() {
            let _ = may_go(conn);
        }
    }
}

/// Lets a connection remove its log when it is closed.
pub(super) fn may_go(conn: &Connection) -> rusqlite::Result<bool> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
}

/// Octets after which the log is brought into the database: the changes of some 400 messages.
pub(super) const MOST: i64 = 16 << 20;

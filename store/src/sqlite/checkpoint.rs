//! Bringing the index's own log into the database, by the one who writes: SQLite, which does it of itself, keeps to itself what failed.

use std::cell::Cell;
use std::path::PathBuf;

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
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            doubtful: Cell::new(true),
        }
    }

    /// Keeps it from growing for ever. What fails is tried again after the next transaction.
    pub(super) fn bound(&self, conn: &Connection, doubt: &Doubt) {
        let len = self.path.metadata().map_or(0, |m| m.len());
        if len > MOST.unsigned_abs() {
            let _ = self.checkpoint(conn, doubt);
        }
    }

    /// Whether all of it is in the database and synced.
    pub(super) fn checkpoint(&self, conn: &Connection, doubt: &Doubt) -> Result<bool> {
        if self.doubtful.get() {
            let len = self.path.metadata().map_or(0, |m| m.len());
            let written = write_again(&self.path, 0, len);
            written.map_err(|e| error::io("index log", &e))?;
        }
        self.doubtful.set(true);
        let sql = "PRAGMA wal_checkpoint(PASSIVE)";
        let told = conn.query_row(sql, [], |r| {
            Ok((
                r.get::<_, i64>(0)?,
                r.get::<_, i64>(1)?,
                r.get::<_, i64>(2)?,
            ))
        });
        let (busy, all, done) = told.map_err(|e| doubt.judge(e))?;
        self.doubtful.set(false);
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

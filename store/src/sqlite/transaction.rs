//! One transaction of the index and the log: statements, records, and what is kept beside them.

use std::collections::BTreeMap;

use pillarbox_core::effect::{ErrorKind, StoreError};
use pillarbox_core::id::{MailboxId, ModSeq};
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::doubt::Doubt;
use super::headers::Headers;
use super::listings::Listings;
use super::renewed::Renewed;
use crate::pack::{Body, Entry, Files, Place, Window, Writer};
use crate::record::Mailbox;
use crate::table::{Result, Tables};

/// One transaction; only the writer's may change anything.
pub(super) struct Transaction<'a> {
    pub conn: &'a Connection,
    pub files: &'a Files,
    pub pack: Option<&'a mut Writer>,
    /// The highest modseq of each mailbox that the log tells in this transaction.
    pub logged: BTreeMap<MailboxId, ModSeq>,
    pub doubt: Option<&'a Doubt>,
    pub renewed: Option<&'a Renewed>,
    pub headers: Option<&'a Headers>,
    pub listings: Option<&'a Listings>,
    /// Octets of messages that were scanned.
    pub scanned: u64,
    /// What was read of the packs last; nothing while more is written.
    pub window: Window,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(
        conn: &'a Connection,
        files: &'a Files,
        pack: Option<&'a mut Writer>,
    ) -> Self {
        Self {
            conn,
            files,
            pack,
            logged: BTreeMap::new(),
            doubt: None,
            renewed: None,
            headers: None,
            listings: None,
            scanned: 0,
            window: Window::default(),
        }
    }

    /// What the index calls damage is looked at before clients hear of it.
    pub(super) fn doubting(self, doubt: &'a Doubt) -> Self {
        let doubt = Some(doubt);
        Self { doubt, ..self }
    }

    /// What is computed anew is kept there.
    pub(super) fn renewing(self, renewed: &'a Renewed) -> Self {
        let renewed = Some(renewed);
        Self { renewed, ..self }
    }

    /// Headers are looked up there first.
    pub(super) fn remembering(self, headers: &'a Headers) -> Self {
        let headers = Some(headers);
        Self { headers, ..self }
    }

    /// Names are counted there; of the one who writes.
    pub(super) fn counting(self, listings: &'a Listings) -> Self {
        let listings = Some(listings);
        Self { listings, ..self }
    }

    pub(super) fn failed(&self, e: rusqlite::Error) -> StoreError {
        match self.doubt {
            Some(doubt) => doubt.judge(e),
            None => failed(e),
        }
    }

    pub(super) fn run(&self, sql: &str, values: impl Params) -> Result<usize> {
        let done = self.conn.prepare_cached(sql);
        let done = done.and_then(|mut s| s.execute(values));
        done.map_err(|e| self.failed(e))
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let found = self.conn.prepare_cached(sql);
        let found = found.and_then(|mut s| s.query_row(values, read).optional());
        found.map_err(|e| self.failed(e))
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let rows = self.conn.prepare_cached(sql);
        let rows = rows.and_then(|mut s| s.query_map(values, read)?.collect());
        rows.map_err(|e| self.failed(e))
    }

    pub(super) fn log(
        &mut self,
        entry: &Entry,
        body: Option<&mut dyn Body>,
    ) -> Result<Option<Place>> {
        let pack = self.pack.as_mut();
        pack.map(|pack| pack.append(entry, body)).transpose()
    }

    /// What was written can be read.
    pub(super) fn flush(&mut self) -> Result<()> {
        let Some(pack) = &mut self.pack else {
            return Ok(());
        };
        self.window.clear();
        pack.flush()
    }

    pub(super) fn told(&mut self, mailbox: &Mailbox, modseq: ModSeq) {
        let told = self.logged.entry(mailbox.id).or_insert(modseq);
        *told = modseq.max(*told);
    }

    /// Whether the log must say how the mailbox is now: nothing else that it says of it tells all of this.
    pub(super) fn is_news(&mut self, m: &Mailbox) -> Result<bool> {
        let Some(before) = self.mailbox(m.id)? else {
            return Ok(true);
        };
        let told = self.logged.get(&m.id).copied().unwrap_or_default();
        Ok(before.name != m.name
            || before.special_use != m.special_use
            || before.floor != m.floor
            || before.uid_validity != m.uid_validity
            || m.highest_modseq > before.highest_modseq.max(told))
    }
}

/// Runs a statement without values or rows, compiled once.
pub(super) fn order(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

pub(super) fn missing() -> StoreError {
    StoreError::new(ErrorKind::Corruption, "The message's octets are missing")
}

/// "Cannot read" is told as such, and a full disk apart.
pub(super) fn failed(e: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
    let error = match e.sqlite_error_code() {
        Some(DiskFull) => StoreError::new(
            ErrorKind::OverQuota,
            "The server has no room; nothing was stored. Deleting still works",
        ),
        Some(DatabaseCorrupt | NotADatabase) => StoreError::new(
            ErrorKind::Corruption,
            "The server's index is damaged; the operator can rebuild it",
        ),
        _ => unavailable(),
    };
    error.detail(format!("index: {e}"))
}

pub(super) fn unavailable() -> StoreError {
    StoreError::new(
        ErrorKind::Unavailable,
        "The server could not reach its storage; try again later",
    )
}

//! The index's tables and its format version.

use std::fs::File;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};

use super::{Fault, OpenError, at, checkpoint};
use crate::folder::sync_folder;
use crate::pack::{Secret, find_secret, segments};

pub(super) fn prepare(conn: &Connection) -> Result<(), Fault> {
    if rusqlite::version_number() < LEAST_SQLITE {
        return Err(OpenError::OldSqlite(rusqlite::version().to_owned()).into());
    }
    conn.busy_timeout(std::time::Duration::from_secs(10))?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "journal_size_limit", checkpoint::MOST)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    synced_by_packs(conn)?;
    // Else SQLite compiles each statement with a LIMIT again whenever it is bound anew.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// The packs are synced before each commit and replayed after a crash: the index may fall back, and never to half a transaction.
fn synced_by_packs(conn: &Connection) -> Result<(), Fault> {
    Ok(conn.pragma_update(None, "synchronous", "NORMAL")?)
}

/// Makes the tables of a new index, or brings an older one to this format. Refuses a newer one, and to begin an empty one beside packs.
pub(super) fn open(conn: &Connection, folder: &Path, packs: &Path) -> Result<Secret, Fault> {
    match version(conn)? {
        0 if has_mail(packs).map_err(at(packs))? => {
            return Err(OpenError::NoIndex(folder.into()).into());
        }
        0 => create(conn, packs)?,
        old @ 1..FORMAT => upgrade(conn, folder, packs, old)?,
        FORMAT => {}
        newer => return Err(OpenError::Newer(newer).into()),
    }
    let sql = "SELECT value FROM meta WHERE key = 'secret'";
    let secret: i64 = conn.query_row(sql, [], |r| r.get(0))?;
    Ok(Secret(secret.cast_unsigned()))
}

/// Whether an index of format 1 is about to become one of this format.
pub(super) fn is_old(conn: &Connection) -> Result<bool, Fault> {
    Ok(version(conn)? == 1)
}

fn version(conn: &Connection) -> Result<i64, Fault> {
    Ok(conn.query_row("PRAGMA user_version", [], |r| r.get(0))?)
}

/// Refuses what this program does not know.
pub(super) fn check_version(conn: &Connection) -> Result<(), Fault> {
    match version(conn)? {
        1..=FORMAT => Ok(()),
        0 => Err(OpenError::Index("it has no tables".into()).into()),
        newer => Err(OpenError::Newer(newer).into()),
    }
}

fn has_mail(packs: &Path) -> std::io::Result<bool> {
    for segment in segments(packs)? {
        let path = packs.join(format!("{segment:016x}.pack"));
        if path.metadata()?.len() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The tables of a new index, with the secret that the packs have already, if they have one.
pub(super) fn create(conn: &Connection, packs: &Path) -> Result<(), Fault> {
    let secret = secret(conn, packs)?;
    begin(conn, &format!("{TABLES} {SECOND} {THIRD}"))?;
    finish(conn, secret)
}

/// Format 1 did not log every change; what it logged is read as it is.
fn upgrade(conn: &Connection, folder: &Path, packs: &Path, old: i64) -> Result<(), Fault> {
    let backup = folder.join(format!("index.format-{old}"));
    if backup.exists() {
        std::fs::remove_file(&backup).map_err(at(&backup))?;
    }
    conn.execute("VACUUM INTO ?1", [backup.to_string_lossy()])?;
    // SQLite does not sync what it makes so, and what it was made from is about to change.
    File::open(&backup)
        .and_then(|made| made.sync_all())
        .and_then(|()| sync_folder(folder))
        .map_err(at(&backup))?;
    let secret = secret(conn, packs)?;
    let second = if old < 2 { SECOND } else { "" };
    begin(conn, &format!("{second} {THIRD}"))?;
    forget_bodies(conn)?;
    finish(conn, secret)
}

/// The packs do not say that there is an index: unlike what comes later, its tables are synced.
fn begin(conn: &Connection, tables: &str) -> Result<(), Fault> {
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.execute_batch(&format!("BEGIN IMMEDIATE; {tables}"))?;
    Ok(())
}

fn finish(conn: &Connection, secret: i64) -> Result<(), Fault> {
    let sql = "INSERT OR IGNORE INTO meta VALUES ('secret', ?1)";
    conn.execute(sql, params![secret])?;
    conn.execute_batch(&format!("PRAGMA user_version = {FORMAT}; COMMIT;"))?;
    synced_by_packs(conn)
}

fn secret(conn: &Connection, packs: &Path) -> Result<i64, Fault> {
    if let Some(secret) = find_secret(packs).map_err(at(packs))? {
        return Ok(secret.0.cast_signed());
    }
    Ok(conn.query_row("SELECT random()", [], |r| r.get(0))?)
}

/// Bodies that are in no mailbox any more.
pub(super) fn forget_bodies(conn: &Connection) -> Result<(), Fault> {
    conn.execute_batch(
        "DELETE FROM cold WHERE email NOT IN (SELECT email FROM hot UNION ALL SELECT email FROM grave)",
    )?;
    Ok(())
}

const FORMAT: i64 = 3;
/// Below it, commits that race a checkpoint can be lost.
const LEAST_SQLITE: i32 = 3_051_003;

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('next_id', 1), ('segment', 0), ('offset', 0);
CREATE TABLE account (id INTEGER PRIMARY KEY, validity INTEGER NOT NULL);
CREATE TABLE mailbox (
  id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, name TEXT NOT NULL, special TEXT, validity INTEGER NOT NULL,
  uid_next INTEGER NOT NULL, modseq INTEGER NOT NULL, recent_from INTEGER NOT NULL, messages INTEGER NOT NULL,
  unseen INTEGER NOT NULL, deleted INTEGER NOT NULL, size INTEGER NOT NULL, keywords TEXT NOT NULL, floor INTEGER NOT NULL,
  UNIQUE (owner, name));
CREATE TABLE subscription (owner INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (owner, name)) WITHOUT ROWID;
CREATE TABLE hot (
  mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, modseq INTEGER NOT NULL, system INTEGER NOT NULL, keywords BLOB NOT NULL,
  size INTEGER NOT NULL, date INTEGER NOT NULL, zone INTEGER NOT NULL, saved INTEGER NOT NULL, email INTEGER NOT NULL,
  thread INTEGER NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
CREATE INDEX hot_modseq ON hot (mailbox, modseq);
CREATE TABLE grave (
  mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, modseq INTEGER NOT NULL, system INTEGER NOT NULL, keywords BLOB NOT NULL,
  size INTEGER NOT NULL, date INTEGER NOT NULL, zone INTEGER NOT NULL, saved INTEGER NOT NULL, email INTEGER NOT NULL,
  thread INTEGER NOT NULL, buried INTEGER NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
CREATE TABLE cold (
  email INTEGER PRIMARY KEY, segment INTEGER NOT NULL, place INTEGER NOT NULL, size INTEGER NOT NULL, header INTEGER NOT NULL,
  envelope BLOB NOT NULL, body BLOB NOT NULL, body_structure BLOB NOT NULL, structure BLOB NOT NULL);
CREATE TABLE expunged (
  mailbox INTEGER NOT NULL, modseq INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (mailbox, modseq, first)) WITHOUT ROWID;
CREATE TABLE thread (owner INTEGER NOT NULL, hash INTEGER NOT NULL, thread INTEGER NOT NULL, PRIMARY KEY (owner, hash)) WITHOUT ROWID;
";
/// What format 2 has besides.
const SECOND: &str = "
CREATE INDEX grave_buried ON grave (buried);
";
/// What format 3 has besides: which places a body has, what a segment holds, and the age of expunges.
const THIRD: &str = "
CREATE INDEX hot_thread ON hot (thread, email);
CREATE INDEX grave_thread ON grave (thread, email);
CREATE INDEX cold_segment ON cold (segment, size);
ALTER TABLE expunged ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
UPDATE expunged SET at = unixepoch();
";

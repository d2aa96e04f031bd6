//! The index's tables and its format version.

use rusqlite::Connection;

use super::OpenError;

pub(super) fn prepare(conn: &Connection) -> Result<(), OpenError> {
    if rusqlite::version_number() < LEAST_SQLITE {
        return Err(OpenError::OldSqlite(rusqlite::version().to_owned()));
    }
    conn.busy_timeout(std::time::Duration::from_secs(10))?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Makes the tables of a new index; refuses a newer format.
pub(super) fn create(conn: &Connection) -> Result<(), OpenError> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    match version {
        0 => {
            let all = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;");
            conn.execute_batch(&all)?;
            Ok(())
        }
        FORMAT => Ok(()),
        newer => Err(OpenError::Newer(newer)),
    }
}

const FORMAT: i64 = 1;
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

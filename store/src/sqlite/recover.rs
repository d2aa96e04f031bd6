//! After a crash: what the index does not know yet. After the loss of the index: everything, from the packs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use pillarbox_core::effect::{ErrorKind, StoreError};
use pillarbox_core::id::MailboxId;
use rusqlite::{Connection, OpenFlags};

use super::ledger::Ledger;
use super::replay::Replay;
use super::transaction::{failed, order};
use super::{Fault, Folder, OpenError, at, checkpoint, schema};
use crate::error;
use crate::folder::sync_folder;
use crate::pack::{Batch, Entry, Files, Scan, Secret};
use crate::table::Tables;
use crate::upload::WINDOW;

/// Where the writer goes on.
pub(super) struct Next {
    pub segment: u64,
    /// Behind the last transaction of a segment that is there already.
    pub end: Option<u64>,
    /// Mailboxes in which UIDs were given up; the log does not say so yet.
    pub reserved: BTreeSet<MailboxId>,
}

/// What a rebuild brought back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Rebuilt {
    /// Mailboxes of all accounts.
    pub mailboxes: u64,
    /// Messages in them, copies counted.
    pub messages: u64,
    /// Of those, the ones whose octets cannot be read.
    pub damaged: u64,
    /// Changes of flags may be lost: the packs are of format 1 in part, or damaged. Clients will fetch all flags again.
    pub flags_lost: bool,
}

/// Does to the index what the packs know and it does not.
pub(super) fn replay(conn: &Connection, files: &Files) -> Result<Next, Fault> {
    let mark = mark(conn)?;
    let mut run = Run::new(conn, files, mark)?;
    if run.lacks_segments().map_err(at(files.dir()))? {
        let what = "it is older than the packs, which do not hold all that it lacks";
        return Err(OpenError::Index(what.into()).into());
    }
    run.all(true)?;
    run.next()
}

/// Does to the index what this part of a segment tells: whole transactions, which it had and could not keep.
pub(super) fn catch_up(
    conn: &Connection,
    files: &Files,
    segment: u64,
    (start, end): (u64, u64),
) -> Result<(), StoreError> {
    let unread = |e: io::Error| error::io("packs", &e);
    order(conn, "BEGIN IMMEDIATE").map_err(failed)?;
    let mut scan = Scan::new(files, segment, start).map_err(unread)?;
    let mut replay = Replay::new(conn, files);
    while scan.end() < end {
        let batch = scan.next().map_err(unread)?;
        let whole = batch.filter(|batch| batch.complete && batch.end <= end);
        for record in whole.ok_or_else(unreadable)?.records() {
            let record = record.map_err(unread)?;
            replay.apply(&record.entry, record.frame.place, false)?;
        }
    }
    replay.settle()?;
    let marked = set_mark(conn, (segment, end)).and_then(|()| order(conn, "COMMIT"));
    marked.map_err(failed)
}

fn unreadable() -> StoreError {
    StoreError::new(
        ErrorKind::Unavailable,
        "The server cannot read back what it wrote; the operator must look at its disk",
    )
}

/// Logs which UIDs a recovery gave up, so that neither another crash nor a rebuild brings them back.
pub(super) fn log_reserved(
    ledger: &mut Ledger,
    reserved: BTreeSet<MailboxId>,
) -> Result<(), Fault> {
    if reserved.is_empty() {
        return Ok(());
    }
    ledger.change(|t| {
        for id in reserved {
            if let Some(mailbox) = t.mailbox(id)? {
                t.log(&Entry::mailbox(&mailbox), None)?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// Rebuilds a store's index from its packs: each message back in its mailbox with its UID and flags. The old index is set aside, not deleted,
/// once the new one is whole and durable: whatever goes wrong before leaves the store as it was.
///
/// # Errors
/// When the store is in use or its folder cannot be used.
pub fn rebuild(path: impl AsRef<Path>) -> Result<Rebuilt, OpenError> {
    Ok(from_packs(path.as_ref())?)
}

fn from_packs(path: &Path) -> Result<Rebuilt, Fault> {
    let folder = Folder::new(path, false)?;
    refuse_newer(&folder.index)?;
    let rebuilt = make_index(&folder)?;
    File::open(&folder.new_index)
        .and_then(|index| index.sync_all())
        .and_then(|()| replace_index(path, &folder))
        .map_err(at(&folder.index))?;
    Ok(rebuilt)
}

/// A new index from the packs beside the old one, in one file.
fn make_index(folder: &Folder) -> Result<Rebuilt, Fault> {
    let conn = folder.connect_to(&folder.new_index)?;
    // What fails of it on the way is done again at the end.
    conn.pragma_update(None, "wal_autocheckpoint", 1000)?;
    schema::create(&conn, &folder.packs)?;
    let rebuilt = fill(&conn, folder)?;
    // What closing it does of itself is not told when it fails.
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    checkpoint::may_go(&conn)?;
    conn.close().map_err(|(_, e)| e)?;
    Ok(rebuilt)
}

fn fill(conn: &Connection, folder: &Folder) -> Result<Rebuilt, Fault> {
    let secret: i64 = conn.query_row("SELECT value FROM meta WHERE key = 'secret'", [], |r| {
        r.get(0)
    })?;
    let files = Files::new(folder.packs.clone(), Secret(secret.cast_unsigned())).guessing();
    let mut run = Run::new(conn, &files, (0, 0))?;
    run.all(false)?;
    let (damaged, flags_lost) = (run.replay.damaged, run.lost);
    conn.execute_batch("BEGIN IMMEDIATE")?;
    Replay::new(conn, &files).give_inboxes()?;
    if flags_lost {
        forget_flags(conn)?;
    }
    schema::forget_bodies(conn)?;
    conn.execute_batch("COMMIT")?;
    let count = |sql: &str| conn.query_row(sql, [], |r| r.get(0).map(i64::cast_unsigned));
    Ok(Rebuilt {
        mailboxes: count("SELECT count(*) FROM mailbox")?,
        messages: count("SELECT count(*) FROM hot")?,
        damaged,
        flags_lost,
    })
}

/// Clients must not think that they know the flags.
fn forget_flags(conn: &Connection) -> Result<(), Fault> {
    conn.execute_batch(
        "UPDATE mailbox SET modseq = modseq + 4294967296;
         UPDATE hot SET modseq = (SELECT modseq FROM mailbox WHERE id = hot.mailbox);
         UPDATE mailbox SET floor = modseq;",
    )?;
    Ok(())
}

/// Packs beside a newer index have records that this program does not know: it must not take them for damage.
fn refuse_newer(index: &Path) -> Result<(), Fault> {
    let conn = Connection::open_with_flags(index, OpenFlags::SQLITE_OPEN_READ_ONLY);
    match conn
        .map_err(Fault::from)
        .and_then(|c| schema::check_version(&c))
    {
        Err(Fault(newer @ OpenError::Newer(_))) => Err(newer.into()),
        // Whatever else is wrong with it is why it is made anew.
        _ => Ok(()),
    }
}

/// The old index goes under a name that nothing has yet. An index is never there with the log of another, or without its own.
fn replace_index(path: &Path, folder: &Folder) -> io::Result<()> {
    let name = |n: u32, suffix: &str| path.join(format!("index.old.{n}{suffix}"));
    let is_free = |n: &u32| SUFFIXES.iter().all(|s| !name(*n, s).exists());
    let free = (1..).find(is_free).unwrap_or(0);
    for suffix in SUFFIXES {
        let old = path.join(format!("index.sqlite{suffix}"));
        if old.exists() {
            std::fs::rename(&old, name(free, suffix))?;
            sync_folder(path)?;
        }
    }
    std::fs::rename(&folder.new_index, &folder.index)?;
    sync_folder(path)
}

/// Removes what is left of an index that was being made.
pub(super) fn remove_index(path: &Path) -> io::Result<()> {
    for suffix in SUFFIXES {
        let file = PathBuf::from(format!("{}{suffix}", path.display()));
        match std::fs::remove_file(file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// Of the files of an index.
const SUFFIXES: [&str; 4] = ["", "-journal", "-wal", "-shm"];

/// The log's octets up to here are in the index.
pub(super) fn mark(conn: &Connection) -> rusqlite::Result<(u64, u64)> {
    let one = |key: &str| {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        conn.query_row(sql, [key], |r| r.get(0).map(i64::cast_unsigned))
    };
    Ok((one("segment")?, one("offset")?))
}

pub(super) fn set_mark(conn: &Connection, mark: (u64, u64)) -> rusqlite::Result<()> {
    let sql = "UPDATE meta SET value = CASE key WHEN 'segment' THEN ?1 ELSE ?2 END WHERE key IN ('segment', 'offset')";
    let mut statement = conn.prepare_cached(sql)?;
    statement.execute([mark.0.cast_signed(), mark.1.cast_signed()])?;
    Ok(())
}

/// What later segments say of earlier ones: where those end. Of one without a transaction not even the head was acknowledged: it ends at 0.
pub(super) fn cuts(files: &Files, segments: &[u64]) -> io::Result<BTreeMap<u64, u64>> {
    let mut cuts = BTreeMap::new();
    for segment in segments {
        // They stand in a segment's first transaction.
        if let Some(first) = Scan::new(files, *segment, 0)?.next()? {
            for record in first.records() {
                if let Entry::Cut(segment, end) = record?.entry {
                    let is_empty = end <= Scan::FIRST;
                    cuts.insert(segment, if is_empty { 0 } else { end });
                }
            }
        }
    }
    Ok(cuts)
}

/// One way through the log.
struct Run<'a> {
    conn: &'a Connection,
    files: &'a Files,
    replay: Replay<'a>,
    mark: (u64, u64),
    segments: Vec<u64>,
    /// The last segment that has a transaction which is whole: what is torn before it was damaged later.
    last_whole: u64,
    /// The end of the last segment, when it can be written to.
    open_end: Option<u64>,
    lost: bool,
}

impl<'a> Run<'a> {
    fn new(conn: &'a Connection, files: &'a Files, mark: (u64, u64)) -> Result<Self, Fault> {
        let mut segments = files.segments().map_err(at(files.dir()))?;
        segments.retain(|s| *s >= mark.0);
        Ok(Self {
            conn,
            files,
            replay: Replay::new(conn, files),
            mark,
            segments,
            last_whole: 0,
            open_end: None,
            lost: false,
        })
    }

    /// No segment goes that an index may need: one that does is a copy from before.
    fn lacks_segments(&self) -> io::Result<bool> {
        let mut next = self.mark.0;
        for segment in &self.segments {
            let is_new = self.files.path(*segment).metadata()?.len() > 0;
            if is_new && *segment > next && self.mark > (0, 0) {
                return Ok(true);
            }
            next = segment + 1;
        }
        Ok(false)
    }

    fn from(&self, segment: u64) -> u64 {
        if segment == self.mark.0 {
            self.mark.1
        } else {
            0
        }
    }

    /// A segment is begun after a sync failed, and a crash may come before it has anything: the one before ends in what was not acknowledged.
    fn find_last_whole(&self) -> io::Result<u64> {
        for segment in self.segments.iter().rev() {
            let first = Scan::new(self.files, *segment, self.from(*segment))?.next()?;
            if let Some(first) = first
                && !is_torn(&first)?
            {
                return Ok(*segment);
            }
        }
        Ok(0)
    }

    fn all(&mut self, cut: bool) -> Result<(), Fault> {
        let (files, segments) = (self.files, self.segments.clone());
        let failed = |e| at(files.dir())(e);
        let cuts = cuts(files, segments.get(1..).unwrap_or(&[])).map_err(failed)?;
        self.last_whole = self.find_last_whole().map_err(failed)?;
        for segment in segments {
            let path = files.path(segment);
            // What a killed process wrote is there to be read; it is not told before it is durable.
            let synced = File::open(&path).and_then(|f| f.sync_data());
            synced.map_err(at(&path))?;
            self.conn.execute_batch("BEGIN IMMEDIATE")?;
            self.segment(segment, cuts.get(&segment).copied(), cut)?;
            self.replay.settle()?;
            set_mark(self.conn, self.mark)?;
            self.conn.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    /// What is torn and has no whole transaction behind it was never acknowledged; what has one was damaged later.
    fn segment(&mut self, segment: u64, until: Option<u64>, cut: bool) -> Result<(), Fault> {
        let path = self.files.path(segment);
        let failed = at(&path);
        let mut scan = Scan::new(self.files, segment, self.from(segment)).map_err(&failed)?;
        let (mut end, mut last) = (scan.end(), scan.end());
        let mut held: Vec<Batch> = Vec::new();
        loop {
            let start = scan.end();
            let Some(batch) = scan.next().map_err(&failed)? else {
                break;
            };
            if until.is_some_and(|until| batch.end > until) {
                break;
            }
            last = start;
            if batch.complete {
                for before in held.drain(..) {
                    end = before.end;
                    self.apply(&before, scan.is_v1())?;
                }
            }
            held.push(batch);
        }
        let is_last = self.segments.last() == Some(&segment);
        let may_be_torn = segment >= self.last_whole || scan.is_v1();
        let mut torn = false;
        for batch in held {
            torn = torn || may_be_torn && is_torn(&batch).map_err(&failed)?;
            if torn {
                for record in batch.records() {
                    self.replay.reserve(&record.map_err(&failed)?.entry)?;
                }
            } else {
                end = batch.end;
                self.apply(&batch, scan.is_v1())?;
            }
        }
        if until.is_none() && last < end {
            write_again(&path, last, end).map_err(&failed)?;
        }
        self.lost |= scan.is_v1() || scan.damage().any(|at| at < end);
        self.mark = (segment, end);
        if may_be_torn && !scan.is_v1() && end <= scan.len() {
            self.open_end = is_last.then_some(end);
            if cut && end < scan.len() {
                cut_tail(&path, end).map_err(&failed)?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch, v1: bool) -> Result<(), Fault> {
        self.lost |= !batch.complete;
        for record in batch.records() {
            let record = record.map_err(at(self.files.dir()))?;
            self.replay.apply(&record.entry, record.frame.place, v1)?;
        }
        Ok(())
    }

    fn next(self) -> Result<Next, Fault> {
        let all = self.files.segments().map_err(at(self.files.dir()))?;
        let (segment, end) = match (all.last(), self.open_end) {
            (Some(last), Some(end)) if *last == self.mark.0 => (*last, Some(end)),
            (None, _) if self.mark == (0, 0) => (0, None),
            (last, _) => (last.copied().unwrap_or(0).max(self.mark.0) + 1, None),
        };
        Ok(Next {
            segment,
            end,
            reserved: self.replay.reserved,
        })
    }
}

fn is_torn(batch: &Batch) -> io::Result<bool> {
    Ok(!batch.complete || !batch.damage()?.is_empty())
}

/// Makes octets durable of which only a cache may know: a sync of them failed, and the next one does not look at them.
pub(super) fn write_again(path: &Path, from: u64, to: u64) -> io::Result<()> {
    if from == to {
        return Ok(());
    }
    let file = File::options().read(true).write(true).open(path)?;
    let (mut window, mut at) = (vec![0; WINDOW], from);
    while at < to {
        let len = usize::try_from(to - at).unwrap_or(usize::MAX);
        let window = &mut window[..len.min(WINDOW)];
        file.read_exact_at(window, at)?;
        file.write_all_at(window, at)?;
        at += window.len() as u64;
    }
    file.sync_data()
}

fn cut_tail(path: &Path, end: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(end)?;
    file.sync_all()
}

//! Looks at every octet of a store that is not in use, and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use pillarbox_core::id::{EmailId, MailboxId};
use rusqlite::{Connection, OpenFlags, Row};

use super::recover::{cuts, mark};
use super::{Fault, OpenError, at, doubt, schema};
use crate::pack::{Batch, Entry, Files, Place, Scan, Secret, find_secret};

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Problem {
    /// Where: a file, a mailbox or a message.
    pub place: String,
    /// What is wrong there, for people.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// Mailboxes in the index.
    pub mailboxes: u64,
    /// Messages in them, copies counted.
    pub messages: u64,
    /// Records in the packs.
    pub records: u64,
    /// Octets of the packs.
    pub octets: u64,
    /// Problems told.
    pub problems: u64,
    /// The packs have changes that the index lacks: it takes them in when the store is opened.
    pub behind: bool,
}

/// Reads the packs and the index of a store that is not in use: checksums, counters, and whether one says what the other says. Each problem
/// is told as it is found. Nothing is written.
///
/// # Errors
/// When the store is in use, of a newer format, or cannot be read.
pub fn verify(path: impl AsRef<Path>, tell: impl FnMut(&Problem)) -> Result<Verified, OpenError> {
    Ok(look_at(path.as_ref(), tell)?)
}

fn look_at(path: &Path, tell: impl FnMut(&Problem)) -> Result<Verified, Fault> {
    let _lock = lock(path)?;
    let (packs, index) = (path.join("packs"), path.join("index.sqlite"));
    std::fs::read_dir(&packs).map_err(at(&packs))?;
    let secret = find_secret(&packs).map_err(at(&packs))?;
    let files = Files::new(packs, secret.unwrap_or(Secret(0))).guessing();
    let index = Index::open(&index)?;
    let conn = index.conn.as_ref().ok_or(rusqlite::Error::InvalidQuery)?;
    schema::check_version(conn)?;
    let mut run = Run {
        tell,
        seen: Verified::default(),
        mark: mark(conn)?,
        alive: BTreeMap::new(),
        contents: BTreeMap::new(),
        damaged: BTreeSet::new(),
    };
    run.packs(&files)?;
    run.index(conn)?;
    Ok(run.seen)
}

fn lock(path: &Path) -> Result<Option<File>, OpenError> {
    let lock_path = path.join("lock");
    let lock = match File::open(&lock_path) {
        Ok(lock) => lock,
        // It was never opened here: nobody uses it.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(at(&lock_path)(e)),
    };
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(e)) => Err(at(&lock_path)(e)),
    }
}

/// The index, open for reading; a copy of it where a crash left a log beside it, since reading that would write.
struct Index {
    conn: Option<Connection>,
    copy: Option<PathBuf>,
}

impl Index {
    fn open(index: &Path) -> Result<Self, Fault> {
        // SQLite takes what it cannot read for damage.
        doubt::read_through(index).map_err(at(index))?;
        let log = index.with_extension("sqlite-wal");
        if !log.metadata().is_ok_and(|m| m.len() > 0) {
            let conn = Some(connect(index, "immutable=1")?);
            return Ok(Self { conn, copy: None });
        }
        let folder = format!("pillarbox-verify-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir(&folder).map_err(at(&folder))?;
        let mut opened = Self {
            conn: None,
            copy: Some(folder.clone()),
        };
        for (from, name) in [(index, "index.sqlite"), (&log, "index.sqlite-wal")] {
            std::fs::copy(from, folder.join(name)).map_err(at(&folder))?;
        }
        opened.conn = Some(connect(&folder.join("index.sqlite"), "mode=rw")?);
        Ok(opened)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.conn = None;
        if let Some(folder) = &self.copy {
            // It is in the system's folder for what may go.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn connect(index: &Path, mode: &str) -> Result<Connection, Fault> {
    let path = index.to_string_lossy();
    let path = path.replace('%', "%25").replace('?', "%3f");
    let uri = format!("file:{}?{mode}", path.replace('#', "%23"));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(uri, flags)?)
}

struct Run<F> {
    tell: F,
    seen: Verified,
    /// Up to here the index knows the packs.
    mark: (u64, u64),
    /// Messages that the packs have, up to the mark, and whether a record of version 1 says so.
    alive: BTreeMap<(MailboxId, u32), (EmailId, bool)>,
    contents: BTreeMap<EmailId, Place>,
    damaged: BTreeSet<Place>,
}

impl<F: FnMut(&Problem)> Run<F> {
    fn problem(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.seen.problems += 1;
        (self.tell)(&Problem {
            place: place.into(),
            what: what.into(),
        });
    }

    fn packs(&mut self, files: &Files) -> Result<(), Fault> {
        let segments = files.segments().map_err(at(files.dir()))?;
        let cuts = cuts(files, &segments).map_err(at(files.dir()))?;
        for segment in &segments {
            let is_last = segments.last() == Some(segment);
            let until = cuts.get(segment).copied();
            self.segment(files, *segment, until, is_last)
                .map_err(at(&files.path(*segment)))?;
        }
        if segments.last().is_some_and(|last| *last < self.mark.0)
            || (segments.is_empty() && self.mark > (0, 0))
        {
            let what = "the newest of them are missing: the index knows more";
            self.problem(files.dir().display().to_string(), what);
        }
        Ok(())
    }

    fn segment(
        &mut self,
        files: &Files,
        segment: u64,
        until: Option<u64>,
        is_last: bool,
    ) -> io::Result<()> {
        let mut scan = Scan::new(files, segment, 0)?;
        self.seen.octets += scan.len();
        let mut held: Option<Batch> = None;
        while let Some(batch) = scan.next()? {
            if until.is_some_and(|until| batch.end > until) {
                break;
            }
            if let Some(before) = held.replace(batch) {
                self.batch(files, segment, &scan, &before)?;
            }
        }
        if let Some(last) = held {
            // The one that a crash tore was never acknowledged.
            let known = (segment, last.end) <= self.mark;
            let torn = !last.complete || !last.damage()?.is_empty();
            if known || !is_last || !torn {
                self.batch(files, segment, &scan, &last)?;
            }
        }
        let place = files.path(segment).display().to_string();
        let counts = |at: &u64| until.is_none_or(|until| *at < until);
        for offset in scan.damage().filter(counts).collect::<Vec<_>>() {
            self.problem(&place, format!("the octets at {offset} are no record"));
        }
        let has_records = until.unwrap_or(scan.len()) > Scan::FIRST;
        if has_records && !scan.has_head() {
            self.problem(&place, "its head is damaged");
        }
        if segment == self.mark.0 && scan.len() < self.mark.1 {
            let (is, knew) = (scan.len(), self.mark.1);
            self.problem(
                &place,
                format!("it ends at {is}; the index knew {knew} octets"),
            );
        }
        Ok(())
    }

    fn batch(&mut self, files: &Files, segment: u64, scan: &Scan, b: &Batch) -> io::Result<()> {
        let place = files.path(segment).display().to_string();
        if !b.complete {
            let what = format!("the changes that end at {} are not all there", b.end);
            self.problem(&place, what);
        }
        for damaged in b.damage()? {
            if damaged.size == 0 {
                let what = format!("the record before {} is damaged", damaged.offset);
                self.problem(&place, what);
            }
            self.damaged.insert(damaged);
        }
        let known = (segment, b.end) <= self.mark;
        self.seen.behind |= !known;
        for record in b.records() {
            let record = record?;
            self.seen.records += 1;
            if known {
                self.fold(&record.entry, record.frame.place, scan.is_v1());
            }
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry, place: Place, v1: bool) {
        match entry {
            Entry::Message(home, m, _) => {
                self.contents.insert(m.email_id, place);
                let key = (home.mailbox, m.uid.get());
                self.alive.insert(key, (m.email_id, v1));
            }
            Entry::Copy(home, m, _) => {
                let key = (home.mailbox, m.uid.get());
                self.alive.insert(key, (m.email_id, v1));
            }
            Entry::Gone(home, _, uids) => {
                for &(first, last) in uids.ranges() {
                    self.forget((home.mailbox, first), (home.mailbox, last));
                }
            }
            Entry::Dropped(home) => self.forget((home.mailbox, 0), (home.mailbox, u32::MAX)),
            Entry::Body(_, email, _) => drop(self.contents.insert(*email, place)),
            Entry::Mailbox(..)
            | Entry::Account(..)
            | Entry::Flags(..)
            | Entry::Subscribed(..)
            | Entry::Cut(..)
            | Entry::Commit { .. } => {}
        }
    }

    fn forget(&mut self, from: (MailboxId, u32), to: (MailboxId, u32)) {
        let gone: Vec<_> = self.alive.range(from..=to).map(|(key, _)| *key).collect();
        for key in gone {
            self.alive.remove(&key);
        }
    }

    fn index(&mut self, conn: &Connection) -> Result<(), Fault> {
        let mut check = conn.prepare("PRAGMA integrity_check")?;
        let lines = check.query_map([], |r| r.get::<_, String>(0))?;
        for line in lines {
            let line = line?;
            if line != "ok" {
                self.problem("index.sqlite", line);
            }
        }
        let names = self.mailboxes(conn)?;
        self.messages(conn, &names)?;
        for (key, (_, v1)) in std::mem::take(&mut self.alive) {
            // Version 1 could lose the record of an expunge.
            if !v1 {
                self.problem(shown(&names, key), "the packs have it, the index does not");
            }
        }
        Ok(())
    }

    fn mailboxes(&mut self, conn: &Connection) -> Result<BTreeMap<u64, String>, Fault> {
        let mut all = conn.prepare(
            "SELECT id, owner, name, uid_next, modseq, messages, unseen, deleted, size FROM mailbox",
        )?;
        let mut recount = conn.prepare(
            "SELECT ifnull(max(uid), 0), ifnull(max(modseq), 0), count(*), total(system & 1 = 0), total(system & 8 != 0), ifnull(sum(size), 0)
             FROM hot WHERE mailbox = ?1",
        )?;
        let mut names = BTreeMap::new();
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            self.seen.mailboxes += 1;
            let id: i64 = row.get(0)?;
            let name = format!(
                "account {}, {}",
                row.get::<_, i64>(1)?,
                row.get::<_, String>(2)?
            );
            let says = numbers::<6>(row, 3)?;
            let is = recount.query_row([id], |r| {
                let total = |at| r.get::<_, f64>(at).map(|n| n as i64);
                let [uid, modseq, messages] = numbers::<3>(r, 0)?;
                Ok([uid, modseq, messages, total(3)?, total(4)?, r.get(5)?])
            })?;
            for (at, what) in ["messages", "unseen", "deleted", "octets"]
                .iter()
                .enumerate()
            {
                let (says, is) = (says[at + 2], is[at + 2]);
                if says != is {
                    self.problem(&name, format!("it counts {says} {what}; there are {is}"));
                }
            }
            if is[0] >= says[0] || is[1] > says[1] {
                self.problem(&name, "a message is above its UIDNEXT or HIGHESTMODSEQ");
            }
            names.insert(id.cast_unsigned(), name);
        }
        Ok(names)
    }

    fn messages(&mut self, conn: &Connection, names: &BTreeMap<u64, String>) -> Result<(), Fault> {
        let mut all = conn.prepare(
            "SELECT hot.mailbox, hot.uid, hot.email, hot.size, cold.segment, cold.place, cold.size
             FROM hot LEFT JOIN cold ON cold.email = hot.email ORDER BY hot.mailbox, hot.uid",
        )?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            self.seen.messages += 1;
            let [mailbox, uid, email, size] = numbers::<4>(row, 0)?.map(i64::cast_unsigned);
            let place = match row.get::<_, Option<i64>>(4)? {
                Some(_) => {
                    let [segment, offset, size] = numbers::<3>(row, 4)?.map(i64::cast_unsigned);
                    Some(Place {
                        segment,
                        offset,
                        size,
                    })
                }
                None => None,
            };
            let key = (MailboxId(mailbox), u32::try_from(uid).unwrap_or(0));
            if let Some(what) = self.message_problem(key, EmailId(email), size, place) {
                self.problem(shown(names, key), what);
            }
            self.alive.remove(&key);
        }
        Ok(())
    }

    fn message_problem(
        &self,
        key: (MailboxId, u32),
        email: EmailId,
        size: u64,
        place: Option<Place>,
    ) -> Option<&'static str> {
        let Some(place) = place else {
            return Some("the index does not know where its octets are");
        };
        if self.damaged.contains(&place) {
            return Some("its octets are damaged");
        }
        if self.contents.get(&email) != Some(&place) || place.size != size {
            return Some("its octets are not where the index says");
        }
        match self.alive.get(&key) {
            Some((packed, _)) if *packed == email => None,
            Some(_) => Some("the packs have another message there"),
            None => Some("the index has it, the packs do not"),
        }
    }
}

fn shown(names: &BTreeMap<u64, String>, (mailbox, uid): (MailboxId, u32)) -> String {
    match names.get(&mailbox.0) {
        Some(name) => format!("{name}, UID {uid}"),
        None => format!("mailbox {mailbox}, which is not there, UID {uid}"),
    }
}

fn numbers<const N: usize>(row: &Row<'_>, from: usize) -> rusqlite::Result<[i64; N]> {
    let mut all = [0; N];
    for (at, n) in all.iter_mut().enumerate() {
        *n = row.get(from + at)?;
    }
    Ok(all)
}

//! After a crash: deliveries that the index does not know yet. After the loss of the index: everything, from the packs.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use pillarbox_core::effect::ErrorKind;
use pillarbox_core::flag::FlagNames;
use pillarbox_core::id::{EmailId, MailboxId, UidValidity};
use pillarbox_core::mailbox::MailboxName;
use rusqlite::Connection;

use super::tables::{Transaction, failed};
use super::{Folder, OpenError, at, schema};
use crate::derive::Scan;
use crate::ops;
use crate::pack::{Files, Kind, Meta, Place};
use crate::record::{Derived, Mailbox};
use crate::table::{Result, Tables};
use crate::upload::WINDOW;

/// What the packs say, the last word on each place.
#[derive(Default)]
struct Log {
    mailboxes: BTreeMap<MailboxId, Meta>,
    messages: BTreeMap<(MailboxId, u32), Meta>,
    contents: BTreeMap<EmailId, Place>,
}

impl Log {
    fn read(files: &Files, from: (u64, u64)) -> std::result::Result<Self, OpenError> {
        let mut log = Self::default();
        let segments = files.segments().map_err(at(files.dir()))?;
        for segment in segments.into_iter().filter(|s| *s >= from.0) {
            let offset = if segment == from.0 { from.1 } else { 0 };
            files.scan(segment, offset, |found| {
                log.take(found.kind, found.meta, found.place);
                Ok(())
            })?;
        }
        Ok(log)
    }

    fn take(&mut self, kind: Kind, meta: Meta, place: Place) {
        let uid = meta.message.as_ref().map_or(0, |m| m.uid.get());
        let key = (meta.mailbox, uid);
        match (kind, &meta.message) {
            (Kind::Message, Some(message)) => {
                self.contents.insert(message.email_id, place);
                self.messages.insert(key, meta);
            }
            (Kind::Copy, Some(_)) => {
                self.messages.insert(key, meta);
            }
            (Kind::Gone, _) => {
                self.messages.remove(&key);
            }
            (Kind::Mailbox, _) => {
                self.mailboxes.insert(meta.mailbox, meta);
            }
            (Kind::Dropped, _) => {
                self.mailboxes.remove(&meta.mailbox);
                self.messages.retain(|(m, _), _| *m != meta.mailbox);
            }
            (Kind::Message | Kind::Copy, None) => {}
        }
    }
}

/// Puts whole deliveries after the index's mark into it.
pub(super) fn replay(conn: &Connection, files: &Files) -> std::result::Result<(), OpenError> {
    let mark = |key: &str| {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        conn.query_row(sql, [key], |r| r.get::<_, i64>(0).map(i64::cast_unsigned))
    };
    let log = Log::read(files, (mark("segment")?, mark("offset")?))?;
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let mut t = transaction(conn, files);
    for meta in log.messages.values() {
        let Some(message) = &meta.message else {
            continue;
        };
        let place = log.contents.get(&message.email_id);
        let mailbox = t.mailbox(meta.mailbox)?;
        let mailbox = mailbox.filter(|m| m.uid_next.get() <= message.uid.get());
        if let (Some(mailbox), Some(place)) = (mailbox, place) {
            match derive(files, *place) {
                Ok(derived) => restore(&mut t, mailbox, meta, Some((*place, derived)))?,
                // Torn: it was never acknowledged.
                Err(e) if e.kind == ErrorKind::Corruption => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
    bump_ids(conn, &log)?;
    conn.execute_batch("COMMIT")?;
    Ok(())
}

/// Rebuilds a store's index from its packs: each message back in its mailbox with its UID, flags as they were on arrival. The old index is kept
/// beside it. Returns how many messages there are.
///
/// # Errors
/// When the store is in use or its folder cannot be used.
pub fn rebuild(path: impl AsRef<Path>) -> std::result::Result<u64, OpenError> {
    let folder = Folder::new(path.as_ref())?;
    for suffix in ["", "-wal", "-shm"] {
        let old = path.as_ref().join(format!("index.sqlite{suffix}"));
        if old.exists() {
            let kept = path.as_ref().join(format!("index.old{suffix}"));
            std::fs::rename(&old, kept).map_err(at(&old))?;
        }
    }
    let conn = folder.connect()?;
    schema::create(&conn)?;
    let files = Files::new(folder.packs.clone());
    let log = Log::read(&files, (0, 0))?;
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let mut t = transaction(&conn, &files);
    for meta in log.mailboxes.values().chain(log.messages.values()) {
        make_mailbox(&mut t, meta)?;
    }
    for meta in log.messages.values() {
        let (Some(message), Some(mailbox)) = (&meta.message, t.mailbox(meta.mailbox)?) else {
            continue;
        };
        let place = log.contents.get(&message.email_id);
        let content = place.map(|place| (*place, derive(&files, *place).unwrap_or_default()));
        restore(&mut t, mailbox, meta, content)?;
    }
    // Changes of flags are lost: clients must not think that they know them.
    conn.execute("UPDATE mailbox SET modseq = modseq + 4294967296", [])?;
    conn.execute(
        "UPDATE hot SET modseq = (SELECT modseq FROM mailbox WHERE id = hot.mailbox)",
        [],
    )?;
    conn.execute("UPDATE mailbox SET floor = modseq", [])?;
    bump_ids(&conn, &log)?;
    let last = files.segments().map_err(at(&folder.packs))?;
    let last = last.last().map_or(0, |n| n + 1);
    conn.execute(
        "UPDATE meta SET value = ?1 WHERE key = 'segment'",
        [last.cast_signed()],
    )?;
    conn.execute_batch("COMMIT")?;
    Ok(log.messages.len() as u64)
}

fn make_mailbox(t: &mut Transaction<'_>, meta: &Meta) -> Result<()> {
    if !t.has_account(meta.owner)? {
        t.add_account(meta.owner)?;
    }
    let sql = "UPDATE account SET validity = max(validity, ?2) WHERE id = ?1";
    let values = [meta.owner.0.cast_signed(), meta.uid_validity.into()];
    t.conn.execute(sql, values).map_err(failed)?;
    let (Some(mut name), Some(validity)) = (
        MailboxName::new(&meta.name).ok(),
        NonZeroU32::new(meta.uid_validity),
    ) else {
        return Ok(());
    };
    if t.mailbox(meta.mailbox)?.is_some() {
        return Ok(());
    }
    if t.mailbox_named(meta.owner, &name)?.is_some() {
        let other = format!("Recovered {}", meta.mailbox);
        name = MailboxName::new(&other).unwrap_or(name);
    }
    let mailbox = Mailbox::new(meta.owner, meta.mailbox, name, UidValidity(validity));
    t.put_mailbox(&mailbox)
}

fn restore(
    t: &mut Transaction<'_>,
    mut mailbox: Mailbox,
    meta: &Meta,
    content: Option<(Place, Derived)>,
) -> Result<()> {
    let Some(mut message) = meta.message.clone() else {
        return Ok(());
    };
    let names = FlagNames {
        system: message.flags.system,
        keywords: meta.keywords.clone(),
    };
    let (keywords, flags) = ops::resolve(&mailbox.keywords, &names)?;
    mailbox.keywords = keywords;
    message.flags = flags;
    let next = NonZeroU32::MIN.saturating_add(message.uid.get());
    mailbox.uid_next = mailbox.uid_next.max(next);
    mailbox.highest_modseq = mailbox.highest_modseq.max(message.modseq);
    mailbox.count_in(&message);
    if let Some((place, derived)) = content {
        t.put_cold(message.email_id, place, &derived)?;
        for hash in &derived.threads {
            t.put_thread(mailbox.owner, *hash, message.thread_id)?;
        }
    }
    t.put_message(&mailbox, &message)?;
    t.put_mailbox(&mailbox)
}

/// Numbers that the packs know are never given again.
fn bump_ids(conn: &Connection, log: &Log) -> Result<()> {
    let emails = log.contents.keys().map(|e| e.0);
    let places = log.messages.keys().map(|(m, _)| m.0);
    let mailboxes = log.mailboxes.keys().map(|m| m.0);
    let most = emails.chain(places).chain(mailboxes).max().unwrap_or(0);
    let sql = "UPDATE meta SET value = max(value, ?1) WHERE key = 'next_id'";
    conn.execute(sql, [most.cast_signed()]).map_err(failed)?;
    Ok(())
}

fn derive(files: &Files, place: Place) -> Result<Derived> {
    let mut scan = Scan::default();
    let mut offset = 0;
    while offset < place.size {
        let window = files.read(place, offset, WINDOW)?;
        scan.feed(&window);
        offset += window.len() as u64;
    }
    Ok(scan.finish())
}

pub(super) fn next_segment(files: &Files, packs: &Path) -> std::result::Result<u64, OpenError> {
    let segments = files.segments().map_err(at(packs))?;
    Ok(segments.last().map_or(0, |last| last + 1))
}

fn transaction<'a>(conn: &'a Connection, files: &'a Files) -> Transaction<'a> {
    Transaction {
        conn,
        files,
        pack: None,
        after: Vec::new(),
    }
}

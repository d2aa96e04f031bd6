//! The tables in SQLite.

use std::num::NonZeroU32;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pillarbox_core::effect::{ErrorKind, Fields, SpecialUse};
use pillarbox_core::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;
use rusqlite::params;

use super::bodies::AHEAD;
use super::columns::{mailbox_row, message_row, name, number, rows, signed, special, uid};
use super::transaction::{Transaction, missing};
use crate::listing::Listing;
use crate::memory::{next_validity, wall_clock};
use crate::pack::{Entry, Home, Place};
use crate::record::{Derived, Mailbox, Message, Sought};
use crate::row::{self, Rows, Want};
use crate::table::{Named, Result, Tables, first_ranges};
use crate::upload::{Upload, WINDOW};

impl Tables for Transaction<'_> {
    fn has_account(&mut self, owner: AccountId) -> Result<bool> {
        let sql = "SELECT 1 FROM account WHERE id = ?1";
        Ok(self.one(sql, [signed(owner.0)], |_| Ok(()))?.is_some())
    }

    fn add_account(&mut self, owner: AccountId) -> Result<()> {
        let sql = "INSERT INTO account VALUES (?1, 0)";
        self.run(sql, [signed(owner.0)]).map(drop)
    }

    fn next_validity(&mut self, owner: AccountId) -> Result<UidValidity> {
        let sql = "SELECT validity FROM account WHERE id = ?1";
        let last = self.one(sql, [signed(owner.0)], |r| r.get::<_, u32>(0))?;
        let next = next_validity(last.unwrap_or(0), wall_clock())?;
        let sql = "UPDATE account SET validity = ?2 WHERE id = ?1";
        self.run(sql, [signed(owner.0), i64::from(next)])?;
        Ok(UidValidity(
            NonZeroU32::new(next).expect("a counter that only grows is not zero"),
        ))
    }

    fn next_id(&mut self) -> Result<u64> {
        // RETURNING would put the row into a table of its own first.
        let sql = "SELECT value + 1 FROM meta WHERE key = 'next_id'";
        let id = self.one(sql, [], |r| number(r, 0))?;
        let id = id.ok_or_else(|| self.failed(rusqlite::Error::QueryReturnedNoRows))?;
        let sql = "UPDATE meta SET value = ?1 WHERE key = 'next_id'";
        self.run(sql, [signed(id)])?;
        Ok(id)
    }

    fn mailbox(&mut self, id: MailboxId) -> Result<Option<Mailbox>> {
        let sql = "SELECT * FROM mailbox WHERE id = ?1";
        self.one(sql, [signed(id.0)], mailbox_row)
    }

    fn mailbox_named(&mut self, owner: AccountId, name: &MailboxName) -> Result<Option<Mailbox>> {
        let sql = "SELECT * FROM mailbox WHERE owner = ?1 AND name = ?2";
        self.one(sql, params![signed(owner.0), name.as_str()], mailbox_row)
    }

    fn mailboxes(
        &mut self,
        owner: AccountId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mailbox>> {
        let sql = "SELECT * FROM mailbox WHERE owner = ?1 AND name > ?2 ORDER BY name LIMIT ?3";
        let values = params![signed(owner.0), after.unwrap_or(""), rows(limit)];
        self.all(sql, values, mailbox_row)
    }

    fn names(&mut self, owner: AccountId) -> Result<Vec<Named>> {
        let sql = "SELECT name, id, special FROM mailbox WHERE owner = ?1 ORDER BY name";
        self.all(sql, [signed(owner.0)], |r| {
            Ok(Named {
                name: name(r, 0)?,
                id: MailboxId(number(r, 1)?),
                special_use: special(r, 2)?,
            })
        })
    }

    fn listing(&mut self, owner: AccountId) -> Result<Listing> {
        if let Some(kept) = self.listings.and_then(|l| l.get(owner)) {
            return Ok(kept);
        }
        let counted = self.count_names(owner)?;
        if let Some(listings) = self.listings {
            listings.keep(owner, counted);
        }
        Ok(counted)
    }

    fn put_mailbox(&mut self, m: &Mailbox) -> Result<()> {
        if self.pack.is_some() && self.is_news(m)? {
            self.log(&Entry::mailbox(m), None)?;
        }
        let values = params![
            signed(m.id.0),
            signed(m.owner.0),
            m.name.as_str(),
            m.special_use.map(SpecialUse::name),
            m.uid_validity.0.get(),
            m.uid_next.get(),
            signed(m.highest_modseq.0),
            m.recent_from.get(),
            signed(m.messages),
            signed(m.unseen),
            signed(m.deleted),
            signed(m.size),
            m.keywords.join(" "),
            signed(m.floor.0),
        ];
        // Mostly the name stays; named, it is written to its own index again.
        let sql = "UPDATE mailbox SET special=?4, validity=?5, uid_next=?6, modseq=?7, recent_from=?8, messages=?9, unseen=?10,
             deleted=?11, size=?12, keywords=?13, floor=?14 WHERE id=?1 AND owner=?2 AND name=?3";
        if self.run(sql, values)? == 0 {
            if let Some(before) = self.mailbox(m.id)? {
                self.count_mailbox(m.owner, &before.name, false)?;
            }
            self.count_mailbox(m.owner, &m.name, true)?;
            let sql = "INSERT INTO mailbox VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14) ON CONFLICT (id) DO UPDATE SET
             name=?3, special=?4, validity=?5, uid_next=?6, modseq=?7, recent_from=?8, messages=?9, unseen=?10, deleted=?11,
             size=?12, keywords=?13, floor=?14";
            self.run(sql, values)?;
        }
        Ok(())
    }

    fn drop_mailbox(&mut self, mailbox: &Mailbox) -> Result<()> {
        let id = [signed(mailbox.id.0)];
        self.run("DELETE FROM expunged WHERE mailbox = ?1", id)?;
        if self.run("DELETE FROM mailbox WHERE id = ?1", id)? > 0 {
            self.count_mailbox(mailbox.owner, &mailbox.name, false)?;
        }
        self.log(&Entry::Dropped(Home::of(mailbox)), None).map(drop)
    }

    fn subscriptions(&mut self, owner: AccountId) -> Result<Vec<MailboxName>> {
        let sql = "SELECT name FROM subscription WHERE owner = ?1 ORDER BY name";
        self.all(sql, [signed(owner.0)], |r| name(r, 0))
    }

    fn is_subscribed(&mut self, owner: AccountId, name: &MailboxName) -> Result<bool> {
        let sql = "SELECT 1 FROM subscription WHERE owner = ?1 AND name = ?2";
        let values = params![signed(owner.0), name.as_str()];
        Ok(self.one(sql, values, |_| Ok(()))?.is_some())
    }

    fn set_subscribed(&mut self, owner: AccountId, name: &MailboxName, on: bool) -> Result<()> {
        let sql = if on {
            "INSERT OR IGNORE INTO subscription VALUES (?1, ?2)"
        } else {
            "DELETE FROM subscription WHERE owner = ?1 AND name = ?2"
        };
        let values = params![signed(owner.0), name.as_str()];
        if self.run(sql, values)? > 0 {
            self.count_subscription(owner, name, on)?;
            self.log(&Entry::subscribed(owner, name, on), None)?;
        }
        Ok(())
    }

    fn uids_from(&mut self, mailbox: MailboxId, from: u32, ranges: usize) -> Result<UidSet> {
        let sql = "SELECT uid FROM hot WHERE mailbox = ?1 AND uid >= ?2 ORDER BY uid";
        let values = [signed(mailbox.0), from.into()];
        let rows = self.conn.prepare_cached(sql);
        let uids = rows.and_then(|mut s| first_ranges(s.query_map(values, |r| r.get(0))?, ranges));
        uids.map_err(|e| self.failed(e))
    }

    fn first_and_last(&mut self, mailbox: MailboxId) -> Result<Option<(Uid, Uid)>> {
        let id = [signed(mailbox.0)];
        let sql = "SELECT uid FROM hot WHERE mailbox = ?1 ORDER BY uid LIMIT 1";
        let first = self.one(sql, id, |r| uid(r, 0))?;
        let sql = "SELECT uid FROM hot WHERE mailbox = ?1 ORDER BY uid DESC LIMIT 1";
        Ok(first.zip(self.one(sql, id, |r| uid(r, 0))?))
    }

    fn count_from(&mut self, mailbox: MailboxId, from: u32) -> Result<u64> {
        let sql = "SELECT count(*) FROM hot WHERE mailbox = ?1 AND uid >= ?2";
        let count = self.one(sql, [signed(mailbox.0), from.into()], |r| number(r, 0))?;
        Ok(count.unwrap_or(0))
    }

    fn first_unseen(&mut self, mailbox: MailboxId) -> Result<Option<Uid>> {
        let sql = "SELECT uid FROM hot WHERE mailbox = ?1 AND system & 1 = 0 ORDER BY uid LIMIT 1";
        self.one(sql, [signed(mailbox.0)], |r| uid(r, 0))
    }

    fn message(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        let sql = "SELECT * FROM hot WHERE mailbox = ?1 AND uid = ?2";
        self.one(sql, [signed(mailbox.0), uid.get().into()], message_row)
    }

    fn messages(
        &mut self,
        mailbox: MailboxId,
        from: u32,
        to: u32,
        limit: usize,
    ) -> Result<Vec<Message>> {
        let sql =
            "SELECT * FROM hot WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid LIMIT ?4";
        let values = params![signed(mailbox.0), from, to, rows(limit)];
        self.all(sql, values, message_row)
    }

    fn rows(&mut self, mailbox: MailboxId, want: &Want) -> Result<Rows> {
        match self.read_rows(mailbox, want) {
            // The index is damaged, and perhaps not where its messages are.
            Err(e) if e.kind == ErrorKind::Corruption => row::one_by_one(self, mailbox, want),
            read => read,
        }
    }

    fn sought(
        &mut self,
        mailbox: MailboxId,
        from: u32,
        to: u32,
        limit: usize,
        content: bool,
    ) -> Result<Vec<Sought>> {
        self.read_sought(mailbox, (from, to), limit, content)
    }

    fn changed_since(
        &mut self,
        mailbox: MailboxId,
        since: ModSeq,
        below: u32,
        limit: usize,
    ) -> Result<Vec<Message>> {
        // What changed is mostly little: the messages are not gone through for it.
        let sql = "SELECT * FROM hot INDEXED BY hot_modseq WHERE mailbox = ?1 AND modseq > ?2 AND uid < ?3
                   ORDER BY uid LIMIT ?4";
        let values = params![signed(mailbox.0), signed(since.0), below, rows(limit)];
        self.all(sql, values, message_row)
    }

    fn put_message(&mut self, mailbox: &Mailbox, m: &Message) -> Result<()> {
        let values = params![
            signed(mailbox.id.0),
            m.uid.get(),
            signed(m.modseq.0),
            m.flags.system.0,
            m.flags.keywords.to_le_bytes(),
            signed(m.size),
            m.internal_date.unix,
            m.internal_date.zone_minutes,
            m.save_date,
            signed(m.email_id.0),
            signed(m.thread_id.0),
        ];
        let sql = "INSERT OR REPLACE INTO hot VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)";
        self.run(sql, values).map(drop)
    }

    fn log_flags(&mut self, mailbox: &Mailbox, modseq: ModSeq, changed: &[Message]) -> Result<()> {
        if changed.is_empty() || self.pack.is_none() {
            return Ok(());
        }
        let entry = Entry::flags(mailbox, modseq, changed);
        self.told(mailbox, modseq);
        self.log(&entry, None).map(drop)
    }

    fn bury_message(&mut self, mailbox: &Mailbox, message: &Message) -> Result<()> {
        let key = params![signed(mailbox.id.0), message.uid.get(), now()];
        self.run(
            "INSERT OR REPLACE INTO grave SELECT *, ?3 FROM hot WHERE mailbox = ?1 AND uid = ?2",
            key,
        )?;
        let key = params![signed(mailbox.id.0), message.uid.get()];
        self.run("DELETE FROM hot WHERE mailbox = ?1 AND uid = ?2", key)
            .map(drop)
    }

    fn buried(&mut self, mailbox: MailboxId, from: u32, to: u32) -> Result<Vec<Message>> {
        let sql = "SELECT * FROM grave WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 AND buried > ?4 ORDER BY uid";
        let values = params![signed(mailbox.0), from, to, now() - VIEW_GRACE];
        self.all(sql, values, message_row)
    }

    fn log_expunge(&mut self, mailbox: &mut Mailbox, modseq: ModSeq, uids: &UidSet) -> Result<()> {
        for &(first, last) in uids.ranges() {
            let values = params![signed(mailbox.id.0), signed(modseq.0), first, last, now()];
            let sql = "INSERT OR REPLACE INTO expunged VALUES (?1, ?2, ?3, ?4, ?5)";
            self.run(sql, values)?;
        }
        self.told(mailbox, modseq);
        for some in uids.ranges().chunks(RANGES) {
            let some = UidSet::from_ranges(some.iter().copied());
            let entry = Entry::Gone(Home::of(mailbox), modseq, some);
            self.log(&entry, None)?;
        }
        Ok(())
    }

    fn expunged_since(
        &mut self,
        mailbox: MailboxId,
        since: ModSeq,
        from: u32,
        ranges: usize,
    ) -> Result<Vec<(u32, u32)>> {
        let sql =
            "SELECT first, last FROM expunged WHERE mailbox = ?1 AND modseq > ?2 AND last >= ?3
                   ORDER BY first LIMIT ?4";
        let values = params![signed(mailbox.0), signed(since.0), from, rows(ranges)];
        self.all(sql, values, |r| Ok((r.get(0)?, r.get(1)?)))
    }

    fn thread_of(&mut self, owner: AccountId, hash: u64) -> Result<Option<ThreadId>> {
        let sql = "SELECT thread FROM thread WHERE owner = ?1 AND hash = ?2";
        let values = [signed(owner.0), signed(hash)];
        self.one(sql, values, |r| number(r, 0).map(ThreadId))
    }

    fn put_thread(&mut self, owner: AccountId, hash: u64, thread: ThreadId) -> Result<()> {
        let values = [signed(owner.0), signed(hash), signed(thread.0)];
        let sql = "INSERT OR IGNORE INTO thread VALUES (?1, ?2, ?3)";
        self.run(sql, values).map(drop)
    }

    fn derived(&mut self, email: EmailId, fields: Fields) -> Result<Derived> {
        self.read_derived(email, fields)
    }

    fn scanned(&self) -> u64 {
        self.scanned
    }

    fn read(
        &mut self,
        email: EmailId,
        place: Option<Place>,
        offset: u64,
        max: usize,
    ) -> Result<Bytes> {
        self.flush()?;
        let place = match place {
            None => self.place(email)?,
            known => known,
        };
        let place = place.ok_or_else(missing)?;
        // A large piece of one message is all that its reader wants now.
        let ahead = if max > WINDOW { 0 } else { AHEAD };
        let files = self.files;
        files.read_in(&mut self.window, place, (offset, max), ahead)
    }

    fn header(&mut self, email: EmailId, place: Option<Place>, len: usize) -> Result<Bytes> {
        match self.headers {
            Some(headers) => headers.get(email, || self.read(email, place, 0, len)),
            None => self.read(email, place, 0, len),
        }
    }

    fn put_content(
        &mut self,
        mailbox: &Mailbox,
        message: &Message,
        derived: &Derived,
        upload: &mut Upload,
    ) -> Result<()> {
        self.told(mailbox, message.modseq);
        let place = match upload.part() {
            None => self.log(&Entry::message(mailbox, message), Some(upload))?,
            Some(part) => {
                let body = Entry::Body(mailbox.owner, message.email_id, message.thread_id);
                let pack = self.pack.as_mut();
                let place = pack.map(|pack| pack.claim(&body, part)).transpose()?;
                self.log(&Entry::copy(mailbox, message), None)?;
                place
            }
        };
        self.put_cold(message.email_id, place.ok_or_else(missing)?, derived)
    }

    fn put_copy(&mut self, mailbox: &Mailbox, message: &Message) -> Result<()> {
        self.told(mailbox, message.modseq);
        self.log(&Entry::copy(mailbox, message), None).map(drop)
    }
}

pub(super) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

pub(super) const VIEW_GRACE: i64 = 3600;
/// Ranges of UIDs in one record.
const RANGES: usize = 4096;

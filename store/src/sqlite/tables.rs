//! The tables in SQLite, within one transaction.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{ErrorKind, Fields, SpecialUse, StoreError};
use pillarbox_core::flag::{Flags, SystemFlags};
use pillarbox_core::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::doubt::Doubt;
use super::headers::Headers;
use super::listings::Listings;
use super::pages::Found;
use super::renewed::Renewed;
use crate::derive::derive_stored;
use crate::listing::Listing;
use crate::memory::{next_validity, wall_clock};
use crate::pack::{Body, Entry, Files, Home, Part, Place, Window, Writer};
use crate::record::{Derived, Mailbox, Message, Sought};
use crate::row::{self, Rows, Want};
use crate::table::{Named, Result, Tables, first_ranges};
use crate::upload::{Upload, WINDOW};

/// One transaction; only the writer's may change anything.
pub(super) struct Transaction<'a> {
    pub conn: &'a Connection,
    pub files: &'a Files,
    pub pack: Option<&'a mut Writer>,
    /// The highest modseq of each mailbox that the log tells in this transaction.
    pub logged: BTreeMap<MailboxId, ModSeq>,
    doubt: Option<&'a Doubt>,
    renewed: Option<&'a Renewed>,
    pub headers: Option<&'a Headers>,
    listings: Option<&'a Listings>,
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

    fn told(&mut self, mailbox: &Mailbox, modseq: ModSeq) {
        let told = self.logged.entry(mailbox.id).or_insert(modseq);
        *told = modseq.max(*told);
    }

    /// Whether the log must say how the mailbox is now: nothing else that it says of it tells all of this.
    fn is_news(&mut self, m: &Mailbox) -> Result<bool> {
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

    /// Where a body is.
    pub(super) fn place(&mut self, email: EmailId) -> Result<Option<Place>> {
        let sql = "SELECT segment, place, size FROM cold WHERE email = ?1";
        self.one(sql, [signed(email.0)], |r| {
            Ok(Place {
                segment: number(r, 0)?,
                offset: number(r, 1)?,
                size: number(r, 2)?,
            })
        })
    }

    /// A body is in another place from now on.
    pub(super) fn move_cold(&self, email: EmailId, to: Place) -> Result<()> {
        let sql = "UPDATE cold SET segment = ?2, place = ?3 WHERE email = ?1";
        let values = [signed(email.0), signed(to.segment), signed(to.offset)];
        self.run(sql, values).map(drop)
    }

    /// A body that the log's new segment begins with has its place there from now on.
    pub(super) fn take_in(&mut self, body: &Entry, part: Part) -> Result<()> {
        let pack = self.pack.as_mut();
        let place = pack.map(|pack| pack.claim(body, part)).transpose()?;
        match (body, place) {
            (Entry::Body(_, email, _), Some(place)) => self.move_cold(*email, place),
            _ => Ok(()),
        }
    }

    /// What the log tells of an account itself.
    pub(super) fn account(&mut self, owner: AccountId) -> Result<Entry> {
        let sql = "SELECT validity FROM account WHERE id = ?1";
        let validity = self.one(sql, [signed(owner.0)], |r| r.get(0))?;
        let sql = "SELECT value FROM meta WHERE key = 'next_id'";
        let number_given = self.one(sql, [], |r| number(r, 0))?;
        Ok(Entry::Account(
            owner,
            validity.unwrap_or(0),
            number_given.unwrap_or(0),
        ))
    }

    pub(super) fn accounts(&mut self) -> Result<Vec<AccountId>> {
        let sql = "SELECT id FROM account ORDER BY id";
        self.all(sql, [], |r| number(r, 0).map(AccountId))
    }

    /// So many numbers are never given.
    pub(super) fn skip_ids(&mut self, count: u64) -> Result<()> {
        let sql = "UPDATE meta SET value = value + ?1 WHERE key = 'next_id'";
        self.run(sql, [signed(count)]).map(drop)
    }

    /// So many of an account's validities are never given.
    pub(super) fn skip_validities(&mut self, owner: AccountId, count: u32) -> Result<()> {
        let sql = "UPDATE account SET validity = validity + ?2 WHERE id = ?1";
        self.run(sql, [signed(owner.0), count.into()]).map(drop)
    }

    /// Whether a mailbox or a grave has this body.
    pub(super) fn is_placed(&mut self, thread: ThreadId, email: EmailId) -> Result<bool> {
        let sql = "SELECT 1 FROM hot WHERE thread = ?1 AND email = ?2 UNION ALL
                   SELECT 1 FROM grave WHERE thread = ?1 AND email = ?2 LIMIT 1";
        let values = [signed(thread.0), signed(email.0)];
        Ok(self.one(sql, values, |_| Ok(()))?.is_some())
    }

    /// How much LIST has to tell of an account, all of it counted.
    pub(super) fn count_names(&self, owner: AccountId) -> Result<Listing> {
        let sql = "WITH name (name) AS (SELECT name FROM mailbox WHERE owner = ?1 UNION SELECT name FROM subscription WHERE owner = ?1)
             SELECT (SELECT count(*) FROM mailbox WHERE owner = ?1), (SELECT count(*) FROM subscription WHERE owner = ?1),
             count(*), ifnull(sum(length(CAST(name AS BLOB))), 0) FROM name";
        let listing = self.one(sql, [signed(owner.0)], |r| {
            Ok(Listing {
                mailboxes: number(r, 0)?,
                subscriptions: number(r, 1)?,
                names: number(r, 2)?,
                octets: number(r, 3)?,
            })
        })?;
        Ok(listing.unwrap_or_default())
    }

    /// A mailbox has this name from now on, or no more.
    fn count_mailbox(&mut self, owner: AccountId, name: &MailboxName, on: bool) -> Result<()> {
        let Some(listings) = self.listings.filter(|l| l.is_asked(owner)) else {
            return Ok(());
        };
        let alone = !self.is_subscribed(owner, name)?;
        listings.change(owner, |l| l.mailbox(name.as_str(), on, alone));
        Ok(())
    }

    /// The same of a subscription.
    fn count_subscription(&mut self, owner: AccountId, name: &MailboxName, on: bool) -> Result<()> {
        let Some(listings) = self.listings.filter(|l| l.is_asked(owner)) else {
            return Ok(());
        };
        let alone = self.mailbox_named(owner, name)?.is_none();
        listings.change(owner, |l| l.subscription(name.as_str(), on, alone));
        Ok(())
    }

    pub(super) fn put_cold(&self, email: EmailId, place: Place, d: &Derived) -> Result<()> {
        let values = params![
            signed(email.0),
            signed(place.segment),
            signed(place.offset),
            signed(place.size),
            signed(d.header_len),
            &d.envelope[..],
            &d.body[..],
            &d.body_structure[..],
            &d.structure[..],
        ];
        self.run(
            "INSERT OR REPLACE INTO cold VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
            values,
        )?;
        Ok(())
    }

    /// What a message has instead of what an earlier version computed.
    pub(super) fn renew_cold(&self, email: EmailId, d: &Derived) -> Result<()> {
        let forms = [&d.body[..], &d.body_structure[..], &d.structure[..]];
        let values = params![signed(email.0), forms[0], forms[1], forms[2]];
        let sql = "UPDATE cold SET body = ?2, body_structure = ?3, structure = ?4 WHERE email = ?1";
        self.run(sql, values).map(drop)
    }

    /// What was found, as this version computes it; what an earlier one did stays where the message is damaged.
    pub(super) fn current(&mut self, email: EmailId, found: Found) -> Result<Derived> {
        if !found.is_old {
            return Ok(found.derived);
        }
        if let Some(new) = self.renewed.and_then(|r| r.get(email)) {
            return Ok(new);
        }
        let place = self.place(email)?.ok_or_else(missing)?;
        self.scanned += place.size;
        let new = match derive_stored(self.files, place) {
            Err(e) if e.kind == ErrorKind::Corruption => return Ok(found.derived),
            new => new?,
        };
        if let Some(renewed) = self.renewed {
            renewed.keep(email, &new);
        }
        Ok(new)
    }
}

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

/// Runs a statement without values or rows, compiled once.
pub(super) fn order(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

fn mailbox_row(r: &Row<'_>) -> rusqlite::Result<Mailbox> {
    let keywords: String = r.get(12)?;
    Ok(Mailbox {
        id: MailboxId(number(r, 0)?),
        owner: AccountId(number(r, 1)?),
        name: name(r, 2)?,
        special_use: special(r, 3)?,
        uid_validity: UidValidity(positive(r, 4)?),
        uid_next: positive(r, 5)?,
        highest_modseq: ModSeq(number(r, 6)?),
        recent_from: positive(r, 7)?,
        messages: number(r, 8)?,
        unseen: number(r, 9)?,
        deleted: number(r, 10)?,
        size: number(r, 11)?,
        keywords: keywords.split_ascii_whitespace().map(Into::into).collect(),
        floor: ModSeq(number(r, 13)?),
    })
}

pub(super) fn message_row(r: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        uid: uid(r, 1)?,
        modseq: ModSeq(number(r, 2)?),
        flags: flags(r, 3)?,
        size: number(r, 5)?,
        internal_date: DateTime {
            unix: r.get(6)?,
            zone_minutes: r.get(7)?,
        },
        save_date: r.get(8)?,
        email_id: EmailId(number(r, 9)?),
        thread_id: ThreadId(number(r, 10)?),
    })
}

/// System flags, and the keywords beside them.
pub(super) fn flags(r: &Row<'_>, at: usize) -> rusqlite::Result<Flags> {
    Ok(Flags {
        system: SystemFlags(r.get(at)?),
        keywords: u128::from_le_bytes(r.get(at + 1)?),
    })
}

fn name(r: &Row<'_>, at: usize) -> rusqlite::Result<MailboxName> {
    let text: String = r.get(at)?;
    MailboxName::new(&text).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, 0))
}

fn special(r: &Row<'_>, at: usize) -> rusqlite::Result<Option<SpecialUse>> {
    let special: Option<String> = r.get(at)?;
    Ok(special.as_deref().and_then(SpecialUse::from_name))
}

fn positive(r: &Row<'_>, at: usize) -> rusqlite::Result<NonZeroU32> {
    NonZeroU32::new(r.get(at)?).ok_or(rusqlite::Error::IntegralValueOutOfRange(at, 0))
}

pub(super) fn uid(r: &Row<'_>, at: usize) -> rusqlite::Result<Uid> {
    Uid::new(r.get(at)?).ok_or(rusqlite::Error::IntegralValueOutOfRange(at, 0))
}

pub(super) fn number(r: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    r.get::<_, i64>(at).map(i64::cast_unsigned)
}

pub(super) fn signed(n: u64) -> i64 {
    n.cast_signed()
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
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

pub(super) const VIEW_GRACE: i64 = 3600;
/// Ranges of UIDs in one record.
const RANGES: usize = 4096;
/// Octets of the packs read ahead at most.
pub(super) const AHEAD: usize = 256 << 10;

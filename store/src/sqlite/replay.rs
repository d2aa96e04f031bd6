//! The log's entries done to the index once more.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use pillarbox_core::effect::ErrorKind;
use pillarbox_core::flag::{FlagNames, Flags, SystemFlags};
use pillarbox_core::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;
use rusqlite::Connection;

use super::columns::signed;
use super::transaction::{Transaction, failed};
use crate::derive::derive_stored;
use crate::ops::{self, Windows};
use crate::pack::{Counters, Entry, Files, Home, Named, Place};
use crate::record::{Mailbox, Message};
use crate::table::{Result, Tables};

/// Puts entries into an index, in their order.
pub(super) struct Replay<'a> {
    t: Transaction<'a>,
    files: &'a Files,
    /// Messages whose octets cannot be read.
    pub damaged: u64,
    /// Mailboxes in which UIDs were given up.
    pub reserved: BTreeSet<MailboxId>,
    /// Mailboxes whose rows lack what was done last: many messages of one are one change of it.
    held: BTreeMap<MailboxId, Mailbox>,
    /// The validity that each account has at least, and the number that was given.
    accounts: BTreeMap<AccountId, u32>,
    number: u64,
}

impl<'a> Replay<'a> {
    pub(super) fn new(conn: &'a Connection, files: &'a Files) -> Self {
        let t = Transaction::new(conn, files, None);
        Self {
            t,
            files,
            damaged: 0,
            reserved: BTreeSet::new(),
            held: BTreeMap::new(),
            accounts: BTreeMap::new(),
            number: 0,
        }
    }

    /// Has the index have all of it: to be called before a transaction is committed.
    pub(super) fn settle(&mut self) -> Result<()> {
        for mailbox in std::mem::take(&mut self.held).values() {
            self.t.put_mailbox(mailbox)?;
        }
        Ok(())
    }

    /// `v1`: a segment of version 1 says so.
    pub(super) fn apply(&mut self, entry: &Entry, place: Place, v1: bool) -> Result<()> {
        match entry {
            Entry::Message(home, message, keywords) => {
                if self.message(home, message, keywords, v1)? {
                    self.content(home.owner, message.email_id, message.thread_id, place)?;
                }
                Ok(())
            }
            Entry::Copy(home, message, keywords) => {
                self.message(home, message, keywords, v1).map(drop)
            }
            Entry::Body(owner, email, thread) => self.body(*owner, *email, *thread, place),
            Entry::Account(owner, validity, number) => self.account(*owner, *validity, *number),
            Entry::Mailbox(home, counters) => self.mailbox(home, *counters),
            Entry::Gone(home, modseq, uids) => self.gone(home, *modseq, uids),
            Entry::Dropped(home) => self.dropped(home),
            Entry::Flags(home, modseq, groups) => self.flags(home, *modseq, groups),
            Entry::Subscribed(owner, name, on) => self.subscribed(*owner, name, *on),
            Entry::Cut(..) | Entry::Commit { .. } => Ok(()),
        }
    }

    /// The UIDs of what was perhaps told and is lost are not given again. A mailbox that would be new is not made: nothing of it happened.
    pub(super) fn reserve(&mut self, entry: &Entry) -> Result<()> {
        if let Entry::Message(home, message, _) | Entry::Copy(home, message, _) = entry
            && let Some(mut mailbox) = self.find(home.mailbox)?
        {
            arrived(&mut mailbox, message);
            self.reserved.insert(mailbox.id);
            self.hold(mailbox)?;
        }
        Ok(())
    }

    fn account(&mut self, owner: AccountId, validity: u32, number: u64) -> Result<()> {
        if self.accounts.get(&owner).is_none_or(|v| *v < validity) {
            if !self.t.has_account(owner)? {
                self.t.add_account(owner)?;
            }
            let sql = "UPDATE account SET validity = max(validity, ?2) WHERE id = ?1";
            let values = [signed(owner.0), validity.into()];
            self.t.conn.execute(sql, values).map_err(failed)?;
            self.accounts.insert(owner, validity);
        }
        // Numbers that the log knows are never given again.
        if self.number < number {
            let sql = "UPDATE meta SET value = max(value, ?1) WHERE key = 'next_id'";
            let values = [signed(number)];
            self.t.conn.execute(sql, values).map_err(failed)?;
            self.number = number;
        }
        Ok(())
    }

    /// The mailbox as it is now.
    fn find(&mut self, id: MailboxId) -> Result<Option<Mailbox>> {
        match self.held.get(&id) {
            Some(mailbox) => Ok(Some(mailbox.clone())),
            None => self.t.mailbox(id),
        }
    }

    /// Its name is what the index has: mailboxes are found by that.
    fn hold(&mut self, mailbox: Mailbox) -> Result<()> {
        self.held.insert(mailbox.id, mailbox);
        match self.held.len() > HELD {
            true => self.settle(),
            false => Ok(()),
        }
    }

    /// It may have a new name.
    fn put(&mut self, mailbox: &Mailbox) -> Result<()> {
        self.held.remove(&mailbox.id);
        self.t.put_mailbox(mailbox)
    }

    /// The mailbox, made if the log said nothing of it before.
    fn home(&mut self, home: &Home) -> Result<Mailbox> {
        self.account(home.owner, home.uid_validity, home.mailbox.0)?;
        let validity = NonZeroU32::new(home.uid_validity).unwrap_or(NonZeroU32::MIN);
        if let Some(mut mailbox) = self.find(home.mailbox)? {
            // It only grows: the store was put back from a copy.
            if mailbox.uid_validity.0 < validity {
                mailbox.uid_validity = UidValidity(validity);
                self.put(&mailbox)?;
            }
            return Ok(mailbox);
        }
        let name = self.claim_name(home)?;
        let mailbox = Mailbox::new(home.owner, home.mailbox, name, UidValidity(validity));
        self.put(&mailbox)?;
        Ok(mailbox)
    }

    /// The mailbox's name. Another that has it by an older word of the log had it no more when this was written: where it went is told later.
    fn claim_name(&mut self, home: &Home) -> Result<MailboxName> {
        let Ok(name) = MailboxName::new(&home.name) else {
            return self.free_name(home.owner, home.mailbox);
        };
        let other = self.t.mailbox_named(home.owner, &name)?;
        if let Some(other) = other.filter(|o| o.id != home.mailbox)
            && let Some(mut other) = self.find(other.id)?
        {
            other.name = self.free_name(home.owner, other.id)?;
            self.put(&other)?;
        }
        Ok(name)
    }

    /// A name for a mailbox of which the log does not say, or not yet, what it is called.
    fn free_name(&mut self, owner: AccountId, id: MailboxId) -> Result<MailboxName> {
        let mut number = 0_u64;
        loop {
            number += 1;
            let own = MailboxName::new(&format!("Recovered {id} {number}"));
            if let Ok(name) = own
                && self.t.mailbox_named(owner, &name)?.is_none()
            {
                return Ok(name);
            }
        }
    }

    fn mailbox(&mut self, home: &Home, counters: Option<Counters>) -> Result<()> {
        let mut mailbox = self.home(home)?;
        mailbox.name = self.claim_name(home)?;
        if let Some(counters) = counters {
            let next = NonZeroU32::new(counters.uid_next).unwrap_or(NonZeroU32::MIN);
            mailbox.uid_next = mailbox.uid_next.max(next);
            mailbox.highest_modseq = mailbox.highest_modseq.max(counters.highest_modseq);
            mailbox.special_use = counters.special_use;
            mailbox.floor = mailbox.floor.max(counters.floor);
        }
        self.put(&mailbox)
    }

    /// Whether the message is there now.
    fn message(
        &mut self,
        home: &Home,
        message: &Message,
        keywords: &[String],
        v1: bool,
    ) -> Result<bool> {
        let mut mailbox = self.home(home)?;
        self.account(home.owner, home.uid_validity, message.email_id.0)?;
        match self.t.message(mailbox.id, message.uid)? {
            Some(before) => mailbox.count_out(&before),
            // It came and went before the index fell behind: only version 1 wrote such a thing twice.
            None if v1 && mailbox.uid_next.get() > message.uid.get() => return Ok(false),
            None => {}
        }
        let mut message = message.clone();
        let system = message.flags.system;
        message.flags = resolve(&mut mailbox, system, keywords)?;
        arrived(&mut mailbox, &message);
        mailbox.count_in(&message);
        self.t.put_message(&mailbox, &message)?;
        self.hold(mailbox)?;
        Ok(true)
    }

    fn body(
        &mut self,
        owner: AccountId,
        email: EmailId,
        thread: ThreadId,
        place: Place,
    ) -> Result<()> {
        self.account(owner, 0, email.0)?;
        self.content(owner, email, thread, place)
    }

    /// Without its row a message's content answers as damaged.
    fn content(
        &mut self,
        owner: AccountId,
        email: EmailId,
        thread: ThreadId,
        place: Place,
    ) -> Result<()> {
        let derived = match derive_stored(self.files, place) {
            Err(e) if e.kind == ErrorKind::Corruption => {
                self.damaged += 1;
                return Ok(());
            }
            derived => derived?,
        };
        self.t.put_cold(email, place, &derived)?;
        for hash in &derived.threads {
            self.t.put_thread(owner, *hash, thread)?;
        }
        Ok(())
    }

    fn gone(&mut self, home: &Home, modseq: ModSeq, uids: &UidSet) -> Result<()> {
        let mut mailbox = self.home(home)?;
        let mut windows = Windows::new(mailbox.id, uids);
        while let Some(messages) = windows.next(&mut self.t)? {
            for message in &messages {
                mailbox.count_out(message);
                self.t.bury_message(&mailbox, message)?;
            }
        }
        mailbox.highest_modseq = mailbox.highest_modseq.max(modseq);
        if modseq > ModSeq(0) {
            self.t.log_expunge(&mut mailbox, modseq, uids)?;
        }
        self.hold(mailbox)
    }

    /// The name it had may be another's by now: it is not made to be dropped.
    fn dropped(&mut self, home: &Home) -> Result<()> {
        self.account(home.owner, home.uid_validity, home.mailbox.0)?;
        let Some(mailbox) = self.find(home.mailbox)? else {
            return Ok(());
        };
        self.held.remove(&mailbox.id);
        let all = UidSet::range(Uid::MIN, Uid::MAX);
        let mut windows = Windows::new(mailbox.id, &all);
        while let Some(messages) = windows.next(&mut self.t)? {
            for message in &messages {
                self.t.bury_message(&mailbox, message)?;
            }
        }
        self.t.drop_mailbox(&mailbox)
    }

    fn flags(&mut self, home: &Home, modseq: ModSeq, groups: &[(Named, UidSet)]) -> Result<()> {
        let mut mailbox = self.home(home)?;
        mailbox.highest_modseq = mailbox.highest_modseq.max(modseq);
        for (named, uids) in groups {
            let flags = resolve(&mut mailbox, SystemFlags(named.system), &named.keywords)?;
            let mut windows = Windows::new(mailbox.id, uids);
            while let Some(messages) = windows.next(&mut self.t)? {
                for mut message in messages {
                    mailbox.count_out(&message);
                    (message.flags, message.modseq) = (flags, modseq);
                    mailbox.count_in(&message);
                    self.t.put_message(&mailbox, &message)?;
                }
            }
        }
        self.hold(mailbox)
    }

    fn subscribed(&mut self, owner: AccountId, name: &str, on: bool) -> Result<()> {
        match MailboxName::new(name) {
            Ok(name) => self.t.set_subscribed(owner, &name, on),
            Err(_) => Ok(()),
        }
    }

    /// Accounts whose INBOX the log lost get a new one.
    pub(super) fn give_inboxes(&mut self) -> Result<()> {
        let sql = "SELECT id FROM account";
        let mut statement = self.t.conn.prepare(sql).map_err(failed)?;
        let ids = statement.query_map([], |r| r.get::<_, i64>(0));
        let ids: rusqlite::Result<Vec<i64>> = ids.and_then(Iterator::collect);
        for id in ids.map_err(failed)? {
            let owner = AccountId(id.cast_unsigned());
            let inbox = MailboxName::inbox();
            if self.t.mailbox_named(owner, &inbox)?.is_none() {
                ops::create_mailbox(&mut self.t, owner, inbox, None)?;
            }
        }
        Ok(())
    }
}

fn arrived(mailbox: &mut Mailbox, message: &Message) {
    let next = NonZeroU32::MIN.saturating_add(message.uid.get());
    mailbox.uid_next = mailbox.uid_next.max(next);
    mailbox.highest_modseq = mailbox.highest_modseq.max(message.modseq);
}

fn resolve(mailbox: &mut Mailbox, system: SystemFlags, keywords: &[String]) -> Result<Flags> {
    let names = FlagNames {
        system,
        keywords: keywords.to_vec(),
    };
    let (keywords, flags) = ops::resolve(&mailbox.keywords, &names)?;
    mailbox.keywords = keywords;
    Ok(flags)
}

/// Mailboxes whose rows may lack something.
const HELD: usize = 1000;

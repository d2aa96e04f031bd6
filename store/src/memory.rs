//! A store in memory, for tests and demos: everything is answered before `submit` returns.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pillarbox_core::effect::{ErrorKind, Fields, StoreError};
use pillarbox_core::flag::SystemFlags;
use pillarbox_core::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;

use crate::contract::{Backend, Job, Notices};
use crate::error::lock;
use crate::listing::Listing;
use crate::ops;
use crate::record::{Derived, Mailbox, Message, Place, Sought};
use crate::row::{self, Rows, Want};
use crate::table::{Named, Result, Tables, first_ranges};
use crate::upload::{Upload, Uploads};

/// Keeps mail in memory, as long as the value lives: what is expunged, too, since nothing tidies up here.
pub struct Memory {
    state: Mutex<State>,
    uploads: Uploads,
    notices: Mutex<Option<Notices>>,
}

impl Memory {
    /// An empty store. Its UIDVALIDITYs begin at the wall clock's seconds, so that they are not those of a store before it.
    #[must_use]
    pub fn new() -> Self {
        Self::with_validity(wall_clock())
    }

    /// An empty store whose UIDVALIDITYs begin at `first`: for tests that must be the same each time.
    #[must_use]
    pub fn with_validity(first: u32) -> Self {
        let state = State {
            first_validity: first,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            uploads: Uploads::new(None),
            notices: Mutex::new(None),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Memory {
    fn submit(&self, job: Job) {
        let (effect, slot) = job.into_parts();
        let effect = match ops::run_upload(&self.uploads, effect, false) {
            Ok(reply) => return slot.send(reply),
            Err(effect) => effect,
        };
        let done = ops::run(&mut *lock(&self.state), &self.uploads, effect);
        slot.send(done.reply);
        let notices = lock(&self.notices).clone();
        if let Some(tell) = notices {
            done.notices.into_iter().for_each(|n| tell(n));
        }
    }

    fn subscribe(&self, notices: Notices) {
        *lock(&self.notices) = Some(notices);
    }
}

#[derive(Default)]
struct State {
    first_validity: u32,
    ids: u64,
    accounts: BTreeMap<AccountId, Owner>,
    mailboxes: BTreeMap<MailboxId, Held>,
    contents: BTreeMap<EmailId, (Derived, Bytes)>,
}

#[derive(Default)]
struct Owner {
    validity: u32,
    names: BTreeMap<String, MailboxId>,
    subscriptions: BTreeSet<MailboxName>,
    listing: Listing,
    threads: BTreeMap<u64, ThreadId>,
}

impl Owner {
    fn name(&mut self, name: &MailboxName, id: MailboxId) {
        if self.names.insert(name.as_str().to_owned(), id).is_none() {
            let alone = !self.subscriptions.contains(name);
            self.listing.mailbox(name.as_str(), true, alone);
        }
    }

    fn unname(&mut self, name: &MailboxName) {
        if self.names.remove(name.as_str()).is_some() {
            let alone = !self.subscriptions.contains(name);
            self.listing.mailbox(name.as_str(), false, alone);
        }
    }

    fn subscribe(&mut self, name: &MailboxName, on: bool) {
        let changes = match on {
            true => self.subscriptions.insert(name.clone()),
            false => self.subscriptions.remove(name),
        };
        if changes {
            let alone = !self.names.contains_key(name.as_str());
            self.listing.subscription(name.as_str(), on, alone);
        }
    }
}

struct Held {
    mailbox: Mailbox,
    messages: BTreeMap<u32, Message>,
    buried: BTreeMap<u32, Message>,
    expunged: BTreeMap<ModSeq, UidSet>,
}

impl State {
    fn owner(&mut self, owner: AccountId) -> &mut Owner {
        self.accounts.entry(owner).or_default()
    }

    fn held(&mut self, id: MailboxId) -> Result<&mut Held> {
        let gone = crate::error::mailbox_gone;
        self.mailboxes.get_mut(&id).ok_or_else(gone)
    }

    fn content(&self, email: EmailId) -> Result<&(Derived, Bytes)> {
        self.contents.get(&email).ok_or_else(|| {
            StoreError::new(ErrorKind::Corruption, "The message's octets are missing")
        })
    }
}

impl Tables for State {
    fn has_account(&mut self, owner: AccountId) -> Result<bool> {
        Ok(self.accounts.contains_key(&owner))
    }

    fn add_account(&mut self, owner: AccountId) -> Result<()> {
        self.accounts.insert(owner, Owner::default());
        Ok(())
    }

    fn next_validity(&mut self, owner: AccountId) -> Result<UidValidity> {
        let first = self.first_validity;
        let owner = self.owner(owner);
        owner.validity = next_validity(owner.validity, first)?;
        Ok(UidValidity(
            NonZeroU32::new(owner.validity).expect("a counter that only grows is not zero"),
        ))
    }

    fn next_id(&mut self) -> Result<u64> {
        self.ids += 1;
        Ok(self.ids)
    }

    fn mailbox(&mut self, id: MailboxId) -> Result<Option<Mailbox>> {
        Ok(self.mailboxes.get(&id).map(|h| h.mailbox.clone()))
    }

    fn mailbox_named(&mut self, owner: AccountId, name: &MailboxName) -> Result<Option<Mailbox>> {
        let id = self.owner(owner).names.get(name.as_str()).copied();
        id.map_or(Ok(None), |id| self.mailbox(id))
    }

    fn mailboxes(
        &mut self,
        owner: AccountId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mailbox>> {
        let names = &self.owner(owner).names;
        let after = after.unwrap_or("").to_owned();
        let range = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        let ids: Vec<_> = names.range(range).take(limit).map(|(_, id)| *id).collect();
        ids.into_iter()
            .map(|id| self.held(id).map(|h| h.mailbox.clone()))
            .collect()
    }

    fn names(&mut self, owner: AccountId) -> Result<Vec<Named>> {
        let ids: Vec<_> = self.owner(owner).names.values().copied().collect();
        let named = |id| {
            self.held(id).map(|held| Named {
                name: held.mailbox.name.clone(),
                id,
                special_use: held.mailbox.special_use,
            })
        };
        ids.into_iter().map(named).collect()
    }

    fn listing(&mut self, owner: AccountId) -> Result<Listing> {
        Ok(self.owner(owner).listing)
    }

    fn put_mailbox(&mut self, mailbox: &Mailbox) -> Result<()> {
        let before = self.mailboxes.get(&mailbox.id);
        let before = before.map(|h| h.mailbox.name.clone());
        let owner = self.owner(mailbox.owner);
        if before.as_ref() != Some(&mailbox.name) {
            if let Some(before) =
                before.filter(|b| owner.names.get(b.as_str()) == Some(&mailbox.id))
            {
                owner.unname(&before);
            }
            owner.name(&mailbox.name, mailbox.id);
        }
        match self.mailboxes.get_mut(&mailbox.id) {
            Some(held) => held.mailbox = mailbox.clone(),
            None => {
                let held = Held {
                    mailbox: mailbox.clone(),
                    messages: BTreeMap::new(),
                    buried: BTreeMap::new(),
                    expunged: BTreeMap::new(),
                };
                self.mailboxes.insert(mailbox.id, held);
            }
        }
        Ok(())
    }

    fn drop_mailbox(&mut self, mailbox: &Mailbox) -> Result<()> {
        self.owner(mailbox.owner).unname(&mailbox.name);
        self.mailboxes.remove(&mailbox.id);
        Ok(())
    }

    fn subscriptions(&mut self, owner: AccountId) -> Result<Vec<MailboxName>> {
        Ok(self.owner(owner).subscriptions.iter().cloned().collect())
    }

    fn is_subscribed(&mut self, owner: AccountId, name: &MailboxName) -> Result<bool> {
        Ok(self.owner(owner).subscriptions.contains(name))
    }

    fn set_subscribed(&mut self, owner: AccountId, name: &MailboxName, on: bool) -> Result<()> {
        self.owner(owner).subscribe(name, on);
        Ok(())
    }

    fn uids_from(&mut self, mailbox: MailboxId, from: u32, ranges: usize) -> Result<UidSet> {
        let messages = self.held(mailbox)?.messages.range(from..);
        first_ranges(messages.map(|(uid, _)| Ok(*uid)), ranges)
    }

    fn first_and_last(&mut self, mailbox: MailboxId) -> Result<Option<(Uid, Uid)>> {
        let mut messages = self.held(mailbox)?.messages.values().map(|m| m.uid);
        let first = messages.next();
        Ok(first.map(|first| (first, messages.next_back().unwrap_or(first))))
    }

    fn count_from(&mut self, mailbox: MailboxId, from: u32) -> Result<u64> {
        Ok(self.held(mailbox)?.messages.range(from..).count() as u64)
    }

    fn first_unseen(&mut self, mailbox: MailboxId) -> Result<Option<Uid>> {
        let mut messages = self.held(mailbox)?.messages.values();
        let unseen = messages.find(|m| !m.flags.system.has(SystemFlags::SEEN));
        Ok(unseen.map(|m| m.uid))
    }

    fn message(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        Ok(self.held(mailbox)?.messages.get(&uid.get()).cloned())
    }

    fn messages(
        &mut self,
        mailbox: MailboxId,
        from: u32,
        to: u32,
        limit: usize,
    ) -> Result<Vec<Message>> {
        let range = self.held(mailbox)?.messages.range(from..=to);
        Ok(range.take(limit).map(|(_, m)| m.clone()).collect())
    }

    fn rows(&mut self, mailbox: MailboxId, want: &Want) -> Result<Rows> {
        row::one_by_one(self, mailbox, want)
    }

    fn sought(
        &mut self,
        mailbox: MailboxId,
        from: u32,
        to: u32,
        limit: usize,
        content: bool,
    ) -> Result<Vec<Sought>> {
        let messages = self.messages(mailbox, from, to, limit)?;
        let sought = messages.into_iter().map(|message| {
            let header_len = match content {
                true => Some(self.content(message.email_id)?.0.header_len),
                false => None,
            };
            Ok(Sought {
                message,
                header_len,
                place: None,
            })
        });
        sought.collect()
    }

    fn changed_since(
        &mut self,
        mailbox: MailboxId,
        since: ModSeq,
        below: u32,
        limit: usize,
    ) -> Result<Vec<Message>> {
        let messages = self.held(mailbox)?.messages.range(..below);
        let changed = messages.map(|(_, m)| m).filter(|m| m.modseq > since);
        Ok(changed.take(limit).cloned().collect())
    }

    fn put_message(&mut self, mailbox: &Mailbox, message: &Message) -> Result<()> {
        let held = self.held(mailbox.id)?;
        held.messages.insert(message.uid.get(), message.clone());
        Ok(())
    }

    fn log_flags(&mut self, _: &Mailbox, _: ModSeq, _: &[Message]) -> Result<()> {
        Ok(())
    }

    fn bury_message(&mut self, mailbox: &Mailbox, message: &Message) -> Result<()> {
        let held = self.held(mailbox.id)?;
        held.messages.remove(&message.uid.get());
        held.buried.insert(message.uid.get(), message.clone());
        Ok(())
    }

    fn buried(&mut self, mailbox: MailboxId, from: u32, to: u32) -> Result<Vec<Message>> {
        let range = self.held(mailbox)?.buried.range(from..=to);
        Ok(range.map(|(_, m)| m.clone()).collect())
    }

    fn log_expunge(&mut self, mailbox: &mut Mailbox, modseq: ModSeq, uids: &UidSet) -> Result<()> {
        let held = self.held(mailbox.id)?;
        held.expunged.insert(modseq, uids.clone());
        Ok(())
    }

    fn expunged_since(
        &mut self,
        mailbox: MailboxId,
        since: ModSeq,
        from: u32,
        ranges: usize,
    ) -> Result<Vec<(u32, u32)>> {
        let log = self.held(mailbox)?.expunged.range(ModSeq(since.0 + 1)..);
        let gone = log.flat_map(|(_, uids)| uids.ranges().iter().copied());
        let gone = UidSet::from_ranges(gone.filter(|range| range.1 >= from));
        Ok(gone.ranges().iter().take(ranges).copied().collect())
    }

    fn thread_of(&mut self, owner: AccountId, hash: u64) -> Result<Option<ThreadId>> {
        Ok(self.owner(owner).threads.get(&hash).copied())
    }

    fn put_thread(&mut self, owner: AccountId, hash: u64, thread: ThreadId) -> Result<()> {
        self.owner(owner).threads.entry(hash).or_insert(thread);
        Ok(())
    }

    fn derived(&mut self, email: EmailId, _: Fields) -> Result<Derived> {
        self.content(email).map(|c| c.0.clone())
    }

    fn read(&mut self, email: EmailId, _: Option<Place>, offset: u64, max: usize) -> Result<Bytes> {
        let octets = &self.content(email)?.1;
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(octets.len());
        let to = from.saturating_add(max).min(octets.len());
        Ok(octets.slice(from..to))
    }

    fn put_content(
        &mut self,
        _: &Mailbox,
        message: &Message,
        derived: &Derived,
        upload: &mut Upload,
    ) -> Result<()> {
        let mut octets = Vec::new();
        upload.for_each(|window| {
            octets.extend_from_slice(window);
            Ok(())
        })?;
        let content = (derived.clone(), octets.into());
        self.contents.insert(message.email_id, content);
        Ok(())
    }

    fn put_copy(&mut self, _: &Mailbox, _: &Message) -> Result<()> {
        Ok(())
    }
}

/// Seconds since 1970.
pub(crate) fn wall_clock() -> u32 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |d| u32::try_from(d.as_secs()).unwrap_or(1))
}

/// The validity after this one, and at least `first`.
pub(crate) fn next_validity(last: u32, first: u32) -> Result<u32> {
    let next = last.checked_add(1).ok_or_else(|| {
        StoreError::new(ErrorKind::Limit, "The account has made its last mailbox")
    })?;
    Ok(next.max(first))
}

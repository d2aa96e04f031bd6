//! The tables that operations work on, within one transaction of a backend.

use bytes::Bytes;
use pillarbox_core::effect::{Fields, SpecialUse, StoreError};
use pillarbox_core::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;

use crate::listing::Listing;
use crate::record::{Derived, Mailbox, Message, Place, Sought};
use crate::row::{Rows, Want};
use crate::upload::Upload;

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// Octets read by one page of a search, or scanned for one of a fetch.
pub(crate) const WORK: u64 = 8 << 20;

/// A mailbox as far as LIST tells it.
pub(crate) struct Named {
    pub name: MailboxName,
    pub id: MailboxId,
    pub special_use: Option<SpecialUse>,
}

/// One transaction. A failed operation is rolled back by the backend, or has changed nothing where it says so.
pub(crate) trait Tables {
    fn has_account(&mut self, owner: AccountId) -> Result<bool>;
    fn add_account(&mut self, owner: AccountId) -> Result<()>;
    /// A validity above all that this account was given, and that no store before this one gave.
    fn next_validity(&mut self, owner: AccountId) -> Result<UidValidity>;
    /// A number never given before.
    fn next_id(&mut self) -> Result<u64>;

    fn mailbox(&mut self, id: MailboxId) -> Result<Option<Mailbox>>;
    fn mailbox_named(&mut self, owner: AccountId, name: &MailboxName) -> Result<Option<Mailbox>>;
    /// In byte order of names, those after `after`.
    fn mailboxes(
        &mut self,
        owner: AccountId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mailbox>>;
    /// All in byte order.
    fn names(&mut self, owner: AccountId) -> Result<Vec<Named>>;
    /// Counted once, not each time.
    fn listing(&mut self, owner: AccountId) -> Result<Listing>;
    /// Inserts or replaces.
    fn put_mailbox(&mut self, mailbox: &Mailbox) -> Result<()>;
    /// Its messages are gone already.
    fn drop_mailbox(&mut self, mailbox: &Mailbox) -> Result<()>;

    /// All in byte order.
    fn subscriptions(&mut self, owner: AccountId) -> Result<Vec<MailboxName>>;
    fn is_subscribed(&mut self, owner: AccountId, name: &MailboxName) -> Result<bool>;
    fn set_subscribed(&mut self, owner: AccountId, name: &MailboxName, on: bool) -> Result<()>;

    fn uids(&mut self, mailbox: MailboxId) -> Result<UidSet> {
        self.uids_from(mailbox, 1, usize::MAX)
    }
    /// The least UID and the greatest.
    fn first_and_last(&mut self, mailbox: MailboxId) -> Result<Option<(Uid, Uid)>>;
    /// The first ranges of UIDs from this one on, whole, at most so many.
    fn uids_from(&mut self, mailbox: MailboxId, from: u32, ranges: usize) -> Result<UidSet>;
    /// How many messages have this UID or a greater one.
    fn count_from(&mut self, mailbox: MailboxId, from: u32) -> Result<u64>;
    fn first_unseen(&mut self, mailbox: MailboxId) -> Result<Option<Uid>>;
    fn message(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>>;
    /// Ascending by UID.
    fn messages(
        &mut self,
        mailbox: MailboxId,
        from: u32,
        to: u32,
        limit: usize,
    ) -> Result<Vec<Message>>;
    /// Rows as they are wanted, at least one if there is any.
    fn rows(&mut self, mailbox: MailboxId, want: &Want) -> Result<Rows>;
    /// Messages as a search needs them. `content`: also what is known of that.
    fn sought(
        &mut self,
        mailbox: MailboxId,
        from: u32,
        to: u32,
        limit: usize,
        content: bool,
    ) -> Result<Vec<Sought>>;
    /// Ascending by UID, those below this one with a greater modseq.
    fn changed_since(
        &mut self,
        mailbox: MailboxId,
        since: ModSeq,
        below: u32,
        limit: usize,
    ) -> Result<Vec<Message>>;
    fn put_message(&mut self, mailbox: &Mailbox, message: &Message) -> Result<()>;
    /// Notes for the log that these messages have new flags.
    fn log_flags(&mut self, mailbox: &Mailbox, modseq: ModSeq, changed: &[Message]) -> Result<()>;
    /// Takes the message out of the mailbox; its octets stay readable for the view grace.
    fn bury_message(&mut self, mailbox: &Mailbox, message: &Message) -> Result<()>;
    /// Messages of these UIDs that went within the view grace, ascending.
    fn buried(&mut self, mailbox: MailboxId, from: u32, to: u32) -> Result<Vec<Message>>;
    fn log_expunge(&mut self, mailbox: &mut Mailbox, modseq: ModSeq, uids: &UidSet) -> Result<()>;
    /// Ranges of UIDs that went since, the first of those that end at this one or later, at most so many; they may touch.
    fn expunged_since(
        &mut self,
        mailbox: MailboxId,
        since: ModSeq,
        from: u32,
        ranges: usize,
    ) -> Result<Vec<(u32, u32)>>;

    fn thread_of(&mut self, owner: AccountId, hash: u64) -> Result<Option<ThreadId>>;
    /// A hash that is known already keeps its conversation.
    fn put_thread(&mut self, owner: AccountId, hash: u64, thread: ThreadId) -> Result<()>;
    /// Its numbers, and of its forms at least those asked for.
    fn derived(&mut self, email: EmailId, fields: Fields) -> Result<Derived>;
    /// Octets of messages that were scanned for what had to be computed anew.
    fn scanned(&self) -> u64 {
        0
    }
    /// At most `max` octets from `offset` on. A place that is not known is looked up.
    fn read(
        &mut self,
        email: EmailId,
        place: Option<Place>,
        offset: u64,
        max: usize,
    ) -> Result<Bytes>;
    /// The header, of so many octets.
    fn header(&mut self, email: EmailId, place: Option<Place>, len: usize) -> Result<Bytes> {
        self.read(email, place, 0, len)
    }
    /// Keeps the octets of an upload as the content of this message.
    fn put_content(
        &mut self,
        mailbox: &Mailbox,
        message: &Message,
        derived: &Derived,
        upload: &mut Upload,
    ) -> Result<()>;
    /// Notes a further place of a content that is kept already.
    fn put_copy(&mut self, mailbox: &Mailbox, message: &Message) -> Result<()>;
}

/// The first ranges of ascending UIDs, whole, at most so many.
pub(crate) fn first_ranges<E>(
    uids: impl Iterator<Item = std::result::Result<u32, E>>,
    most: usize,
) -> std::result::Result<UidSet, E> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        let (uid, full) = (uid?, ranges.len() == most);
        match ranges.last_mut() {
            Some(last) if last.1 + 1 == uid => last.1 = uid,
            _ if full => break,
            _ => ranges.push((uid, uid)),
        }
    }
    Ok(UidSet::from_ranges(ranges))
}

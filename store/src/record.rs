//! What a store keeps about mailboxes and messages.

use bytes::Bytes;
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{ErrorKind, MailboxRef, MailboxStatus, SpecialUse, StoreError};
use pillarbox_core::flag::{Flags, Keywords, SystemFlags};
use pillarbox_core::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity};
use pillarbox_core::mailbox::MailboxName;
use std::num::NonZeroU32;

use crate::table::Result;

/// A mailbox with its counters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mailbox {
    pub owner: AccountId,
    pub id: MailboxId,
    pub name: MailboxName,
    pub special_use: Option<SpecialUse>,
    pub uid_validity: UidValidity,
    pub uid_next: NonZeroU32,
    pub highest_modseq: ModSeq,
    pub recent_from: NonZeroU32,
    pub messages: u64,
    pub unseen: u64,
    pub deleted: u64,
    pub size: u64,
    pub keywords: Keywords,
    /// Expunges at or below this modseq may be missing from the log.
    pub floor: ModSeq,
}

impl Mailbox {
    pub(crate) fn new(
        owner: AccountId,
        id: MailboxId,
        name: MailboxName,
        uid_validity: UidValidity,
    ) -> Self {
        Self {
            owner,
            id,
            name,
            special_use: None,
            uid_validity,
            uid_next: NonZeroU32::MIN,
            highest_modseq: ModSeq(1),
            recent_from: NonZeroU32::MIN,
            messages: 0,
            unseen: 0,
            deleted: 0,
            size: 0,
            keywords: Keywords::from([]),
            floor: ModSeq(0),
        }
    }

    pub(crate) fn reference(&self) -> MailboxRef {
        MailboxRef {
            owner: self.owner,
            id: self.id,
        }
    }

    /// For a change that comes now. They end below 2^63 (RFC 7162 §3.1.1).
    pub(crate) fn next_modseq(&mut self) -> Result<ModSeq> {
        self.room_for(0, 1)?;
        self.highest_modseq.0 += 1;
        Ok(self.highest_modseq)
    }

    /// Refuses what would need more UIDs or modseqs than are left.
    pub(crate) fn room_for(&self, uids: u64, modseqs: u64) -> Result<()> {
        if u64::from(self.uid_next.get()) + uids > u32::MAX.into() {
            return Err(StoreError::new(
                ErrorKind::Limit,
                "The mailbox has given its last UID; move its messages to a new one",
            ));
        }
        if self.highest_modseq.0.saturating_add(modseqs) > i64::MAX.unsigned_abs() {
            return Err(StoreError::new(
                ErrorKind::Limit,
                "The mailbox has counted its last change; copy its messages to a new one",
            ));
        }
        Ok(())
    }

    pub(crate) fn count_in(&mut self, message: &Message) {
        self.messages += 1;
        self.size += message.size;
        self.unseen += u64::from(!message.flags.system.has(SystemFlags::SEEN));
        self.deleted += u64::from(message.flags.system.has(SystemFlags::DELETED));
    }

    pub(crate) fn count_out(&mut self, message: &Message) {
        self.messages -= 1;
        self.size -= message.size;
        self.unseen -= u64::from(!message.flags.system.has(SystemFlags::SEEN));
        self.deleted -= u64::from(message.flags.system.has(SystemFlags::DELETED));
    }

    pub(crate) fn status(&self, recent: u64) -> MailboxStatus {
        MailboxStatus {
            id: self.id,
            messages: self.messages,
            unseen: self.unseen,
            deleted: self.deleted,
            recent,
            size: self.size,
            uid_next: self.uid_next,
            uid_validity: self.uid_validity,
            highest_modseq: self.highest_modseq,
        }
    }
}

/// A message in a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    pub uid: Uid,
    pub modseq: ModSeq,
    pub flags: Flags,
    pub size: u64,
    pub internal_date: DateTime,
    pub save_date: i64,
    pub email_id: EmailId,
    pub thread_id: ThreadId,
}

/// Where a message's octets are in the packs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place {
    pub segment: u64,
    pub offset: u64,
    pub size: u64,
}

/// A message that a search looks at.
pub(crate) struct Sought {
    pub message: Message,
    /// Octets of its header, if they were asked for.
    pub header_len: Option<u64>,
    /// Where its octets are, if that is known.
    pub place: Option<Place>,
}

/// What is computed once from a message's octets.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Derived {
    pub header_len: u64,
    pub envelope: Bytes,
    pub body: Bytes,
    pub body_structure: Bytes,
    pub structure: Bytes,
    /// Hashes of the message's own id, of the one it answers and of its references.
    pub threads: Vec<u64>,
}

impl Derived {
    /// Octets of the forms and the hashes.
    pub(crate) fn len(&self) -> usize {
        let forms = [
            &self.envelope,
            &self.body,
            &self.body_structure,
            &self.structure,
        ];
        forms.iter().map(|f| f.len()).sum::<usize>() + size_of_val(&self.threads[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_and_modseqs_end_where_they_must() {
        let validity = UidValidity(NonZeroU32::MIN);
        let owner = AccountId(1);
        let mut mailbox = Mailbox::new(owner, MailboxId(1), MailboxName::inbox(), validity);
        let last = i64::MAX.unsigned_abs();
        mailbox.highest_modseq = ModSeq(last - 2);
        assert!(mailbox.room_for(0, 2).is_ok() && mailbox.room_for(0, 3).is_err());
        assert_eq!(mailbox.next_modseq().unwrap(), ModSeq(last - 1));
        assert_eq!(mailbox.next_modseq().unwrap(), ModSeq(last));
        assert_eq!(mailbox.next_modseq().unwrap_err().kind, ErrorKind::Limit);
        assert_eq!(mailbox.highest_modseq, ModSeq(last));
        mailbox.highest_modseq = ModSeq(1);
        mailbox.uid_next = NonZeroU32::new(u32::MAX - 1).unwrap();
        assert!(mailbox.room_for(0, 0).is_ok() && mailbox.room_for(1, 1).is_ok());
        assert_eq!(mailbox.room_for(2, 2).unwrap_err().kind, ErrorKind::Limit);
    }
}

//! Messages of a set, so many at once: what is done to very many takes the memory of some.

use pillarbox_core::id::MailboxId;
use pillarbox_core::set::UidSet;

use crate::record::{Mailbox, Message};
use crate::table::{Result, Tables};

/// Goes through the messages of a mailbox that a set names, ascending.
pub(crate) struct Windows<'a> {
    mailbox: MailboxId,
    ranges: &'a [(u32, u32)],
    /// Where the first of them goes on.
    from: u32,
    upto: u32,
}

impl<'a> Windows<'a> {
    pub(crate) fn new(mailbox: MailboxId, uids: &'a UidSet) -> Self {
        Self {
            mailbox,
            ranges: uids.ranges(),
            from: 0,
            upto: u32::MAX,
        }
    }

    /// Only those that have come already: what is put into the mailbox meanwhile is not among them, whatever the set names.
    pub(crate) fn of(mailbox: &Mailbox, uids: &'a UidSet) -> Self {
        let upto = mailbox.uid_next.get() - 1;
        Self {
            upto,
            ..Self::new(mailbox.id, uids)
        }
    }

    /// Some more, at least one; `None` when there is none.
    pub(crate) fn next(&mut self, t: &mut dyn Tables) -> Result<Option<Vec<Message>>> {
        while let Some(&(first, last)) = self.ranges.first() {
            let (from, to) = (first.max(self.from), last.min(self.upto));
            let messages = match from <= to {
                true => t.messages(self.mailbox, from, to, WINDOW)?,
                false => Vec::new(),
            };
            let end = messages.last().map_or(to, |m| m.uid.get());
            match messages.len() == WINDOW && end < to {
                true => self.from = end + 1,
                false => self.ranges = &self.ranges[1..],
            }
            if !messages.is_empty() {
                return Ok(Some(messages));
            }
        }
        Ok(None)
    }
}

/// Messages held at once.
const WINDOW: usize = 512;

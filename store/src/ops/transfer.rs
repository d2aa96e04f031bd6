//! Messages that come to another mailbox, or once more to their own: copies and moves.

use std::sync::Arc;

use pillarbox_core::effect::{Absent, Copied, Copy, ErrorKind, Move, Moved, Notice, StoreError};
use pillarbox_core::flag::{FlagNames, Flags, find_keyword};
use pillarbox_core::id::{ModSeq, Uid};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;

use super::change::{Leaving, arrive, notice, resolve};
use super::names::named;
use super::view::by_reference;
use super::windows::Windows;
use crate::record::{Mailbox, Message};
use crate::table::{Result, Tables};

pub(super) fn copy(t: &mut dyn Tables, op: &Copy, notices: &mut Vec<Notice>) -> Result<Copied> {
    let source = by_reference(t, op.actor, op.mailbox)?;
    let mut transfer = Transfer::new(t, source, &op.uids, op.absent, &op.to)?;
    let mut uids = Vec::new();
    transfer.copy(t, &op.uids, op.now, |from, to| uids.push((from, to)))?;
    if !uids.is_empty() {
        notices.push(notice(&transfer.target));
    }
    Ok(transfer.copied(uids))
}

pub(super) fn relocate(t: &mut dyn Tables, op: &Move, notices: &mut Vec<Notice>) -> Result<Moved> {
    let source = by_reference(t, op.actor, op.mailbox)?;
    let mut transfer = Transfer::new(t, source, &op.uids, op.absent, &op.to)?;
    let mut uids = Vec::new();
    let pair = |from, to| uids.push((from, to));
    let modseq = transfer.relocate(t, &op.uids, op.now, pair, notices)?;
    Ok(Moved {
        copied: transfer.copied(uids),
        modseq,
    })
}

pub(super) fn move_all(
    t: &mut dyn Tables,
    source: Mailbox,
    to: &MailboxName,
    now: i64,
    notices: &mut Vec<Notice>,
) -> Result<()> {
    let all = UidSet::range(Uid::MIN, Uid::MAX);
    let mut transfer = Transfer::new(t, source, &all, Absent::Ignore, to)?;
    let done = transfer.relocate(t, &all, now, |_, _| {}, notices);
    done.map(drop)
}

/// Two mailboxes, or one twice: then the target has what becomes of it.
struct Transfer {
    source: Mailbox,
    target: Mailbox,
    /// A bit of the source's keywords, and the target's for the same one.
    keywords: Vec<(u128, u128)>,
}

impl Transfer {
    /// Looks at all messages first: a transfer that is begun does not fail for anything but the disk.
    fn new(
        t: &mut dyn Tables,
        source: Mailbox,
        uids: &UidSet,
        absent: Absent,
        to: &MailboxName,
    ) -> Result<Self> {
        let mut named_ones = Named::default();
        let mut windows = Windows::of(&source, uids);
        while let Some(messages) = windows.next(t)? {
            messages.iter().for_each(|m| named_ones.add(m));
        }
        if absent == Absent::Refuse && named_ones.count != uids.len() {
            return Err(StoreError::new(
                ErrorKind::ExpungeIssued,
                "Some of the messages are gone; nothing was done to the others",
            ));
        }
        let mut target = named(t, source.owner, to)?;
        // Their going is one change more, where they are moved within their mailbox.
        target.room_for(named_ones.count, named_ones.count + 1)?;
        let keywords = named_ones.keywords_in(&source, &mut target)?;
        Ok(Self {
            source,
            target,
            keywords,
        })
    }

    /// The messages come to the target, too; `pair` hears of each.
    fn copy(
        &mut self,
        t: &mut dyn Tables,
        uids: &UidSet,
        now: i64,
        mut pair: impl FnMut(Uid, Uid),
    ) -> Result<()> {
        let before = self.target.uid_next;
        let mut windows = Windows::of(&self.source, uids);
        while let Some(messages) = windows.next(t)? {
            for message in &messages {
                pair(message.uid, self.copy_one(t, message, now)?);
            }
        }
        match self.target.uid_next > before {
            true => t.put_mailbox(&self.target),
            false => Ok(()),
        }
    }

    /// The messages come to the target and leave the source; the modseq of their going, if there were any.
    fn relocate(
        &mut self,
        t: &mut dyn Tables,
        uids: &UidSet,
        now: i64,
        mut pair: impl FnMut(Uid, Uid),
        notices: &mut Vec<Notice>,
    ) -> Result<Option<ModSeq>> {
        self.source.room_for(0, 1)?;
        let mut leaving = Leaving::default();
        let mut windows = Windows::of(&self.source, uids);
        while let Some(messages) = windows.next(t)? {
            for message in &messages {
                pair(message.uid, self.copy_one(t, message, now)?);
                leaving.bury(t, self.left(), message)?;
            }
        }
        let is_other = self.source.id != self.target.id;
        if is_other && !leaving.is_empty() {
            t.put_mailbox(&self.target)?;
            notices.push(notice(&self.target));
        }
        let (_, modseq) = leaving.log(t, self.left())?;
        if modseq.is_some() {
            notices.push(notice(self.left()));
        }
        Ok(modseq)
    }

    fn copy_one(&mut self, t: &mut dyn Tables, message: &Message, now: i64) -> Result<Uid> {
        let mut copy = message.clone();
        copy.flags = self.flags(message.flags);
        copy.save_date = now;
        arrive(&mut self.target, &mut copy)?;
        t.put_message(&self.target, &copy)?;
        t.put_copy(&self.target, &copy)?;
        Ok(copy.uid)
    }

    /// Flags of the source as the target has them.
    fn flags(&self, flags: Flags) -> Flags {
        let named = |(from, to): &(u128, u128)| if flags.keywords & from > 0 { *to } else { 0 };
        Flags {
            system: flags.system,
            keywords: self.keywords.iter().fold(0, |all, bit| all | named(bit)),
        }
    }

    /// The mailbox that messages leave.
    fn left(&mut self) -> &mut Mailbox {
        match self.source.id == self.target.id {
            true => &mut self.target,
            false => &mut self.source,
        }
    }

    fn copied(self, uids: Vec<(Uid, Uid)>) -> Copied {
        Copied {
            target: self.target.reference(),
            uid_validity: self.target.uid_validity,
            uids,
        }
    }
}

/// What is known of the messages of a transfer before it is begun.
#[derive(Default)]
struct Named {
    count: u64,
    seen: u128,
    /// Numbers of the source's keywords that they have, in the order in which they come.
    keywords: Vec<usize>,
}

impl Named {
    fn add(&mut self, message: &Message) {
        self.count += 1;
        let mut new = message.flags.keywords & !self.seen;
        self.seen |= new;
        while new > 0 {
            self.keywords.push(new.trailing_zeros() as usize);
            new &= new - 1;
        }
    }

    /// Has the target know their keywords: a bit of the source's, and the target's for the same one.
    fn keywords_in(&self, source: &Mailbox, target: &mut Mailbox) -> Result<Vec<(u128, u128)>> {
        let named = |at: &usize| source.keywords.get(*at).map(|name| (*at, name.clone()));
        let named: Vec<_> = self.keywords.iter().filter_map(named).collect();
        let names = FlagNames {
            keywords: named.iter().map(|(_, name)| (&**name).into()).collect(),
            ..FlagNames::default()
        };
        (target.keywords, _) = resolve(&target.keywords, &names)?;
        let bit = |(at, name): &(usize, Arc<str>)| {
            find_keyword(&target.keywords, name).map(|to| (1 << at, 1 << to))
        };
        Ok(named.iter().filter_map(bit).collect())
    }
}

//! Changes of messages that are there: flags and expunges.

use std::sync::Arc;

use pillarbox_core::effect::{
    ErrorKind, Expunge, Expunged, FlagOp, FlagsSet, Notice, SetFlags, StoreError,
};
use pillarbox_core::flag::{FlagNames, Flags, Keywords, MAX_KEYWORDS, SystemFlags, find_keyword};
use pillarbox_core::id::{ModSeq, Uid};
use pillarbox_core::set::UidSet;

use super::view::by_reference;
use super::windows::Windows;
use crate::record::{Mailbox, Message};
use crate::table::{Result, Tables};

pub(super) fn set_flags(
    t: &mut dyn Tables,
    op: &SetFlags,
    notices: &mut Vec<Notice>,
) -> Result<FlagsSet> {
    let mut mailbox = by_reference(t, op.actor, op.mailbox)?;
    let (keywords, named) = match op.op {
        FlagOp::Remove => (
            mailbox.keywords.clone(),
            known(&mailbox.keywords, &op.flags),
        ),
        _ => resolve(&mailbox.keywords, &op.flags)?,
    };
    let new_keywords = keywords.len() != mailbox.keywords.len();
    let mut done = FlagsSet::default();
    let mut there = UidSet::new();
    let mut touched = Vec::new();
    let mut windows = Windows::of(&mailbox, &op.uids);
    while let Some(messages) = windows.next(t)? {
        for message in messages {
            there.insert(message.uid);
            if op.unchanged_since.is_some_and(|m| message.modseq > m) {
                done.refused.insert(message.uid);
                continue;
            }
            let flags = combine(op.op, message.flags, named);
            if flags != message.flags {
                done.changed.insert(message.uid);
            }
            touched.push((message, flags));
        }
    }
    if new_keywords || !done.changed.is_empty() {
        let modseq = mailbox.next_modseq()?;
        mailbox.keywords = keywords;
        if !done.changed.is_empty() {
            done.modseq = Some(modseq);
        }
        let mut changed = Vec::new();
        for (message, flags) in &mut touched {
            if message.flags != *flags {
                mailbox.count_out(message);
                message.flags = *flags;
                message.modseq = modseq;
                mailbox.count_in(message);
                t.put_message(&mailbox, message)?;
                changed.push(message.clone());
            }
        }
        t.log_flags(&mailbox, modseq, &changed)?;
        t.put_mailbox(&mailbox)?;
        notices.push(notice(&mailbox));
    }
    done.gone = op.uids.difference(&there);
    let rows = touched.into_iter().map(|(m, _)| (m.uid, m.modseq, m.flags));
    done.rows = rows.collect();
    done.keywords = mailbox.keywords;
    Ok(done)
}

fn combine(op: FlagOp, now: Flags, named: Flags) -> Flags {
    match op {
        FlagOp::Replace => named,
        FlagOp::Add => Flags {
            system: now.system.with(named.system),
            keywords: now.keywords | named.keywords,
        },
        FlagOp::Remove => Flags {
            system: SystemFlags(now.system.0 & !named.system.0),
            keywords: now.keywords & !named.keywords,
        },
    }
}

/// The flags by this table, which grows by the keywords it lacks.
pub(crate) fn resolve(table: &Keywords, names: &FlagNames) -> Result<(Keywords, Flags)> {
    let mut grown: Vec<Arc<str>> = table.to_vec();
    let mut flags = Flags {
        system: names.system,
        keywords: 0,
    };
    for name in &names.keywords {
        let at = find_keyword(&grown, name).unwrap_or_else(|| {
            grown.push(name.as_str().into());
            grown.len() - 1
        });
        if at >= MAX_KEYWORDS {
            return Err(StoreError::new(
                ErrorKind::Limit,
                "The mailbox has as many keywords as it may have",
            ));
        }
        flags.keywords |= 1 << at;
    }
    Ok((grown.into(), flags))
}

fn known(table: &Keywords, names: &FlagNames) -> Flags {
    let bits = names.keywords.iter().filter_map(|n| find_keyword(table, n));
    Flags {
        system: names.system,
        keywords: bits.fold(0, |all, at| all | 1 << at),
    }
}

/// Gives a message its UID and modseq in a mailbox and counts it.
pub(super) fn arrive(mailbox: &mut Mailbox, message: &mut Message) -> Result<()> {
    mailbox.room_for(1, 1)?;
    message.uid = Uid::new(mailbox.uid_next.get()).expect("UIDNEXT is not zero");
    mailbox.uid_next = mailbox.uid_next.saturating_add(1);
    message.modseq = mailbox.next_modseq()?;
    mailbox.count_in(message);
    Ok(())
}

pub(super) fn expunge(
    t: &mut dyn Tables,
    op: &Expunge,
    notices: &mut Vec<Notice>,
) -> Result<Expunged> {
    let mut mailbox = by_reference(t, op.actor, op.mailbox)?;
    let deleted = |m: &Message| m.flags.system.has(SystemFlags::DELETED);
    let (uids, modseq) = remove(t, &mut mailbox, &op.uids, deleted)?;
    if modseq.is_some() {
        notices.push(notice(&mailbox));
    }
    Ok(Expunged { uids, modseq })
}

/// Takes those of these messages that `goes` names out of their mailbox; which they were, and the modseq of their going if there were any.
pub(super) fn remove(
    t: &mut dyn Tables,
    mailbox: &mut Mailbox,
    uids: &UidSet,
    goes: impl Fn(&Message) -> bool,
) -> Result<(UidSet, Option<ModSeq>)> {
    let mut leaving = Leaving::default();
    let mut windows = Windows::of(mailbox, uids);
    while let Some(messages) = windows.next(t)? {
        for message in messages.iter().filter(|m| goes(m)) {
            leaving.bury(t, mailbox, message)?;
        }
    }
    leaving.log(t, mailbox)
}

/// Messages that go out of their mailbox at once.
#[derive(Default)]
pub(super) struct Leaving {
    gone: UidSet,
}

impl Leaving {
    /// Takes one more out; the first only where their going can be counted.
    pub(super) fn bury(
        &mut self,
        t: &mut dyn Tables,
        mailbox: &mut Mailbox,
        message: &Message,
    ) -> Result<()> {
        if self.is_empty() {
            mailbox.room_for(0, 1)?;
        }
        mailbox.count_out(message);
        t.bury_message(mailbox, message)?;
        self.gone.insert(message.uid);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty()
    }

    /// Logs that they went, in one change of the mailbox.
    pub(super) fn log(
        self,
        t: &mut dyn Tables,
        mailbox: &mut Mailbox,
    ) -> Result<(UidSet, Option<ModSeq>)> {
        if self.gone.is_empty() {
            return Ok((self.gone, None));
        }
        let modseq = mailbox.next_modseq()?;
        t.log_expunge(mailbox, modseq, &self.gone)?;
        t.put_mailbox(mailbox)?;
        Ok((self.gone, Some(modseq)))
    }
}

pub(super) fn notice(mailbox: &Mailbox) -> Notice {
    Notice {
        mailbox: mailbox.reference(),
        modseq: Some(mailbox.highest_modseq),
    }
}

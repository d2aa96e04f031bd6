//! Changes of messages that are there: flags, copies, moves, expunges.

use std::sync::Arc;

use pillarbox_core::effect::{
    Absent, Copied, Copy, ErrorKind, Expunge, Expunged, FlagOp, FlagsSet, Move, Moved, Notice,
    SetFlags, StoreError,
};
use pillarbox_core::flag::{FlagNames, Flags, Keywords, MAX_KEYWORDS, SystemFlags, find_keyword};
use pillarbox_core::id::{AccountId, ModSeq, Uid};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;

use super::names::named;
use super::view::by_reference;
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
    for message in each(t, &mailbox, &op.uids)? {
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
    if new_keywords || !done.changed.is_empty() {
        let modseq = mailbox.next_modseq();
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

pub(super) fn copy(t: &mut dyn Tables, op: &Copy, notices: &mut Vec<Notice>) -> Result<Copied> {
    let source = by_reference(t, op.actor, op.mailbox)?;
    let messages = named_messages(t, &source, &op.uids, op.absent)?;
    let (copied, target) = copy_messages(t, &source, op.actor.account, &op.to, &messages, op.now)?;
    if !messages.is_empty() {
        notices.push(notice(&target));
    }
    Ok(copied)
}

fn copy_messages(
    t: &mut dyn Tables,
    source: &Mailbox,
    owner: AccountId,
    to: &MailboxName,
    messages: &[Message],
    now: i64,
) -> Result<(Copied, Mailbox)> {
    let mut target = named(t, owner, to)?;
    let mut copies = Vec::new();
    for message in messages {
        let names = FlagNames {
            system: message.flags.system,
            keywords: message
                .flags
                .names(&source.keywords)
                .map(Into::into)
                .collect(),
        };
        let (keywords, flags) = resolve(&target.keywords, &names)?;
        target.keywords = keywords;
        let mut copy = message.clone();
        copy.flags = flags;
        copy.save_date = now;
        arrive(&mut target, &mut copy)?;
        copies.push((message.uid, copy));
    }
    for (_, copy) in &copies {
        t.put_message(&target, copy)?;
        t.put_copy(&target, copy)?;
    }
    if !copies.is_empty() {
        t.put_mailbox(&target)?;
    }
    let copied = Copied {
        target: target.reference(),
        uid_validity: target.uid_validity,
        uids: copies.iter().map(|(from, c)| (*from, c.uid)).collect(),
    };
    Ok((copied, target))
}

/// Gives a message its UID and modseq in a mailbox and counts it.
pub(super) fn arrive(mailbox: &mut Mailbox, message: &mut Message) -> Result<()> {
    let next = mailbox.uid_next.checked_add(1).ok_or_else(|| {
        StoreError::new(
            ErrorKind::Limit,
            "The mailbox has given its last UID; move its messages to a new one",
        )
    })?;
    message.uid = Uid::new(mailbox.uid_next.get()).expect("UIDNEXT is not zero");
    mailbox.uid_next = next;
    message.modseq = mailbox.next_modseq();
    mailbox.count_in(message);
    Ok(())
}

pub(super) fn relocate(t: &mut dyn Tables, op: &Move, notices: &mut Vec<Notice>) -> Result<Moved> {
    let source = by_reference(t, op.actor, op.mailbox)?;
    let messages = named_messages(t, &source, &op.uids, op.absent)?;
    move_messages(t, source, &op.to, &messages, op.now, notices)
}

pub(super) fn move_all(
    t: &mut dyn Tables,
    source: Mailbox,
    to: &MailboxName,
    now: i64,
    notices: &mut Vec<Notice>,
) -> Result<()> {
    let uids = t.uids(source.id)?;
    let messages = each(t, &source, &uids)?;
    move_messages(t, source, to, &messages, now, notices).map(drop)
}

fn move_messages(
    t: &mut dyn Tables,
    source: Mailbox,
    to: &MailboxName,
    messages: &[Message],
    now: i64,
    notices: &mut Vec<Notice>,
) -> Result<Moved> {
    let (copied, target) = copy_messages(t, &source, source.owner, to, messages, now)?;
    let moved: UidSet = messages.iter().map(|m| m.uid).collect();
    // The source may be the target, whose counters have just changed.
    let mut source = t
        .mailbox(source.id)?
        .ok_or_else(crate::error::mailbox_gone)?;
    let modseq = remove(t, &mut source, &moved)?;
    if modseq.is_some() {
        if target.id != source.id {
            notices.push(notice(&target));
        }
        notices.push(notice(&source));
    }
    Ok(Moved { copied, modseq })
}

pub(super) fn expunge(
    t: &mut dyn Tables,
    op: &Expunge,
    notices: &mut Vec<Notice>,
) -> Result<Expunged> {
    let mut mailbox = by_reference(t, op.actor, op.mailbox)?;
    let deleted = each(t, &mailbox, &op.uids)?;
    let deleted = deleted
        .iter()
        .filter(|m| m.flags.system.has(SystemFlags::DELETED));
    let uids: UidSet = deleted.map(|m| m.uid).collect();
    let modseq = remove(t, &mut mailbox, &uids)?;
    if modseq.is_some() {
        notices.push(notice(&mailbox));
    }
    Ok(Expunged { uids, modseq })
}

/// Takes messages out of their mailbox and logs their going; `None` when none of them was there.
pub(super) fn remove(
    t: &mut dyn Tables,
    mailbox: &mut Mailbox,
    uids: &UidSet,
) -> Result<Option<ModSeq>> {
    let messages = each(t, mailbox, uids)?;
    remove_messages(t, mailbox, &messages)
}

/// The same for messages that were just read.
pub(super) fn remove_messages(
    t: &mut dyn Tables,
    mailbox: &mut Mailbox,
    messages: &[Message],
) -> Result<Option<ModSeq>> {
    if messages.is_empty() {
        return Ok(None);
    }
    let modseq = mailbox.next_modseq();
    for message in messages {
        mailbox.count_out(message);
        t.bury_message(mailbox, message)?;
    }
    let gone = messages.iter().map(|m| m.uid).collect();
    t.log_expunge(mailbox, modseq, &gone)?;
    t.put_mailbox(mailbox)?;
    Ok(Some(modseq))
}

fn each(t: &mut dyn Tables, mailbox: &Mailbox, uids: &UidSet) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    for &(from, to) in uids.ranges() {
        messages.extend(t.messages(mailbox.id, from, to, usize::MAX)?);
    }
    Ok(messages)
}

/// The messages a client named; some that are gone may refuse the whole.
fn named_messages(
    t: &mut dyn Tables,
    mailbox: &Mailbox,
    uids: &UidSet,
    absent: Absent,
) -> Result<Vec<Message>> {
    let messages = each(t, mailbox, uids)?;
    if absent == Absent::Refuse && messages.len() as u64 != uids.len() {
        return Err(StoreError::new(
            ErrorKind::ExpungeIssued,
            "Some of the messages are gone; nothing was done to the others",
        ));
    }
    Ok(messages)
}

pub(super) fn notice(mailbox: &Mailbox) -> Notice {
    Notice {
        mailbox: mailbox.reference(),
        modseq: Some(mailbox.highest_modseq),
    }
}

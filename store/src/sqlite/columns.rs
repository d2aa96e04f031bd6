//! Columns of the index as values.

use std::num::NonZeroU32;

use pillarbox_core::date::DateTime;
use pillarbox_core::effect::SpecialUse;
use pillarbox_core::flag::{Flags, SystemFlags};
use pillarbox_core::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity};
use pillarbox_core::mailbox::MailboxName;
use rusqlite::Row;

use crate::record::{Mailbox, Message};

pub(super) fn mailbox_row(r: &Row<'_>) -> rusqlite::Result<Mailbox> {
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
        flags: Flags {
            system: SystemFlags(r.get(3)?),
            keywords: keywords(r, 4)?,
        },
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

pub(super) fn keywords(r: &Row<'_>, at: usize) -> rusqlite::Result<u128> {
    r.get(at).map(u128::from_le_bytes)
}

pub(super) fn name(r: &Row<'_>, at: usize) -> rusqlite::Result<MailboxName> {
    let text: String = r.get(at)?;
    MailboxName::new(&text).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, 0))
}

pub(super) fn special(r: &Row<'_>, at: usize) -> rusqlite::Result<Option<SpecialUse>> {
    let special: Option<String> = r.get(at)?;
    Ok(special.as_deref().and_then(SpecialUse::from_name))
}

pub(super) fn positive(r: &Row<'_>, at: usize) -> rusqlite::Result<NonZeroU32> {
    NonZeroU32::new(r.get(at)?).ok_or_else(|| rusqlite::Error::IntegralValueOutOfRange(at, 0))
}

pub(super) fn uid(r: &Row<'_>, at: usize) -> rusqlite::Result<Uid> {
    Uid::new(r.get(at)?).ok_or_else(|| rusqlite::Error::IntegralValueOutOfRange(at, 0))
}

pub(super) fn number(r: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    r.get::<_, i64>(at).map(i64::cast_unsigned)
}

pub(super) fn signed(n: u64) -> i64 {
    n.cast_signed()
}

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

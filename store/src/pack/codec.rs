//! What records say, as octets: numbers little-endian, texts with their length.
//!
//! Version 2 writes every change, and since format 3 the last two kinds. Version 1 wrote no flags and no subscriptions, and one record for each message that went.

use std::collections::BTreeMap;

use pillarbox_core::date::DateTime;
use pillarbox_core::effect::SpecialUse;
use pillarbox_core::flag::{Flags, Keywords, SystemFlags};
use pillarbox_core::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;

use super::V1;
use crate::record::{Mailbox, Message};

/// The mailbox that an entry is about: enough to make it again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Home {
    pub owner: AccountId,
    pub mailbox: MailboxId,
    pub uid_validity: u32,
    pub name: String,
}

/// A message's flags by name.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Named {
    pub system: u8,
    pub keywords: Vec<String>,
}

/// One change of the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// A message and its octets.
    Message(Home, Box<Message>, Vec<String>),
    /// A further place of a message's octets.
    Copy(Home, Box<Message>, Vec<String>),
    /// A mailbox as it is from here on.
    Mailbox(Home, Option<Counters>),
    /// Messages are not in their mailbox any more.
    Gone(Home, ModSeq, UidSet),
    /// A mailbox was deleted.
    Dropped(Home),
    /// Messages have these flags and no others.
    Flags(Home, ModSeq, Vec<(Named, UidSet)>),
    /// A subscription was added or taken away.
    Subscribed(AccountId, String, bool),
    /// What stands in another segment from this offset on was never acknowledged.
    Cut(u64, u64),
    /// The entries since `start` are one transaction: so many, with this checksum of theirs.
    Commit { start: u64, count: u32, check: u32 },
    /// A message's octets, moved here.
    Body(AccountId, EmailId, ThreadId),
    /// An account with the last validity that it was given, and the last number given to anything.
    Account(AccountId, u32, u64),
}

/// What a mailbox's record says besides its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counters {
    pub uid_next: u32,
    pub highest_modseq: ModSeq,
    pub special_use: Option<SpecialUse>,
    pub floor: ModSeq,
}

impl Home {
    pub(crate) fn of(mailbox: &Mailbox) -> Self {
        Self {
            owner: mailbox.owner,
            mailbox: mailbox.id,
            uid_validity: mailbox.uid_validity.0.get(),
            name: mailbox.name.as_str().to_owned(),
        }
    }
}

impl Named {
    pub(crate) fn of(flags: Flags, table: &Keywords) -> Self {
        Self {
            system: flags.system.0,
            keywords: flags.names(table).map(Into::into).collect(),
        }
    }
}

impl Entry {
    pub(crate) fn message(mailbox: &Mailbox, message: &Message) -> Self {
        let named = Named::of(message.flags, &mailbox.keywords);
        Self::Message(Home::of(mailbox), Box::new(message.clone()), named.keywords)
    }

    pub(crate) fn copy(mailbox: &Mailbox, message: &Message) -> Self {
        let named = Named::of(message.flags, &mailbox.keywords);
        Self::Copy(Home::of(mailbox), Box::new(message.clone()), named.keywords)
    }

    pub(crate) fn mailbox(mailbox: &Mailbox) -> Self {
        let counters = Counters {
            uid_next: mailbox.uid_next.get(),
            highest_modseq: mailbox.highest_modseq,
            special_use: mailbox.special_use,
            floor: mailbox.floor,
        };
        Self::Mailbox(Home::of(mailbox), Some(counters))
    }

    /// That these messages of one modseq have the flags that they have.
    pub(crate) fn flags<'a>(
        mailbox: &Mailbox,
        modseq: ModSeq,
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> Self {
        let mut groups: BTreeMap<(u8, u128), UidSet> = BTreeMap::new();
        for m in messages {
            let key = (m.flags.system.0, m.flags.keywords);
            groups.entry(key).or_default().insert(m.uid);
        }
        let named = |(system, keywords)| {
            let system = SystemFlags(system);
            Named::of(Flags { system, keywords }, &mailbox.keywords)
        };
        let groups = groups.into_iter().map(|(key, uids)| (named(key), uids));
        Self::Flags(Home::of(mailbox), modseq, groups.collect())
    }

    pub(crate) fn subscribed(owner: AccountId, name: &MailboxName, on: bool) -> Self {
        Self::Subscribed(owner, name.as_str().to_owned(), on)
    }

    /// The mailbox that it is about.
    pub(crate) fn home(&self) -> Option<&Home> {
        match self {
            Self::Message(home, ..)
            | Self::Copy(home, ..)
            | Self::Mailbox(home, _)
            | Self::Gone(home, ..)
            | Self::Dropped(home)
            | Self::Flags(home, ..) => Some(home),
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Message(..) => MESSAGE,
            Self::Copy(..) => COPY,
            Self::Mailbox(..) => MAILBOX,
            Self::Gone(..) => GONE,
            Self::Dropped(_) => DROPPED,
            Self::Flags(..) => FLAGS,
            Self::Subscribed(..) => SUBSCRIBED,
            Self::Cut(..) => CUT,
            Self::Commit { .. } => COMMIT,
            Self::Body(..) => BODY,
            Self::Account(..) => ACCOUNT,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Message(home, message, keywords) | Self::Copy(home, message, keywords) => {
                put_home(&mut out, home);
                put_message(&mut out, message);
                keywords.iter().for_each(|k| put_text(&mut out, k));
            }
            Self::Mailbox(home, counters) => {
                put_home(&mut out, home);
                if let Some(c) = counters {
                    put_number(&mut out, u64::from(c.uid_next));
                    put_number(&mut out, c.highest_modseq.0);
                    put_text(&mut out, c.special_use.map_or("", SpecialUse::name));
                    put_number(&mut out, c.floor.0);
                }
            }
            Self::Gone(home, modseq, uids) => {
                put_home(&mut out, home);
                put_number(&mut out, modseq.0);
                put_uids(&mut out, uids);
            }
            Self::Dropped(home) => put_home(&mut out, home),
            Self::Flags(home, modseq, groups) => {
                put_home(&mut out, home);
                put_number(&mut out, modseq.0);
                for (named, uids) in groups {
                    out.push(named.system);
                    put_number(&mut out, named.keywords.len() as u64);
                    named.keywords.iter().for_each(|k| put_text(&mut out, k));
                    put_uids(&mut out, uids);
                }
            }
            Self::Subscribed(owner, name, on) => {
                put_number(&mut out, owner.0);
                put_text(&mut out, name);
                out.push(u8::from(*on));
            }
            Self::Cut(segment, offset) => {
                put_number(&mut out, *segment);
                put_number(&mut out, *offset);
            }
            Self::Commit {
                start,
                count,
                check,
            } => {
                put_number(&mut out, *start);
                out.extend(count.to_le_bytes());
                out.extend(check.to_le_bytes());
            }
            Self::Body(owner, email, thread) => {
                for n in [owner.0, email.0, thread.0] {
                    put_number(&mut out, n);
                }
            }
            Self::Account(owner, validity, number) => {
                for n in [owner.0, u64::from(*validity), *number] {
                    put_number(&mut out, n);
                }
            }
        }
        out
    }

    pub(super) fn decode(version: u8, kind: u8, mut octets: &[u8]) -> Option<Self> {
        let input = &mut octets;
        let entry = match kind {
            SUBSCRIBED => Self::Subscribed(
                AccountId(number(input)?),
                text(input)?,
                take::<1>(input)?[0] != 0,
            ),
            CUT => Self::Cut(number(input)?, number(input)?),
            COMMIT => Self::Commit {
                start: number(input)?,
                count: u32::from_le_bytes(*take(input)?),
                check: u32::from_le_bytes(*take(input)?),
            },
            BODY => Self::Body(
                AccountId(number(input)?),
                EmailId(number(input)?),
                ThreadId(number(input)?),
            ),
            ACCOUNT => Self::Account(
                AccountId(number(input)?),
                u32::try_from(number(input)?).ok()?,
                number(input)?,
            ),
            _ => Self::decode_at_home(version, kind, input)?,
        };
        input.is_empty().then_some(entry)
    }

    fn decode_at_home(version: u8, kind: u8, input: &mut &[u8]) -> Option<Self> {
        let home = home(input)?;
        Some(match kind {
            MESSAGE | COPY => {
                let message = Box::new(message(input)?);
                let keywords = rest(input, text)?;
                match kind {
                    MESSAGE => Self::Message(home, message, keywords),
                    _ => Self::Copy(home, message, keywords),
                }
            }
            MAILBOX if version == V1 => Self::Mailbox(home, None),
            MAILBOX => Self::Mailbox(home, Some(counters(input)?)),
            GONE if version == V1 => {
                let message = message(input)?;
                rest(input, text)?;
                Self::Gone(home, ModSeq(0), UidSet::range(message.uid, message.uid))
            }
            GONE => Self::Gone(home, ModSeq(number(input)?), uids(input)?),
            DROPPED => Self::Dropped(home),
            FLAGS => {
                let modseq = ModSeq(number(input)?);
                Self::Flags(home, modseq, rest(input, group)?)
            }
            _ => return None,
        })
    }
}

fn home(input: &mut &[u8]) -> Option<Home> {
    Some(Home {
        owner: AccountId(number(input)?),
        mailbox: MailboxId(number(input)?),
        uid_validity: u32::try_from(number(input)?).ok()?,
        name: text(input)?,
    })
}

fn message(input: &mut &[u8]) -> Option<Message> {
    let mut message = Message {
        uid: Uid::new(u32::try_from(number(input)?).ok()?)?,
        modseq: ModSeq(number(input)?),
        size: number(input)?,
        email_id: EmailId(number(input)?),
        thread_id: ThreadId(number(input)?),
        internal_date: DateTime {
            unix: number(input)?.cast_signed(),
            zone_minutes: 0,
        },
        save_date: number(input)?.cast_signed(),
        flags: Flags::default(),
    };
    message.internal_date.zone_minutes = i16::from_le_bytes(*take(input)?);
    message.flags.system = SystemFlags(take::<1>(input)?[0]);
    Some(message)
}

fn counters(input: &mut &[u8]) -> Option<Counters> {
    Some(Counters {
        uid_next: u32::try_from(number(input)?).ok()?,
        highest_modseq: ModSeq(number(input)?),
        special_use: SpecialUse::from_name(&text(input)?),
        // Format 2 did not tell it, and had none.
        floor: ModSeq(if input.is_empty() { 0 } else { number(input)? }),
    })
}

fn group(input: &mut &[u8]) -> Option<(Named, UidSet)> {
    let system = take::<1>(input)?[0];
    let count = number(input)?;
    let mut keywords = Vec::new();
    for _ in 0..count {
        keywords.push(text(input)?);
    }
    Some((Named { system, keywords }, uids(input)?))
}

fn uids(input: &mut &[u8]) -> Option<UidSet> {
    let count = number(input)?;
    let mut ranges = Vec::new();
    for _ in 0..count {
        let first = u32::from_le_bytes(*take(input)?);
        let last = u32::from_le_bytes(*take(input)?);
        ranges.push((first.max(1), last));
    }
    Some(UidSet::from_ranges(ranges))
}

/// As many as there are to the end.
fn rest<T>(input: &mut &[u8], mut one: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let mut all = Vec::new();
    while !input.is_empty() {
        all.push(one(input)?);
    }
    Some(all)
}

fn put_home(out: &mut Vec<u8>, home: &Home) {
    put_number(out, home.owner.0);
    put_number(out, home.mailbox.0);
    put_number(out, u64::from(home.uid_validity));
    put_text(out, &home.name);
}

fn put_message(out: &mut Vec<u8>, m: &Message) {
    for n in [
        u64::from(m.uid.get()),
        m.modseq.0,
        m.size,
        m.email_id.0,
        m.thread_id.0,
        m.internal_date.unix.cast_unsigned(),
        m.save_date.cast_unsigned(),
    ] {
        put_number(out, n);
    }
    out.extend(m.internal_date.zone_minutes.to_le_bytes());
    out.push(m.flags.system.0);
}

fn put_uids(out: &mut Vec<u8>, uids: &UidSet) {
    put_number(out, uids.ranges().len() as u64);
    for (first, last) in uids.ranges() {
        out.extend(first.to_le_bytes());
        out.extend(last.to_le_bytes());
    }
}

fn put_number(out: &mut Vec<u8>, n: u64) {
    out.extend(n.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u32::try_from(text.len()).expect("names and keywords are bounded far below 4 GB");
    out.extend(len.to_le_bytes());
    out.extend(text.as_bytes());
}

fn take<'a, const N: usize>(input: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(head)
}

fn number(input: &mut &[u8]) -> Option<u64> {
    take(input).map(|n| u64::from_le_bytes(*n))
}

fn text(input: &mut &[u8]) -> Option<String> {
    let len = u32::from_le_bytes(*take(input)?);
    let (head, rest) = input.split_at_checked(usize::try_from(len).ok()?)?;
    *input = rest;
    String::from_utf8(head.to_vec()).ok()
}

const MESSAGE: u8 = 1;
const COPY: u8 = 2;
const MAILBOX: u8 = 3;
const GONE: u8 = 4;
const DROPPED: u8 = 5;
const FLAGS: u8 = 6;
const SUBSCRIBED: u8 = 7;
const CUT: u8 = 8;
const COMMIT: u8 = 9;
const BODY: u8 = 10;
const ACCOUNT: u8 = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_went_in_and_cut_ones_do_not() {
        let home = Home {
            owner: AccountId(7),
            mailbox: MailboxId(8),
            uid_validity: 9,
            name: "Größe/b".into(),
        };
        let message = Message {
            uid: Uid::MAX,
            modseq: ModSeq(u64::MAX >> 1),
            flags: Flags {
                system: SystemFlags(31),
                keywords: 0,
            },
            size: 3,
            internal_date: DateTime {
                unix: -5,
                zone_minutes: -90,
            },
            save_date: 4,
            email_id: EmailId(5),
            thread_id: ThreadId(6),
        };
        let named = |n: &str| Named {
            system: 3,
            keywords: vec!["$A".into(), n.into()],
        };
        let uids = UidSet::from_ranges([(1, 4), (9, u32::MAX)]);
        let counters = Counters {
            uid_next: 3,
            highest_modseq: ModSeq(12),
            special_use: Some(SpecialUse::Sent),
            floor: ModSeq(11),
        };
        let entries = [
            Entry::Message(home.clone(), Box::new(message.clone()), vec!["$A".into()]),
            Entry::Copy(home.clone(), Box::new(message), Vec::new()),
            Entry::Mailbox(home.clone(), Some(counters)),
            Entry::Gone(home.clone(), ModSeq(3), uids.clone()),
            Entry::Dropped(home.clone()),
            Entry::Flags(
                home,
                ModSeq(4),
                vec![(named("x"), uids.clone()), (Named::default(), uids)],
            ),
            Entry::Subscribed(AccountId(1), "ghost".into(), true),
            Entry::Cut(3, 4),
            Entry::Commit {
                start: 1,
                count: 2,
                check: 3,
            },
            Entry::Body(AccountId(1), EmailId(2), ThreadId(3)),
            Entry::Account(AccountId(1), 2, 3),
        ];
        for entry in entries {
            let octets = entry.encode();
            assert_eq!(Entry::decode(2, entry.kind(), &octets), Some(entry.clone()));
            for len in 0..octets.len() {
                let cut = Entry::decode(2, entry.kind(), &octets[..len]);
                assert_ne!(cut, Some(entry.clone()));
            }
        }
    }
}

//! The meta data of a record as octets: numbers little-endian, texts with their length.

use pillarbox_core::date::DateTime;
use pillarbox_core::flag::{Flags, SystemFlags};
use pillarbox_core::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid};

use crate::record::{Mailbox, Message};

/// What a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A message and its octets.
    Message = 1,
    /// A further place of a message's octets.
    Copy = 2,
    /// A mailbox and its name from here on.
    Mailbox = 3,
    /// A message is not in its mailbox any more.
    Gone = 4,
    /// A mailbox was deleted.
    Dropped = 5,
}

impl Kind {
    pub(crate) fn from_number(n: u8) -> Option<Self> {
        use Kind::{Copy, Dropped, Gone, Mailbox, Message};
        [Message, Copy, Mailbox, Gone, Dropped]
            .into_iter()
            .find(|k| *k as u8 == n)
    }
}

/// Whose, where and what: enough to put a message back in its mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Meta {
    pub owner: AccountId,
    pub mailbox: MailboxId,
    pub uid_validity: u32,
    /// The mailbox's name.
    pub name: String,
    pub message: Option<Message>,
    /// The names of the message's keywords.
    pub keywords: Vec<String>,
}

impl Meta {
    pub(crate) fn new(mailbox: &Mailbox, message: Option<&Message>) -> Self {
        let names = |m: &Message| m.flags.names(&mailbox.keywords).map(Into::into).collect();
        Self {
            owner: mailbox.owner,
            mailbox: mailbox.id,
            uid_validity: mailbox.uid_validity.0.get(),
            name: mailbox.name.as_str().to_owned(),
            keywords: message.map(names).unwrap_or_default(),
            message: message.cloned(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for n in [self.owner.0, self.mailbox.0, u64::from(self.uid_validity)] {
            out.extend(n.to_le_bytes());
        }
        put_text(&mut out, &self.name);
        let Some(m) = &self.message else {
            return out;
        };
        for n in [
            u64::from(m.uid.get()),
            m.modseq.0,
            m.size,
            m.email_id.0,
            m.thread_id.0,
            m.internal_date.unix.cast_unsigned(),
            m.save_date.cast_unsigned(),
        ] {
            out.extend(n.to_le_bytes());
        }
        out.extend(m.internal_date.zone_minutes.to_le_bytes());
        out.push(m.flags.system.0);
        for keyword in &self.keywords {
            put_text(&mut out, keyword);
        }
        out
    }

    pub(crate) fn decode(mut octets: &[u8]) -> Option<Self> {
        let input = &mut octets;
        let mut meta = Self {
            owner: AccountId(number(input)?),
            mailbox: MailboxId(number(input)?),
            uid_validity: u32::try_from(number(input)?).ok()?,
            name: text(input)?,
            message: None,
            keywords: Vec::new(),
        };
        if input.is_empty() {
            return Some(meta);
        }
        meta.message = Some(Message {
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
        });
        let message = meta.message.as_mut()?;
        message.internal_date.zone_minutes = i16::from_le_bytes(*take(input)?);
        message.flags.system = SystemFlags(take::<1>(input)?[0]);
        while !input.is_empty() {
            meta.keywords.push(text(input)?);
        }
        Some(meta)
    }
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

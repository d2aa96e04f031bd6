//! What changed, and hearing of it.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::{Actor, FetchPage, MailboxRef, Row};
use crate::flag::{Flags, Keywords};
use crate::id::{ModSeq, Uid};
use crate::mailbox::MailboxName;
use crate::set::UidSet;

/// The difference between a mailbox at a modseq and now, in pages: the one mechanism under NOOP, IDLE and QRESYNC.
///
/// Each page is of one instant, the later ones perhaps of a later instant. Who has all of them knows everything up to [`ChangesSince::to`] of the
/// first; what else a later page tells is told again by the next difference.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Who asks.
    pub actor: Actor,
    /// Which mailbox; deleted is [`ErrorKind::NonExistent`](super::ErrorKind::NonExistent).
    pub mailbox: MailboxRef,
    /// What is known already.
    pub since: ModSeq,
    /// UIDs below this are known already: a change of theirs is no arrival.
    pub known_below: NonZeroU32,
    /// Whether arrivals are claimed as \Recent for this session.
    pub claim_recent: bool,
    /// Which came and which are gone is told from this UID on: 1, or [`ChangesSince::more`] of the page before.
    pub from: Uid,
    /// At most so many ranges of UIDs that came, and as many of UIDs that are gone; at least one.
    pub ranges: usize,
    /// At most so many changes of flags, whatever `from`: the rest of them is fetched ([`Fetch::changed_since`](super::Fetch::changed_since)).
    /// None: they are not looked at.
    pub limit: usize,
}

/// What changed.
#[derive(Clone, Debug)]
pub struct ChangesSince {
    /// Messages that are there and were not known, from [`Changes::from`] up to, not including, `more`.
    pub fresh: UidSet,
    /// Known messages whose flags changed, ascending.
    pub flags: Vec<(Uid, ModSeq, Flags)>,
    /// The first UID whose flags were not looked at, when the limit ended them.
    pub resume: Option<Uid>,
    /// UIDs expunged since, from [`Changes::from`] up to, not including, `more`; may name some that were never known.
    pub gone: UidSet,
    /// The first UID that `fresh` and `gone` do not tell of, when their ranges ended the page; above [`Changes::from`].
    pub more: Option<Uid>,
    /// `gone` goes back further than the log of expunges: it names every UID of the page below UIDNEXT that is not there.
    pub gone_is_complement: bool,
    /// The mailbox's keywords now.
    pub keywords: Keywords,
    /// The state this brings one to.
    pub to: ModSeq,
    /// Above every UID ever given.
    pub uid_next: NonZeroU32,
    /// Fresh messages from this UID on are \Recent to this session.
    pub recent_from: NonZeroU32,
    /// The mailbox's name now.
    pub name: MailboxName,
}

impl ChangesSince {
    /// Goes on with what came and what is gone behind that before; the changes of flags stay.
    pub(crate) fn take_uids(&mut self, page: Self) {
        self.fresh = page.fresh;
        self.gone = page.gone;
        self.more = page.more;
    }

    /// Goes on with the changes of flags that were fetched after those before.
    pub(crate) fn take_page(&mut self, page: FetchPage) {
        let change = |row: &Row| (row.uid, row.modseq, row.flags);
        self.flags = page.rows.iter().map(change).collect();
        self.resume = page.resume;
        self.keywords = page.keywords;
    }

    /// The latest change of flags here; one that was fetched may be later than [`to`](Self::to).
    pub(crate) fn newest(&self) -> ModSeq {
        let modseqs = self.flags.iter().map(|(_, modseq, _)| *modseq);
        modseqs.max().unwrap_or_default()
    }
}

/// Asks for [`Notice`]s of a mailbox.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Who asks.
    pub actor: Actor,
    /// Which mailbox.
    pub mailbox: MailboxRef,
}

/// Asks for no more notices of a mailbox.
#[derive(Clone, Debug)]
pub struct Unwatch {
    /// Which mailbox.
    pub mailbox: MailboxRef,
}

/// A mailbox is at this modseq, or gone; notices may be merged, repeated or late.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Which mailbox.
    pub mailbox: MailboxRef,
    /// Where it is; `None`: it was deleted.
    pub modseq: Option<ModSeq>,
}

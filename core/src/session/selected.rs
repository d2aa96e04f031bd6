//! The selected mailbox of a session: what this client was told, and telling it what changed.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::num::NonZeroU32;

use super::{Enabled, Session};
use crate::command::fetch::Known;
use crate::command::reply;
use crate::effect::{
    Changes, ChangesSince, Fetch, Fields, MailboxRef, Opened, Outcome, Row, StoreError,
};
use crate::flag::{Flags, Keywords};
use crate::id::{ModSeq, Uid};
use crate::mailbox::MailboxName;
use crate::response;
use crate::set::UidSet;
use crate::view::View;
use crate::wire::output::Output;

/// Own changes remembered so that they are not echoed; past this an echo does no harm.
const OWN: usize = 4096;

/// The selected mailbox.
#[derive(Debug)]
pub(crate) struct Selected {
    pub mailbox: MailboxRef,
    pub name: MailboxName,
    pub read_only: bool,
    pub view: View,
    /// The client knows every change up to here.
    pub told: ModSeq,
    /// UIDs below this were told or will never be.
    pub uid_next: NonZeroU32,
    pub keywords: Keywords,
    /// Ranges of UIDs whose messages are \Recent to this session, those not in the view too: a range or two, not one for each gap.
    pub recent: UidSet,
    /// The latest modseq heard of.
    pub latest: ModSeq,
    /// Whether there may be changes no notice told of.
    unsure: bool,
    /// The mailbox is gone.
    pub deleted: bool,
    /// Flags told at a modseq above `told`.
    own: BTreeMap<Uid, ModSeq>,
    /// Something the client is to be told is held back.
    pub holds: bool,
    /// What was heard of when the store last failed to tell: IDLE asks again when there is more.
    pub failed_at: Option<ModSeq>,
    /// The decoded part that was asked for in pieces last.
    pub part: Option<Box<Known>>,
}

impl Selected {
    pub(crate) fn new(opened: &Opened, read_only: bool) -> Self {
        Self {
            mailbox: opened.mailbox,
            name: opened.name.clone(),
            read_only,
            view: View::new(&opened.uids),
            told: opened.highest_modseq,
            uid_next: opened.uid_next,
            keywords: opened.keywords.clone(),
            recent: between(opened.recent_from, opened.uid_next),
            latest: opened.highest_modseq,
            // A change between Open and Watch gave no notice.
            unsure: true,
            deleted: false,
            own: BTreeMap::new(),
            holds: false,
            failed_at: None,
            part: None,
        }
    }

    /// The client was told this message's flags as of `modseq`.
    pub(crate) fn told_flags(&mut self, uid: Uid, modseq: ModSeq) {
        if modseq > self.told && (self.own.len() < OWN || self.own.contains_key(&uid)) {
            self.own.insert(uid, modseq);
        }
    }

    /// This session made the change `modseq`, and its client knows all of it: if it is the next one, nothing else happened in between.
    pub(crate) fn made(&mut self, modseq: ModSeq) {
        if modseq.0 == self.told.0 + 1 {
            self.told_up_to(modseq);
        } else {
            self.heard(modseq);
        }
    }

    /// The client was told every change up to `modseq`: of own changes only those above it are to be remembered.
    fn told_up_to(&mut self, modseq: ModSeq) {
        self.told = self.told.max(modseq);
        self.own.retain(|_, m| *m > self.told);
    }

    /// What this session changed since may not be known to its client: it is told as any change, and HIGHESTMODSEQ stays below it until then.
    pub(crate) fn forget(&mut self, told: ModSeq) {
        self.told = self.told.min(told);
        self.own.clear();
        self.holds = true;
        self.unsure = true;
    }

    /// The mailbox is at this modseq.
    pub(crate) fn heard(&mut self, modseq: ModSeq) {
        self.latest = self.latest.max(modseq);
    }

    /// Something may have changed without a notice: asks the store at the next opportunity.
    pub(crate) fn doubt(&mut self) {
        self.unsure = true;
    }

    /// Whether there is, or may be, more than the client was told.
    pub(crate) fn dirty(&self) -> bool {
        self.unsure || self.latest > self.told
    }

    /// Whether the keyword table grew; the client is told before any flag names it.
    pub(crate) fn learn_keywords(&mut self, out: &mut Output, keywords: &Keywords) {
        if keywords.len() > self.keywords.len() {
            self.keywords = keywords.clone();
            response::flags(out, &self.keywords);
            if !self.read_only {
                response::permanent_flags(out, &self.keywords, false);
            }
        }
    }

    fn write_flag_change(
        &mut self,
        out: &mut Output,
        enabled: Enabled,
        uids: bool,
        (uid, modseq, flags): (Uid, ModSeq, Flags),
    ) {
        if self.own.get(&uid).is_some_and(|m| *m >= modseq) {
            return;
        }
        let Some(seq) = self.view.seq_of(uid) else {
            return;
        };
        response::fetch_head(out, seq);
        if enabled.qresync || enabled.condstore {
            response::fetch_uid(out, uid);
            out.put(b" ");
            response::fetch_modseq(out, modseq);
            out.put(b" ");
        } else if enabled.rev2 || uids {
            response::fetch_uid(out, uid);
            out.put(b" ");
        }
        self.write_flags(out, enabled, uid, flags);
        out.put(b")\r\n");
        self.told_flags(uid, modseq);
    }

    /// How many messages are \Recent.
    pub(crate) fn recent_len(&self) -> u64 {
        self.view.count(&self.recent)
    }

    /// `FLAGS (…)` with \Recent where it applies.
    pub(crate) fn write_flags(&self, out: &mut Output, enabled: Enabled, uid: Uid, flags: Flags) {
        let recent = !enabled.rev2 && self.recent.contains(uid);
        response::fetch_flags(out, flags, &self.keywords, recent);
    }

    /// Tells of some that are gone, and takes them out of the set and of the view.
    fn expunge_some(&mut self, out: &mut Output, enabled: Enabled, gone: &mut UidSet) {
        if enabled.qresync {
            let some = gone.split_off_first_ranges(response::VANISHED);
            response::vanished(out, &self.view.remove(&some), false);
        } else {
            for seq in self.view.expunge_last(gone) {
                response::expunge(out, seq);
            }
        }
    }

    /// Messages came; all below `told_below` that ever came are known now.
    fn add(&mut self, out: &mut Output, enabled: Enabled, fresh: &UidSet, told_below: NonZeroU32) {
        let fresh = self.view.missing(fresh);
        if !fresh.is_empty() {
            self.view.extend(&fresh);
            response::exists(out, u64::from(self.view.len()));
            if !enabled.rev2 {
                response::recent(out, self.recent_len());
            }
        }
        self.uid_next = self.uid_next.max(told_below);
    }
}

/// The difference between what a client knows and now, told as there is room for it.
#[derive(Debug)]
pub(crate) struct Telling {
    /// What was known before.
    pub since: ModSeq,
    /// Above what was known before.
    known_below: NonZeroU32,
    /// As the store told of it first: nothing that came later is told now.
    changes: Box<ChangesSince>,
    /// The latest change of flags that was told.
    newest: ModSeq,
    /// Some of what is gone, being told.
    gone: UidSet,
    /// Whether EXPUNGE may be told, and whether some was not.
    expunge: bool,
    hold: bool,
    /// Pages were of several instants: together they may be what never was.
    torn: bool,
    /// What the store is asked for more of.
    asked: Asked,
    /// Changes of flags that were told.
    flags: usize,
    /// Whether each is told with its UID: so it is with the answer to a UID command (RFC 9051 §6.4.9).
    uids: bool,
}

/// What telling waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    /// A page of what came and what is gone.
    Uids,
    /// A page of changed flags.
    Flags,
}

impl Telling {
    /// EXPUNGE is held back unless `expunge`; then [`Selected::told`] stays, so that no HIGHESTMODSEQ above an untold expunge is ever given
    /// (RFC 7162 §3.2). `uids`: a change of flags is told with its UID.
    pub(crate) fn new(
        changes: Box<ChangesSince>,
        selected: &mut Selected,
        out: &mut Output,
        expunge: bool,
        uids: bool,
    ) -> Self {
        selected.name = changes.name.clone();
        selected.learn_keywords(out, &changes.keywords);
        let recent = between(changes.recent_from, changes.uid_next);
        selected.recent = selected.recent.union(&recent);
        Self {
            since: selected.told,
            known_below: selected.uid_next,
            newest: changes.to,
            changes,
            gone: UidSet::new(),
            expunge,
            hold: false,
            torn: false,
            asked: Asked::Uids,
            flags: 0,
            uids,
        }
    }

    /// What came and what is gone from this UID on.
    pub(crate) fn uids_from(&self, from: Uid, changes: Changes) -> Changes {
        Changes {
            since: self.since,
            known_below: self.known_below,
            // All up to what is told now were claimed.
            claim_recent: false,
            from,
            limit: 0,
            ..changes
        }
    }

    /// More of it came.
    pub(crate) fn page(
        &mut self,
        selected: &mut Selected,
        out: &mut Output,
        outcome: Outcome,
    ) -> Result<(), (&'static str, StoreError)> {
        match self.asked {
            Asked::Uids => {
                let page = reply::<Changes>(outcome).map_err(|e| ("Changes", e))?;
                selected.heard(page.to);
                self.torn |= page.to != self.changes.to;
                self.changes.take_uids(*page);
            }
            Asked::Flags => {
                let page = reply::<Fetch>(outcome).map_err(|e| ("Fetch", e))?;
                self.changes.take_page(page);
                self.newest = self.newest.max(self.changes.newest());
                self.flags = 0;
                selected.learn_keywords(out, &self.changes.keywords);
            }
        }
        Ok(())
    }

    /// Goes on until this many octets wait to be sent.
    pub(crate) fn go_on(
        &mut self,
        selected: &mut Selected,
        out: &mut Output,
        enabled: Enabled,
        room: usize,
    ) -> Going {
        if self.asked == Asked::Uids {
            if !self.tell_gone(selected, out, enabled, room) {
                return Going::Full;
            }
            if let Some(from) = self.tell_fresh(selected, out, enabled) {
                return Going::Uids(from);
            }
            self.asked = Asked::Flags;
        }
        while let Some(&(uid, modseq, flags)) = self.changes.flags.get(self.flags) {
            if out.len() >= room {
                return Going::Full;
            }
            selected.write_flag_change(out, enabled, self.uids, (uid, modseq, flags));
            self.flags += 1;
        }
        let last = Uid::new(self.known_below.get() - 1);
        match (self.changes.resume.take(), last) {
            (Some(first), Some(last)) if first <= last => Going::Page(UidSet::range(first, last)),
            _ => {
                self.end(selected);
                match self.torn && !self.hold {
                    true => Going::Torn,
                    false => Going::Told,
                }
            }
        }
    }

    /// What is gone, or that it is held back; whether all of the page is told.
    fn tell_gone(
        &mut self,
        selected: &mut Selected,
        out: &mut Output,
        enabled: Enabled,
        room: usize,
    ) -> bool {
        loop {
            if self.gone.is_empty() {
                self.gone = selected.view.first_of(&self.changes.gone);
            }
            if !self.expunge {
                self.hold |= !core::mem::take(&mut self.gone).is_empty();
            }
            if self.gone.is_empty() {
                return true;
            }
            if out.len() >= room {
                return false;
            }
            selected.expunge_some(out, enabled, &mut self.gone);
        }
    }

    /// What came; where the next page begins, if there is one that tells more of what is to be told now.
    fn tell_fresh(
        &mut self,
        selected: &mut Selected,
        out: &mut Output,
        enabled: Enabled,
    ) -> Option<Uid> {
        let end = self.changes.uid_next;
        let more = self.changes.more.filter(|uid| uid.get() < end.get());
        let told_below = more.map_or(end, NonZeroU32::from);
        let fresh = between(self.known_below, told_below);
        let fresh = self.changes.fresh.intersection(&fresh);
        selected.add(out, enabled, &fresh, told_below);
        // Of what is gone no more needs to be known than that it is held back.
        let known = Uid::from(self.known_below);
        more.map(|uid| if self.hold { uid.max(known) } else { uid })
            .filter(|uid| uid.get() < end.get())
    }

    fn end(&self, selected: &mut Selected) {
        // What is held back keeps `told` below this.
        selected.heard(self.newest);
        selected.unsure = false;
        selected.failed_at = None;
        // What else happened up to a row of a later page is not told.
        selected.holds = self.hold || self.newest > self.changes.to;
        if !self.hold {
            selected.told_up_to(self.changes.to);
        }
    }
}

/// How far telling came.
#[derive(Debug)]
pub(crate) enum Going {
    /// All is told.
    Told,
    /// All is told, and what the client knows now may never have been so: what else changed is to be told with it.
    Torn,
    /// There is no room for more.
    Full,
    /// What came and what is gone from this UID on is to be looked at first.
    Uids(Uid),
    /// The flags of these are to be looked at first.
    Page(UidSet),
}

/// Asks for those of these messages whose flags changed since.
pub(crate) fn changed(s: &Session, mailbox: MailboxRef, uids: UidSet, since: ModSeq) -> Fetch {
    Fetch {
        actor: s.actor(),
        mailbox,
        uids,
        changed_since: Some(since),
        fields: Fields::default(),
        inline: 0,
        budget: s.config.limits.changes_page.saturating_mul(ROW),
    }
}

/// Octets that a row without fields counts as.
const ROW: usize = size_of::<Row>();

/// The UIDs from `first` up to, not including, `end`.
fn between(first: NonZeroU32, end: NonZeroU32) -> UidSet {
    UidSet::from_ranges((first < end).then(|| (first.get(), end.get() - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AccountId, MailboxId, UidValidity};
    use alloc::vec::Vec;

    fn uid(n: usize) -> Uid {
        u32::try_from(n).ok().and_then(Uid::new).expect("a UID")
    }

    /// A mailbox whose client was told everything up to this.
    fn told(highest_modseq: ModSeq) -> Selected {
        let opened = Opened {
            mailbox: MailboxRef {
                owner: AccountId(1),
                id: MailboxId(1),
            },
            name: MailboxName::inbox(),
            read_only: false,
            uid_validity: UidValidity(NonZeroU32::MIN),
            uid_next: NonZeroU32::MIN,
            highest_modseq,
            uids: UidSet::new(),
            keywords: Keywords::from([]),
            first_unseen: None,
            recent_from: NonZeroU32::MIN,
        };
        Selected::new(&opened, false)
    }

    #[test]
    fn own_changes_are_remembered_up_to_a_bound() {
        let mut selected = told(ModSeq(5));
        for n in 1..=OWN + 1 {
            selected.told_flags(uid(n), ModSeq(6));
        }
        assert_eq!(selected.own.len(), OWN);
        selected.told_flags(uid(1), ModSeq(7));
        assert_eq!(selected.own[&uid(1)], ModSeq(7), "of those there are");
    }

    #[test]
    fn own_changes_are_forgotten_once_all_up_to_them_is_told() {
        let mut selected = told(ModSeq(5));
        for n in 4..=7 {
            selected.told_flags(uid(n), ModSeq(n as u64));
        }
        let own = |selected: &Selected| selected.own.keys().map(|u| u.get()).collect::<Vec<_>>();
        assert_eq!(own(&selected), [6, 7]);
        selected.made(ModSeq(6));
        assert_eq!(own(&selected), [7]);
    }
}

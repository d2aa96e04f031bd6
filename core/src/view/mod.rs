//! The selected mailbox as this client believes it: UIDs in order, and the only place where sequence numbers live.

mod blocks;
mod members;
mod numbers;

use alloc::vec::Vec;

use crate::ast::SeqNumber;
use crate::id::Uid;
use crate::set::UidSet;
pub(crate) use blocks::Blocks;
pub(crate) use numbers::{Next, Numbers};

/// UIDs in ascending order; the n-th has sequence number n. A session keeps it for hours, so it is compact.
#[derive(Debug, Default)]
pub(crate) struct View {
    uids: Blocks,
}

/// Ranges of UIDs handled at once.
const WINDOW: usize = 8192;

/// A sequence number that no message has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OutOfRange;

impl View {
    pub(crate) fn new(uids: &UidSet) -> Self {
        Self {
            uids: Blocks::new(uids),
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.uids.len()
    }

    pub(crate) fn last_uid(&self) -> Option<Uid> {
        self.uids.last()
    }

    /// The UID with this sequence number.
    pub(crate) fn uid_at(&self, seq: u32) -> Option<Uid> {
        self.uids.nth(seq.checked_sub(1)?)
    }

    /// The sequence number of this UID.
    pub(crate) fn seq_of(&self, uid: Uid) -> Option<u32> {
        self.uids.place(uid).map(|below| below + 1)
    }

    pub(crate) fn uids(&self) -> UidSet {
        self.uids.to_set()
    }

    /// UIDs from this one on, and where to go on: not all of a large mailbox at once.
    pub(crate) fn window(&self, from: u32) -> (UidSet, Option<u32>) {
        self.uids.window(from, WINDOW)
    }

    pub(crate) fn intersect(&self, set: &UidSet) -> UidSet {
        self.uids.intersection(set)
    }

    /// How many messages these ranges have.
    pub(crate) fn count(&self, set: &UidSet) -> u64 {
        let end = |last: u32| Uid::new(last.saturating_add(1)).map_or(0, |uid| self.uids.rank(uid));
        let ranges = set.ranges().iter();
        let counts = ranges.filter_map(|&(a, b)| Some(end(b) - self.uids.rank(Uid::new(a)?)));
        counts.map(u64::from).sum()
    }

    /// The next messages of a set that a command goes through, as many as are gone through at once; what is left stays in the set. The view must
    /// stay as it is meanwhile.
    fn take_from(&self, spans: &mut UidSet) -> UidSet {
        let some = self.first_of(spans);
        let next = some.last().and_then(|uid| uid.get().checked_add(1));
        *spans = match next.and_then(Uid::new) {
            Some(next) => spans.split_off_from(next),
            None => UidSet::new(),
        };
        some
    }

    /// Looks up more of a set until so many messages are left to go through, if it has them.
    pub(crate) fn refill(&self, left: &mut UidSet, spans: &mut UidSet, least: u64) {
        while left.len() < least && !spans.is_empty() {
            *left = left.union(&self.take_from(spans));
        }
    }

    /// The first UIDs of the set that are in the view: not all of a large mailbox at once, and none only if none is.
    pub(crate) fn first_of(&self, set: &UidSet) -> UidSet {
        self.uids.first_of(set, WINDOW)
    }

    /// The UIDs of the set that are not in the view.
    pub(crate) fn missing(&self, set: &UidSet) -> UidSet {
        set.difference(&self.intersect(set))
    }

    pub(crate) fn extend(&mut self, fresh: &UidSet) {
        self.uids.insert_all(fresh);
    }

    /// Takes UIDs out; those that were really there.
    pub(crate) fn remove(&mut self, gone: &UidSet) -> UidSet {
        let there = self.intersect(gone);
        self.uids.remove_all(&there);
        there
    }

    /// The UIDs of a set of sequence numbers; one beyond the last is an error, `*` in an empty mailbox too (RFC 9051 §9 `seq-number`).
    pub(crate) fn resolve_seq(&self, set: &[(SeqNumber, SeqNumber)]) -> Result<UidSet, OutOfRange> {
        Ok(self.intersect(&self.spans_of_seq(set)?))
    }

    /// A set of sequence numbers as ranges of UIDs, as many as it has; UIDs between those of the view may be in them.
    pub(crate) fn spans_of_seq(
        &self,
        set: &[(SeqNumber, SeqNumber)],
    ) -> Result<UidSet, OutOfRange> {
        let number = |n: SeqNumber| match n {
            SeqNumber::Number(n) => n.get(),
            SeqNumber::Last => self.len(),
        };
        let mut ranges = Vec::with_capacity(set.len());
        for &(a, b) in set {
            let (a, b) = (number(a), number(b));
            let (low, high) = (a.min(b), a.max(b));
            let (Some(first), Some(last)) = (self.uid_at(low), self.uid_at(high)) else {
                return Err(OutOfRange);
            };
            ranges.push((first.get(), last.get()));
        }
        Ok(UidSet::from_ranges(ranges))
    }

    /// A set of UIDs as ranges, as many as it has, `*` being the last there is.
    pub(crate) fn spans_of_uid(&self, set: &[(SeqNumber, SeqNumber)]) -> UidSet {
        let Some(last) = self.last_uid() else {
            return UidSet::new();
        };
        let number = |n: SeqNumber| match n {
            SeqNumber::Number(n) => n.get(),
            SeqNumber::Last => last.get(),
        };
        UidSet::from_ranges(set.iter().map(|&(a, b)| (number(a), number(b))))
    }

    /// The UIDs of a set of UIDs; those not there are ignored, `*` is the last there is (RFC 9051 §6.4.9).
    pub(crate) fn resolve_uid(&self, set: &[(SeqNumber, SeqNumber)]) -> UidSet {
        self.intersect(&self.spans_of_uid(set))
    }

    /// The sequence numbers of UIDs, as ranges; UIDs not in the view are skipped.
    pub(crate) fn seqs_of(&self, uids: &UidSet) -> Vec<(u32, u32)> {
        let places = self.uids.places(uids).into_iter();
        places.map(|(a, b)| (a + 1, b + 1)).collect()
    }

    /// Takes the last of these UIDs out of the set and out of the view, so many ranges at the most; what to say for them, the highest number
    /// first, so that each is right after those before it took effect.
    pub(crate) fn expunge_last(&mut self, gone: &mut UidSet) -> Vec<u32> {
        let last = gone.split_off_last(EXPUNGES);
        let seqs = self.seqs_of(&last);
        self.uids.remove_all(&last);
        seqs.iter()
            .rev()
            .flat_map(|&(a, b)| (a..=b).rev())
            .collect()
    }
}

/// Numbers of EXPUNGE worked out at once.
const EXPUNGES: u64 = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use core::num::NonZeroU32;
    use proptest::prelude::*;

    fn n(n: u32) -> SeqNumber {
        NonZeroU32::new(n).map_or(SeqNumber::Last, SeqNumber::Number)
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(uids in proptest::collection::btree_set(1u32..60, 0..30), set in proptest::collection::vec((0u32..70, 0u32..70), 1..5), gone in proptest::collection::vec((1u32..60, 1u32..60), 0..4)) {
            let list: Vec<u32> = uids.iter().copied().collect();
            let mut view = View::new(&list.iter().filter_map(|u| Uid::new(*u)).collect());
            for (i, uid) in list.iter().enumerate() {
                let (seq, uid) = (u32::try_from(i).unwrap() + 1, Uid::new(*uid).unwrap());
                prop_assert_eq!(view.uid_at(seq), Some(uid));
                prop_assert_eq!(view.seq_of(uid), Some(seq));
            }
            prop_assert_eq!(view.uid_at(view.len() + 1), None);
            let client: Vec<_> = set.iter().map(|&(a, b)| (n(a), n(b))).collect();
            let star = |x: u32, last: u32| if x == 0 { last } else { x };
            let len = u32::try_from(list.len()).unwrap();
            let wanted: Vec<(u32, u32)> = set.iter().map(|&(a, b)| { let (a, b) = (star(a, len), star(b, len)); (a.min(b), a.max(b)) }).collect();
            let expected = if wanted.iter().any(|&(a, b)| a == 0 || b > len) { None } else {
                Some(list.iter().enumerate().filter(|(i, _)| { let s = u32::try_from(*i).unwrap() + 1; wanted.iter().any(|&(a, b)| a <= s && s <= b) }).map(|(_, u)| *u).collect::<Vec<_>>())
            };
            prop_assert_eq!(view.resolve_seq(&client).ok().map(|s| s.iter().map(Uid::get).collect::<Vec<_>>()), expected);
            let gone = UidSet::from_ranges(gone);
            prop_assert_eq!(view.count(&gone), view.intersect(&gone).len());
            let (mut spans, mut taken) = (gone.clone(), UidSet::new());
            while !spans.is_empty() {
                taken = taken.union(&view.take_from(&mut spans));
            }
            prop_assert_eq!(taken, view.intersect(&gone));
            let mut told = list.clone();
            let mut left = gone;
            while !left.is_empty() {
                for seq in view.expunge_last(&mut left) {
                    told.remove(seq as usize - 1);
                }
            }
            prop_assert_eq!(view.uids().iter().map(Uid::get).collect::<Vec<_>>(), told);
        }
    }

    #[test]
    fn star_in_an_empty_mailbox() {
        let view = View::new(&UidSet::new());
        assert_eq!(
            view.resolve_seq(&[(SeqNumber::Last, SeqNumber::Last)]),
            Err(OutOfRange)
        );
        assert!(view.resolve_uid(&[(n(1), SeqNumber::Last)]).is_empty());
        let one = View::new(&UidSet::range(Uid::new(7).unwrap(), Uid::new(7).unwrap()));
        assert_eq!(one.resolve_uid(&[(n(100), SeqNumber::Last)]).len(), 1);
    }

    #[test]
    fn numbers_that_stand_together_are_one_range() {
        let uids = UidSet::from_ranges([(1, 1), (3, 3), (5, 6), (9, 9), (11, 12)]);
        let view = View::new(&uids);
        assert_eq!(view.seqs_of(&uids), [(1, 7)]);
        let some = UidSet::from_ranges([(1, 3), (6, 6), (11, 20)]);
        assert_eq!(view.seqs_of(&some), [(1, 2), (4, 4), (6, 7)]);
    }
}

//! Sets of numbers as sorted ranges: UIDs, and sequence numbers once resolved.

use alloc::vec::Vec;
use core::fmt;

use crate::id::Uid;

/// A set of UIDs, kept as sorted, disjoint, non-adjacent inclusive ranges.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UidSet {
    ranges: Vec<(u32, u32)>,
}

impl UidSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The set of all UIDs from `first` to `last`, both included; their order does not matter.
    #[must_use]
    pub fn range(first: Uid, last: Uid) -> Self {
        let (a, b) = (first.get().min(last.get()), first.get().max(last.get()));
        Self {
            ranges: alloc::vec![(a, b)],
        }
    }

    /// Builds a set from inclusive ranges in any order, overlapping or not, in O(r log r). Zeros are dropped.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut ranges: Vec<(u32, u32)> = ranges
            .into_iter()
            .map(|(a, b)| (a.min(b).max(1), a.max(b)))
            .filter(|&(a, b)| a <= b)
            .collect();
        ranges.sort_unstable();
        // In place: there may be very many.
        ranges.dedup_by(|next, last| {
            let touch = next.0 <= last.1.saturating_add(1);
            if touch {
                last.1 = last.1.max(next.1);
            }
            touch
        });
        Self { ranges }
    }

    /// A set of ranges that are sorted and do not touch already.
    pub(crate) fn from_sorted(ranges: Vec<(u32, u32)>) -> Self {
        Self { ranges }
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// Every UID, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Uid> + '_ {
        self.ranges
            .iter()
            .flat_map(|&(a, b)| (a..=b).filter_map(Uid::new))
    }

    /// How many UIDs are in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|&(a, b)| u64::from(b - a) + 1).sum()
    }

    /// Whether no UID is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `uid` is in the set, in O(log r).
    #[must_use]
    pub fn contains(&self, uid: Uid) -> bool {
        let at = self.ranges.partition_point(|r| r.1 < uid.get());
        self.ranges.get(at).is_some_and(|r| r.0 <= uid.get())
    }

    /// The least UID.
    #[must_use]
    pub fn first(&self) -> Option<Uid> {
        self.ranges.first().and_then(|r| Uid::new(r.0))
    }

    /// The greatest UID.
    #[must_use]
    pub fn last(&self) -> Option<Uid> {
        self.ranges.last().and_then(|r| Uid::new(r.1))
    }

    /// The UID that has `n` others below it, in O(r).
    #[must_use]
    pub fn nth(&self, mut n: u64) -> Option<Uid> {
        self.ranges.iter().find_map(|&(a, b)| {
            let here = u64::from(b - a) + 1;
            let found = (n < here).then(|| u64::from(a) + n);
            n = n.saturating_sub(here);
            found
                .and_then(|uid| u32::try_from(uid).ok())
                .and_then(Uid::new)
        })
    }

    /// Adds one UID; cheapest when it is above all others.
    pub fn insert(&mut self, uid: Uid) {
        let n = uid.get();
        let at = self.ranges.partition_point(|r| r.1 < n);
        if self.ranges.get(at).is_some_and(|r| r.0 <= n) {
            return;
        }
        let joins_left = at > 0 && self.ranges[at - 1].1 + 1 == n;
        let joins_right = self
            .ranges
            .get(at)
            .is_some_and(|r| r.0 == n.saturating_add(1));
        match (joins_left, joins_right) {
            (true, true) => {
                self.ranges[at - 1].1 = self.ranges[at].1;
                self.ranges.remove(at);
            }
            (true, false) => self.ranges[at - 1].1 = n,
            (false, true) => self.ranges[at].0 = n,
            (false, false) => self.ranges.insert(at, (n, n)),
        }
    }

    /// The UIDs in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut i, mut j) = (0, 0);
        let mut ranges = Vec::new();
        while let (Some(&(a, b)), Some(&(c, d))) = (self.ranges.get(i), other.ranges.get(j)) {
            let (low, high) = (a.max(c), b.min(d));
            if low <= high {
                ranges.push((low, high));
            }
            if b < d {
                i += 1;
            } else {
                j += 1;
            }
        }
        Self { ranges }
    }

    /// The UIDs of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        let mut j = 0;
        for &(a, b) in &self.ranges {
            let mut start = u64::from(a);
            while other.ranges.get(j).is_some_and(|r| r.1 < a) {
                j += 1;
            }
            let mut k = j;
            while let Some(&(c, d)) = other.ranges.get(k).filter(|r| r.0 <= b) {
                if u64::from(c) > start {
                    ranges.push((clamp(start), c - 1));
                }
                start = start.max(u64::from(d) + 1);
                k += 1;
            }
            if start <= u64::from(b) {
                ranges.push((clamp(start), b));
            }
        }
        Self { ranges }
    }

    /// The UIDs in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.ranges.iter().chain(&other.ranges).copied())
    }

    /// How many UIDs of the set are below `uid`.
    #[must_use]
    pub fn rank(&self, uid: Uid) -> u64 {
        let mut below = 0;
        for &(a, b) in &self.ranges {
            if b < uid.get() {
                below += u64::from(b - a) + 1;
            } else {
                return below + u64::from(uid.get().saturating_sub(a));
            }
        }
        below
    }

    /// Takes the first `n` ranges away and returns them.
    #[must_use]
    pub(crate) fn split_off_first_ranges(&mut self, n: usize) -> Self {
        let rest = self.ranges.split_off(n.min(self.ranges.len()));
        Self {
            ranges: core::mem::replace(&mut self.ranges, rest),
        }
    }

    /// Cuts the set before this UID and returns the rest, in O(ranges of the rest).
    #[must_use]
    pub fn split_off_from(&mut self, uid: Uid) -> Self {
        let at = self.ranges.partition_point(|r| r.1 < uid.get());
        let mut rest = self.ranges.split_off(at);
        if let Some(first) = rest.first_mut().filter(|r| r.0 < uid.get()) {
            self.ranges.push((first.0, uid.get() - 1));
            first.0 = uid.get();
        }
        Self { ranges: rest }
    }

    /// Keeps all but the last `n` UIDs and returns those.
    #[must_use]
    pub fn split_off_last(&mut self, n: u64) -> Self {
        let keep = self.len().saturating_sub(n);
        self.split_off_after(keep)
    }

    /// Cuts the set after its first `n` UIDs and returns the rest.
    #[must_use]
    pub fn split_off_after(&mut self, n: u64) -> Self {
        let mut left = n;
        for at in 0..self.ranges.len() {
            let (a, b) = self.ranges[at];
            let here = u64::from(b - a) + 1;
            if here > left {
                let mut rest = self.ranges.split_off(at);
                if left > 0 {
                    let cut = a + u32::try_from(left)
                        .expect("left is less than the length of a u32 range");
                    self.ranges.push((a, cut - 1));
                    rest[0].0 = cut;
                }
                return Self { ranges: rest };
            }
            left -= here;
        }
        Self::new()
    }
}

fn clamp(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        Self::from_ranges(uids.into_iter().map(|u| (u.get(), u.get())))
    }
}

impl fmt::Display for UidSet {
    /// The wire form of RFC 9051 `sequence-set`; empty for the empty set, which has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, &(a, b)) in self.ranges.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            if a == b {
                write!(f, "{comma}{a}")?;
            } else {
                write!(f, "{comma}{a}:{b}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn model(s: &UidSet) -> BTreeSet<u32> {
        s.iter().map(Uid::get).collect()
    }

    fn any_set() -> impl Strategy<Value = UidSet> {
        proptest::collection::vec((1u32..60, 1u32..60), 0..12).prop_map(UidSet::from_ranges)
    }

    proptest! {
        #[test]
        fn operations_agree_with_an_ordered_set(a in any_set(), b in any_set(), n in 0u64..70, x in 1u32..62) {
            let (ma, mb) = (model(&a), model(&b));
            prop_assert_eq!(model(&a.union(&b)), &ma | &mb);
            prop_assert_eq!(model(&a.intersection(&b)), &ma & &mb);
            prop_assert_eq!(model(&a.difference(&b)), &ma - &mb);
            prop_assert_eq!(a.len(), ma.len() as u64);
            prop_assert_eq!(a.first().map(Uid::get), ma.first().copied());
            prop_assert_eq!(a.last().map(Uid::get), ma.last().copied());
            let uid = Uid::new(x).unwrap();
            prop_assert_eq!(a.contains(uid), ma.contains(&x));
            prop_assert_eq!(a.rank(uid), ma.range(..x).count() as u64);
            prop_assert_eq!(a.nth(n).map(Uid::get), ma.iter().nth(usize::try_from(n).unwrap()).copied());
            let mut head = a.clone();
            let tail = head.split_off_after(n);
            prop_assert_eq!(head.len(), n.min(a.len()));
            prop_assert_eq!(head.union(&tail), a.clone());
            let mut below = a.clone();
            let rest = below.split_off_from(uid);
            prop_assert_eq!(model(&below), ma.range(..x).copied().collect());
            prop_assert_eq!(model(&rest), ma.range(x..).copied().collect());
            prop_assert_eq!(below, UidSet::from_ranges((1 < x).then(|| (1, x - 1))).intersection(&a), "and no range of nothing");
            let mut with = a.clone();
            with.insert(uid);
            prop_assert_eq!(&with, &a.union(&UidSet::range(uid, uid)));
        }
    }

    #[test]
    fn one_uid_joins_what_is_beside_it() {
        let mut set = UidSet::from_ranges([(1, 2), (4, 5), (9, 9)]);
        for (n, wanted) in [
            (3, "1:5,9"),
            (8, "1:5,8:9"),
            (6, "1:6,8:9"),
            (20, "1:6,8:9,20"),
        ] {
            set.insert(Uid::new(n).unwrap());
            assert_eq!(set.to_string(), wanted);
            assert!(!set.is_empty());
        }
    }

    #[test]
    fn the_whole_range_is_one_range() {
        let all = UidSet::from_ranges([(u32::MAX, 1), (5, 9)]);
        assert_eq!(all.to_string(), "1:4294967295");
        assert_eq!(all.len(), u64::from(u32::MAX));
        assert!(UidSet::from_ranges([(0, 0)]).is_empty());
        assert!(all.difference(&all).is_empty());
    }
}

//! A set of UIDs in little memory that knows their order: the n-th UID and the place of a UID take O(log n).
//!
//! UIDs lie in blocks of [`SPAN`], as runs or as a bitmap. What holds between any two calls:
//! - Blocks ascend by `base`, a multiple of `SPAN`; each holds at least one UID, all from `base` to `base + SPAN - 1`.
//! - `below` is how many UIDs the blocks before this one hold.
//! - Runs ascend and do not touch; there are at most `RUNS`, where a bitmap would take as much. Equal sets are equal values.

use alloc::vec::Vec;

use super::members::{Members, SPAN};
use crate::id::Uid;
use crate::set::UidSet;

/// A compact set of UIDs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Blocks {
    blocks: Vec<Block>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Block {
    base: u32,
    below: u32,
    members: Members,
}

impl Blocks {
    pub(crate) fn new(set: &UidSet) -> Self {
        let mut blocks = Vec::new();
        let mut runs: Vec<(u16, u16)> = Vec::new();
        let mut base = 0;
        for &(first, last) in set.ranges() {
            let mut from = first;
            loop {
                if base_of(from) != base {
                    blocks.extend(Block::new(base, &runs));
                    runs.clear();
                    base = base_of(from);
                }
                let to = last.min(base + (SPAN - 1));
                runs.push((offset(from), offset(to)));
                if to == last {
                    break;
                }
                from = to + 1;
            }
        }
        blocks.extend(Block::new(base, &runs));
        blocks.shrink_to_fit();
        let mut set = Self { blocks };
        set.count();
        set
    }

    pub(crate) fn len(&self) -> u32 {
        self.blocks.last().map_or(0, |b| b.below + b.members.len())
    }

    pub(crate) fn last(&self) -> Option<Uid> {
        self.nth(self.len().checked_sub(1)?)
    }

    /// The UID that has `n` others below it.
    pub(crate) fn nth(&self, n: u32) -> Option<Uid> {
        let after = self.blocks.partition_point(|b| b.below <= n);
        let block = &self.blocks[after.checked_sub(1)?];
        let offset = block.members.nth(n - block.below)?;
        Uid::new(block.base + u32::from(offset))
    }

    /// How many UIDs of the set are below `uid`.
    pub(crate) fn rank(&self, uid: Uid) -> u32 {
        let after = self.blocks.partition_point(|b| b.base <= uid.get());
        let Some(block) = after.checked_sub(1).map(|at| &self.blocks[at]) else {
            return 0;
        };
        block.below + block.members.rank(uid.get() - block.base)
    }

    /// How many UIDs are below this one, if it is in the set.
    pub(crate) fn place(&self, uid: Uid) -> Option<u32> {
        let base = base_of(uid.get());
        let at = self.blocks.binary_search_by_key(&base, |b| b.base).ok()?;
        let (block, offset) = (&self.blocks[at], offset(uid.get()));
        let holds = block.members.contains(offset);
        holds.then(|| block.below + block.members.rank(offset.into()))
    }

    pub(crate) fn to_set(&self) -> UidSet {
        let mut ranges = Vec::new();
        for block in &self.blocks {
            block.ranges().for_each(|r| push(&mut ranges, r));
        }
        UidSet::from_sorted(ranges)
    }

    /// The members from this one on as ranges, whole blocks until there are this many ranges, and where to go on: not all of a large set at once.
    pub(crate) fn window(&self, from: u32, ranges: usize) -> (UidSet, Option<u32>) {
        let mut found = Vec::new();
        let first = self.blocks.partition_point(|b| b.last() < from);
        for block in &self.blocks[first..] {
            if found.len() >= ranges {
                return (UidSet::from_sorted(found), Some(block.base));
            }
            let here = block.ranges().filter(|r| r.1 >= from);
            here.for_each(|(a, b)| push(&mut found, (a.max(from), b)));
        }
        (UidSet::from_sorted(found), None)
    }

    pub(crate) fn intersection(&self, set: &UidSet) -> UidSet {
        self.first_of(set, usize::MAX)
    }

    /// The first members that are in the set, whole blocks until there are this many ranges: the set may have few, and what is in it very many.
    pub(crate) fn first_of(&self, set: &UidSet, most: usize) -> UidSet {
        let mut ranges = Vec::new();
        for (block, wanted) in self.overlaps(set) {
            if ranges.len() >= most {
                break;
            }
            let (mut held, mut wanted) = (self.blocks[block].ranges(), wanted.iter().copied());
            let (mut a, mut b) = (held.next(), wanted.next());
            while let (Some((first, last)), Some((from, to))) = (a, b) {
                if first.max(from) <= last.min(to) {
                    push(&mut ranges, (first.max(from), last.min(to)));
                }
                if last < to {
                    a = held.next();
                } else {
                    b = wanted.next();
                }
            }
        }
        UidSet::from_sorted(ranges)
    }

    /// How many members are below those that are in the set, as ranges: the place of each.
    pub(crate) fn places(&self, set: &UidSet) -> Vec<(u32, u32)> {
        let mut places = Vec::new();
        for (block, wanted) in self.overlaps(set) {
            let block = &self.blocks[block];
            let mut below = block.below;
            let (mut held, mut wanted) = (block.ranges(), wanted.iter().copied());
            let (mut a, mut b) = (held.next(), wanted.next());
            while let (Some((first, last)), Some((from, to))) = (a, b) {
                let (low, high) = (first.max(from), last.min(to));
                if low <= high {
                    push(&mut places, (below + (low - first), below + (high - first)));
                }
                if last < to {
                    below += last - first + 1;
                    a = held.next();
                } else {
                    b = wanted.next();
                }
            }
        }
        places
    }

    pub(crate) fn insert_all(&mut self, set: &UidSet) {
        for block in Self::new(set).blocks {
            match self.blocks.binary_search_by_key(&block.base, |b| b.base) {
                Ok(at) => {
                    let both = self.blocks[at].to_set().union(&block.to_set());
                    self.blocks[at].replace(&both);
                }
                Err(at) => self.blocks.insert(at, block),
            }
        }
        self.count();
    }

    pub(crate) fn remove_all(&mut self, set: &UidSet) {
        let left: Vec<(usize, UidSet)> = self
            .overlaps(set)
            .map(|(block, gone)| {
                let gone = UidSet::from_sorted(gone.to_vec());
                (block, self.blocks[block].to_set().difference(&gone))
            })
            .collect();
        for (block, left) in &left {
            self.blocks[*block].replace(left);
        }
        self.blocks.retain(|b| !b.members.is_empty());
        self.count();
    }

    /// The blocks that these ranges touch, each with the ranges that touch it.
    fn overlaps<'a>(
        &'a self,
        set: &'a UidSet,
    ) -> impl Iterator<Item = (usize, &'a [(u32, u32)])> + 'a {
        let (mut ranges, mut at) = (set.ranges(), 0);
        core::iter::from_fn(move || {
            loop {
                let &(first, _) = ranges.first()?;
                at += self.blocks[at..].partition_point(|b| b.last() < first);
                let block = self.blocks.get(at)?;
                ranges = &ranges[ranges.partition_point(|r| r.1 < block.base)..];
                let here = ranges.partition_point(|r| r.0 <= block.last());
                if here > 0 {
                    let touching = &ranges[..here];
                    // The last of them may go on in the next block.
                    ranges = &ranges[here - 1..];
                    at += 1;
                    return Some((at - 1, touching));
                }
            }
        })
    }

    fn count(&mut self) {
        let mut below = 0;
        for block in &mut self.blocks {
            block.below = below;
            below += block.members.len();
        }
    }
}

impl Block {
    /// A block of these offsets; none for none.
    fn new(base: u32, runs: &[(u16, u16)]) -> Option<Self> {
        (!runs.is_empty()).then(|| Self {
            base,
            below: 0,
            members: Members::new(runs),
        })
    }

    /// The greatest UID it could hold.
    fn last(&self) -> u32 {
        self.base + (SPAN - 1)
    }

    fn ranges(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let uid = |offset| self.base + u32::from(offset);
        self.members.runs().map(move |(a, b)| (uid(a), uid(b)))
    }

    fn to_set(&self) -> UidSet {
        UidSet::from_sorted(self.ranges().collect())
    }

    /// Takes these UIDs, all of this block, in place of its own.
    fn replace(&mut self, set: &UidSet) {
        let runs = set.ranges().iter().map(|&(a, b)| (offset(a), offset(b)));
        self.members = Members::new(&runs.collect::<Vec<_>>());
    }
}

fn base_of(uid: u32) -> u32 {
    uid & !(SPAN - 1)
}

fn offset(uid: u32) -> u16 {
    (uid % SPAN) as u16
}

/// Appends a range above those there are, joining it to the last if they touch.
fn push(ranges: &mut Vec<(u32, u32)>, (first, last): (u32, u32)) {
    match ranges.last_mut() {
        Some(before) if before.1 + 1 == first => before.1 = last,
        _ => ranges.push((first, last)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::members::RUNS;
    use super::*;

    /// A small generator, so that a failure names the seed that leads to it.
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u32) -> u32 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            u32::try_from((self.0 >> 33) % u64::from(n)).unwrap()
        }

        /// Ranges of a few shapes: long, short, single ones close together, at both ends of what a UID can be.
        fn set(&mut self) -> UidSet {
            let start = match self.below(8) {
                0 => u32::MAX - 6_000,
                1 => 1 + self.below(1 << 24),
                _ => 1,
            };
            let shape = [(1, 9_000), (40, 300), (1_500, 1), (300, 1), (1, 1)];
            let (count, long) = shape[self.below(5) as usize];
            UidSet::from_ranges((0..count).map(|_| {
                let first = start.saturating_add(self.below(3 * SPAN));
                (first, first.saturating_add(self.below(long)))
            }))
        }
    }

    fn list(set: &UidSet) -> Vec<u32> {
        set.iter().map(Uid::get).collect()
    }

    fn uid(n: u32) -> Uid {
        Uid::new(n).unwrap()
    }

    /// What a plain list says.
    fn assert_same(blocks: &Blocks, model: &[u32], random: &mut Random, queries: u32) {
        assert_eq!(blocks.len() as usize, model.len());
        assert_eq!(blocks.last().map(Uid::get), model.last().copied());
        assert_eq!(blocks.nth(blocks.len()), None);
        assert_eq!(blocks.nth(u32::MAX), None);
        for _ in 0..queries {
            let near = match model.len() {
                0 => 1,
                n => model[random.below(u32::try_from(n).unwrap()) as usize],
            };
            let wanted = near
                .saturating_add(random.below(3))
                .saturating_sub(1)
                .max(1);
            let place = model.binary_search(&wanted);
            let below = blocks.place(uid(wanted)).map(|n| n as usize);
            assert_eq!(below, place.ok(), "{wanted}");
            let rank = place.unwrap_or_else(|at| at);
            assert_eq!(blocks.rank(uid(wanted)) as usize, rank, "{wanted}");
            let nth = blocks.nth(u32::try_from(rank).unwrap()).map(Uid::get);
            assert_eq!(nth, model.get(rank).copied(), "{wanted}");
        }
    }

    #[test]
    fn agrees_with_a_list_over_a_million_operations() {
        for seed in 0..60 {
            let mut random = Random(seed);
            let (mut blocks, mut model) = (Blocks::default(), UidSet::new());
            for step in 0..15 {
                let set = random.set();
                assert_eq!(
                    blocks.intersection(&set),
                    model.intersection(&set),
                    "seed {seed}, step {step}"
                );
                let place = |uid: u32| u32::try_from(model.rank(self::uid(uid))).unwrap();
                let mut places: Vec<(u32, u32)> = Vec::new();
                for &(a, b) in model.intersection(&set).ranges() {
                    push(&mut places, (place(a), place(b)));
                }
                assert_eq!(blocks.places(&set), places, "seed {seed}, step {step}");
                if random.below(2) == 0 {
                    blocks.insert_all(&set);
                    model = model.union(&set);
                } else {
                    blocks.remove_all(&set);
                    model = model.difference(&set);
                }
                assert_eq!(blocks, Blocks::new(&model), "seed {seed}, step {step}");
                assert_eq!(blocks.to_set(), model, "seed {seed}, step {step}");
                assert_same(&blocks, &list(&model), &mut random, 400);
            }
        }
    }

    #[test]
    fn windows_have_every_member_from_the_first_one_on() {
        let ends = [(1, 3), (5, 5), (90_000, 90_001), (200_000, 400_000)];
        let set = UidSet::from_ranges(ends);
        let blocks = Blocks::new(&set);
        let edges = ends.iter().flat_map(|&(a, b)| [a, b, b + 1]);
        for from in edges.chain(blocks.blocks.iter().map(Block::last)) {
            let mut found = UidSet::new();
            let mut next = Some(from);
            while let Some(at) = next {
                let (some, then) = blocks.window(at, 1);
                assert!(then.is_none_or(|then| then > at), "{from}: {at}");
                found = found.union(&some);
                next = then;
            }
            let wanted = set.intersection(&UidSet::from_ranges([(from, u32::MAX)]));
            assert_eq!(found, wanted, "from {from}");
        }
    }

    #[test]
    fn the_smaller_form_is_taken() {
        let singles = |n: u32| UidSet::from_ranges((1..=n).map(|i| (2 * i, 2 * i)));
        let form = |set: &UidSet| Blocks::new(set).blocks.remove(0).members;
        assert!(matches!(form(&singles(RUNS as u32)), Members::Runs(_)));
        assert!(matches!(form(&singles(RUNS as u32 + 1)), Members::Bits(_)));
    }

    #[test]
    fn a_million_in_a_row_are_a_few_kilobytes() {
        let blocks = Blocks::new(&UidSet::range(uid(1), uid(1_000_000)));
        assert_eq!(blocks.len(), 1_000_000);
        assert_eq!(blocks.blocks.len(), 1_000_000 / SPAN as usize + 1);
        assert_eq!(size_of::<Block>(), 24);
    }
}

//! What UIDs are called in an answer, as ranges that are worked out a window at a time: there may be millions.

use alloc::vec::{IntoIter, Vec};

use super::{Blocks, View};

/// UIDs, or the sequence numbers of those that have one, ascending.
#[derive(Debug)]
pub(crate) struct Numbers {
    uid: bool,
    uids: Blocks,
    /// Where `uids` goes on behind `window`.
    next: Option<u32>,
    window: IntoIter<(u32, u32)>,
    /// What the next range may continue.
    range: Option<(u32, u32)>,
}

/// Ranges worked out at once.
const WINDOW: usize = 512;

impl Numbers {
    /// These UIDs; `uid`: as UIDs, else as sequence numbers.
    pub(crate) fn new(uid: bool, uids: Blocks) -> Self {
        Self {
            uid,
            uids,
            next: Some(1),
            window: Vec::new().into_iter(),
            range: None,
        }
    }

    /// The next range. Ranges that touch are one: between two UIDs may be none that has a number.
    pub(crate) fn next(&mut self, view: Option<&View>) -> Option<(u32, u32)> {
        while let Some(next) = self.next_named(view) {
            match &mut self.range {
                Some(range) if range.1 + 1 == next.0 => range.1 = next.1,
                range => {
                    let whole = range.replace(next);
                    if whole.is_some() {
                        return whole;
                    }
                }
            }
        }
        self.range.take()
    }

    fn next_named(&mut self, view: Option<&View>) -> Option<(u32, u32)> {
        loop {
            if let Some(range) = self.window.next() {
                return Some(range);
            }
            let (set, after) = self.uids.window(self.next?, WINDOW);
            self.next = after;
            let named = match (self.uid, view) {
                (true, _) => set.ranges().to_vec(),
                (false, Some(view)) => view.seqs_of(&set),
                (false, None) => Vec::new(),
            };
            self.window = named.into_iter();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::UidSet;

    #[test]
    fn ranges_that_touch_are_one_across_windows() {
        let uids = UidSet::from_ranges((1..=100_000).map(|n| (3 * n, 3 * n)));
        let view = View::new(&uids);
        let mut numbers = Numbers::new(false, Blocks::new(&uids));
        assert_eq!(numbers.next(Some(&view)), Some((1, 100_000)));
        assert_eq!(numbers.next(Some(&view)), None);
        let mut numbers = Numbers::new(true, Blocks::new(&uids));
        let all: Vec<_> = core::iter::from_fn(|| numbers.next(None)).collect();
        assert_eq!(all, uids.ranges());
        let some = UidSet::from_ranges([(3, 6), (12, 12), (299_997, 300_000)]);
        let some = view.intersect(&some);
        let mut numbers = Numbers::new(false, Blocks::new(&some));
        let all: Vec<_> = core::iter::from_fn(|| numbers.next(Some(&view))).collect();
        assert_eq!(all, [(1, 2), (4, 4), (99_999, 100_000)]);
    }
}

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

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// A range, whole.
    Range(u32, u32),
    /// A range that is very long goes on: others may have their turn.
    Later,
    /// Nothing.
    End,
}

/// Ranges worked out at once.
const WINDOW: usize = 512;
/// How often that is done for one range.
const WINDOWS: usize = 16;

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
    pub(crate) fn next(&mut self, view: Option<&View>) -> Next {
        for _ in 0..WINDOWS {
            if let Some(range) = self.next_whole() {
                return Next::Range(range.0, range.1);
            }
            let Some(next) = self.next else {
                let last = self.range.take();
                return last.map_or(Next::End, |(first, last)| Next::Range(first, last));
            };
            self.look_up(next, view);
        }
        Next::Later
    }

    /// The next range of the window that ends there.
    fn next_whole(&mut self) -> Option<(u32, u32)> {
        for next in self.window.by_ref() {
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
        None
    }

    /// Works out the window that begins there.
    fn look_up(&mut self, from: u32, view: Option<&View>) {
        let (set, after) = self.uids.window(from, WINDOW);
        self.next = after;
        let named = match (self.uid, view) {
            (true, _) => set.ranges().to_vec(),
            (false, Some(view)) => view.seqs_of(&set),
            (false, None) => Vec::new(),
        };
        self.window = named.into_iter();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::UidSet;

    /// All ranges, and how often others had their turn.
    fn all(mut numbers: Numbers, view: Option<&View>) -> (Vec<(u32, u32)>, usize) {
        let (mut ranges, mut later) = (Vec::new(), 0);
        loop {
            match numbers.next(view) {
                Next::Range(first, last) => ranges.push((first, last)),
                Next::Later => later += 1,
                Next::End => return (ranges, later),
            }
        }
    }

    #[test]
    fn ranges_that_touch_are_one_across_windows() {
        let uids = UidSet::from_ranges((1..=100_000).map(|n| (3 * n, 3 * n)));
        let view = View::new(&uids);
        let numbers = Numbers::new(false, Blocks::new(&uids));
        assert_eq!(all(numbers, Some(&view)), (Vec::from([(1, 100_000)]), 4));
        let numbers = Numbers::new(true, Blocks::new(&uids));
        assert_eq!(all(numbers, None), (uids.ranges().to_vec(), 0));
        let some = UidSet::from_ranges([(3, 6), (12, 12), (299_997, 300_000)]);
        let some = view.intersect(&some);
        let numbers = Numbers::new(false, Blocks::new(&some));
        let some = Vec::from([(1, 2), (4, 4), (99_999, 100_000)]);
        assert_eq!(all(numbers, Some(&view)), (some, 0));
    }
}

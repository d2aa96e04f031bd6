//! What segments say that nothing is written to any more: each is asked once, a few at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use super::recover::cuts;
use crate::pack::Files;

/// Segments older than the one that is written to.
#[derive(Default)]
pub(super) struct Closed {
    /// Those that are known.
    there: BTreeSet<u64>,
    /// Where a segment ends, by the word of a later one.
    cuts: BTreeMap<(u64, u64), u64>,
    /// Those that are to be asked, and the first that was not closed.
    unknown: VecDeque<u64>,
    next: Option<u64>,
}

impl Closed {
    /// Asks `most` of those below `open`, which is written to. Whether all are known.
    pub(super) fn ask(&mut self, files: &Files, open: u64, most: usize) -> io::Result<bool> {
        match self.next {
            None => self.unknown = files.segments()?.into(),
            Some(next) => self.unknown.extend(next..open),
        }
        self.unknown.retain(|s| *s < open);
        self.next = Some(open);
        for _ in 0..most {
            let Some(&segment) = self.unknown.front() else {
                break;
            };
            if files.path(segment).try_exists()? {
                for (other, end) in cuts(files, &[segment])? {
                    self.cuts.insert((other, segment), end);
                }
                self.there.insert(segment);
            }
            self.unknown.pop_front();
        }
        Ok(self.unknown.is_empty())
    }

    /// What is behind the end of this one was never acknowledged.
    pub(super) fn end(&self, segment: u64) -> Option<u64> {
        let told = self.cuts.range((segment, 0)..=(segment, u64::MAX));
        told.map(|(_, end)| *end).next_back()
    }

    pub(super) fn is_oldest(&self, segment: u64) -> bool {
        self.there.first() == Some(&segment)
    }

    pub(super) fn removed(&mut self, segment: u64) {
        self.there.remove(&segment);
        self.cuts.retain(|(_, teller), _| *teller != segment);
    }
}

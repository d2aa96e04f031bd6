//! The messages that a command goes through, some at a time: the store is asked about so many at once.

use crate::session::Session;
use crate::set::UidSet;

/// What is left of them. The view must stay as it is meanwhile.
#[derive(Debug)]
pub(crate) struct Walk {
    /// What the client named and was not looked up yet.
    spans: UidSet,
    /// What was looked up.
    found: UidSet,
}

impl Walk {
    /// Through the messages that these ranges of UIDs have.
    pub(crate) fn new(spans: UidSet) -> Self {
        Self {
            spans,
            found: UidSet::new(),
        }
    }

    /// Through these messages.
    pub(crate) fn at_once(found: UidSet) -> Self {
        Self {
            spans: UidSet::new(),
            found,
        }
    }

    /// Whether there are messages left; looks up at least so many of them, if there are.
    pub(crate) fn is_more(&mut self, s: &Session, least: u64) -> bool {
        if let Some(selected) = &s.selected {
            let view = &selected.view;
            view.refill(&mut self.found, &mut self.spans, least);
        }
        !self.found.is_empty()
    }

    /// The first of those that were looked up, so many at the most.
    pub(crate) fn take(&mut self, most: u64) -> UidSet {
        let rest = self.found.split_off_after(most);
        core::mem::replace(&mut self.found, rest)
    }

    /// These come once more.
    pub(crate) fn put_back(&mut self, uids: &UidSet) {
        self.found = self.found.union(uids);
    }
}

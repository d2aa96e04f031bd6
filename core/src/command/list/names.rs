//! Which names LIST and LSUB tell, one after the other: what there is besides the names is held for none but the one being told.

use alloc::vec::Vec;
use core::ops::Range;

use crate::effect::MailboxRow;
use crate::mailbox::{MailboxName, Pattern};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub patterns: Vec<Pattern>,
    pub subscribed: bool,
    pub special_use: bool,
    pub recursive: bool,
    pub lsub: bool,
}

/// One line of the answer.
#[derive(Debug)]
pub(super) struct Line {
    pub row: MailboxRow,
    pub children: bool,
    /// Is one of those asked for, itself.
    pub chosen: bool,
    /// Matches through a child as well (RFC 5258 §3.5).
    pub child_info: bool,
}

/// An account's names in their order, and how far they are told.
#[derive(Debug)]
pub(super) struct Names {
    rows: Vec<MailboxRow>,
    /// What is known of each.
    marks: Vec<u8>,
    at: usize,
    /// Levels of the name there whose parents were looked at.
    level: usize,
}

/// It is a mailbox.
const THERE: u8 = 1;
/// It is one of those asked for, whatever it is called.
const CHOSEN: u8 = 2;
/// It is called as a pattern says.
const MATCHES: u8 = 4;
/// It is one of those asked for, and no pattern tells it.
const HIDDEN: u8 = 8;

impl Wanted {
    fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|p| p.matches(name))
    }

    fn chosen(&self, row: &MailboxRow) -> bool {
        (!self.subscribed || row.subscribed)
            && (!self.special_use || row.special_use.is_some())
            && (self.subscribed || row.id.is_some())
    }

    fn marks(&self, row: &MailboxRow) -> u8 {
        let (chosen, matches) = (self.chosen(row), self.matches(row.name.as_str()));
        let mark = |is, mark| if is { mark } else { 0 };
        mark(row.id.is_some(), THERE)
            | mark(chosen, CHOSEN)
            | mark(matches, MATCHES)
            | mark(chosen && !matches, HIDDEN)
    }

    /// Whether parents are told of names that are asked for (RFC 5258 §3.5, RFC 3501 §6.3.9).
    fn parents(&self) -> bool {
        self.recursive || self.lsub
    }
}

impl Names {
    /// Rows in the order of their names.
    pub(super) fn new(rows: Vec<MailboxRow>, wanted: &Wanted) -> Self {
        Self {
            marks: rows.iter().map(|row| wanted.marks(row)).collect(),
            rows,
            at: 0,
            level: 0,
        }
    }

    /// The next line: names that match, and for RECURSIVEMATCH and LSUB the parents of names that do.
    pub(super) fn next(&mut self, wanted: &Wanted) -> Option<Line> {
        loop {
            let row = self.rows.get(self.at)?;
            let mut levels = row.name.as_str().match_indices('/');
            let line = match levels.nth(self.level).filter(|_| wanted.parents()) {
                Some((end, _)) => {
                    self.level += 1;
                    self.parent(end, wanted)
                }
                None => {
                    let at = self.at;
                    (self.at, self.level) = (at + 1, 0);
                    self.line(at, wanted)
                }
            };
            if line.is_some() {
                return line;
            }
        }
    }

    fn line(&self, at: usize, wanted: &Wanted) -> Option<Line> {
        let (row, marks) = (&self.rows[at], self.marks[at]);
        let below = self.below(at);
        // A parent that is not chosen itself is named only where the pattern hides the child (RFC 3501 §6.3.9, RFC 5258 §3.5).
        let child = match wanted.lsub || marks & CHOSEN == 0 {
            true => HIDDEN,
            false => CHOSEN,
        };
        let child_info = wanted.parents() && marks & MATCHES != 0 && self.any(below.clone(), child);
        let told = child_info || marks & (CHOSEN | MATCHES) == CHOSEN | MATCHES;
        told.then(|| Line {
            row: row.clone(),
            children: self.any(below, THERE),
            chosen: marks & CHOSEN != 0,
            child_info,
        })
    }

    /// The parent whose name ends there, if it is none of the rows, and this is the first row below it.
    fn parent(&self, end: usize, wanted: &Wanted) -> Option<Line> {
        let name = self.rows[self.at].name.as_str();
        let (parent, prefix) = (&name[..end], &name[..=end]);
        let is_below = |row: &MailboxRow| row.name.as_str().starts_with(prefix);
        if self.at > 0 && is_below(&self.rows[self.at - 1])
            || !wanted.matches(parent)
            || self
                .rows
                .binary_search_by(|row| row.name.as_str().cmp(parent))
                .is_ok()
        {
            return None;
        }
        let below = self.at..self.at + self.rows[self.at..].partition_point(is_below);
        let hidden = self.any(below.clone(), HIDDEN);
        let name = MailboxName::new(parent).ok().filter(|_| hidden)?;
        Some(Line {
            row: MailboxRow::new(name),
            children: self.any(below, THERE),
            chosen: false,
            child_info: true,
        })
    }

    /// The rows below this one.
    fn below(&self, at: usize) -> Range<usize> {
        let parent = self.rows[at].name.as_str();
        // All are behind the parent: those with its name in front and something less than a slash behind it come first.
        let next = |row: &MailboxRow| {
            let rest = row.name.as_str().strip_prefix(parent)?;
            rest.bytes().next()
        };
        let after = &self.rows[at + 1..];
        let first = after.partition_point(|row| next(row).is_some_and(|b| b < b'/'));
        let count = after[first..].partition_point(|row| next(row) == Some(b'/'));
        at + 1 + first..at + 1 + first + count
    }

    fn any(&self, rows: Range<usize>, mark: u8) -> bool {
        self.marks[rows].iter().any(|marks| marks & mark != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::string::String;
    use proptest::prelude::*;

    use crate::effect::SpecialUse;
    use crate::id::MailboxId;

    /// Name by name, with no regard to work and memory.
    fn told(rows: &[MailboxRow], wanted: &Wanted) -> BTreeMap<String, (bool, bool)> {
        let is_below =
            |row: &MailboxRow, name: &MailboxName| row.name.ancestors().any(|a| a == *name);
        let names = rows
            .iter()
            .flat_map(|r| r.name.ancestors().chain([r.name.clone()]));
        let names: BTreeSet<MailboxName> = names.collect();
        let mut told = BTreeMap::new();
        for name in names {
            let row = rows.iter().find(|r| r.name == name);
            let chosen = row.is_some_and(|row| wanted.chosen(row));
            let mut below = rows.iter().filter(|row| is_below(row, &name));
            let children = below.clone().any(|row| row.id.is_some());
            let child = below.any(|row| {
                let hidden = !wanted.matches(row.name.as_str());
                wanted.chosen(row) && (hidden || (chosen && !wanted.lsub))
            });
            let child = child && (wanted.recursive || wanted.lsub);
            if wanted.matches(name.as_str()) && (chosen || child) {
                told.insert(name.as_str().into(), (children, child));
            }
        }
        told
    }

    fn row(name: &str, marks: u8) -> Option<MailboxRow> {
        let mut row = MailboxRow::new(MailboxName::new(name).ok()?);
        row.id = (marks & 1 != 0).then_some(MailboxId(7));
        row.subscribed = marks & 2 != 0 || marks & 1 == 0;
        row.special_use = (marks & 5 == 5).then_some(SpecialUse::Sent);
        Some(row)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn tells_what_is_to_be_told(
            names in proptest::collection::btree_map("[ab0-](/?[ab0-]){0,4}", 0u8..8, 0..12),
            patterns in proptest::collection::vec("[ab%*](/?[ab%*-]){0,3}", 1..3),
            (subscribed, special_use, recursive, lsub) in any::<(bool, bool, bool, bool)>(),
        ) {
            let rows: Vec<_> = names.iter().filter_map(|(name, marks)| row(name, *marks)).collect();
            prop_assume!(rows.len() == names.len());
            let pattern = |p: &String| Pattern::from_wire(b"", p.as_bytes(), true).ok();
            let wanted = Wanted {
                patterns: patterns.iter().filter_map(pattern).collect(),
                subscribed: subscribed || lsub,
                special_use: special_use && !lsub,
                recursive: recursive && !lsub && (subscribed || special_use),
                lsub,
            };
            let mut names = Names::new(rows.clone(), &wanted);
            let lines: Vec<_> = core::iter::from_fn(|| names.next(&wanted)).collect();
            let count = lines.len();
            let lines = lines.into_iter().map(|l| (l.row.name.as_str().into(), (l.children, l.child_info)));
            let lines: BTreeMap<String, (bool, bool)> = lines.collect();
            prop_assert_eq!(count, lines.len(), "each is told once");
            prop_assert_eq!(lines, told(&rows, &wanted));
        }
    }
}

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

impl Line {
    /// Whether LIST gives its STATUS (RFC 5819 §2).
    pub(super) fn is_counted(&self) -> bool {
        self.chosen && self.row.id.is_some()
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    Line(Line),
    /// That is not known yet, and enough was done at once.
    Later,
    End,
}

/// An account's names in their order, and how far they are told.
#[derive(Debug)]
pub(super) struct Names {
    rows: Vec<MailboxRow>,
    /// What is known of each: of all of them before the first is told.
    marks: Vec<u8>,
    at: usize,
    /// Which levels of the name there match, once that is known, and how many octets of it and which levels were looked at.
    parents: Option<Parents>,
}

/// The levels of a name above its last one.
#[derive(Clone, Copy, Debug)]
struct Parents {
    /// Those that match and were not looked at, the next one in the lowest bit.
    left: u64,
    /// Octets of the name before the next one's end.
    from: usize,
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

    fn levels(&self, name: &str) -> u64 {
        self.patterns.iter().fold(0, |all, p| all | p.levels(name))
    }

    /// What matching a name takes at the most.
    fn steps(&self, name: &str) -> usize {
        self.patterns.iter().map(|p| p.steps(name)).sum()
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
    pub(super) fn new(rows: Vec<MailboxRow>) -> Self {
        Self {
            marks: Vec::with_capacity(rows.len()),
            rows,
            at: 0,
            parents: None,
        }
    }

    /// The next line: names that match, and for RECURSIVEMATCH and LSUB the parents of names that do. `steps`: how much may still be done at once.
    pub(super) fn next(&mut self, wanted: &Wanted, steps: &mut usize) -> Next {
        while *steps > 0 {
            if let Some(row) = self.rows.get(self.marks.len()) {
                spend(steps, wanted.steps(row.name.as_str()));
                self.marks.push(wanted.marks(row));
                continue;
            }
            if self.at == self.rows.len() {
                return Next::End;
            }
            let line = match self.next_parent(wanted, steps) {
                Some(end) => self.parent(end, steps),
                None => {
                    (self.at, self.parents) = (self.at + 1, None);
                    self.line(self.at - 1, wanted, steps)
                }
            };
            if let Some(line) = line {
                return Next::Line(line);
            }
        }
        Next::Later
    }

    /// Where the next parent ends, of those of the present name that match.
    fn next_parent(&mut self, wanted: &Wanted, steps: &mut usize) -> Option<usize> {
        let name = self.rows[self.at].name.as_str();
        let first = || {
            let left = if wanted.parents() && name.contains('/') {
                spend(steps, wanted.steps(name));
                wanted.levels(name)
            } else {
                0
            };
            Parents { left, from: 0 }
        };
        let mut parents = self.parents.unwrap_or_else(first);
        let mut found = None;
        while parents.left != 0
            && found.is_none()
            && let Some(octets) = name[parents.from..].find('/')
        {
            let end = parents.from + octets;
            found = (parents.left & 1 != 0).then_some(end);
            (parents.left, parents.from) = (parents.left >> 1, end + 1);
        }
        self.parents = Some(parents);
        found
    }

    fn line(&self, at: usize, wanted: &Wanted, steps: &mut usize) -> Option<Line> {
        let (row, marks) = (&self.rows[at], self.marks[at]);
        let below = self.below(at);
        spend(steps, LINE + below.len() / MARKS);
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
    fn parent(&self, end: usize, steps: &mut usize) -> Option<Line> {
        let name = self.rows[self.at].name.as_str();
        let (parent, prefix) = (&name[..end], &name[..=end]);
        let is_below = |row: &MailboxRow| row.name.as_str().starts_with(prefix);
        spend(steps, LINE);
        if self.at > 0 && is_below(&self.rows[self.at - 1])
            || self
                .rows
                .binary_search_by(|row| row.name.as_str().cmp(parent))
                .is_ok()
        {
            return None;
        }
        let below = self.at..self.at + self.rows[self.at..].partition_point(is_below);
        spend(steps, below.len() / MARKS);
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

/// What looking at a name takes besides matching it, in steps of a pattern.
const LINE: usize = 64;
/// Marks that are looked at in a step.
const MARKS: usize = 8;

fn spend(steps: &mut usize, spent: usize) {
    *steps = steps.saturating_sub(spent);
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

    #[test]
    fn what_is_done_is_spent() {
        let below = |parent| (1000..2000).map(move |n| alloc::format!("{parent}/{n}"));
        let names = [String::from("a")].into_iter().chain(below("a"));
        let rows: Vec<_> = names
            .chain(below("b"))
            .filter_map(|name| row(&name, 3))
            .collect();
        let patterns = [b"a", b"b"].map(|p| Pattern::from_wire(b"", p, true).expect("a pattern"));
        let steps = |name| patterns.iter().map(|p| p.steps(name)).sum::<usize>();
        // Of a name that matches neither, all have as many octets.
        let (short, long) = (steps("a"), steps("a/1000"));
        let wanted = Wanted {
            patterns: patterns.to_vec(),
            subscribed: true,
            special_use: false,
            recursive: true,
            lsub: false,
        };
        let mut names = Names::new(rows);
        assert!(matches!(names.next(&wanted, &mut 0), Next::Later));
        let mut spent = |name| {
            let mut left = usize::MAX;
            let Next::Line(line) = names.next(&wanted, &mut left) else {
                panic!("{name} is told")
            };
            assert_eq!(line.row.name.as_str(), name);
            usize::MAX - left
        };
        // Every name is looked at, then what is below the first.
        assert_eq!(spent("a"), short + 2000 * long + LINE + 1000 / MARKS);
        // The names below it, and their parent once more for each; then what is below the next.
        let others = 1000 * (long + 2 * LINE);
        assert_eq!(spent("b"), others + long + LINE + 1000 / MARKS);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn tells_what_is_to_be_told(
            names in proptest::collection::btree_map("[ab0-](/?[ab0-]){0,4}", 0u8..8, 0..12),
            patterns in proptest::collection::vec("[ab%*](/?[ab%*-]){0,3}", 1..3),
            (subscribed, special_use, recursive, lsub) in any::<(bool, bool, bool, bool)>(),
            at_once in prop_oneof![Just(1), Just(100), Just(usize::MAX)],
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
            let mut names = Names::new(rows.clone());
            let mut lines = Vec::new();
            loop {
                match names.next(&wanted, &mut at_once.clone()) {
                    Next::Line(line) => lines.push(line),
                    Next::Later => prop_assert!(at_once < usize::MAX),
                    Next::End => break,
                }
            }
            let count = lines.len();
            let lines = lines.into_iter().map(|l| (l.row.name.as_str().into(), (l.children, l.child_info)));
            let lines: BTreeMap<String, (bool, bool)> = lines.collect();
            prop_assert_eq!(count, lines.len(), "each is told once");
            prop_assert_eq!(lines, told(&rows, &wanted));
        }
    }
}

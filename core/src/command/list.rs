//! LIST in all its forms, and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 3501 §6.3.9).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::ast::{List, StatusItem};
use crate::command::{reply, status};
use crate::effect::{MailboxRow, Mailboxes};
use crate::mailbox::{MailboxName, Pattern};
use crate::response;
use crate::session::{Done, Input, Session, Step, Task};
use crate::wire::output::Output;

/// Gathers the account's names, then writes those that match.
#[derive(Debug)]
struct Listing {
    list: List,
    patterns: Vec<Pattern>,
    lsub: bool,
    rows: BTreeMap<MailboxName, MailboxRow>,
    /// The names still to be written, once all are known.
    left: Option<alloc::collections::btree_map::IntoIter<MailboxName, Line>>,
}

/// One line of the answer.
#[derive(Debug)]
struct Line {
    row: MailboxRow,
    children: bool,
    /// Matches only through a subscribed child (RFC 5258 §3.5).
    child_info: bool,
}

pub(crate) fn list(s: &mut Session, list: List) -> Step {
    // `LIST "" ""` asks for the separator (RFC 9051 §6.3.9).
    if !list.extended && list.patterns.first().is_some_and(Bytes::is_empty) {
        s.out.put(b"* LIST (\\Noselect) \"/\" \"\"\r\n");
        return Step::Done(Done::ok("LIST completed"));
    }
    if list
        .return_status
        .as_ref()
        .is_some_and(|items| items.contains(&StatusItem::HighestModSeq))
    {
        s.enable_condstore();
    }
    if list.recursive_match && !list.select_subscribed && !list.select_special_use {
        return Step::Done(Done::bad("RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE"));
    }
    begin(s, list, false)
}

pub(crate) fn lsub(s: &mut Session, reference: &Bytes, pattern: &Bytes) -> Step {
    let list = List {
        reference: reference.clone(),
        patterns: alloc::vec![pattern.clone()],
        select_subscribed: true,
        ..List::default()
    };
    begin(s, list, true)
}

fn begin(s: &mut Session, list: List, lsub: bool) -> Step {
    let mut patterns = Vec::new();
    for pattern in &list.patterns {
        match Pattern::from_wire(&list.reference, pattern, s.enabled.rev2) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => return Step::Done(Done::no(alloc::format!("[CANNOT] {error}"))),
        }
    }
    let listing = Listing {
        list,
        patterns,
        lsub,
        rows: BTreeMap::new(),
        left: None,
    };
    listing.ask(s, None);
    Step::Become(Box::new(listing))
}

impl Listing {
    fn ask(&self, s: &mut Session, after: Option<MailboxName>) {
        let limit = s.config.limits.list_page;
        let _ = s.ask(Mailboxes {
            actor: s.actor(),
            after,
            limit,
            status: self.list.return_status.is_some(),
        });
    }

    fn page(&mut self, s: &mut Session, rows: Vec<MailboxRow>) -> Step {
        let full = rows.len() >= s.config.limits.list_page;
        let last = rows.last().map(|r| r.name.clone());
        self.rows
            .extend(rows.into_iter().map(|row| (row.name.clone(), row)));
        if full {
            self.ask(s, last);
            return Step::Wait;
        }
        self.left = Some(self.lines().into_iter());
        Step::Again
    }

    fn matches(&self, name: &MailboxName) -> bool {
        self.patterns.iter().any(|p| p.matches(name.as_str()))
    }

    fn selected(&self, row: &MailboxRow) -> bool {
        (!self.list.select_subscribed || row.subscribed)
            && (!self.list.select_special_use || row.special_use.is_some())
            && (self.list.select_subscribed || row.id.is_some())
    }

    /// The lines: names that match, and for RECURSIVEMATCH and LSUB the parents of names that do (RFC 5258 §3.5, RFC 3501 §6.3.9).
    fn lines(&self) -> BTreeMap<MailboxName, Line> {
        let mut lines = BTreeMap::new();
        let mut parents: BTreeMap<MailboxName, ()> = BTreeMap::new();
        for row in self.rows.values().filter(|r| r.id.is_some()) {
            parents.extend(row.name.ancestors().map(|a| (a, ())));
        }
        for row in self.rows.values() {
            let chosen = self.selected(row);
            if chosen && self.matches(&row.name) {
                lines
                    .entry(row.name.clone())
                    .or_insert_with(|| self.line(row.clone(), &parents));
            }
            if chosen && (self.list.recursive_match || self.lsub) {
                self.add_parents(row, &parents, &mut lines);
            }
        }
        lines
    }

    fn add_parents(
        &self,
        row: &MailboxRow,
        parents: &BTreeMap<MailboxName, ()>,
        lines: &mut BTreeMap<MailboxName, Line>,
    ) {
        for ancestor in row.name.ancestors().filter(|a| self.matches(a)) {
            let parent = self
                .rows
                .get(&ancestor)
                .cloned()
                .unwrap_or_else(|| MailboxRow::new(ancestor.clone()));
            // A parent that is not chosen itself is named only where the pattern hides the child (RFC 3501 §6.3.9, RFC 5258 §3.5).
            if self.matches(&row.name) && (self.lsub || !self.selected(&parent)) {
                continue;
            }
            let row = parent;
            let line = lines
                .entry(ancestor)
                .or_insert_with(|| self.line(row, parents));
            line.child_info = true;
        }
    }

    fn line(&self, row: MailboxRow, parents: &BTreeMap<MailboxName, ()>) -> Line {
        let children = parents.contains_key(&row.name);
        Line {
            row,
            children,
            child_info: false,
        }
    }

    fn write(&self, s: &mut Session, line: &Line) {
        let utf8 = s.enabled.rev2;
        let out = &mut s.out;
        out.put(if self.lsub { b"* LSUB (" } else { b"* LIST (" });
        let subscribed = line.row.subscribed
            && (self.list.select_subscribed || self.list.return_subscribed)
            && !self.lsub;
        let special = line.row.special_use.filter(|_| !self.lsub);
        let noselect = self.lsub && (line.row.id.is_none() || !line.row.subscribed);
        attributes(
            out,
            &[
                (noselect, "\\Noselect"),
                (!self.lsub && line.row.id.is_none(), "\\NonExistent"),
                (subscribed, "\\Subscribed"),
                (!self.lsub && line.children, "\\HasChildren"),
                (
                    !self.lsub && !line.children && line.row.id.is_some(),
                    "\\HasNoChildren",
                ),
                (
                    special.is_some(),
                    special.map_or("", crate::effect::SpecialUse::name),
                ),
            ],
        );
        out.put(b") \"/\" ");
        response::mailbox(out, &line.row.name, utf8);
        if line.child_info && self.list.recursive_match {
            out.put_str(if self.list.select_subscribed {
                " (\"CHILDINFO\" (\"SUBSCRIBED\"))"
            } else {
                " (\"CHILDINFO\" (\"SPECIAL-USE\"))"
            });
        }
        out.put(b"\r\n");
        if let (Some(items), Some(status)) = (&self.list.return_status, &line.row.status) {
            status::write(s, &line.row.name, items, status);
        }
    }

    fn write_some(&mut self, s: &mut Session) -> Step {
        while s.out.len() < s.config.limits.output_high_water {
            let Some(line) = self.left.as_mut().and_then(Iterator::next) else {
                return Step::Done(Done::ok(if self.lsub {
                    "LSUB completed"
                } else {
                    "LIST completed"
                }));
            };
            self.write(s, &line.1);
        }
        Step::Again
    }
}

impl Task for Listing {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        match input {
            Input::Reply(outcome) => match reply::<Mailboxes>(outcome) {
                Ok(rows) => self.page(s, rows),
                Err(error) => Step::Done(s.failed("Mailboxes", &error)),
            },
            _ if self.left.is_some() => self.write_some(s),
            _ => Step::Input,
        }
    }
}

fn attributes(out: &mut Output, attributes: &[(bool, &str)]) {
    let mut space = "";
    for (_, name) in attributes.iter().filter(|(on, _)| *on) {
        out.put_str(space);
        out.put_str(name);
        space = " ";
    }
}

/// The LIST of a mailbox just selected (RFC 9051 §6.3.2), with OLDNAME where it was asked for by a name not in normal form.
pub(crate) fn write_selected(out: &mut Output, name: &MailboxName, asked: Option<&[u8]>) {
    match asked {
        Some(asked) => write_renamed(out, name, asked, false),
        None => {
            out.put(b"* LIST () \"/\" ");
            response::mailbox(out, name, true);
            out.put(b"\r\n");
        }
    }
}

/// A mailbox is not called as the client called it (RFC 9051 §6.3.9.7); `gone`: it was deleted.
pub(crate) fn write_renamed(out: &mut Output, name: &MailboxName, old: &[u8], gone: bool) {
    out.put(if gone {
        b"* LIST (\\NonExistent) \"/\" "
    } else {
        b"* LIST () \"/\" "
    });
    response::mailbox(out, name, true);
    out.put(b" (\"OLDNAME\" (");
    out.string(old, true);
    out.put(b"))\r\n");
}

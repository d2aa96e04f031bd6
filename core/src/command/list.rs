//! LIST in all its forms, and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 3501 §6.3.9).

mod names;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::ast::{List, StatusItem};
use crate::command::{reply, status};
use crate::effect::{MailboxStatus, Mailboxes, Status};
use crate::mailbox::{MailboxName, Pattern};
use crate::response;
use crate::session::{Done, Input, Session, Step, Task};
use crate::wire::output::Output;
use names::{Line, Names, Next, Wanted};

/// Steps of a pattern over names, 64 places of it each, before others get their turn: a few milliseconds.
const STEPS: usize = 1 << 18;

/// Takes the account's names as they are at one instant, then writes those that match.
#[derive(Debug)]
struct Listing {
    list: List,
    wanted: Wanted,
    lsub: bool,
    /// The names still to be written, once they are known.
    left: Option<Names>,
    /// The names of the page that is gathered: their counters are asked for at once.
    page: Vec<Line>,
    /// Those of the page that is written, with their counters.
    ready: VecDeque<(Line, Option<MailboxStatus>)>,
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
    let (mut patterns, mut octets) = (Vec::new(), 0);
    for pattern in &list.patterns {
        // What cannot be a pattern is ignored, and so is one that is not accepted for any reason (RFC 9051 §6.3.9, RFC 5258 §3).
        let Ok(pattern) = Pattern::from_wire(&list.reference, pattern, s.enabled.rev2) else {
            continue;
        };
        let all = octets + pattern.octets();
        if all <= s.config.limits.list_octets {
            octets = all;
            patterns.push(pattern);
        }
    }
    let wanted = Wanted {
        patterns,
        subscribed: list.select_subscribed,
        special_use: list.select_special_use,
        recursive: list.recursive_match,
        lsub,
    };
    let listing = Listing {
        list,
        wanted,
        lsub,
        left: None,
        page: Vec::new(),
        ready: VecDeque::new(),
    };
    let _ = s.ask(Mailboxes { actor: s.actor() });
    Step::Become(Box::new(listing))
}

impl Listing {
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
    }

    fn write_some(&mut self, s: &mut Session) -> Step {
        let mut steps = STEPS;
        while s.out.len() < s.config.limits.output_high_water {
            if let Some((line, status)) = self.ready.pop_front() {
                self.write(s, &line);
                if let (Some(items), Some(status)) = (&self.list.return_status, status) {
                    status::write(s, &line.row.name, items, &status);
                }
            } else if let Some(step) = self.turn_page(s, &mut steps) {
                return step;
            }
        }
        Step::Again
    }

    /// Gathers the names that come next; `None`: they can be written as they are.
    fn turn_page(&mut self, s: &mut Session, steps: &mut usize) -> Option<Step> {
        let most = match self.list.return_status {
            Some(_) => s.config.limits.status_page,
            None => 1,
        };
        while self.page.len() < most {
            match self.left.as_mut().map(|l| l.next(&self.wanted, steps)) {
                Some(Next::Line(line)) => self.page.push(line),
                Some(Next::Later) => return Some(Step::Yield),
                Some(Next::End) | None => break,
            }
        }
        if self.page.is_empty() {
            let name = if self.lsub { "LSUB" } else { "LIST" };
            let done = Done::ok(alloc::format!("{name} completed"));
            return Some(Step::Done(done));
        }
        let there = self.page.iter().filter(|line| line.is_counted());
        let names: Vec<_> = match self.list.return_status {
            Some(_) => there.map(|line| line.row.name.clone()).collect(),
            None => Vec::new(),
        };
        if names.is_empty() {
            self.ready.extend(self.page.drain(..).map(|l| (l, None)));
            return None;
        }
        let actor = s.actor();
        Some(s.ask(Status { actor, names }))
    }

    /// Each mailbox has its STATUS behind its LIST; one that has gone meanwhile has none (RFC 5819 §2).
    fn count(&mut self, counted: Vec<Option<MailboxStatus>>) {
        let mut counted = counted.into_iter();
        self.ready.extend(self.page.drain(..).map(|line| {
            let status = if line.is_counted() {
                counted.next()
            } else {
                None
            };
            (line, status.flatten())
        }));
    }
}

impl Task for Listing {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        match input {
            Input::Reply(outcome) if self.left.is_some() => match reply::<Status>(outcome) {
                Ok(counted) => {
                    self.count(counted);
                    Step::Again
                }
                Err(error) => Step::Done(s.failed("Status", &error)),
            },
            Input::Reply(outcome) => match reply::<Mailboxes>(outcome) {
                Ok(rows) => {
                    self.left = Some(Names::new(rows));
                    Step::Again
                }
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

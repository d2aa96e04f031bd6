//! LIST in all its forms, and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 3501 §6.3.9).

mod names;

use alloc::boxed::Box;
use bytes::Bytes;

use crate::ast::{List, StatusItem};
use crate::command::{reply, status};
use crate::effect::{ErrorKind, Mailboxes, Outcome, Status};
use crate::mailbox::{MailboxName, Pattern};
use crate::response;
use crate::session::{Done, Input, Session, Step, Task};
use crate::wire::output::Output;
use names::{Line, Names, Wanted};

/// Takes the account's names as they are at one instant, then writes those that match.
#[derive(Debug)]
struct Listing {
    list: List,
    wanted: Wanted,
    lsub: bool,
    /// The names still to be written, once they are known.
    left: Option<Names>,
    /// The name whose counters were asked for.
    counted: Option<MailboxName>,
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
    // What cannot be a pattern is ignored (RFC 9051 §6.3.9).
    let patterns = list.patterns.iter();
    let patterns =
        patterns.filter_map(|p| Pattern::from_wire(&list.reference, p, s.enabled.rev2).ok());
    let wanted = Wanted {
        patterns: patterns.collect(),
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
        counted: None,
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
        while s.out.len() < s.config.limits.output_high_water {
            let Some(line) = self.left.as_mut().and_then(|l| l.next(&self.wanted)) else {
                return Step::Done(Done::ok(if self.lsub {
                    "LSUB completed"
                } else {
                    "LIST completed"
                }));
            };
            self.write(s, &line);
            if self.list.return_status.is_some() && line.row.id.is_some() && line.chosen {
                let name = line.row.name;
                let _ = s.ask(Status {
                    actor: s.actor(),
                    name: name.clone(),
                });
                self.counted = Some(name);
                return Step::Wait;
            }
        }
        Step::Again
    }

    /// STATUS of the mailbox just told; of one that has gone meanwhile there is none (RFC 5819 §2).
    fn count(&self, s: &mut Session, name: &MailboxName, outcome: Outcome) -> Step {
        match (reply::<Status>(outcome), &self.list.return_status) {
            (Ok(status), Some(items)) => status::write(s, name, items, &status),
            (Err(error), _) if error.kind != ErrorKind::NonExistent => {
                return Step::Done(s.failed("Status", &error));
            }
            _ => {}
        }
        Step::Again
    }
}

impl Task for Listing {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        match input {
            Input::Reply(outcome) => match self.counted.take() {
                Some(name) => self.count(s, &name, outcome),
                None => match reply::<Mailboxes>(outcome) {
                    Ok(rows) => {
                        self.left = Some(Names::new(rows, &self.wanted));
                        Step::Again
                    }
                    Err(error) => Step::Done(s.failed("Mailboxes", &error)),
                },
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

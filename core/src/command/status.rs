//! STATUS (RFC 9051 §6.3.11).

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt::Write;

use crate::ast::StatusItem;
use crate::command::{name, reply};
use crate::effect::{self, MailboxStatus, StoreError};
use crate::mailbox::MailboxName;
use crate::session::{Done, Input, Session, Step, Task};

#[derive(Debug)]
struct Status {
    name: MailboxName,
    items: Vec<StatusItem>,
}

pub(crate) fn begin(s: &mut Session, mailbox: &Bytes, items: Vec<StatusItem>) -> Step {
    let name = match name(s, mailbox) {
        Ok(name) => name,
        Err(done) => return Step::Done(done),
    };
    if items.contains(&StatusItem::HighestModSeq) {
        s.enable_condstore();
    }
    let _ = s.ask(effect::Status {
        actor: s.actor(),
        names: alloc::vec![name.clone()],
    });
    Step::Become(Box::new(Status { name, items }))
}

impl Task for Status {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let Input::Reply(outcome) = input else {
            return Step::Input;
        };
        let status = reply::<effect::Status>(outcome).and_then(|mut counted| {
            let status = counted.pop().flatten();
            status.ok_or_else(|| StoreError::no_mailbox(&self.name))
        });
        match status {
            Ok(status) => {
                write(s, &self.name, &self.items, &status);
                Step::Done(Done::ok("STATUS completed"))
            }
            Err(error) => Step::Done(s.failed("Status", &error)),
        }
    }
}

/// `* STATUS name (…)`.
pub(crate) fn write(
    s: &mut Session,
    name: &MailboxName,
    items: &[StatusItem],
    status: &MailboxStatus,
) {
    let held = s
        .selected
        .as_ref()
        .filter(|m| m.mailbox.id == status.id)
        .map(|m| m.told);
    let append = s.config.limits.append;
    let utf8 = s.enabled.rev2;
    let out = &mut s.out;
    out.put(b"* STATUS ");
    crate::response::mailbox(out, name, utf8);
    out.put(b" (");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.put(b" ");
        }
        // Writing to `Output` cannot fail.
        let _ = match item {
            StatusItem::Messages => write!(out, "MESSAGES {}", status.messages),
            StatusItem::Recent => write!(out, "RECENT {}", status.recent),
            StatusItem::UidNext => write!(out, "UIDNEXT {}", status.uid_next),
            StatusItem::UidValidity => write!(out, "UIDVALIDITY {}", status.uid_validity.0),
            StatusItem::Unseen => write!(out, "UNSEEN {}", status.unseen),
            StatusItem::Deleted => write!(out, "DELETED {}", status.deleted),
            StatusItem::Size => write!(out, "SIZE {}", status.size),
            // Never above an expunge this client was not told of (RFC 7162 §3.2).
            StatusItem::HighestModSeq => {
                write!(
                    out,
                    "HIGHESTMODSEQ {}",
                    held.map_or(status.highest_modseq, |told| told
                        .min(status.highest_modseq))
                        .0
                )
            }
            StatusItem::MailboxId => write!(out, "MAILBOXID ({})", status.id),
            StatusItem::AppendLimit => write!(out, "APPENDLIMIT {append}"),
        };
    }
    out.put(b")\r\n");
}

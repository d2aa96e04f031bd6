//! COPY and MOVE (RFC 9051 §6.4.7, §6.4.8; RFC 6851; COPYUID of RFC 4315).

use alloc::boxed::Box;
use bytes::Bytes;

use crate::ast::SequenceSet;
use crate::command::walk::Walk;
use crate::command::{completed, name, reply, resolve, spans};
use crate::effect::{Absent, Copied, Copy, ErrorKind, Move, StoreError};
use crate::mailbox::MailboxName;
use crate::response::Code;
use crate::session::{Done, Input, Session, Step, Task};

/// A copy in one transaction, or a move in several windows.
#[derive(Debug)]
struct Copying {
    uid: bool,
    remove: bool,
    to: MailboxName,
    walk: Walk,
    /// A window of a move took messages away.
    moved: bool,
}

pub(crate) fn begin(
    s: &mut Session,
    uid: bool,
    remove: bool,
    set: &SequenceSet,
    mailbox: &Bytes,
) -> Step {
    let named = match remove {
        true => spans(s, uid, set).map(Walk::new),
        false => resolve(s, uid, set).map(Walk::at_once),
    };
    let walk = match named {
        Ok(walk) => walk,
        Err(done) => return Step::Done(done),
    };
    let to = match name(s, mailbox) {
        Ok(name) => name,
        Err(done) => return Step::Done(done),
    };
    if remove && s.selected.as_ref().is_some_and(|m| m.read_only) {
        return Step::Done(Done::no("[READ-ONLY] The mailbox is open read-only"));
    }
    let mut copying = Copying {
        uid,
        remove,
        to,
        walk,
        moved: false,
    };
    let _ = copying.is_more(s);
    let _ = copying.ask(s);
    Step::Become(Box::new(copying))
}

impl Copying {
    fn is_more(&mut self, s: &Session) -> bool {
        self.walk.is_more(s, s.config.limits.move_window)
    }

    fn ask(&mut self, s: &mut Session) -> Step {
        let Some(selected) = &s.selected else {
            return Step::Gone;
        };
        let (actor, mailbox, to) = (s.actor(), selected.mailbox, self.to.clone());
        let now = s.now.unix;
        let absent = if self.uid {
            Absent::Ignore
        } else {
            Absent::Refuse
        };
        if self.remove {
            s.ask(Move {
                actor,
                mailbox,
                uids: self.walk.take(s.config.limits.move_window),
                absent,
                to,
                now,
            })
        } else {
            s.ask(Copy {
                actor,
                mailbox,
                uids: self.walk.take(u64::MAX),
                absent,
                to,
                now,
            })
        }
    }

    fn failed(&self, s: &mut Session, error: &StoreError) -> Step {
        if let (ErrorKind::ExpungeIssued, Some(selected)) = (error.kind, &mut s.selected) {
            // The client is told what is gone before it is told that this is why.
            selected.doubt();
            if self.moved {
                return Step::Done(Done::no(
                    "[EXPUNGEISSUED] Some of the messages are gone; what COPYUID names was moved",
                ));
            }
        }
        let operation = if self.remove { "Move" } else { "Copy" };
        Step::Done(s.failed_target(operation, error))
    }

    fn copied(&self, s: &mut Session, copied: Copied) -> Step {
        self.arrived(s, &copied);
        let code = Code::copied(copied.uid_validity, copied.uids);
        Step::Done(completed(self.uid, "COPY").with(code))
    }

    /// A window moved: COPYUID comes before its EXPUNGEs (RFC 6851 §4.3).
    fn moved(&mut self, s: &mut Session, copied: Copied) -> Step {
        self.arrived(s, &copied);
        if let Some(mut code) = Code::copied(copied.uid_validity, copied.uids) {
            self.moved = true;
            s.out.put(b"* OK ");
            code.write(&mut s.out, None, usize::MAX);
            s.out.put(b"Moved\r\n");
        }
        if self.is_more(s) {
            Step::Again
        } else {
            Step::Done(completed(self.uid, "MOVE").removing(self.moved))
        }
    }

    /// The target may be the selected mailbox.
    fn arrived(&self, s: &mut Session, copied: &Copied) {
        if let Some(selected) = s.selected.as_mut().filter(|m| m.mailbox == copied.target) {
            selected.doubt();
        }
    }
}

impl Task for Copying {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let outcome = match input {
            Input::Reply(outcome) => outcome,
            // The next window of a move, once there is room for what it tells.
            _ if self.is_more(s) => return self.ask(s),
            _ => return Step::Input,
        };
        if self.remove {
            return match reply::<Move>(outcome) {
                Ok(moved) => self.moved(s, moved.copied),
                Err(error) => self.failed(s, &error),
            };
        }
        match reply::<Copy>(outcome) {
            Ok(copied) => self.copied(s, copied),
            Err(error) => self.failed(s, &error),
        }
    }
}

//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 §6.3.4 to §6.3.8; RFC 6154 §3).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::command::{name, reply};
use crate::effect::{Create, Delete, Rename, SpecialUse, Subscribe};
use crate::mailbox::MailboxName;
use crate::session::{Done, Input, Session, Step, Task};

/// Which command waits for its one reply.
#[derive(Debug)]
enum Simple {
    Create,
    Delete,
    Rename,
    Subscribe(bool),
}

pub(crate) fn create(
    s: &mut Session,
    mailbox: &Bytes,
    special_use: Vec<Result<SpecialUse, String>>,
) -> Step {
    // A trailing separator only says that children are to come (RFC 9051 §6.3.4).
    let wire = if mailbox.ends_with(b"/") {
        mailbox.slice(..mailbox.len() - 1)
    } else {
        mailbox.clone()
    };
    let name = match name(s, &wire) {
        Ok(name) => name,
        Err(done) => return Step::Done(done),
    };
    let special_use = match special_use.as_slice() {
        [] => None,
        [Ok(one)] => Some(*one),
        _ => {
            return Step::Done(Done::no(
                "[USEATTR] A mailbox can have one special use of RFC 6154 here",
            ));
        }
    };
    wait(s, Simple::Create, |actor| Create {
        actor,
        name,
        special_use,
    })
}

pub(crate) fn delete(s: &mut Session, mailbox: &Bytes) -> Step {
    with_name(s, mailbox, Simple::Delete, |actor, name| Delete {
        actor,
        name,
    })
}

pub(crate) fn rename(s: &mut Session, from: &Bytes, to: &Bytes) -> Step {
    match (name(s, from), name(s, to)) {
        (Ok(from), Ok(to)) => wait(s, Simple::Rename, |actor| Rename { actor, from, to }),
        (Err(done), _) | (_, Err(done)) => Step::Done(done),
    }
}

pub(crate) fn subscribe(s: &mut Session, mailbox: &Bytes, on: bool) -> Step {
    with_name(s, mailbox, Simple::Subscribe(on), |actor, name| Subscribe {
        actor,
        name,
        on,
    })
}

fn with_name<O>(
    s: &mut Session,
    mailbox: &Bytes,
    task: Simple,
    op: impl FnOnce(crate::effect::Actor, MailboxName) -> O,
) -> Step
where
    O: crate::effect::Op,
    crate::effect::Effect: From<crate::effect::Call<O>>,
{
    match name(s, mailbox) {
        Ok(name) => wait(s, task, |actor| op(actor, name)),
        Err(done) => Step::Done(done),
    }
}

fn wait<O>(s: &mut Session, task: Simple, op: impl FnOnce(crate::effect::Actor) -> O) -> Step
where
    O: crate::effect::Op,
    crate::effect::Effect: From<crate::effect::Call<O>>,
{
    let op = op(s.actor());
    let _ = s.ask(op);
    Step::Become(Box::new(task))
}

impl Task for Simple {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let Input::Reply(outcome) = input else {
            return Step::Input;
        };
        let (operation, text, result) = match self {
            Self::Create => match reply::<Create>(outcome) {
                Ok(id) => {
                    return Step::Done(Done::ok(alloc::format!(
                        "[MAILBOXID ({id})] CREATE completed"
                    )));
                }
                Err(error) => ("Create", "", Err(error)),
            },
            Self::Delete => ("Delete", "DELETE completed", reply::<Delete>(outcome)),
            Self::Rename => ("Rename", "RENAME completed", reply::<Rename>(outcome)),
            Self::Subscribe(true) => (
                "Subscribe",
                "SUBSCRIBE completed",
                reply::<Subscribe>(outcome),
            ),
            Self::Subscribe(false) => (
                "Subscribe",
                "UNSUBSCRIBE completed",
                reply::<Subscribe>(outcome),
            ),
        };
        Step::Done(match result {
            Ok(()) => Done::ok(text),
            Err(error) => s.failed(operation, &error),
        })
    }
}

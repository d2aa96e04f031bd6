//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 §6.3.4 to §6.3.8; RFC 6154 §3).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::command::{list, name, reply};
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

/// A name that was sent in another form than the one it has here: the client is told (RFC 9051 §6.3.9.7).
#[derive(Debug)]
struct Renamed {
    old: Bytes,
    name: MailboxName,
    gone: bool,
}

/// A command, and what is told when it succeeded.
#[derive(Debug)]
struct Waiting {
    command: Simple,
    renamed: Option<Renamed>,
}

/// The names differ, and the client speaks IMAP4rev2, which has OLDNAME.
pub(crate) fn differs(s: &Session, wire: &Bytes, name: &MailboxName) -> bool {
    s.enabled.rev2 && !name.is_inbox() && wire != name.as_str()
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
    let renamed = differs(s, &wire, &name).then(|| Renamed {
        old: wire,
        name: name.clone(),
        gone: false,
    });
    wait(s, Simple::Create, renamed, |actor| Create {
        actor,
        name,
        special_use,
    })
}

pub(crate) fn delete(s: &mut Session, mailbox: &Bytes) -> Step {
    let name = match name(s, mailbox) {
        Ok(name) => name,
        Err(done) => return Step::Done(done),
    };
    let renamed = differs(s, mailbox, &name).then(|| Renamed {
        old: mailbox.clone(),
        name: name.clone(),
        gone: true,
    });
    wait(s, Simple::Delete, renamed, |actor| Delete { actor, name })
}

pub(crate) fn rename(s: &mut Session, from: &Bytes, to: &Bytes) -> Step {
    let (source, target) = match (name(s, from), name(s, to)) {
        (Ok(source), Ok(target)) => (source, target),
        (Err(done), _) | (_, Err(done)) => return Step::Done(done),
    };
    let differs = differs(s, from, &source) || differs(s, to, &target);
    let renamed = differs.then(|| Renamed {
        old: from.clone(),
        name: target.clone(),
        gone: false,
    });
    let now = s.now.unix;
    wait(s, Simple::Rename, renamed, |actor| Rename {
        actor,
        from: source,
        to: target,
        now,
    })
}

pub(crate) fn subscribe(s: &mut Session, mailbox: &Bytes, on: bool) -> Step {
    match name(s, mailbox) {
        Ok(name) => wait(s, Simple::Subscribe(on), None, |actor| Subscribe {
            actor,
            name,
            on,
        }),
        Err(done) => Step::Done(done),
    }
}

fn wait<O>(
    s: &mut Session,
    command: Simple,
    renamed: Option<Renamed>,
    op: impl FnOnce(crate::effect::Actor) -> O,
) -> Step
where
    O: crate::effect::Op,
    crate::effect::Effect: From<crate::effect::Call<O>>,
{
    let op = op(s.actor());
    let _ = s.ask(op);
    Step::Become(Box::new(Waiting { command, renamed }))
}

impl Waiting {
    fn tell(&mut self, s: &mut Session) {
        if let Some(renamed) = self.renamed.take() {
            list::write_renamed(&mut s.out, &renamed.name, &renamed.old, renamed.gone);
        }
    }
}

impl Task for Waiting {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let Input::Reply(outcome) = input else {
            return Step::Input;
        };
        let (operation, text, result) = match self.command {
            Simple::Create => match reply::<Create>(outcome) {
                Ok(id) => {
                    self.tell(s);
                    return Step::Done(Done::ok(alloc::format!(
                        "[MAILBOXID ({id})] CREATE completed"
                    )));
                }
                Err(error) => ("Create", "", Err(error)),
            },
            Simple::Delete => ("Delete", "DELETE completed", reply::<Delete>(outcome)),
            Simple::Rename => ("Rename", "RENAME completed", reply::<Rename>(outcome)),
            Simple::Subscribe(true) => (
                "Subscribe",
                "SUBSCRIBE completed",
                reply::<Subscribe>(outcome),
            ),
            Simple::Subscribe(false) => (
                "Subscribe",
                "UNSUBSCRIBE completed",
                reply::<Subscribe>(outcome),
            ),
        };
        Step::Done(match result {
            Ok(()) => {
                self.tell(s);
                // It may be the selected one that went, or whose messages did: this is told with the answer, not when a notice comes.
                if let Some(selected) = &mut s.selected {
                    selected.doubt();
                }
                Done::ok(text)
            }
            Err(error) => s.failed(operation, &error),
        })
    }
}

//! EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3, §6.4.9): what goes is told by the same difference as everything else.

use alloc::boxed::Box;

use crate::ast::SequenceSet;
use crate::command::{reply, resolve};
use crate::effect::Expunge;
use crate::session::{Done, Input, Session, Step, Task};

#[derive(Debug)]
struct Expunging {
    uid: bool,
}

pub(crate) fn begin(s: &mut Session, set: Option<SequenceSet>) -> Step {
    let uid = set.is_some();
    let Some(selected) = &s.selected else {
        return Step::Done(Done::bad("Select a mailbox first"));
    };
    if selected.read_only {
        return Step::Done(Done::no("[READ-ONLY] The mailbox is open read-only"));
    }
    let uids = match &set {
        Some(set) => match resolve(s, true, set) {
            Ok(uids) => uids,
            Err(done) => return Step::Done(done),
        },
        None => selected.view.uids(),
    };
    let _ = s.ask(Expunge {
        actor: s.actor(),
        mailbox: selected.mailbox,
        uids,
    });
    Step::Become(Box::new(Expunging { uid }))
}

impl Task for Expunging {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let Input::Reply(outcome) = input else {
            return Step::Input;
        };
        Step::Done(match reply::<Expunge>(outcome) {
            Ok(expunged) => {
                crate::command::completed(self.uid, "EXPUNGE").removing(!expunged.uids.is_empty())
            }
            Err(error) => s.failed("Expunge", &error),
        })
    }
}

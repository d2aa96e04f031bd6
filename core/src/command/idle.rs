//! IDLE (RFC 2177, RFC 9051 §6.3.13).

use alloc::boxed::Box;

use crate::session::{CloseReason, Done, Input, Selected, Session, Step, Task};
use crate::wire::frame::Frame;

/// Tells changes as they happen until the client says DONE.
#[derive(Debug)]
struct Idle {
    /// What was to be told when IDLE began was asked for: only then is the client heard, so that what is told does not depend on how much of its
    /// octets came at once.
    begun: bool,
}

pub(crate) fn begin(s: &mut Session) -> Step {
    s.out.put(b"+ Idling\r\n");
    s.idling(true);
    // Whatever happened before is told first.
    if let Some(selected) = &mut s.selected {
        selected.doubt();
        selected.failed_at = None;
    }
    Step::Become(Box::new(Idle { begun: false }))
}

impl Task for Idle {
    fn wants_input(&self) -> bool {
        self.begun
    }

    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        match input {
            Input::Reply(outcome) => {
                s.tell_changes(outcome, true);
                if is_over(s) { leave(s) } else { Step::Again }
            }
            Input::Frame(Frame::Line(line)) => {
                s.idling(false);
                if line.eq_ignore_ascii_case(b"DONE") {
                    Step::Done(Done::ok("IDLE completed"))
                } else {
                    Step::Done(Done::bad("Expected DONE"))
                }
            }
            Input::Frame(Frame::Lost(..)) => {
                Step::Done(Done::bad("[TOOBIG] Expected DONE").closing(CloseReason::TooBig))
            }
            Input::Frame(_) => {
                s.idling(false);
                Step::Done(Done::bad("[TOOBIG] Expected DONE"))
            }
            Input::Nothing if !core::mem::replace(&mut self.begun, true) => match wait(s) {
                Step::Input => Step::Again,
                step => step,
            },
            Input::Nothing => wait(s),
        }
    }
}

fn wait(s: &mut Session) -> Step {
    if is_over(s) {
        return leave(s);
    }
    let more = |m: &Selected| m.dirty() && m.failed_at.is_none_or(|at| at < m.latest);
    if s.selected.as_deref().is_some_and(more)
        && let Some(changes) = s.changes()
    {
        return s.ask(changes);
    }
    Step::Input
}

fn is_over(s: &Session) -> bool {
    s.selected.as_ref().is_some_and(|m| m.deleted) || s.shutting_down()
}

/// The next thing said is the reason; the client's DONE is of no interest any more.
fn leave(s: &mut Session) -> Step {
    s.idling(false);
    Step::Gone
}

//! Waits until a refused literal and the rest of its command are dropped, then answers.

use alloc::boxed::Box;

use crate::session::{CloseReason, Done, Input, Session, Step, Task};
use crate::wire::frame::Frame;

/// Waits for the end of a command that was refused, then gives this answer; `None`: an answer was given already.
#[derive(Debug)]
pub(crate) struct Skip {
    done: Option<Done>,
}

/// A refused command without a tag.
pub(crate) fn begin() -> Box<dyn Task> {
    Box::new(Skip { done: None })
}

/// A refused command whose answer is known.
pub(crate) fn then(done: Done) -> Box<dyn Task> {
    Box::new(Skip { done: Some(done) })
}

impl Task for Skip {
    fn wants_input(&self) -> bool {
        true
    }

    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        match input {
            Input::Frame(Frame::Lost(..)) => {
                s.bye("[TOOBIG] The literal is too long", CloseReason::TooBig);
                Step::Input
            }
            Input::Frame(_) => match self.done.take() {
                Some(done) => {
                    s.tell_nothing();
                    Step::Done(done)
                }
                None => Step::Gone,
            },
            _ => Step::Input,
        }
    }
}

//! The loop: one command at a time, in order, each as a task that is stepped.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::{Action, Bye, CloseReason, Done, Session, Waiting};
use crate::effect::{Outcome, UploadAbort};
use crate::wire::frame::Frame;

/// A command that takes more than one step.
pub(crate) trait Task: fmt::Debug + Send {
    /// Goes on: with the reply to what was asked for, with a frame if it wanted input, or with neither.
    fn step(&mut self, session: &mut Session, input: Input) -> Step;

    /// Whether octets from the client are waited for.
    fn wants_input(&self) -> bool {
        false
    }

    /// Whether those octets are a command's literals and the like (`true`), or plain lines (`false`).
    fn wants_literals(&self) -> bool {
        false
    }

    /// Whether there is something to do while a reply is waited for.
    fn goes_on(&self) -> bool {
        false
    }

    /// Whether the session may end while a reply is waited for: nothing is lost by it.
    fn may_leave(&self) -> bool {
        false
    }

    /// What is to be undone when the session ends in the middle; `last` is the reply to the effect that was in flight.
    fn abandon(&mut self, _last: Option<Outcome>) -> Vec<UploadAbort> {
        Vec::new()
    }
}

/// What a step is given.
#[derive(Debug)]
pub(crate) enum Input {
    /// Nothing: go on.
    Nothing,
    /// The reply to the effect asked for.
    Reply(Outcome),
    /// What the client sent.
    Frame(Frame),
}

/// What became of a step.
#[derive(Debug)]
pub(crate) enum Step {
    /// An effect was asked for.
    Wait,
    /// There is more to do at once, room to write permitting.
    Again,
    /// The same, and others are to have their turn first.
    Yield,
    /// Octets from the client, or a notice, are needed.
    Input,
    /// The outcome is known.
    Done(Done),
    /// Another task takes over.
    Become(Box<dyn Task>),
    /// The command is over and was answered already.
    Gone,
}

impl Session {
    /// One step of work; `false`: nothing can be done now.
    pub(crate) fn work(&mut self) -> bool {
        if self.end.reason.is_some() {
            return self.shut();
        }
        match core::mem::take(&mut self.waiting) {
            Waiting::Nothing => self.work_on(Input::Nothing),
            Waiting::Arrived(outcome) => self.work_on(Input::Reply(outcome)),
            Waiting::Reply(_) if self.end.shutdown.is_some() && self.may_leave() => {
                self.task = None;
                self.current = None;
                true
            }
            waiting @ Waiting::Reply(_) if self.goes_on() => {
                self.waiting = waiting;
                self.work_on(Input::Nothing)
            }
            // A switch is handed out by `work_on` once all output was taken.
            waiting => {
                self.waiting = waiting;
                false
            }
        }
    }

    fn goes_on(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.goes_on())
    }

    fn may_leave(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.may_leave())
    }

    fn work_on(&mut self, input: Input) -> bool {
        if matches!(input, Input::Nothing) && self.out.len() >= self.high_water() {
            return false;
        }
        if self.telling.is_some() {
            self.tell_more(input);
            return true;
        }
        match self.task.take() {
            Some(task) => self.step(task, input),
            None if self.current.as_ref().is_some_and(|c| c.done.is_some()) => self.finish(input),
            None if self.current.is_some() => false,
            None => self.between(),
        }
    }

    /// No command is being answered.
    fn between(&mut self) -> bool {
        if self.farewell() {
            return true;
        }
        if !core::mem::replace(&mut self.greeted, true) {
            self.greet();
            return true;
        }
        if self.selected.as_ref().is_some_and(|s| s.deleted) {
            self.bye(
                "The selected mailbox was deleted",
                CloseReason::MailboxDeleted,
            );
            return true;
        }
        match self.input.next(self.bounds(), true) {
            Some(frame) => {
                self.begin(frame);
                true
            }
            None if self.end.eof => {
                self.close(CloseReason::PeerClosed);
                true
            }
            None => false,
        }
    }

    /// Says why the server ends the session, if it does.
    fn farewell(&mut self) -> bool {
        if let Some(reason) = self.end.shutdown {
            self.bye(farewell(reason), CloseReason::Server(reason));
        }
        self.shutting_down()
    }

    fn step(&mut self, mut task: Box<dyn Task>, input: Input) -> bool {
        let input = match input {
            Input::Nothing if task.wants_input() => {
                if self.shutting_down() {
                    self.timers.ending(&self.config.limits, self.now);
                }
                match self.input.next(self.bounds(), task.wants_literals()) {
                    Some(frame) => {
                        self.timers.heard();
                        Input::Frame(frame)
                    }
                    None if self.end.eof => {
                        self.task = Some(task);
                        self.close(CloseReason::PeerClosed);
                        return true;
                    }
                    None if self.timers.rest_is_late(self.now) => {
                        self.task = Some(task);
                        self.end.cut = true;
                        self.farewell();
                        return true;
                    }
                    None => {
                        if self.account.is_some() {
                            self.timers.listening(&self.config.limits, self.now);
                        }
                        Input::Nothing
                    }
                }
            }
            input => input,
        };
        match task.step(self, input) {
            Step::Wait | Step::Again => {
                self.task = Some(task);
                true
            }
            Step::Yield => {
                self.task = Some(task);
                self.actions.push_back(Action::Yield);
                true
            }
            Step::Input => {
                self.task = Some(task);
                false
            }
            Step::Become(next) => {
                self.task = Some(next);
                true
            }
            Step::Done(done) => {
                self.done(done);
                true
            }
            Step::Gone => {
                self.current = None;
                true
            }
        }
    }

    /// What came of starting a command.
    pub(crate) fn first_step(&mut self, step: Step) {
        match step {
            Step::Become(task) => self.task = Some(task),
            Step::Done(done) => self.done(done),
            // A command that asks or waits leaves a task behind.
            Step::Wait | Step::Again | Step::Yield | Step::Input | Step::Gone => {}
        }
    }

    /// Hands out a change of layers and waits for it.
    pub(crate) fn switch(&mut self, action: Action) {
        self.actions.push_back(action);
        self.waiting = Waiting::Layer;
    }

    /// The outcome of the command being answered is known.
    pub(crate) fn done(&mut self, done: Done) {
        if let Some(current) = &mut self.current {
            current.done = Some(done);
        }
    }

    /// Ends the session: what was begun is undone, then the driver is told. An effect in flight may begin something, so its reply comes first.
    fn shut(&mut self) -> bool {
        let last = match core::mem::take(&mut self.waiting) {
            Waiting::Reply(token) if !self.may_leave() => {
                self.waiting = Waiting::Reply(token);
                return false;
            }
            Waiting::Arrived(outcome) => Some(outcome),
            Waiting::Nothing | Waiting::Layer | Waiting::Reply(_) => None,
        };
        let reason = self.end.reason.unwrap_or(CloseReason::PeerClosed);
        if let Some(mut task) = self.task.take() {
            for abort in task.abandon(last) {
                let _ = self.ask(abort);
            }
        }
        if let Some(selected) = self.selected.take() {
            let _ = self.ask(crate::effect::Unwatch {
                mailbox: selected.mailbox,
            });
        }
        self.waiting = Waiting::Nothing;
        self.current = None;
        self.end.closed = true;
        self.actions.push_back(Action::Closed(reason));
        true
    }
}

/// What a session that the server ends is told (codes: RFC 5530 §3).
fn farewell(reason: Bye) -> &'static str {
    match reason {
        Bye::Shutdown => "[UNAVAILABLE] The server is stopping; connect again in a moment",
        Bye::TooManyConnections => "[UNAVAILABLE] There are too many connections; try again later",
        Bye::AccountDisabled => "[CONTACTADMIN] This account was disabled or removed",
        Bye::PasswordChanged => "[EXPIRED] The password was changed; sign in with the new one",
    }
}

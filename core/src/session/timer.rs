//! The session's deadlines, all from the monotonic tick.

use super::{CloseReason, Session};
use crate::limits::Limits;
use crate::now::{Now, Tick};

/// Deadlines; the nearest one counts.
#[derive(Debug)]
pub(crate) struct Timers {
    login: Option<Tick>,
    first_command: Option<Tick>,
    idle: Option<Tick>,
    still_here: Option<Tick>,
    /// When output that makes no progress is given up; only counts while there is some.
    stall: Tick,
    /// The server ends the session: until when the rest of the command may arrive.
    rest: Option<Tick>,
}

impl Timers {
    pub(crate) fn new(limits: &Limits, now: Now) -> Self {
        Self {
            login: Some(now.tick.after(limits.login_millis)),
            first_command: Some(now.tick.after(limits.first_command_millis)),
            idle: None,
            still_here: None,
            stall: now.tick.after(limits.write_stall_millis),
            rest: None,
        }
    }

    pub(crate) fn next(&self, output: bool) -> Option<Tick> {
        [
            self.login,
            self.first_command,
            self.idle,
            self.still_here,
            output.then_some(self.stall),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Output made progress, or began.
    pub(crate) fn wrote(&mut self, limits: &Limits, now: Now) {
        self.stall = now.tick.after(limits.write_stall_millis);
    }

    pub(crate) fn valid_command(&mut self) {
        self.first_command = None;
    }

    pub(crate) fn logged_in(&mut self, limits: &Limits, now: Now) {
        self.login = None;
        self.first_command = None;
        self.answered(limits, now);
    }

    /// A command was answered: from here on the client may be silent for so long.
    pub(crate) fn answered(&mut self, limits: &Limits, now: Now) {
        self.idle = Some(now.tick.after(limits.idle_millis));
        self.still_here = None;
    }

    /// A command is being answered: silence is ours.
    pub(crate) fn busy(&mut self) {
        self.idle = None;
    }

    /// The rest of a command is waited for, as a message of APPEND is: silence is the client's, and is not for ever.
    pub(crate) fn listening(&mut self, limits: &Limits, now: Now) {
        self.idle.get_or_insert(now.tick.after(limits.idle_millis));
    }

    /// The client went on.
    pub(crate) fn heard(&mut self) {
        self.idle = None;
    }

    /// The server ends the session, and the rest of a command is still to come.
    pub(crate) fn ending(&mut self, limits: &Limits, now: Now) {
        self.rest.get_or_insert(now.tick.after(limits.rest_millis));
    }

    /// What is left of that time; `None`: there is no such bound, or it has passed and the session's next step sees to it.
    pub(crate) fn rest(&self, now: Now) -> Option<Tick> {
        self.rest.filter(|tick| *tick > now.tick)
    }

    /// What has not arrived by now is not waited for.
    pub(crate) fn rest_is_late(&self, now: Now) -> bool {
        self.rest.is_some_and(|tick| tick <= now.tick)
    }

    pub(crate) fn idling(&mut self, limits: &Limits, now: Now) {
        self.still_here = Some(now.tick.after(limits.still_here_millis));
        self.idle = Some(now.tick.after(limits.idle_millis));
    }

    pub(crate) fn not_idling(&mut self) {
        self.still_here = None;
        self.idle = None;
    }
}

impl Session {
    pub(crate) fn check_deadlines(&mut self) {
        if self.end.reason.is_some() {
            return;
        }
        let tick = self.now.tick;
        let passed = |deadline: Option<Tick>| deadline.is_some_and(|d| d <= tick);
        if !self.out.is_empty() && self.timers.stall <= tick {
            self.close(CloseReason::WriteStall);
        } else if passed(self.timers.login) || passed(self.timers.first_command) {
            self.bye("Not signed in in time", CloseReason::LoginTimeout);
        } else if passed(self.timers.idle) {
            self.bye("Idle for too long", CloseReason::IdleTimeout);
        } else if passed(self.timers.still_here) {
            self.out.put(b"* OK Still here\r\n");
            self.timers.still_here = Some(tick.after(self.config.limits.still_here_millis));
        }
    }

    /// Says good-bye once and ends the session.
    pub(crate) fn bye(&mut self, text: &str, reason: CloseReason) {
        if self.end.reason.is_none() {
            self.out.put(b"* BYE ");
            self.out.put_str(text);
            self.out.put(b"\r\n");
            self.close(reason);
        }
    }
}

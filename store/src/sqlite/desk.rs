//! Where jobs wait for the one who writes, and where a thread that may wait for the disk finds its tools when nobody else needs them: it then
//! writes in place, which saves the way to another thread and back.

use std::collections::VecDeque;
use std::time::Duration;

use crate::contract::Stay;
use crate::error::lock;
use crate::sync::{Condvar, Instant, Mutex, PoisonError};

/// Jobs, and what they are done with: `W` is in one hand at a time.
pub(super) struct Desk<W, J> {
    state: Mutex<State<W, J>>,
    /// For the writer's thread: nobody else waits.
    changed: Condvar,
}

struct State<W, J> {
    jobs: VecDeque<J>,
    /// `None`: somebody is at it.
    tools: Option<W>,
    /// When the writer's thread is to look after them, whether there are jobs or not.
    due: Instant,
    guest: Option<Guest>,
    /// No more jobs will come.
    closed: bool,
    /// Nobody takes any.
    over: bool,
}

/// A thread that is at it in place.
struct Guest {
    since: Instant,
    stay: Stay,
    relieved: bool,
}

/// What becomes of a job.
pub(super) enum Submitted<W, J> {
    /// The writer's thread takes it.
    Left,
    /// The thread that submits it is to do it, and to [put back](Desk::put_back) the tools, or to [end](Desk::end) it all.
    Here(W, J),
    /// Nobody takes jobs any more.
    Over(J),
}

/// What the writer's thread is to do.
pub(super) enum Turn<J> {
    Jobs(Vec<J>),
    /// It is time to look after the store.
    Due,
    /// Nothing comes any more.
    End,
}

/// When the writer's thread is to look after the tools.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    Now,
    In(Duration),
}

impl<W, J> Desk<W, J> {
    pub(super) fn new(tools: W) -> Self {
        Self {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                tools: Some(tools),
                due: Instant::now(),
                guest: None,
                closed: false,
                over: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Leaves a job to the writer's thread. While that has nothing to do and nobody writes, `stay` may say that it is done in place instead.
    pub(super) fn submit(
        &self,
        job: J,
        stay: impl FnOnce(&W, &J) -> Option<Stay>,
    ) -> Submitted<W, J> {
        let mut state = lock(&self.state);
        if state.over {
            return Submitted::Over(job);
        }
        let since = Instant::now();
        let is_free = state.jobs.is_empty() && since < state.due;
        let tools = state.tools.as_ref().filter(|_| is_free);
        if let Some(stay) = tools.and_then(|tools| stay(tools, &job))
            && let Some(tools) = state.tools.take()
        {
            state.guest = Some(Guest {
                since,
                stay,
                relieved: false,
            });
            return Submitted::Here(tools, job);
        }
        state.jobs.push_back(job);
        if state.tools.is_some() {
            self.changed.notify_one();
        }
        Submitted::Left
    }

    /// The tools are free again.
    pub(super) fn put_back(&self, tools: W, look: Look) {
        let mut state = lock(&self.state);
        let guest = state.guest.take();
        let relieved = guest.as_ref().is_some_and(|guest| guest.relieved);
        state.tools = Some(tools);
        state.due = match look {
            Look::Now => Instant::now(),
            Look::In(time) => Instant::now() + time,
        };
        // Else the thread, if it sleeps, wakes when it was due before, and looks again: milliseconds, since in place only what lags is written.
        let is_more = !state.jobs.is_empty() || state.closed || state.over;
        if look == Look::Now || is_more || relieved {
            self.changed.notify_one();
        }
        // What the runtime gave may go with the stay, and is not ours to drop in here.
        drop(state);
        drop(guest);
    }

    /// What is next for the writer's thread, which has the tools until it puts them back; takes so many jobs at most.
    pub(super) fn next(&self, most: usize) -> (W, Turn<J>) {
        let mut state = lock(&self.state);
        loop {
            let now = Instant::now();
            if let Some(turn) = state.turn(now, most)
                && let Some(tools) = state.tools.take()
            {
                return (tools, turn);
            }
            let wait = match &mut state.guest {
                // It wakes this thread when it is done.
                Some(guest) if guest.relieved => LONG,
                Some(guest) if now.duration_since(guest.since) < PATIENCE => {
                    PATIENCE - now.duration_since(guest.since)
                }
                Some(guest) => {
                    guest.relieved = true;
                    let leave = guest.stay.leave().clone();
                    drop(state);
                    leave.relieve();
                    drop(leave);
                    state = lock(&self.state);
                    continue;
                }
                None => state.due.saturating_duration_since(now),
            };
            let woken = self.changed.wait_timeout(state, wait);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// No more jobs will come; those that are there are done.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_one();
    }

    /// Nobody takes jobs any more: those that wait are dropped. `tools`: from who ends it in place, for the writer's thread to end with.
    pub(super) fn end(&self, tools: Option<W>) {
        let left = {
            let mut state = lock(&self.state);
            state.over = true;
            let guest = state.guest.take_if(|_| tools.is_some());
            if tools.is_some() {
                state.tools = tools;
            }
            self.changed.notify_one();
            (std::mem::take(&mut state.jobs), guest)
        };
        drop(left);
    }

    /// The tools, when it is over: as soon as nobody is at it in place.
    pub(super) fn last(&self) -> W {
        let mut state = lock(&self.state);
        loop {
            if let Some(tools) = state.tools.take() {
                return tools;
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<W, J> State<W, J> {
    fn turn(&mut self, now: Instant, most: usize) -> Option<Turn<J>> {
        self.tools.as_ref()?;
        if !self.jobs.is_empty() {
            let count = self.jobs.len().min(most);
            return Some(Turn::Jobs(self.jobs.drain(..count).collect()));
        }
        if self.closed || self.over {
            return Some(Turn::End);
        }
        (self.due <= now).then_some(Turn::Due)
    }
}

/// How long a thread may be at it in place before others of its runtime are to look after what it leaves waiting.
const PATIENCE: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(3600);

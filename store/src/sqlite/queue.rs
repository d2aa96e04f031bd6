//! Jobs for several threads, each of which waits without holding what the others need.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::contract::Job;
use crate::error::lock;
use crate::sync::{Condvar, Mutex, PoisonError};

/// Jobs that no thread has taken yet.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    workers: usize,
    closed: bool,
}

impl Queue {
    /// Leaves a job to whichever worker is free. With none left it comes back: dropped, it answers that it was lost.
    pub(super) fn push(&self, job: Job) -> Option<Job> {
        let mut state = lock(&self.state);
        if state.workers == 0 || state.closed {
            return Some(job);
        }
        state.jobs.push_back(job);
        self.ready.notify_one();
        None
    }

    /// Workers end once they have done what is there.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.ready.notify_all();
    }

    /// One more thread that takes jobs.
    pub(super) fn worker(self: &Arc<Self>) -> Worker {
        lock(&self.state).workers += 1;
        Worker(self.clone())
    }
}

/// A thread's place at a queue. When the last one is dropped, even by a panic, the jobs left are dropped too.
pub(super) struct Worker(Arc<Queue>);

impl Worker {
    /// The next job; `None` when no more can come.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = lock(&self.0.state);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            let woken = self.0.ready.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let left = {
            let mut state = lock(&self.0.state);
            state.workers -= 1;
            match state.workers {
                0 => std::mem::take(&mut state.jobs),
                _ => VecDeque::new(),
            }
        };
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use pillarbox_core::effect::{Call, Effect, UploadAbort};
    use pillarbox_core::id::UploadId;

    use super::*;

    /// A job, and what becomes of it.
    fn job() -> (Job, mpsc::Receiver<bool>) {
        let (sender, receiver) = mpsc::channel();
        let upload = UploadId(1);
        let effect = Effect::from(Call::detached(UploadAbort { upload }));
        let job = Job::new(effect, move |reply| {
            let result = reply.into_result::<UploadAbort>();
            let _ = sender.send(result.is_some_and(|r| r.is_ok()));
        });
        (job, receiver)
    }

    #[test]
    fn what_is_there_is_done_before_the_end() {
        let queue = Arc::new(Queue::default());
        let worker = queue.worker();
        queue.push(job().0);
        queue.close();
        assert!(worker.next().is_some());
        assert!(worker.next().is_none());
    }

    #[test]
    fn without_a_worker_a_job_is_lost_at_once() {
        let queue = Arc::new(Queue::default());
        let worker = queue.worker();
        let (first, outcome) = job();
        queue.push(first);
        drop(worker);
        assert_eq!(outcome.recv(), Ok(false));
        let (second, outcome) = job();
        queue.push(second);
        assert_eq!(outcome.recv(), Ok(false));
    }
}

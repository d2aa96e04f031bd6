//! What large messages need that can be done before their turn comes: the one who writes works for everybody, and does not go through many
//! octets of one message while others wait.

use std::sync::Arc;

use pillarbox_core::effect::{Effect, UploadCommit};

use super::queue::{Queue, Worker};
use super::{Desk, Shared, threads};
use crate::contract::Job;
use crate::error::lock;
use crate::ops;
use crate::pack::{Aside, Opener};
use crate::table::Result;
use crate::upload::IN_MEMORY;

/// A job for the one who writes, and the segment that holds its messages already.
pub(super) struct Ready {
    pub job: Job,
    pub aside: Option<Aside>,
}

/// Where jobs with large messages wait.
pub(super) struct Ahead {
    /// Those that are only scanned do not wait for those that are written, too.
    scan: Arc<Queue>,
    write: Arc<Queue>,
    /// Octets of a job from which on its messages get a segment of their own.
    large: u64,
    opener: Opener,
}

impl Ahead {
    pub(super) fn new(large: u64, opener: Opener) -> Self {
        Self {
            scan: Arc::default(),
            write: Arc::default(),
            large,
            opener,
        }
    }

    /// Each for a thread that runs [`Self::run`].
    pub(super) fn workers(&self) -> [Worker; 2] {
        [self.scan.worker(), self.write.worker()]
    }

    pub(super) fn close(&self) {
        self.scan.close();
        self.write.close();
    }

    /// Gives the job back when there is nothing to do ahead.
    pub(super) fn take(&self, job: Job, shared: &Shared) -> Option<Job> {
        let octets = match job.effect() {
            Effect::UploadCommit(call) => shared.uploads.weigh(&call.op().messages),
            _ => 0,
        };
        if octets >= self.large {
            self.write.push(job);
        } else if octets > IN_MEMORY as u64 {
            self.scan.push(job);
        } else {
            return Some(job);
        }
        None
    }

    /// Works until no more jobs can come.
    pub(super) fn run(&self, jobs: &Worker, desk: &Desk, shared: &Shared) {
        while let Some(job) = jobs.next() {
            let prepared = match job.effect() {
                Effect::UploadCommit(call) => self.prepare(call.op(), shared),
                _ => Ok(None),
            };
            match prepared {
                Ok(aside) => threads::submit(desk, Ready { job, aside }, shared),
                Err(e) => {
                    let (effect, slot) = job.into_parts();
                    slot.send(ops::refuse(&shared.uploads, effect, e));
                }
            }
        }
    }

    /// What is not to be stored is left to who commits, and refused there.
    fn prepare(&self, op: &UploadCommit, shared: &Shared) -> Result<Option<Aside>> {
        let ids = op.messages.iter().map(|m| m.upload);
        let Some(uploads) = ids
            .map(|id| shared.uploads.get(id))
            .collect::<Option<Vec<_>>>()
        else {
            return Ok(None);
        };
        if uploads.iter().any(|u| lock(u).check().is_err()) {
            return Ok(None);
        }
        for upload in &uploads {
            lock(upload).derive_ahead()?;
        }
        let octets: u64 = uploads.iter().map(|u| lock(u).size()).sum();
        if octets < self.large {
            return Ok(None);
        }
        shared.reserve.check()?;
        let mut aside = Aside::create(&shared.files, &self.opener)?;
        for upload in &uploads {
            lock(upload).move_to(&mut aside)?;
        }
        aside.sync()?;
        Ok(Some(aside))
    }
}

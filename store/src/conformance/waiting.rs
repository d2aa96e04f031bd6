//! A store that is asked by threads that may wait for its disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pillarbox_core::effect::Effect;

use crate::contract::{Backend, Job, Leave, Notices};

/// Gives [leave](Leave) with every job, and counts the mail whose storing was answered by the thread that brought it.
pub struct Waiting<B> {
    store: B,
    leave: Leave,
    in_place: Arc<AtomicU64>,
}

impl<B: Backend> Waiting<B> {
    /// The store behind this leave.
    pub fn new(store: B, leave: Leave) -> Self {
        Self {
            store,
            leave,
            in_place: Arc::default(),
        }
    }

    /// The store, asked without leave.
    pub fn store(&self) -> &B {
        &self.store
    }

    /// How often mail was stored, or refused, before the call returned that brought it.
    pub fn in_place(&self) -> u64 {
        self.in_place.load(Ordering::Relaxed)
    }
}

impl<B: Backend> Backend for Waiting<B> {
    fn submit(&self, job: Job) {
        let stores = matches!(job.effect(), Effect::UploadCommit(_));
        let (who, in_place) = (std::thread::current().id(), self.in_place.clone());
        let (effect, slot) = job.into_parts();
        let job = Job::new(effect, move |reply| {
            let is_here = std::thread::current().id() == who;
            in_place.fetch_add(u64::from(stores && is_here), Ordering::Relaxed);
            slot.send(reply);
        });
        self.store.submit(job.with_leave(Some(self.leave.clone())));
    }

    fn subscribe(&self, notices: Notices) {
        self.store.subscribe(notices);
    }
}

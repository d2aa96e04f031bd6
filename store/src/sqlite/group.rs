//! Group commit: the replies of all jobs of one transaction go out together, once it is known what became of it.

use pillarbox_core::effect::{Reply, StoreError};

use crate::contract::ReplySlot;

/// Replies that wait for their transaction; dropped unsettled, as by a panic, each says that its request was lost.
#[derive(Default)]
pub(super) struct Waiting(Vec<(ReplySlot, Reply)>);

impl Waiting {
    /// One more.
    pub(super) fn add(&mut self, slot: ReplySlot, reply: Reply) {
        self.0.push((slot, reply));
    }

    /// The transaction is durable, or nothing of it happened: a reply that says otherwise must not go out.
    pub(super) fn settle(self, outcome: Result<(), &StoreError>) {
        for (slot, reply) in self.0 {
            slot.send(match outcome {
                Ok(()) => reply,
                Err(error) => reply.refuse(error.clone()),
            });
        }
    }
}

//! What is known without a look at the index.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pillarbox_core::effect::Effect;
use pillarbox_core::id::AccountId;
use pillarbox_core::mailbox::MailboxName;

use crate::error::lock;
use crate::ops;

/// Accounts that have their rows, so that readers can serve them; and of each the mailbox that mail came to last, so that the next message
/// need not wait for a reader. What is stored is stored after a look at the index: here a mailbox may still be that has just gone.
#[derive(Default)]
pub(super) struct Known(Mutex<BTreeMap<u64, Option<MailboxName>>>);

/// What one change that was committed makes known.
pub(super) struct News {
    owner: AccountId,
    /// Mail came to it, or none is sure to be there.
    mailbox: Option<Option<MailboxName>>,
}

impl News {
    pub(super) fn of(effect: &Effect) -> Option<Self> {
        let mailbox = match effect {
            Effect::UploadCommit(call) => Some(Some(call.op().name.clone())),
            Effect::Delete(_) | Effect::Rename(_) | Effect::Purge(_) => Some(None),
            _ => None,
        };
        ops::owner(effect).map(|owner| Self { owner, mailbox })
    }
}

impl Known {
    pub(super) fn has_account(&self, owner: AccountId) -> bool {
        lock(&self.0).contains_key(&owner.0)
    }

    /// Whether the mailbox that an upload is begun for is there.
    pub(super) fn has_target(&self, effect: &Effect) -> bool {
        let Effect::UploadBegin(call) = effect else {
            return false;
        };
        let (owner, name) = (call.op().actor.account.0, &call.op().name);
        lock(&self.0).get(&owner).and_then(Option::as_ref) == Some(name)
    }

    pub(super) fn learn(&self, news: Vec<News>) {
        let mut known = lock(&self.0);
        for News { owner, mailbox } in news {
            let last = known.entry(owner.0).or_default();
            if let Some(mailbox) = mailbox {
                *last = mailbox;
            }
        }
    }
}

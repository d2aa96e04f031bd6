//! What is known without a look at the index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use pillarbox_core::effect::Effect;
use pillarbox_core::id::AccountId;
use pillarbox_core::mailbox::MailboxName;

use crate::error::lock;
use crate::ops;

/// Accounts that have their rows, so that readers can serve them; and of each the mailbox that mail came to last, so that the next message
/// need not wait for a reader. What is stored is stored after a look at the index: here a mailbox may still be that has just gone.
#[derive(Default)]
pub(super) struct Known(Mutex<State>);

#[derive(Default)]
struct State {
    accounts: BTreeMap<u64, Option<MailboxName>>,
    /// Those of which something was acknowledged that the index does not show yet.
    lagging: BTreeSet<u64>,
}

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
        lock(&self.0).accounts.contains_key(&owner.0)
    }

    /// Whether readers find all that was acknowledged to the account.
    pub(super) fn is_readable(&self, owner: AccountId) -> bool {
        let state = lock(&self.0);
        state.accounts.contains_key(&owner.0) && !state.lagging.contains(&owner.0)
    }

    /// Whether the mailbox that an upload is begun for is there.
    pub(super) fn has_target(&self, effect: &Effect) -> bool {
        let Effect::UploadBegin(call) = effect else {
            return false;
        };
        let (owner, name) = (call.op().actor.account.0, &call.op().name);
        let state = lock(&self.0);
        state.accounts.get(&owner).and_then(Option::as_ref) == Some(name)
    }

    /// To be called before anybody is told of it. `lags`: the index does not show it yet.
    pub(super) fn learn(&self, news: Vec<News>, lags: bool) {
        let mut state = lock(&self.0);
        for News { owner, mailbox } in news {
            let last = state.accounts.entry(owner.0).or_default();
            if let Some(mailbox) = mailbox {
                *last = mailbox;
            }
            if lags {
                state.lagging.insert(owner.0);
            }
        }
    }

    /// The index shows all that was acknowledged.
    pub(super) fn settled(&self) {
        lock(&self.0).lagging.clear();
    }
}

//! How many names accounts have: each CREATE asks, and to count them each time would make very many of them quadratic.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use pillarbox_core::id::AccountId;
use pillarbox_core::mailbox::MailboxName;

use super::columns::{number, signed};
use super::transaction::Transaction;
use crate::listing::Listing;
use crate::table::{Result, Tables};

/// Listings that were counted once, and are kept as names come and go by the one who writes.
#[derive(Default)]
pub(super) struct Listings {
    kept: RefCell<BTreeMap<AccountId, Listing>>,
    /// Names came or went since the last mark, whether they are counted here or not.
    changed: Cell<bool>,
}

impl Listings {
    pub(super) fn get(&self, owner: AccountId) -> Option<Listing> {
        self.kept.borrow().get(&owner).copied()
    }

    /// Keeps what was counted.
    pub(super) fn keep(&self, owner: AccountId, listing: Listing) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(owner, listing);
    }

    /// A name comes or goes; whether it has to be counted.
    fn is_asked(&self, owner: AccountId) -> bool {
        self.changed.set(true);
        self.get(owner).is_some()
    }

    fn change(&self, owner: AccountId, change: impl FnOnce(&mut Listing)) {
        if let Some(listing) = self.kept.borrow_mut().get_mut(&owner) {
            change(listing);
        }
    }

    /// What is changed from here on may be taken back.
    pub(super) fn mark(&self) {
        self.changed.set(false);
    }

    /// What was changed since the mark did not happen: it is counted again when it is asked for.
    pub(super) fn undo(&self) {
        if self.changed.get() {
            self.forget();
        }
    }

    /// None of it may be so.
    pub(super) fn forget(&self) {
        self.kept.borrow_mut().clear();
    }
}

impl Transaction<'_> {
    /// How much LIST has to tell of an account, all of it counted.
    pub(super) fn count_names(&self, owner: AccountId) -> Result<Listing> {
        let sql = "WITH name (name) AS (SELECT name FROM mailbox WHERE owner = ?1 UNION SELECT name FROM subscription WHERE owner = ?1)
             SELECT (SELECT count(*) FROM mailbox WHERE owner = ?1), (SELECT count(*) FROM subscription WHERE owner = ?1),
             count(*), ifnull(sum(length(CAST(name AS BLOB))), 0) FROM name";
        let listing = self.one(sql, [signed(owner.0)], |r| {
            Ok(Listing {
                mailboxes: number(r, 0)?,
                subscriptions: number(r, 1)?,
                names: number(r, 2)?,
                octets: number(r, 3)?,
            })
        })?;
        Ok(listing.unwrap_or_default())
    }

    /// A mailbox has this name from now on, or no more.
    pub(super) fn count_mailbox(
        &mut self,
        owner: AccountId,
        name: &MailboxName,
        on: bool,
    ) -> Result<()> {
        let Some(listings) = self.listings.filter(|l| l.is_asked(owner)) else {
            return Ok(());
        };
        let alone = !self.is_subscribed(owner, name)?;
        listings.change(owner, |l| l.mailbox(name.as_str(), on, alone));
        Ok(())
    }

    /// The same of a subscription.
    pub(super) fn count_subscription(
        &mut self,
        owner: AccountId,
        name: &MailboxName,
        on: bool,
    ) -> Result<()> {
        let Some(listings) = self.listings.filter(|l| l.is_asked(owner)) else {
            return Ok(());
        };
        let alone = self.mailbox_named(owner, name)?.is_none();
        listings.change(owner, |l| l.subscription(name.as_str(), on, alone));
        Ok(())
    }
}

/// Accounts at once.
const KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use pillarbox_core::effect::{
        Actor, Call, Create, Delete, Effect, Rename, StoreError, Subscribe,
    };

    use super::super::Folder;
    use super::*;
    use crate::ops;
    use crate::pack::open_files;
    use crate::upload::Uploads;

    const OWNER: AccountId = AccountId(1);
    const NAMES: [&str; 8] = [
        "a",
        "a/b",
        "a/b/c",
        "a/ö",
        "b",
        "b/c",
        "INBOX",
        "long/er/name",
    ];

    /// What a client might ask for, by a number.
    fn effect(draw: u64) -> Effect {
        let actor = Actor { account: OWNER };
        let named = |n: u64| MailboxName::new(NAMES[n as usize % NAMES.len()]).unwrap();
        let name = named(draw / 8);
        match draw % 8 {
            0..3 => Call::detached(Create {
                actor,
                name,
                special_use: None,
            })
            .into(),
            3 => Call::detached(Delete { actor, name }).into(),
            4 => Call::detached(Rename {
                actor,
                from: name,
                to: named(draw / 64),
                now: 0,
            })
            .into(),
            on => Call::detached(Subscribe {
                actor,
                name,
                on: on > 5,
            })
            .into(),
        }
    }

    #[test]
    fn what_was_counted_of_a_change_that_is_taken_back_is_forgotten() {
        let listings = Listings::default();
        listings.mark();
        listings.keep(OWNER, Listing::default());
        listings.undo();
        assert!(listings.get(OWNER).is_some(), "nothing had changed");
        listings.forget();
        listings.mark();
        assert!(!listings.is_asked(OWNER));
        listings.keep(OWNER, Listing::default());
        listings.undo();
        assert!(
            listings.get(OWNER).is_none(),
            "it was counted with what is undone"
        );
    }

    #[test]
    fn what_is_kept_is_what_would_be_counted() {
        let path = std::env::temp_dir().join(format!("pillarbox-listings-{}", std::process::id()));
        let folder = Folder::new(&path, true).unwrap();
        let ledger = folder.ledger(&path, open_files(), 1 << 20);
        let mut ledger = ledger.unwrap_or_else(|e| panic!("{}", e.0));
        let uploads = Uploads::new(None);
        let (mut draw, mut kept, mut done) = (1_u64, 0, 0);
        for step in 0..600 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (drawn, taken_back) = (draw >> 33, draw % 16 == 0);
            let changed = ledger.change(|t| {
                let ran = ops::run(t, &uploads, effect(drawn));
                match ran.failed || taken_back {
                    true => Err(StoreError::lost()),
                    false => Ok(()),
                }
            });
            done += u32::from(changed.is_ok());
            let counted = ledger.look(|t| t.count_names(OWNER)).unwrap();
            if let Some(listing) = ledger.listings.get(OWNER) {
                kept += 1;
                assert_eq!(listing, counted, "step {step}, {drawn}");
            }
            let listing = ledger.change(|t| t.listing(OWNER)).unwrap();
            assert_eq!(listing, counted, "step {step}, {drawn}");
        }
        assert!(done > 200 && kept > 200, "{done} done, {kept} kept");
        drop(ledger);
        drop(folder);
        std::fs::remove_dir_all(&path).unwrap();
    }
}

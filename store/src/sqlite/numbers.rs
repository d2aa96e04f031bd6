//! Accounts, and the numbers that were given to what they have.

use pillarbox_core::id::AccountId;

use super::columns::{number, signed};
use super::transaction::Transaction;
use crate::pack::Entry;
use crate::table::Result;

impl Transaction<'_> {
    /// What the log tells of an account itself.
    pub(super) fn account(&mut self, owner: AccountId) -> Result<Entry> {
        let sql = "SELECT validity FROM account WHERE id = ?1";
        let validity = self.one(sql, [signed(owner.0)], |r| r.get(0))?;
        let sql = "SELECT value FROM meta WHERE key = 'next_id'";
        let number_given = self.one(sql, [], |r| number(r, 0))?;
        Ok(Entry::Account(
            owner,
            validity.unwrap_or(0),
            number_given.unwrap_or(0),
        ))
    }

    pub(super) fn accounts(&mut self) -> Result<Vec<AccountId>> {
        let sql = "SELECT id FROM account ORDER BY id";
        self.all(sql, [], |r| number(r, 0).map(AccountId))
    }

    /// So many numbers are never given.
    pub(super) fn skip_ids(&mut self, count: u64) -> Result<()> {
        let sql = "UPDATE meta SET value = value + ?1 WHERE key = 'next_id'";
        self.run(sql, [signed(count)]).map(drop)
    }

    /// So many of an account's validities are never given.
    pub(super) fn skip_validities(&mut self, owner: AccountId, count: u32) -> Result<()> {
        let sql = "UPDATE account SET validity = validity + ?2 WHERE id = ?1";
        self.run(sql, [signed(owner.0), count.into()]).map(drop)
    }
}

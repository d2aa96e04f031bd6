//! What a store needs that was put back from a copy: numbers that were given since the copy was taken are in clients, and must not be given again.

use std::path::Path;

use pillarbox_core::id::AccountId;

use super::{Fault, Folder, OpenError, Options};
use crate::pack;
use crate::table::{Result, Tables};

/// Gives each mailbox of a store that is not in use a new UIDVALIDITY, so that clients fetch it anew (RFC 9051 §2.3.1.1), and gives no EMAILID or MAILBOXID
/// that may have been given since the copy was taken; how many mailboxes there are. UIDs, flags and modseqs stay. Interrupted, it is run again.
///
/// # Errors
/// When the store is in use, or its folder or index cannot be used.
pub fn renumber(path: impl AsRef<Path>) -> std::result::Result<u64, OpenError> {
    Ok(renumber_all(path.as_ref())?)
}

fn renumber_all(path: &Path) -> std::result::Result<u64, Fault> {
    let folder = Folder::new(path, false)?;
    let mut ledger = folder.ledger(path, pack::open_files(), Options::default().segment)?;
    let accounts = ledger.look(|t| t.accounts())?;
    ledger.change(|t| t.skip_ids(SKIPPED))?;
    let mut count = 0;
    for owner in accounts {
        count += ledger.change(|t| account(t, owner))?;
    }
    Ok(count)
}

fn account(t: &mut super::transaction::Transaction<'_>, owner: AccountId) -> Result<u64> {
    let mailboxes = t.mailboxes(owner, None, usize::MAX)?;
    let count = mailboxes.len() as u64;
    // At the wall clock, and above what many new mailboxes may have been given ahead of it.
    t.next_validity(owner)?;
    t.skip_validities(owner, MAILBOXES)?;
    for mut mailbox in mailboxes {
        mailbox.uid_validity = t.next_validity(owner)?;
        t.put_mailbox(&mailbox)?;
    }
    let given = t.account(owner)?;
    t.log(&given, None).map(|_| count)
}

/// More than any store gives between two copies.
const SKIPPED: u64 = 1 << 32;
/// As many as an account may have.
const MAILBOXES: u32 = 10_000;

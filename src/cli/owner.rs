//! Whose a store is: what another user writes into it, root above all, its server cannot read.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;

/// What to do instead, when a store is to be written that belongs to another user.
pub fn other(folder: &Path) -> Option<String> {
    let owner = owner(folder)?;
    let me = geteuid().as_raw();
    (owner != me).then(|| {
        format!(
            "the store in {} belongs to user {owner}, whose server could not read what user {me} writes; run this as that user: sudo -u '#{owner}' pillarbox ...",
            folder.display()
        )
    })
}

/// Who has used it, or who is to.
fn owner(folder: &Path) -> Option<u32> {
    let used = ["lock", "accounts.lock"].map(|name| folder.join(name));
    let mut found = used.iter().map(|path| path.metadata());
    let used = found.find_map(Result::ok);
    used.or_else(|| folder.metadata().ok()).map(|m| m.uid())
}

//! What the index has of some messages was computed by an earlier version, and not as it is today. It is computed anew when it is asked for, and
//! kept here until the one who writes puts it into the index.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pillarbox_core::id::EmailId;

use super::ledger::Ledger;
use crate::error::lock;
use crate::record::Derived;
use crate::table::Result;

/// Some of it.
#[derive(Default)]
pub(super) struct Renewed {
    held: Mutex<BTreeMap<EmailId, Derived>>,
}

impl Renewed {
    pub(super) fn get(&self, email: EmailId) -> Option<Derived> {
        lock(&self.held).get(&email).cloned()
    }

    /// What there is no room for is computed again.
    pub(super) fn keep(&self, email: EmailId, derived: &Derived) {
        let mut held = lock(&self.held);
        let octets: usize = held.values().map(Derived::len).sum();
        if octets + derived.len() <= HELD {
            held.insert(email, derived.clone());
        }
    }

    /// Puts some into the index, in one transaction. Whether there was any.
    pub(super) fn write(&self, ledger: &mut Ledger) -> Result<bool> {
        let some: Vec<_> = {
            let held = lock(&self.held);
            held.iter()
                .take(ROWS)
                .map(|(e, d)| (*e, d.clone()))
                .collect()
        };
        if some.is_empty() {
            return Ok(false);
        }
        ledger.change(|t| {
            some.iter()
                .try_for_each(|(email, d)| t.renew_cold(*email, d))
        })?;
        let mut held = lock(&self.held);
        for (email, _) in &some {
            held.remove(email);
        }
        Ok(true)
    }
}

/// Octets of it.
const HELD: usize = 2 << 20;
/// Rows in one step.
const ROWS: usize = 100;

//! How much LIST has to tell of an account.

/// Counts that follow each name that comes or goes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Listing {
    pub mailboxes: u64,
    pub subscriptions: u64,
    /// Names of mailboxes and subscriptions, one that is both counted once, and their octets.
    pub names: u64,
    pub octets: u64,
}

impl Listing {
    /// A mailbox has this name from now on, or no more. `alone`: no subscription has it.
    pub(crate) fn mailbox(&mut self, name: &str, on: bool, alone: bool) {
        step(&mut self.mailboxes, 1, on);
        if alone {
            self.name(name, on);
        }
    }

    /// The same of a subscription. `alone`: no mailbox has it.
    pub(crate) fn subscription(&mut self, name: &str, on: bool, alone: bool) {
        step(&mut self.subscriptions, 1, on);
        if alone {
            self.name(name, on);
        }
    }

    fn name(&mut self, name: &str, on: bool) {
        step(&mut self.names, 1, on);
        step(&mut self.octets, name.len() as u64, on);
    }
}

fn step(count: &mut u64, by: u64, up: bool) {
    match up {
        true => *count += by,
        false => *count -= by,
    }
}

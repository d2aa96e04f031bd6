//! Checks that any backend can be put through: what the contract promises, in terms of detached calls.

mod changes;
mod client;
mod messages;
mod model;
mod names;
mod waiting;

pub use client::{Answer, Client, MailboxState, MessageState, flag_names};
pub use model::Model;
pub use waiting::Waiting;

use crate::contract::Backend;

/// Runs every check, each on a store of its own.
///
/// # Panics
/// When the store breaks the contract; the message names the check.
pub fn run(make: impl Fn() -> Box<dyn Backend>) {
    let groups = [names::CHECKS, messages::CHECKS, changes::CHECKS];
    for (name, check) in groups.concat() {
        let store = make();
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&*store)));
        assert!(failed.is_ok(), "the store fails the check: {name}");
    }
}

type Check = (&'static str, fn(&dyn Backend));

/// A small message that has ids.
const MAIL: &[u8] = b"Message-ID: <1@example>\r\nSubject: Hello\r\n\r\nWorld\r\n";

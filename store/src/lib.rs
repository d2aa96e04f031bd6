//! The storage contract of the Pillarbox IMAP server, its backends, accounts, and a conformance kit.

mod accounts;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod deliver;
mod derive;
mod error;
#[cfg(feature = "sqlite")]
mod folder;
mod listing;
mod memory;
mod ops;
#[cfg(feature = "sqlite")]
mod pack;
mod record;
#[cfg(feature = "sqlite")]
mod reserve;
mod row;
#[cfg(feature = "sqlite")]
mod sqlite;
mod sync;
mod table;
mod upload;

#[cfg(feature = "sqlite")]
pub use accounts::{
    AccountError, AccountTable, FileAccounts, Listed, Reloaded, StoredAccounts, hash_password,
};
pub use accounts::{AnyAccounts, StaticAccounts, one_host};
pub use contract::{Accounts, Backend, Job, Leave, Notices, ReplySlot, Stay, ask, purge};
pub use deliver::{Delivery, Incoming};
pub use memory::Memory;
#[cfg(feature = "sqlite")]
pub use sqlite::{
    Compacted, Embedded, OpenError, Options, Problem, Rebuilt, Verified, compact, rebuild,
    renumber, verify,
};

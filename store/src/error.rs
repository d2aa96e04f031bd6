//! Errors as clients and operators read them.

use std::io;

use pillarbox_core::effect::{ErrorKind, StoreError};

use crate::sync::{Mutex, MutexGuard};

pub(crate) fn mailbox_gone() -> StoreError {
    StoreError::new(ErrorKind::NonExistent, "The mailbox was deleted")
}

pub(crate) fn expunged() -> StoreError {
    StoreError::new(ErrorKind::ExpungeIssued, "The message was expunged")
}

/// A full disk is told apart: the client can do something about it.
pub(crate) fn io(what: &str, e: &io::Error) -> StoreError {
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::new(
            ErrorKind::OverQuota,
            "The server has no room; nothing was stored. Deleting still works",
        ),
        _ => StoreError::new(
            ErrorKind::Unavailable,
            "The server could not reach its storage; try again later",
        ),
    }
    .detail(format!("{what}: {e}"))
}

/// Locks, also after a panic of another holder: what the locks here guard is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

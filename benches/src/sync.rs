//! Counts how often this program makes files durable, whoever asks: the store's own code or SQLite's.

use std::ffi::c_int;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

static CALLS: AtomicU64 = AtomicU64::new(0);

/// Calls of `fsync` and `fdatasync` so far.
#[must_use]
pub fn calls() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

fn counted(result: Result<(), rustix::io::Errno>) -> c_int {
    CALLS.fetch_add(1, Ordering::Relaxed);
    if result.is_ok() { 0 } else { -1 }
}

// In place of the functions of the C library, which have the same signatures; the system calls are made without it. A descriptor is only
// borrowed for the call, by a caller that holds it.
#[expect(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    counted(rustix::fs::fdatasync(unsafe { BorrowedFd::borrow_raw(fd) }))
}

#[expect(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    counted(rustix::fs::fsync(unsafe { BorrowedFd::borrow_raw(fd) }))
}

//! A global allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// The system's allocator with a count of calls per thread and of octets in use.
#[derive(Debug)]
pub struct Counting;

static PAUSED: AtomicBool = AtomicBool::new(false);
static IN_USE: AtomicI64 = AtomicI64::new(0);
static MOST: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static OCTETS: Cell<u64> = const { Cell::new(0) };
}

/// Counts no more, or again: counting takes time that is not the program's. What is counted must be allocated and freed while it is on.
pub fn pause(paused: bool) {
    PAUSED.store(paused, Ordering::Relaxed);
}

/// Octets allocated and not given back, by all threads.
#[must_use]
pub fn in_use() -> i64 {
    IN_USE.load(Ordering::Relaxed)
}

/// The most octets in use at once since this was last asked; threads may count past one another.
pub fn most_in_use() -> i64 {
    MOST.swap(in_use(), Ordering::Relaxed)
}

/// How often this thread asked for memory while `f` ran.
pub fn calls<T>(f: impl FnOnce() -> T) -> (u64, T) {
    let before = CALLS.get();
    let result = f();
    (CALLS.get() - before, result)
}

/// How many octets this thread asked for while `f` ran, given back or not.
pub fn octets<T>(f: impl FnOnce() -> T) -> (u64, T) {
    let before = OCTETS.get();
    let result = f();
    (OCTETS.get() - before, result)
}

#[inline]
fn count(octets: i64) {
    if !PAUSED.load(Ordering::Relaxed) {
        add(octets);
    }
}

fn add(octets: i64) {
    let now = IN_USE.fetch_add(octets, Ordering::Relaxed) + octets;
    if now > MOST.load(Ordering::Relaxed) {
        MOST.store(now, Ordering::Relaxed);
    }
    CALLS.set(CALLS.get() + u64::from(octets > 0));
    OCTETS.set(OCTETS.get() + u64::try_from(octets).unwrap_or(0));
}

fn signed(octets: usize) -> i64 {
    // No allocation is larger than isize::MAX.
    octets.cast_signed() as i64
}

// Every call goes to the system's allocator with its arguments unchanged; counting neither allocates nor unwinds: the thread-local is a
// constant without a destructor.
#[expect(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(-signed(layout.size()));
        count(signed(size));
        unsafe { System.realloc(at, layout, size) }
    }
}

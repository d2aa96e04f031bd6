//! A global allocator that counts what is held, and the most there ever was.
// It hands every call on to the system's allocator as it came.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Octets held now.
pub fn held() -> usize {
    HELD.load(Relaxed)
}

/// Counts the most anew, from what is held now.
pub fn begin() -> usize {
    MOST.store(held(), Relaxed);
    held()
}

/// The most octets that were held since counting began.
pub fn most() -> usize {
    MOST.load(Relaxed)
}

fn take(octets: usize) {
    let held = HELD.fetch_add(octets, Relaxed) + octets;
    MOST.fetch_max(held, Relaxed);
}

// SAFETY: each call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may be there at once.
        take(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

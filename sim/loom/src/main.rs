//! Models of what threads share, run under loom, which tries every interleaving: `cargo run --manifest-path sim/loom/Cargo.toml`.
//!
//! The primitives are the project's own source files; only `sync` is another one here.

mod answers;
mod clock;
mod desks;
mod letters;
mod meeting;
mod queues;

#[path = "../../../store/src/contract.rs"]
#[allow(dead_code)]
mod contract;
#[path = "../../../store/src/sqlite/desk.rs"]
mod desk;
#[path = "../../../store/src/error.rs"]
#[allow(dead_code)]
mod error;
#[path = "../../../store/src/sqlite/group.rs"]
mod group;
#[path = "../../../driver/src/hub.rs"]
#[allow(dead_code)]
mod hub;
#[path = "../../../driver/src/inbox.rs"]
mod inbox;
#[path = "../../../store/src/sqlite/queue.rs"]
mod queue;

/// What the primitives take in the place of the standard library's.
mod sync {
    pub use crate::clock::{Condvar, Instant, Mutex, MutexGuard};
    pub use loom::sync::mpsc;
    pub use std::sync::PoisonError;
}

/// What the hub knows of the service.
mod service {
    #[allow(dead_code)]
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum ListenerKind {
        Plain,
    }

    pub struct Settings {
        pub max_connections: usize,
        pub max_per_address: usize,
    }
}

// The hub speaks of the store by its name.
extern crate self as pillarbox_store;
pub use contract::Notices;

/// Every address is a host of its own here.
pub fn one_host(address: std::net::IpAddr) -> std::net::IpAddr {
    address
}

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tries every interleaving of a model, and says how many there were; `false` when it was not asked for.
fn model(name: &str, run: impl Fn() + Send + Sync + 'static) -> bool {
    let only = std::env::args().nth(1);
    if only.is_some_and(|only| !name.contains(&only)) {
        return false;
    }
    // Who fails has said its name.
    print!("{name}: ");
    let _ = std::io::stdout().flush();
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let mut builder = loom::model::Builder::new();
    // How often a thread is stopped where it need not wait: nearly all faults show with two.
    builder.preemption_bound = Some(3);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        clock::begin();
        run();
    });
    println!("{} interleavings", count.load(Ordering::Relaxed));
    true
}

fn main() {
    answers::models();
    desks::models();
    letters::models();
    meeting::models();
    queues::models();
}

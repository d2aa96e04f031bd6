//! What threads share is built from these; the models in `sim/loom` put others in their place.

#[cfg(feature = "sqlite")]
pub(crate) use std::sync::{Condvar, PoisonError};
pub(crate) use std::sync::{Mutex, MutexGuard, mpsc};
#[cfg(feature = "sqlite")]
pub(crate) use std::time::Instant;

//! What connections share is built from these; the models in `sim/loom` put others in their place.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};

//! Recordings of sessions: what one was given and the checksums of what it sent, as text; and playing them without a store.
//!
//! A session holds plain data only, so a session that is given the same again sends the same. `docs/replay.md` says what is in a recording
//! and what is never in one.

mod commands;
mod config;
mod fill;
mod player;
mod recorder;
mod replay;
mod reply;
mod session;
mod words;

pub use recorder::Recording;
pub use replay::{ReplayError, Replayed, Spoken, replay, replay_unfinished};
pub use session::{RecordedSession, RecordedSlot, RecordedTransmit};

/// The first line of a recording: what it is, and the version of its format.
const VERSION: &str = "pillarbox recording 4";

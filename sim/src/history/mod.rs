//! Histories: one seed decides who is there, what each client sends, how octets are cut, what comes late, who is cut off and when. A history that fails
//! is made small and printed.

mod draw;
mod plan;
mod run;
mod shrink;
mod twice;

pub use plan::{Action, Event, Plan, Swarm};
pub use run::{Counts, Failure, Pace, record, run, transcript};
pub use shrink::{Found, check, shrink};
pub use twice::{isolated, timeless, uncut, uncut_plan};

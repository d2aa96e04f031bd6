//! CPU time.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

fn time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    // CPU clocks start at zero and only grow.
    Duration::new(
        time.tv_sec.cast_unsigned(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// What a stretch of work took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// By the clock on the wall.
    pub wall: Duration,
    /// CPU time of all threads but the calling one: the server's, when the caller is the client.
    pub others: Duration,
}

/// Runs `f` and says what it took.
pub fn took<T>(f: impl FnOnce() -> T) -> (Took, T) {
    let (process, thread, began) = (
        time(ClockId::ProcessCPUTime),
        time(ClockId::ThreadCPUTime),
        Instant::now(),
    );
    let result = f();
    let wall = began.elapsed();
    let own = time(ClockId::ThreadCPUTime) - thread;
    let all = time(ClockId::ProcessCPUTime) - process;
    let others = all.saturating_sub(own);
    (Took { wall, others }, result)
}

/// CPU time of this thread so far.
#[must_use]
pub fn of_thread() -> Duration {
    time(ClockId::ThreadCPUTime)
}

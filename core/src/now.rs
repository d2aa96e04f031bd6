//! Time as a value.

/// Milliseconds on a clock that never goes back; its zero is the caller's affair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// The tick this many milliseconds later.
    #[must_use]
    pub const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// The present: a monotonic tick for deadlines and the wall clock for dates; order comes from neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For deadlines.
    pub tick: Tick,
    /// Seconds since 1970-01-01 UTC, for dates shown to people.
    pub unix: i64,
}
